/* crc32c.h - the checksum of every record and section: CRC-32C (Castagnoli), RFC 3720 B.4.
 *
 * By the processor's instruction where there is one, else by table. Threads: any.
 */
#ifndef CODEC_CRC32C_H
#define CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *bytes, size_t size);
/* Continues `crc`, the sum of what came before. crc32c(x) == crc32c_add(0, x). */
uint32_t crc32c_add(uint32_t crc, const void *bytes, size_t size);

#endif
