/* lucene_fuzz.c - any bytes as a query string, in both syntaxes.
 *
 * Seeds: corpus/lucene.
 */
#include "logquery/logquery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct lucene_options options = { .needs_all = size % 2 == 1 };
    struct logstore_filter *filter = NULL;
    struct str text = { (const char *)data, size };
    arena_init(&arena, 1 << 24);
    (void)!logquery_parse_lucene(text, &options, &arena, &filter, NULL);
    (void)!logquery_parse_simple(text, &options, &arena, &filter, NULL);
    arena_release(&arena);
    return 0;
}
