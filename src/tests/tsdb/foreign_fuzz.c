/* foreign_fuzz.c - any bytes as a block of Prometheus: its index with the checksums put right, and
 * its chunks. The first byte chooses which of the two. */
#include "base/check.h"
#include "codec/crc32c.h"
#include "tests/sim/disk.h"
#include "tsdb/foreign.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct sim_disk *sim, const char *path, const void *bytes, size_t size)
{
    const struct disk *disk = sim_disk_table(sim);
    int handle = disk->open(disk->state, path, DISK_WRITE | DISK_CREATE);
    CHECK(handle >= 0);
    CHECK(disk->write_at(disk->state, handle, bytes, size, 0) == 0);
    disk->close(disk->state, handle);
}

static void write32(unsigned char *bytes, uint32_t number)
{
    number = __builtin_bswap32(number);
    memcpy(bytes, &number, sizeof(number));
}

static uint32_t read32(const unsigned char *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap32(number);
}

/* A checksum where the length that stands there says that it is. */
static void mend_symbols(unsigned char *bytes, size_t size)
{
    uint32_t length = read32(bytes + 5) % 200 + 4;
    if (length + 13 > size) return;
    write32(bytes + 5, length);
    write32(bytes + 9 + length, crc32c(bytes + 9, length));
}

static void mend_index(unsigned char *bytes, size_t size)
{
    enum { TOC_SIZE = 52 };
    if (size < 5 + TOC_SIZE + 64) return;
    write32(bytes, 0xBAAAD700u);
    bytes[4] = 2;
    mend_symbols(bytes, size - TOC_SIZE);
    unsigned char *toc = bytes + size - TOC_SIZE;
    memset(toc, 0, TOC_SIZE);
    toc[7] = 5;
    write32(toc + 12, (uint32_t)(toc[-1] % 8) * 16 + 16);
    write32(toc + TOC_SIZE - 4, crc32c(toc, TOC_SIZE - 4));
    for (size_t at = read32(toc + 12); at + 1 < size - TOC_SIZE;) {
        size_t length = bytes[at] & 63u;
        bytes[at] = (unsigned char)length;
        if (at + 1 + length + 4 > size - TOC_SIZE) break;
        write32(bytes + at + 1 + length, crc32c(bytes + at + 1, length));
        at = (at + 1 + length + 4 + 15) / 16 * 16;
    }
}

static void read_block(const unsigned char *data, size_t size)
{
    struct sim_disk *sim = sim_disk_new(1);
    const struct disk *disk = sim_disk_table(sim);
    unsigned char *bytes = malloc(size + 1);
    static const unsigned char chunks[] = { 0x85, 0xBD, 0x40, 0xDD, 1, 0, 0, 0, 1, 1, 0 };
    CHECK(bytes != NULL);
    memcpy(bytes, data, size);
    mend_index(bytes, size);
    CHECK(file_make_folders(disk, "/b/chunks", NULL) == 0);
    put(sim, "/b/index", bytes, size);
    put(sim, "/b/chunks/000001", chunks, sizeof(chunks));
    free(bytes);
    struct foreign_block *block;
    if (foreign_block_open(&block, disk, "/b", NULL) == 0) {
        struct arena arena;
        struct labels labels;
        struct foreign_samples samples = { 0 };
        arena_init(&arena, 8 << 20);
        while (foreign_block_next(block, &arena, &labels, &samples, NULL) == 1) arena_reset(&arena);
        VEC_RELEASE(&samples);
        arena_release(&arena);
        foreign_block_close(block);
    }
    sim_disk_free(sim);
}

/* What can be read is written and read again. */
static void read_chunk(unsigned encoding, const uint8_t *data, size_t size)
{
    struct arena arena;
    struct foreign_samples samples = { 0 };
    struct buf out;
    arena_init(&arena, 8 << 20);
    buf_init(&out, 1 << 20);
    struct str bytes = { (const char *)data, size };
    int code = foreign_chunk_decode(encoding, bytes, &arena, &samples, NULL);
    if (code == 0 && samples.count > 0) {
        enum foreign_encoding written;
        (void)foreign_chunk_encode(&out, samples.items, samples.count, &written);
    }
    buf_release(&out);
    VEC_RELEASE(&samples);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    if (data[0] % 4 == 0) {
        read_block(data + 1, size - 1);
    } else {
        read_chunk(data[0] % 4, data + 1, size - 1);
    }
    return 0;
}
