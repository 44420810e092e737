/* kql_fuzz.c - any bytes as Kibana's query language, printed as its tree and as query DSL.
 *
 * Seeds: corpus/kql.
 */
#include "logquery/logquery.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf out;
    struct str text = { (const char *)data, size };
    arena_init(&arena, 1 << 24);
    buf_init(&out, 1 << 24);
    (void)!logquery_translate_kql(text, &arena, &out, NULL);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
