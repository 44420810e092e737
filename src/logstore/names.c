/* names.c - names of indices: which are valid, what expressions mean, dates inside them. */
#include "base/check.h"
#include "logstore/store.h"

#include <errno.h>
#include <stdlib.h>

bool logstore_name_matches(struct str pattern, struct str text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = STR_NONE;
    size_t mark = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size && pattern.data[p] == text.data[t]) {
            p++;
            t++;
        } else if (star != STR_NONE) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '*') p++;
    return p == pattern.size;
}

bool logstore_name_is_valid(struct str name, const char **reason)
{
    static const char forbidden[] = "\\/*?\"<>| ,#:";
    *reason = NULL;
    if (name.size == 0)
        *reason = "must not be empty";
    else if (name.size > 255)
        *reason = "index name is too long, (more than 255 bytes)";
    else if (str_equal(name, STR(".")) || str_equal(name, STR(".."))) {
        *reason = "must not be '.' or '..'";
    } else if (name.data[0] == '_' || name.data[0] == '-' || name.data[0] == '+') {
        *reason = "must not start with '_', '-', or '+'";
    }
    for (size_t i = 0; *reason == NULL && i < name.size; i++) {
        char c = name.data[i];
        if (c >= 'A' && c <= 'Z')
            *reason = "must be lowercase";
        else if ((unsigned char)c < 0x20 || strchr(forbidden, c) != NULL) {
            *reason = "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]";
        }
    }
    return *reason == NULL;
}

static const struct store_stream *stream_find(const struct logstore *store, struct str name)
{
    for (size_t i = 0; i < store->streams.count; i++) {
        if (str_equal(store->streams.items[i].name, name)) return &store->streams.items[i];
    }
    return NULL;
}

/* The backing index with the highest name: their names end in a rising number. */
static struct store_index *stream_write_index(const struct logstore *store, struct str stream)
{
    struct store_index *newest = NULL;
    for (size_t i = 0; i < store->indices.count; i++) {
        struct store_index *index = store->indices.items[i];
        if (!str_equal(index->data_stream, stream)) continue;
        if (newest == NULL || index->created_ms >= newest->created_ms) newest = index;
    }
    return newest;
}

bool store_name_is_taken(const struct logstore *store, struct str name)
{
    for (size_t i = 0; i < store->aliases.count; i++) {
        if (str_equal(store->aliases.items[i].name, name)) return true;
    }
    return stream_find(store, name) != NULL;
}

struct store_index *store_write_index(const struct logstore *store, struct str name,
                                      bool *is_stream)
{
    *is_stream = false;
    struct store_index *index = store_index_find(store, name);
    if (index != NULL) return index;
    if (stream_find(store, name) != NULL) {
        *is_stream = true;
        return stream_write_index(store, name);
    }
    const struct store_alias *only = NULL;
    size_t count = 0;
    for (size_t i = 0; i < store->aliases.count; i++) {
        const struct store_alias *alias = &store->aliases.items[i];
        if (!str_equal(alias->name, name)) continue;
        if (alias->is_write_index) return store_index_find(store, alias->index);
        only = alias;
        count++;
    }
    return count == 1 ? store_index_find(store, only->index) : NULL;
}

/* Resolving ----------------------------------------------------------------------------------- */

struct selection {
    const struct logstore *store;
    bool *is_chosen; /* one an index */
};

/* Chooses (or unchooses) what one part of an expression means; whether anything fitted. */
static bool select_part(struct selection *selection, struct str part, bool chosen)
{
    const struct logstore *store = selection->store;
    bool is_all = part.size == 0 || str_equal(part, STR("_all"));
    bool found = is_all;
    bool hides = part.size > 0 && part.data[0] == '*'; /* '*' does not mean hidden ones */
    for (size_t i = 0; i < store->indices.count; i++) {
        const struct store_index *index = store->indices.items[i];
        bool is_hidden = index->name.data[0] == '.' && index->data_stream.size == 0;
        bool fits =
            is_all || logstore_name_matches(part, index->name) ||
            (index->data_stream.size > 0 && logstore_name_matches(part, index->data_stream));
        for (size_t k = 0; !fits && k < store->aliases.count; k++) {
            const struct store_alias *alias = &store->aliases.items[k];
            fits = str_equal(alias->index, index->name) && logstore_name_matches(part, alias->name);
        }
        if (!fits || (is_hidden && (hides || is_all))) continue;
        selection->is_chosen[i] = chosen;
        found = true;
    }
    return found;
}

int logstore_resolve(struct logstore *store, struct str expression, struct arena *arena,
                     const struct str **names, size_t *count, struct str *missing)
{
    mutex_lock(&store->state);
    size_t index_count = store->indices.count;
    struct selection selection = { store, arena_alloc(arena, index_count + 1, sizeof(bool)) };
    struct str *chosen = ARENA_ARRAY(arena, struct str, index_count + 1);
    int code = selection.is_chosen == NULL || chosen == NULL ? -ENOMEM : 0;
    struct str lost = { NULL, 0 };
    struct str rest = expression;
    bool is_first = true;
    while (code == 0 && (rest.size > 0 || is_first)) {
        struct str part = str_trim(str_cut(&rest, ','));
        bool excludes = !is_first && part.size > 1 && part.data[0] == '-';
        if (excludes) part = str_skip(part, 1);
        struct str expanded = part;
        if (part.size > 0 && part.data[0] == '<') {
            code =
                logstore_name_expand(part, clock_realtime_ms(store->clock), arena, &expanded, NULL);
        }
        bool found = code == 0 && select_part(&selection, expanded, !excludes);
        bool is_pattern = str_find_char(expanded, '*') != STR_NONE || expanded.size == 0;
        if (!found && !is_pattern && lost.data == NULL) lost = arena_copy(arena, expanded);
        is_first = false;
    }
    size_t chosen_count = 0;
    for (size_t i = 0; code == 0 && i < index_count; i++) {
        if (!selection.is_chosen[i]) continue;
        chosen[chosen_count] = arena_copy(arena, store->indices.items[i]->name);
        if (chosen[chosen_count++].data == NULL) code = -ENOMEM;
    }
    mutex_unlock(&store->state);
    if (code < 0) return code;
    *names = chosen;
    *count = chosen_count;
    *missing = lost;
    return 0;
}

int logstore_resolve_indices(struct logstore *store, struct str expression, struct arena *arena,
                             const struct str **names, size_t *count, struct str *missing,
                             struct str *refused)
{
    const struct str *all;
    size_t all_count;
    int code = logstore_resolve(store, expression, arena, &all, &all_count, missing);
    if (code < 0) return code;
    struct str *own = ARENA_ARRAY(arena, struct str, all_count + 1);
    if (own == NULL) return -ENOMEM;
    *count = 0;
    *refused = (struct str){ NULL, 0 };
    mutex_lock(&store->state);
    struct str rest = expression;
    while (rest.size > 0 && refused->data == NULL) {
        struct str part = str_trim(str_cut(&rest, ','));
        if (store_name_is_taken(store, part)) *refused = part;
    }
    for (size_t i = 0; i < all_count; i++) {
        const struct store_index *index = store_index_find(store, all[i]);
        bool is_named = false;
        bool is_fitting = expression.size == 0 || str_equal(expression, STR("_all"));
        rest = expression;
        while (rest.size > 0) {
            struct str part = str_trim(str_cut(&rest, ','));
            is_named |= str_equal(part, all[i]) || str_starts_with(part, STR("<"));
            is_fitting |= logstore_name_matches(part, all[i]);
        }
        if (index == NULL || (!is_named && !is_fitting)) continue;
        bool takes_writes =
            index->data_stream.size > 0 && stream_write_index(store, index->data_stream) == index;
        if (takes_writes && is_named && refused->data == NULL) *refused = all[i];
        if (!takes_writes || is_named) own[(*count)++] = all[i];
    }
    mutex_unlock(&store->state);
    *names = own;
    return 0;
}

/* Whether a part of the expression names the index itself, its data stream, or an alias of it that
 * has no filter. Those that have one are collected. */
static bool names_all_documents(const struct logstore *store, const struct store_index *index,
                                struct str part, struct str *queries, size_t *count)
{
    bool is_all = part.size == 0 || str_equal(part, STR("_all")) ||
                  logstore_name_matches(part, index->name) ||
                  (index->data_stream.size > 0 && logstore_name_matches(part, index->data_stream));
    for (size_t k = 0; !is_all && k < store->aliases.count; k++) {
        const struct store_alias *alias = &store->aliases.items[k];
        if (!str_equal(alias->index, index->name) || !logstore_name_matches(part, alias->name)) {
            continue;
        }
        if (alias->filter.size == 0) return true;
        queries[(*count)++] = alias->filter;
    }
    return is_all;
}

/* Of one index. State held. `queries` has room for all aliases, once for each part. */
static int find_filters(struct logstore *store, const struct store_index *index,
                        struct str expression, struct arena *arena,
                        struct logstore_alias_filters *filters)
{
    size_t part_count = 1;
    for (size_t i = 0; i < expression.size; i++) part_count += expression.data[i] == ',';
    struct str *queries = ARENA_ARRAY(arena, struct str, part_count * store->aliases.count + 1);
    size_t count = 0;
    if (queries == NULL) return -ENOMEM;
    struct str rest = expression;
    do {
        struct str part = str_trim(str_cut(&rest, ','));
        struct str expanded = part;
        int64_t now_ms = clock_realtime_ms(store->clock);
        if (part.size > 0 && part.data[0] == '-') continue;
        if (logstore_name_expand(part, now_ms, arena, &expanded, NULL) < 0) continue;
        if (names_all_documents(store, index, expanded, queries, &count)) return 0;
    } while (rest.size > 0);
    for (size_t i = 0; i < count; i++) {
        queries[i] = arena_copy(arena, queries[i]);
        if (queries[i].data == NULL) return -ENOMEM;
    }
    *filters = (struct logstore_alias_filters){ queries, count };
    return 0;
}

int logstore_resolve_filters(struct logstore *store, struct str expression, struct arena *arena,
                             const struct str *names, size_t count,
                             struct logstore_alias_filters **filters)
{
    struct logstore_alias_filters *list =
        ARENA_ARRAY(arena, struct logstore_alias_filters, count + 1);
    if (list == NULL) return -ENOMEM;
    mutex_lock(&store->state);
    bool has_any = false;
    VEC_FOR_EACH (&store->aliases, alias) has_any |= alias->filter.size > 0;
    int code = 0;
    for (size_t i = 0; has_any && code == 0 && i < count; i++) {
        const struct store_index *index = store_index_find(store, names[i]);
        if (index != NULL) code = find_filters(store, index, expression, arena, &list[i]);
    }
    mutex_unlock(&store->state);
    *filters = list;
    return code;
}

/* Dates in names: <logs-{now/d{yyyy.MM.dd|+02:00}}> ------------------------------------------- */

static int expand_math(struct str math, int64_t now_ms, struct buf *out, struct error *error)
{
    struct str format = STR("yyyy.MM.dd");
    int32_t zone_offset_s = 0;
    size_t brace = str_find_char(math, '{');
    if (brace != STR_NONE) {
        struct str inner = str_skip(math, brace + 1);
        math = str_first(math, brace);
        size_t end = str_find_char(inner, '}');
        if (end == STR_NONE)
            return error_set(error, ERROR_INVALID, "invalid dynamic name expression");
        inner = str_first(inner, end);
        struct str zone = inner;
        format = str_cut(&zone, '|');
        if (zone.size > 0 && !date_offset_parse(zone, &zone_offset_s)) {
            return error_set(error, ERROR_INVALID, "unknown time zone in a name");
        }
    }
    struct date_options options = { .now_ms = now_ms,
                                    .allows_math = true,
                                    .zone_offset_s = zone_offset_s };
    int64_t time_ms;
    int code = date_parse_ms(math, &options, &time_ms, error);
    if (code < 0) return ERROR_INVALID;
    date_print_ms(time_ms, format, zone_offset_s, out);
    return 0;
}

int logstore_name_expand(struct str name, int64_t now_ms, struct arena *arena, struct str *expanded,
                         struct error *error)
{
    if (name.size < 2 || name.data[0] != '<' || name.data[name.size - 1] != '>') {
        *expanded = name;
        return 0;
    }
    CLEANUP(buf_release) struct buf out = { 0 };
    buf_init(&out, 1024);
    struct str rest = { name.data + 1, name.size - 2 };
    while (rest.size > 0) {
        if (rest.data[0] != '{') {
            buf_append_char(&out, rest.data[0]);
            rest = str_skip(rest, 1);
            continue;
        }
        size_t depth = 0;
        size_t end = 0;
        do {
            depth += rest.data[end] == '{';
            depth -= rest.data[end] == '}';
            end++;
        } while (depth > 0 && end < rest.size);
        if (depth > 0) {
            return error_set(error, ERROR_INVALID,
                             "invalid dynamic name expression [" STR_FMT "]. date math placeholder "
                             "is open ended",
                             STR_ARG(name));
        }
        int code = expand_math((struct str){ rest.data + 1, end - 2 }, now_ms, &out, error);
        if (code < 0) return code;
        rest = str_skip(rest, end);
    }
    if (out.has_failed) return error_set(error, ERROR_LIMIT, "name is too long");
    *expanded = arena_copy(arena, buf_str(&out));
    return expanded->data == NULL ? error_set(error, -ENOMEM, "expand a name: out of memory") : 0;
}
