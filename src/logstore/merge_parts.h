/* merge_parts.h - what the files of a merge share. */
#ifndef LOGSTORE_MERGE_PARTS_H
#define LOGSTORE_MERGE_PARTS_H

#include "logstore/merge.h"
#include "logstore/segment_writer.h"

#include <stdbool.h>

struct merge {
    struct merge_input *inputs;
    size_t input_count;
    const struct merge_options *options;
    struct segment_writer writer;
    struct segment_block_vec blocks; /* with the end as the last, once they are written */
    uint32_t **new_blocks;           /* of each input's blocks; UINT32_MAX: gone */
    uint64_t source_size;
    struct error *error;
};

/* One column of the output and what the inputs have of it (NULL: nothing). */
struct merge_column {
    const struct logstore_column **parts;
    struct logstore_column *own;         /* what the parts point to */
    const struct logstore_column *first; /* that is there */
    size_t number;
    struct segment_column_row row; /* out */
};

uint32_t merge_block_of(const struct merge *merge, uint32_t document);

/* merge_rare.c */
VEC_TYPE(merge_rare_vec, uint64_t);
/* Writes the rare terms of the inputs' column and `more`, which is sorted; a section of none only
 * when `is_always`. */
int merge_rare(struct merge *merge, const struct merge_column *column, struct merge_rare_vec *more,
               bool is_always) MUST_CHECK;

/* merge_values.c */
int merge_numbers(struct merge *merge, struct merge_column *column) MUST_CHECK;
/* merge_terms.c */
int merge_keywords(struct merge *merge, struct merge_column *column) MUST_CHECK;
int merge_texts(struct merge *merge, struct merge_column *column) MUST_CHECK;

/* Writes the presence of values whose documents stand in writer->numbers. */
int merge_presence(struct merge *merge, struct merge_column *column, size_t count) MUST_CHECK;

#endif
