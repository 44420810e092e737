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

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t add_by_instruction(uint32_t crc,
                                                                     const unsigned char *bytes,
                                                                     size_t size)
{
    uint64_t sum = crc;
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, sizeof(word));
        sum = __builtin_ia32_crc32di(sum, word);
    }
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
