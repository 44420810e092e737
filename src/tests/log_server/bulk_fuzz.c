/* bulk_fuzz.c - any bytes as a bulk body: read or refused, never worse.
 *
 * Seeds: corpus/bulk.
 */
#include "log_server/bulk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct bulk_items items = { 0 };
    arena_init(&arena, 1 << 24);
    (void)!bulk_parse((struct str){ (const char *)data, size }, STR("i"), &arena, &items, NULL);
    VEC_RELEASE(&items);
    arena_release(&arena);
    return 0;
}
