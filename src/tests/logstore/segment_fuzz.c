/* segment_fuzz.c - damaged segments: opened or refused; what opens is read without harm.
 *
 * The input says which bytes of a sound segment are changed; checksums of the directory are mended
 * by the trailer's being left alone most of the time, so both layers are reached.
 */
#include "logstore/builder.h"
#include "logstore/segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf sound;

static void make_sound(void)
{
    struct builder *builder = NULL;
    buf_init(&sound, 1 << 24);
    if (builder_new(&builder, 1, NULL, NULL) < 0) abort();
    for (int i = 0; i < 50; i++) {
        char id[3] = { 'a', (char)('a' + i % 26), (char)('a' + i / 26) };
        struct str source = STR("{\"m\":\"some words here\",\"n\":1}");
        if (builder_add_document(builder, (struct str){ id, 3 }, source, i, 1, NULL) < 0) abort();
        struct builder_field *text = builder_field(builder, STR("m"), LOGSTORE_TEXT, false);
        struct builder_field *number = builder_field(builder, STR("n"), LOGSTORE_LONG, false);
        struct builder_field *word = builder_field(builder, STR("w"), LOGSTORE_KEYWORD, false);
        builder_add_text(builder, text, STR("some words here"));
        builder_add_number(builder, number, i * 1000);
        if (i % 3 == 0) builder_add_term(builder, word, (struct str){ id, 2 });
    }
    if (builder_encode(builder, &sound, NULL) < 0) abort();
    builder_free(builder);
}

static void look(struct logstore_segment *segment)
{
    struct logstore_reader *reader = NULL;
    uint64_t bits[64] = { 0 };
    if (logstore_reader_new(&reader) < 0) abort();
    for (uint32_t i = 0; i < segment->document_count && i < 4096; i++) {
        struct logstore_hit hit;
        (void)!logstore_reader_get(reader, segment, i, &hit, NULL);
    }
    for (size_t i = 0; i < segment->column_count; i++) {
        const struct logstore_column *column = segment_column_open(&segment->columns[i]);
        if (column == NULL || segment->document_count > 4096) continue;
        struct terms_cursor cursor;
        terms_cursor_init(&cursor, &column->terms);
        while (column->terms.term_count > 0 && terms_cursor_next(&cursor, NULL) == 1) {
            if (column->terms.has_postings) (void)!segment_postings(column, &cursor, bits, NULL);
        }
        terms_cursor_release(&cursor);
    }
    logstore_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sound.size == 0) make_sound();
    char *bytes = malloc(sound.size);
    if (bytes == NULL) return 0;
    memcpy(bytes, sound.data, sound.size);
    for (size_t i = 0; i + 3 <= size; i += 3) {
        size_t at = ((size_t)data[i] << 8 | data[i + 1]) % sound.size;
        bytes[at] = (char)data[i + 2];
    }
    struct logstore_segment *segment = NULL;
    if (segment_open_memory(&segment, 1, bytes, sound.size, NULL) < 0) return 0;
    look(segment);
    segment_free(segment);
    return 0;
}
