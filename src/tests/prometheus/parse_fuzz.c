/* parse_fuzz.c
 *
 * Goal:   no text crashes the parser, and what it takes it can write so that it takes it again.
 * Method: the first byte chooses the format; a parsed document is written in its own format, parsed
 *         and written again: both writings are the same.
 */
#include "prometheus/prometheus.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    char *data;
    size_t size;
    size_t capacity;
};

static int collect(void *arg, const char *data, size_t size)
{
    struct text *text = arg;
    if (text->capacity - text->size < size) {
        text->capacity = (text->size + size) * 2;
        text->data = realloc(text->data, text->capacity);
        if (text->data == NULL) abort();
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
    return 0;
}

static int write_again(const char *data, size_t size, enum pm_exposition kind, struct text *out)
{
    struct pm_document *document = NULL;
    struct pm_parse_options options = { .kind = kind };
    struct pm_parse_error error;
    int code = pm_parse(&document, data, size, &options, &error);
    if (code < 0) return code;
    struct pm_format format = { kind, PM_ESCAPE_NONE, 0 };
    if (pm_document_render(document, format, collect, out) < 0) abort();
    pm_document_free(document);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum pm_exposition kinds[] = { PM_TEXT_0_0_4, PM_TEXT_1_0_0,
                                                PM_OPENMETRICS_1_0_0 };
    if (size == 0) return 0;
    enum pm_exposition kind = kinds[data[0] % 3];
    struct text once = { NULL, 0, 0 };
    struct text twice = { NULL, 0, 0 };
    if (write_again((const char *)data + 1, size - 1, kind, &once) == 0) {
        if (write_again(once.data, once.size, kind, &twice) < 0) abort();
        if (once.size != twice.size || memcmp(once.data, twice.data, once.size) != 0) abort();
    }
    free(once.data);
    free(twice.data);
    return 0;
}
