/* mapping_fuzz.c - any bytes as a mapping and, behind a line break, a document that meets it: taken
 * or refused, strictly and not; what a mapping prints is a mapping that prints the same.
 *
 * Seeds: corpus/mapping.
 */
#include "codec/json.h"
#include "logstore/document.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void meet(struct logstore_mapping *mapping, struct str source, bool is_strict)
{
    struct arena arena;
    struct document_leaf_vec leaves = { 0 };
    struct document_options options = { .is_strict = is_strict, .field_count_max = 1000 };
    struct document_refusal refusal = { 0 };
    const struct json *root = NULL;
    uint64_t ignored = 0;
    arena_init(&arena, 1 << 24);
    if (json_parse(NULL, &arena, source, &root, NULL) == 0 && json_is(root, JSON_OBJECT)) {
        (void)!document_map(root, STR("i"), mapping, &options, &arena, &leaves, &ignored, &refusal);
    }
    VEC_RELEASE(&leaves);
    arena_release(&arena);
}

static void check_print(const struct logstore_mapping *mapping)
{
    struct buf first;
    struct buf second;
    buf_init(&first, 1 << 24);
    buf_init(&second, 1 << 24);
    logstore_mapping_print(mapping, &first);
    struct logstore_mapping *again = logstore_mapping_new();
    if (again == NULL || logstore_mapping_merge_json(again, buf_str(&first), NULL) < 0) abort();
    logstore_mapping_print(again, &second);
    if (!str_equal(buf_str(&first), buf_str(&second))) abort();
    logstore_mapping_free(again);
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str document = { (const char *)data, size };
    struct str text = str_cut(&document, '\n');
    struct logstore_mapping *mapping = logstore_mapping_new();
    if (mapping == NULL) abort();
    if (logstore_mapping_merge_json(mapping, text, NULL) == 0) {
        check_print(mapping);
        struct logstore_mapping *strict = logstore_mapping_copy(mapping);
        if (strict == NULL) abort();
        meet(mapping, document, false);
        meet(strict, document, true);
        check_print(mapping);
        logstore_mapping_free(strict);
    }
    logstore_mapping_free(mapping);
    return 0;
}
