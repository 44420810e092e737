/* minimum.c - Elasticsearch's minimum_should_match: "2", "-1", "75%", "-25%", "2<75% 9<-3". */
#include "logstore/filter.h"

/* One expression without conditions. False: it is none. */
static bool read_simple(struct str text, int64_t count, int64_t *minimum)
{
    bool is_percent = str_ends_with(text, STR("%"));
    int64_t number;
    if (!str_to_int64(is_percent ? str_first(text, text.size - 1) : text, &number)) return false;
    if (number < -1000000 || number > 1000000) return false;
    /* What is computed of a percentage is cut towards zero before it is taken from the count. */
    *minimum = is_percent ? count * number / 100 : number;
    if (number < 0) *minimum += count;
    return true;
}

/* "N<expression", separated by blanks: the last one whose N the count exceeds holds; none: all. */
static bool read_conditions(struct str text, int64_t count, int64_t *minimum)
{
    *minimum = count;
    bool is_decided = false;
    while (text.size > 0) {
        struct str part = str_cut(&text, ' ');
        int64_t bound;
        int64_t found;
        if (part.size == 0) continue;
        struct str above = part;
        struct str head = str_cut(&above, '<');
        if (!str_to_int64(head, &bound) || !read_simple(above, count, &found)) return false;
        if (count <= bound) is_decided = true;
        if (!is_decided) *minimum = found;
    }
    return true;
}

static bool read_minimum(struct str text, int64_t count, int64_t *minimum)
{
    text = str_trim(text);
    return str_find_char(text, '<') == STR_NONE ? read_simple(text, count, minimum)
                                                : read_conditions(text, count, minimum);
}

bool logstore_minimum_is_valid(struct str text)
{
    int64_t unused;
    return read_minimum(text, 1, &unused);
}

int32_t logstore_minimum(struct str text, size_t count)
{
    int64_t minimum;
    if (!read_minimum(text, (int64_t)count, &minimum)) return 1;
    if (minimum < 0) return 0;
    return minimum > (int64_t)count ? (int32_t)count + 1 : (int32_t)minimum;
}
