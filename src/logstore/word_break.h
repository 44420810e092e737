/* word_break.h - the tables behind the analyzer: word break classes and lower case by ranges. */
#ifndef LOGSTORE_WORD_BREAK_H
#define LOGSTORE_WORD_BREAK_H

#include <stddef.h>
#include <stdint.h>

enum word_break_class {
    WORD_BREAK_OTHER,
    WORD_BREAK_EXTEND, /* belongs to what stands before it */
    WORD_BREAK_HAN,
    WORD_BREAK_HIRAGANA,
    WORD_BREAK_SOUTHEAST,
    WORD_BREAK_SOUTHEAST_MARK, /* EXTEND, and SOUTHEAST where a token may begin */
    WORD_BREAK_NUMERIC,
    WORD_BREAK_HEBREW,
    WORD_BREAK_HANGUL,
    WORD_BREAK_LETTER,
    WORD_BREAK_EMOJI_LETTER, /* both: the longer token wins */
    WORD_BREAK_KATAKANA,
    WORD_BREAK_EXTEND_NUM_LET,
    WORD_BREAK_MID_LETTER,
    WORD_BREAK_MID_NUM,
    WORD_BREAK_MID_NUM_LET,
    WORD_BREAK_SINGLE_QUOTE,
    WORD_BREAK_DOUBLE_QUOTE,
    WORD_BREAK_REGIONAL,
    WORD_BREAK_EMOJI,
    WORD_BREAK_EMOJI_BASE, /* takes a modifier */
    WORD_BREAK_EMOJI_MODIFIER,
};

struct word_break_range {
    uint32_t first;
    uint32_t last;
    uint32_t class;
};

struct lower_case_range {
    uint32_t first;
    uint32_t last;
    uint32_t stride; /* only every so many from first */
    int32_t delta;
};

extern const struct word_break_range word_break_ranges[];
extern const size_t word_break_range_count;
extern const struct lower_case_range lower_case_ranges[];
extern const size_t lower_case_range_count;

#endif
