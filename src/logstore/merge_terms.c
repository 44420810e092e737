/* merge_terms.c - dictionaries of several segments merged term by term, with what hangs on them. */
#include "base/check.h"
#include "logstore/merge_parts.h"
#include "logstore/rare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

VEC_TYPE(entry_vec, struct terms_entry);

/* Walks the dictionaries of all inputs at once. */
struct walk {
    struct merge *merge;
    const struct merge_column *column;
    struct terms_cursor *cursors;
    bool *is_open;    /* the cursor stands on a term */
    struct buf texts; /* of the terms that the output has */
    VEC(size_t) starts;
    struct entry_vec entries; /* their terms are set when all texts are there */
    struct buf term;          /* at hand */
};

static int walk_begin(struct walk *walk, struct merge *merge, const struct merge_column *column)
{
    *walk = (struct walk){
        .merge = merge,
        .column = column,
        .cursors = calloc(merge->input_count, sizeof(struct terms_cursor)),
        .is_open = calloc(merge->input_count, sizeof(bool)),
    };
    buf_init(&walk->texts, SIZE_MAX);
    buf_init(&walk->term, SIZE_MAX);
    if (walk->cursors == NULL || walk->is_open == NULL)
        return segment_out_of_memory(&merge->writer);
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL || (part->flags & SEGMENT_COLUMN_SOURCED) != 0) continue;
        terms_cursor_init(&walk->cursors[i], &part->terms);
        int code = terms_cursor_next(&walk->cursors[i], merge->error);
        if (code < 0) return code;
        walk->is_open[i] = code == 1;
    }
    return 0;
}

static void walk_end(struct walk *walk)
{
    for (size_t i = 0; walk->cursors != NULL && i < walk->merge->input_count; i++) {
        if (walk->cursors[i].terms != NULL) terms_cursor_release(&walk->cursors[i]);
    }
    free(walk->cursors);
    free(walk->is_open);
    buf_release(&walk->texts);
    buf_release(&walk->term);
    VEC_RELEASE(&walk->starts);
    VEC_RELEASE(&walk->entries);
}

/* The least term that a cursor stands on, into walk->term; false when there is none. */
static bool walk_least(struct walk *walk)
{
    const struct terms_cursor *least = NULL;
    for (size_t i = 0; i < walk->merge->input_count; i++) {
        if (!walk->is_open[i]) continue;
        struct str term = buf_str(&walk->cursors[i].term);
        if (least == NULL || str_compare(term, buf_str(&least->term)) < 0) {
            least = &walk->cursors[i];
        }
    }
    if (least == NULL) return false;
    buf_reset(&walk->term);
    buf_append_str(&walk->term, buf_str(&least->term));
    return true;
}

static bool stands_on_least(const struct walk *walk, size_t input)
{
    return walk->is_open[input] &&
           str_equal(buf_str(&walk->cursors[input].term), buf_str(&walk->term));
}

static int walk_next(struct walk *walk, size_t input)
{
    int code = terms_cursor_next(&walk->cursors[input], walk->merge->error);
    walk->is_open[input] = code == 1;
    return code < 0 ? code : 0;
}

static bool keep_term(struct walk *walk, uint32_t document_count, uint32_t postings_size)
{
    size_t start = walk->texts.size;
    buf_append_str(&walk->texts, buf_str(&walk->term));
    struct terms_entry entry = { { NULL, walk->term.size }, document_count, postings_size };
    return !walk->texts.has_failed && VEC_PUSH(&walk->starts, start) &&
           VEC_PUSH(&walk->entries, entry);
}

static int write_terms(struct walk *walk, bool has_postings)
{
    for (size_t i = 0; i < walk->entries.count; i++) {
        walk->entries.items[i].term.data = walk->texts.data + walk->starts.items[i];
    }
    return segment_write_terms(&walk->merge->writer, walk->column->number, walk->entries.items,
                               walk->entries.count, has_postings);
}

/* Texts ----------------------------------------------------------------------------------- */

struct lists {
    uint32_t *one;  /* documents of a term in one input */
    uint32_t *all;  /* in the output */
    uint32_t count; /* of all */
};

static int add_list(struct walk *walk, size_t input, struct lists *lists)
{
    const struct logstore_column *part = walk->column->parts[input];
    const struct terms_cursor *cursor = &walk->cursors[input];
    int code = segment_postings_list(part, cursor, lists->one, walk->merge->error);
    for (uint32_t i = 0; code == 0 && i < cursor->document_count; i++) {
        uint32_t number = walk->merge->inputs[input].new_numbers[lists->one[i]];
        if (number != UINT32_MAX) lists->all[lists->count++] = number;
    }
    return code;
}

/* One term with its documents: into the dictionary, or among the rare ones. */
static int merge_term(struct walk *walk, struct lists *lists, struct merge_rare_vec *rare)
{
    struct merge *merge = walk->merge;
    struct segment_writer *writer = &merge->writer;
    lists->count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        if (!stands_on_least(walk, i)) continue;
        int code = add_list(walk, i, lists);
        if (code == 0) code = walk_next(walk, i);
        if (code < 0) return code;
    }
    if (lists->count == 0) return 0;
    if (lists->count == 1 && writer->document_count >= merge->options->rare_documents_min) {
        uint64_t entry =
            RARE_ENTRY(rare_hash(buf_str(&walk->term)), merge_block_of(merge, lists->all[0]));
        return VEC_PUSH(rare, entry) ? 0 : segment_out_of_memory(writer);
    }
    size_t before = writer->out->size;
    segment_write_postings(lists->all, lists->count, writer->document_count, writer->out);
    uint32_t size = (uint32_t)(writer->out->size - before);
    return keep_term(walk, lists->count, size) ? 0 : segment_out_of_memory(writer);
}

static int merge_dictionary(struct walk *walk, struct merge_rare_vec *rare)
{
    uint32_t most = 0;
    for (size_t i = 0; i < walk->merge->input_count; i++) {
        uint32_t count = walk->merge->inputs[i].segment->document_count;
        if (count > most) most = count;
    }
    struct lists lists = {
        .one = malloc(((size_t)most + 1) * sizeof(uint32_t)),
        .all = malloc(((size_t)walk->merge->writer.document_count + 1) * sizeof(uint32_t)),
    };
    int code =
        lists.one == NULL || lists.all == NULL ? segment_out_of_memory(&walk->merge->writer) : 0;
    segment_section_begin(&walk->merge->writer);
    while (code == 0 && walk_least(walk)) code = merge_term(walk, &lists, rare);
    free(lists.one);
    free(lists.all);
    if (code < 0) return code;
    return segment_section_end(&walk->merge->writer, SEGMENT_POSTINGS, walk->column->number);
}

/* Documents of the column's values, in writer->numbers; how many. */
static int gather_documents(struct merge *merge, const struct merge_column *column, size_t *count)
{
    size_t most = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        if (column->parts[i] != NULL) most += column->parts[i]->value_count;
    }
    if (!segment_numbers(&merge->writer, most)) return segment_out_of_memory(&merge->writer);
    *count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        for (uint32_t k = 0; part != NULL && k < part->value_count; k++) {
            uint32_t document =
                part->is_dense ? k : (uint32_t)packed_get(&part->presence_packed, k);
            uint32_t number = merge->inputs[i].new_numbers[document];
            if (number != UINT32_MAX) merge->writer.numbers[(*count)++] = number;
        }
    }
    return 0;
}

static int write_presence(struct merge *merge, struct merge_column *column)
{
    size_t count;
    int code = gather_documents(merge, column, &count);
    return code < 0 ? code : merge_presence(merge, column, count);
}

int merge_texts(struct merge *merge, struct merge_column *column)
{
    struct walk walk;
    struct merge_rare_vec rare = { 0 };
    int code = walk_begin(&walk, merge, column);
    if (code == 0) code = merge_dictionary(&walk, &rare);
    if (code == 0) code = write_terms(&walk, true);
    if (code == 0) code = merge_rare(merge, column, &rare, false);
    if (code == 0) code = write_presence(merge, column);
    walk_end(&walk);
    VEC_RELEASE(&rare);
    return code;
}

/* Keywords -------------------------------------------------------------------------------- */

/* Which terms of a part live documents hold; when none died, all of them. */
static void mark_used(const struct merge *merge, const struct logstore_column *part, size_t input,
                      uint32_t *new_ordinals)
{
    for (uint32_t i = 0; i < part->terms.term_count; i++) new_ordinals[i] = UINT32_MAX;
    for (uint32_t k = 0; k < part->value_count; k++) {
        uint32_t document = part->is_dense ? k : (uint32_t)packed_get(&part->presence_packed, k);
        if (merge->inputs[input].new_numbers[document] == UINT32_MAX) continue;
        new_ordinals[packed_get(&part->values_packed, k)] = 0;
    }
}

static int number_terms(struct walk *walk, uint32_t **new_ordinals)
{
    struct merge *merge = walk->merge;
    while (walk_least(walk)) {
        bool is_used = false;
        uint32_t ordinal = (uint32_t)walk->entries.count;
        for (size_t i = 0; i < merge->input_count; i++) {
            if (!stands_on_least(walk, i)) continue;
            uint32_t *place = &new_ordinals[i][walk->cursors[i].ordinal];
            if (*place != UINT32_MAX) {
                *place = ordinal;
                is_used = true;
            }
            int code = walk_next(walk, i);
            if (code < 0) return code;
        }
        if (is_used && !keep_term(walk, 0, 0)) return segment_out_of_memory(&merge->writer);
    }
    return 0;
}

static int write_ordinals(struct merge *merge, struct merge_column *column,
                          uint32_t *const *new_ordinals)
{
    size_t count = 0;
    int code = gather_documents(merge, column, &count); /* makes the room */
    if (code < 0) return code;
    count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        for (uint32_t k = 0; part != NULL && k < part->value_count; k++) {
            uint32_t document =
                part->is_dense ? k : (uint32_t)packed_get(&part->presence_packed, k);
            if (merge->inputs[i].new_numbers[document] == UINT32_MAX) continue;
            merge->writer.numbers[count++] = new_ordinals[i][packed_get(&part->values_packed, k)];
        }
    }
    return segment_write_packed(&merge->writer, SEGMENT_VALUES, column->number, count);
}

static int merge_listed(struct merge *merge, struct merge_column *column)
{
    struct walk walk;
    uint32_t **new_ordinals = calloc(merge->input_count, sizeof(uint32_t *));
    int code = walk_begin(&walk, merge, column);
    if (code == 0 && new_ordinals == NULL) code = segment_out_of_memory(&merge->writer);
    for (size_t i = 0; code == 0 && i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL) continue;
        new_ordinals[i] = malloc(((size_t)part->terms.term_count + 1) * sizeof(uint32_t));
        if (new_ordinals[i] == NULL)
            code = segment_out_of_memory(&merge->writer);
        else
            mark_used(merge, part, i, new_ordinals[i]);
    }
    if (code == 0) code = number_terms(&walk, new_ordinals);
    if (code == 0) code = write_terms(&walk, false);
    if (code == 0) code = write_ordinals(merge, column, new_ordinals);
    if (code == 0) code = write_presence(merge, column);
    walk_end(&walk);
    for (size_t i = 0; new_ordinals != NULL && i < merge->input_count; i++) free(new_ordinals[i]);
    free(new_ordinals);
    return code;
}

/* The values of a part that has a dictionary, as hashes with their blocks. */
static int hash_values(struct merge *merge, const struct logstore_column *part, size_t input,
                       struct merge_rare_vec *entries)
{
    uint32_t *hashes = malloc(((size_t)part->terms.term_count + 1) * sizeof(uint32_t));
    if (hashes == NULL) return segment_out_of_memory(&merge->writer);
    struct terms_cursor cursor;
    terms_cursor_init(&cursor, &part->terms);
    int code;
    while ((code = terms_cursor_next(&cursor, merge->error)) == 1) {
        hashes[cursor.ordinal] = rare_hash(buf_str(&cursor.term));
    }
    terms_cursor_release(&cursor);
    for (uint32_t k = 0; code == 0 && k < part->value_count; k++) {
        uint32_t document = part->is_dense ? k : (uint32_t)packed_get(&part->presence_packed, k);
        uint32_t number = merge->inputs[input].new_numbers[document];
        if (number == UINT32_MAX) continue;
        uint32_t hash = hashes[packed_get(&part->values_packed, k)];
        uint64_t entry = RARE_ENTRY(hash, merge_block_of(merge, number));
        if (!VEC_PUSH(entries, entry)) code = segment_out_of_memory(&merge->writer);
    }
    free(hashes);
    return code;
}

/* Whether the values are looked for by the terms of the text beside: then there are no hashes. */
static bool has_text_beside(const struct merge *merge, const struct merge_column *column)
{
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        bool is_sourced = part != NULL && (part->flags & SEGMENT_COLUMN_SOURCED) != 0;
        if (is_sourced && !part->has_rare && part->value_count > 0) return true;
    }
    return false;
}

static int merge_sourced(struct merge *merge, struct merge_column *column)
{
    if (has_text_beside(merge, column)) {
        column->row.flags |= SEGMENT_COLUMN_SOURCED;
        return write_presence(merge, column);
    }
    struct merge_rare_vec entries = { 0 };
    int code = 0;
    for (size_t i = 0; code == 0 && i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL || (part->flags & SEGMENT_COLUMN_SOURCED) != 0) continue;
        code = hash_values(merge, part, i, &entries);
    }
    if (code == 0) code = merge_rare(merge, column, &entries, true);
    VEC_RELEASE(&entries);
    if (code < 0) return code;
    column->row.flags |= SEGMENT_COLUMN_SOURCED;
    return write_presence(merge, column);
}

int merge_keywords(struct merge *merge, struct merge_column *column)
{
    for (size_t i = 0; i < merge->input_count; i++) {
        const struct logstore_column *part = column->parts[i];
        if (part == NULL || (part->flags & SEGMENT_COLUMN_SOURCED) == 0) continue;
        return merge_sourced(merge, column);
    }
    return merge_listed(merge, column);
}
