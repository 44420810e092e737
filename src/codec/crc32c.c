/* crc32c.c - three ways: the processor's instruction on x86-64 or AArch64, or eight tables.
 *
 * The polynomial is 0x1EDC6F41, reflected 0x82F63B78; the sum starts and ends inverted. */
#include "codec/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLYNOMIAL UINT32_C(0x82F63B78)

static uint32_t tables[8][256];

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
        tables[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++) {
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 0xFF];
        }
    }
}

static uint32_t add_by_table(uint32_t crc, const unsigned char *bytes, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_tables);
    while (size >= 8) {
        uint32_t low = crc ^ ((uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                              (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24);
        crc = tables[7][low & 0xFF] ^ tables[6][(low >> 8) & 0xFF] ^ tables[5][(low >> 16) & 0xFF] ^
              tables[4][low >> 24] ^ tables[3][bytes[4]] ^ tables[2][bytes[5]] ^
              tables[1][bytes[6]] ^ tables[0][bytes[7]];
        bytes += 8;
        size -= 8;
    }
    for (; size > 0; size--) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#define WITH_INSTRUCTION __attribute__((target("sse4.2,pclmul")))

/* What a sum becomes by `size` zero bytes behind it: its product with x^(8 * size), by a multiplier
 * that is x^(8 * size - 33), since the instruction gives 32 of them and the reflected product one.
 * Source: V. Gopal and others, "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction",
 * Intel, 2011. */
WITH_INSTRUCTION static inline uint64_t move_on(uint64_t sum, uint32_t multiplier)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)sum),
                                           _mm_cvtsi64_si128((int64_t)multiplier), 0);
    return __builtin_ia32_crc32di(0, (uint64_t)_mm_cvtsi128_si64(product));
}

WITH_INSTRUCTION static inline uint64_t add_word(uint64_t sum, const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return __builtin_ia32_crc32di(sum, word);
}

/* Three lanes of `size` bytes side by side: the instruction takes three cycles, but one can be
 * begun in each. */
WITH_INSTRUCTION static inline uint64_t add_lanes(uint64_t sum, const unsigned char *bytes,
                                                  size_t size, uint32_t multiplier)
{
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < size; i += 8) {
        sum = add_word(sum, bytes + i);
        second = add_word(second, bytes + size + i);
        third = add_word(third, bytes + 2 * size + i);
    }
    sum = move_on(sum, multiplier) ^ second;
    return move_on(sum, multiplier) ^ third;
}

WITH_INSTRUCTION static uint32_t add_by_instruction(uint32_t crc, const unsigned char *bytes,
                                                    size_t size)
{
    enum { LONG = 256, SHORT = 64 };
    static const uint32_t long_multiplier = 0xB9E02B86;
    static const uint32_t short_multiplier = 0x9E4ADDF8;
    uint64_t sum = crc;
    for (; size >= 3 * LONG; size -= 3 * LONG, bytes += 3 * LONG) {
        sum = add_lanes(sum, bytes, LONG, long_multiplier);
    }
    for (; size >= 3 * SHORT; size -= 3 * SHORT, bytes += 3 * SHORT) {
        sum = add_lanes(sum, bytes, SHORT, short_multiplier);
    }
    for (; size >= 8; size -= 8, bytes += 8) sum = add_word(sum, bytes);
    crc = (uint32_t)sum;
    for (; size > 0; size--) crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static bool has_instruction(void)
{
    return true;
}

static uint32_t add_by_instruction(uint32_t crc, const unsigned char *bytes, size_t size)
{
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        crc = __crc32cd(crc, word);
    }
    for (; size > 0; size--) crc = __crc32cb(crc, *bytes++);
    return crc;
}

#else

static bool has_instruction(void)
{
    return false;
}

static uint32_t add_by_instruction(uint32_t crc, const unsigned char *bytes, size_t size)
{
    return add_by_table(crc, bytes, size);
}

#endif

uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t size)
{
    crc = ~crc;
    crc = has_instruction() ? add_by_instruction(crc, bytes, size) : add_by_table(crc, bytes, size);
    return ~crc;
}

uint32_t crc32c(const void *bytes, size_t size)
{
    return crc32c_add(0, bytes, size);
}
