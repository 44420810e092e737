/* number_proof.cc [COUNT] - doubles as text, beside those of the C++ library, which are the shortest
 * and of those the nearest.
 *
 * Goal:   every double reads as std::to_chars writes it, in Go's layout.
 * Method: the edges of all exponents, decimals of few digits, and COUNT random bit patterns.
 */
extern "C" {
#include "prometheus/number.h"
}

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace
{

long bad_count = 0;

/* Go's 'g': an exponent below 1e-4 and from 1e6 when the digits ask for no more, two digits. */
size_t print_wanted(char *text, double value)
{
    char plain[64];
    std::to_chars_result end =
        std::to_chars(plain, plain + sizeof(plain), value, std::chars_format::scientific);
    *end.ptr = '\0';
    int exponent = std::atoi(std::strchr(plain, 'e') + 1);
    if (exponent >= -4 && exponent < 6) {
        end = std::to_chars(text, text + 64, value, std::chars_format::fixed);
        return static_cast<size_t>(end.ptr - text);
    }
    size_t size = static_cast<size_t>(end.ptr - plain);
    std::memcpy(text, plain, size);
    return size;
}

void look_at(double value)
{
    char ours[NUMBER_SIZE_MAX];
    char wanted[64];
    size_t size = pm_number_print_double(ours, value);
    size_t wanted_size = print_wanted(wanted, value);
    if (size == wanted_size && std::memcmp(ours, wanted, size) == 0) return;
    if (bad_count++ > 10) return;
    std::printf("# %a: '%.*s', wanted '%.*s'\n", value, static_cast<int>(size), ours,
                static_cast<int>(wanted_size), wanted);
}

double of_bits(uint64_t bits)
{
    double value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

void look_at_edges()
{
    for (uint64_t exponent = 0; exponent < 0x7ff; exponent++) {
        for (uint64_t i = 1; i <= 200; i++) {
            look_at(of_bits((exponent << 52) + i));
            look_at(of_bits(((exponent + 1) << 52) - i));
            if (exponent > 0) look_at(-of_bits((exponent << 52) + i - 1));
        }
        for (int bit = 0; bit < 52; bit++) look_at(of_bits(exponent << 52 | uint64_t{ 1 } << bit));
    }
    for (int power = -340; power < 310; power++) {
        for (int digits = 1; digits < 1000; digits++) {
            char text[32];
            (void)std::snprintf(text, sizeof(text), "%de%d", digits, power);
            double value = std::strtod(text, nullptr);
            if (value > 0 && std::isfinite(value)) look_at(value);
        }
    }
    for (int i = 1; i < 2000000; i++) look_at(i / 1000.0);
    for (int i = 1; i < 2000000; i++) look_at(1e6 + i / 1000.0);
}

uint64_t state = 88172645463325252u;

uint64_t next_random()
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

/* Half of them all bits, a quarter of sizes that are measured, a quarter of few digits. */
void look_at_random(long count)
{
    for (long i = 0; i < count; i++) {
        uint64_t bits = next_random();
        double value = of_bits(bits);
        if ((i & 3) == 1) value = static_cast<double>(bits >> 11) * 0x1p-53 * 12;
        if ((i & 3) == 3) value = static_cast<double>(bits >> 40) / 10000;
        if (std::isfinite(value) && value != 0) look_at(value);
    }
}

} // namespace

int main(int argc, char **argv)
{
    long count = argc > 1 ? std::atol(argv[1]) : 500000;
    if (argc > 2) state ^= static_cast<uint64_t>(std::atol(argv[2])) << 32;
    std::printf("1..1\n");
    look_at_edges();
    look_at_random(count);
    std::printf("%sok 1 doubles_read_as_those_of_the_other_library # %ld random ones\n",
                bad_count == 0 ? "" : "not ", count);
    return bad_count == 0 ? 0 : 1;
}
