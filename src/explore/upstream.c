/* upstream.c - a list of what may be asked; everything else may not. */
#include "explore/upstream.h"

#include <stddef.h>

#define PARTS_MAX 3

static const struct str operations[] = {
    STR_INIT("_search"),  STR_INIT("_msearch"),    STR_INIT("_count"),
    STR_INIT("_mapping"), STR_INIT("_field_caps"),
};

static bool is_operation(struct str part)
{
    for (size_t i = 0; i < ARRAY_LENGTH(operations); i++) {
        if (str_equal(operations[i], part)) return true;
    }
    return false;
}

static bool is_index_char(char c)
{
    bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    return is_letter || (c >= '0' && c <= '9') || str_find_char(STR("._-*,+:"), c) != STR_NONE;
}

bool upstream_is_index(struct str text)
{
    if (text.size == 0 || str_equal(text, STR(".")) || str_equal(text, STR(".."))) return false;
    if (text.data[0] == '_' && !str_equal(text, STR("_all"))) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_index_char(text.data[i])) return false;
    }
    return true;
}

static struct str join(struct arena *arena, struct str first, struct str second, struct str third)
{
    if (third.size == 0) {
        return arena_printf(arena, STR_FMT "/" STR_FMT, STR_ARG(first), STR_ARG(second));
    }
    return arena_printf(arena, STR_FMT "/" STR_FMT "/" STR_FMT, STR_ARG(first), STR_ARG(second),
                        STR_ARG(third));
}

bool upstream_path(struct arena *arena, struct str path, struct str index, struct str *target,
                   bool *may_post)
{
    struct str parts[PARTS_MAX] = { 0 };
    struct str made = STR("");
    size_t count = 0;
    bool is_all = str_equal(index, STR("*"));
    bool is_search = false;
    for (struct str rest = path; rest.size > 0; count++) {
        if (count == PARTS_MAX) return false;
        parts[count] = str_cut(&rest, '/');
        if (parts[count].size == 0) return false;
    }
    if (path.size > 0 && path.data[path.size - 1] == '/') return false;
    if (count == 1 && is_operation(parts[0])) {
        made = is_all ? parts[0] : join(arena, index, parts[0], STR(""));
        is_search = true;
    } else if (count == 2 && upstream_is_index(parts[0]) && is_operation(parts[1])) {
        made = join(arena, parts[0], parts[1], STR(""));
        is_search = true;
    } else if (count >= 2 && str_equal(parts[0], STR("_cat")) &&
               str_equal(parts[1], STR("indices"))) {
        if (count == 3 && !upstream_is_index(parts[2])) return false;
        struct str pattern = count == 3 ? parts[2] : is_all ? STR("") : index;
        made = join(arena, parts[0], parts[1], pattern);
    } else if (count > 0) {
        return false;
    }
    if (made.data == NULL) return false;
    *target = made;
    *may_post = is_search;
    return true;
}
