/* highlight.c - marks what matched: the query's leaves are tried on each field's text again. */
#include "logquery/search.h"

#include <string.h>

#define LEAVES_MAX   256
#define FRAGMENT_GAP 16

struct leaf {
    const struct logstore_filter *filter;
};

struct marker {
    struct search *search;
    const struct leaf *leaves;
    size_t leaf_count;
    struct str path;
    bool is_keyword;
    bool has_match;
};

int highlight_read(struct search *search, const struct json *json)
{
    struct highlight_spec *spec = ARENA_NEW(search->arena, struct highlight_spec);
    const struct json *fields = json_get(json, STR("fields"));
    if (spec == NULL) return parse_out_of_memory(&search->parse);
    const struct json *pre = json_get(json, STR("pre_tags"));
    const struct json *post = json_get(json, STR("post_tags"));
    if (json_is(pre, JSON_ARRAY) && pre->array.count > 0) pre = &pre->array.items[0];
    if (json_is(post, JSON_ARRAY) && post->array.count > 0) post = &post->array.items[0];
    spec->pre_tag = json_text(pre, STR("<em>"));
    spec->post_tag = json_text(post, STR("</em>"));
    spec->fragment_size = parse_integer(json_get(json, STR("fragment_size")), 100);
    spec->fragment_count = parse_integer(json_get(json, STR("number_of_fragments")), 5);
    spec->needs_field_match = parse_flag(json_get(json, STR("require_field_match")), true);
    size_t count = json_is(fields, JSON_OBJECT)  ? fields->object.count
                   : json_is(fields, JSON_ARRAY) ? fields->array.count
                                                 : 0;
    struct str *names = ARENA_ARRAY(search->arena, struct str, count + 1);
    if (names == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < count; i++) {
        if (fields->kind == JSON_OBJECT)
            names[spec->field_count++] = fields->object.members[i].key;
        else if (json_is(&fields->array.items[i], JSON_OBJECT) &&
                 fields->array.items[i].object.count > 0) {
            names[spec->field_count++] = fields->array.items[i].object.members[0].key;
        }
    }
    spec->fields = names;
    search->highlight = spec;
    return 0;
}

/* All leaves that say yes somewhere; what must not match marks nothing. */
static void gather(const struct logstore_filter *filter, struct leaf *leaves, size_t *count,
                   unsigned depth)
{
    if (filter == NULL || depth > PARSE_DEPTH_MAX || *count == LEAVES_MAX) return;
    if (filter->kind == LOGSTORE_FILTER_BOOL) {
        for (size_t i = 0; i < filter->must_count; i++) {
            gather(filter->must[i], leaves, count, depth + 1);
        }
        for (size_t i = 0; i < filter->should_count; i++) {
            gather(filter->should[i], leaves, count, depth + 1);
        }
        return;
    }
    if (filter->value_count > 0 && filter->kind != LOGSTORE_FILTER_IDS) {
        leaves[(*count)++].filter = filter;
    }
}

static bool asks_field(const struct marker *marker, const struct logstore_filter *filter)
{
    if (filter->field_count == 0) return true;
    if (!marker->search->highlight->needs_field_match) return true;
    for (size_t i = 0; i < filter->field_count; i++) {
        if (logstore_name_matches(filter->fields[i], marker->path)) return true;
    }
    return false;
}

static bool wildcard_matches(struct str pattern, struct str text)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = STR_NONE;
    size_t mark = 0;
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.size &&
                   (pattern.data[p] == '?' || pattern.data[p] == text.data[t])) {
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

static bool analyzed_holds(struct str value, struct str term, bool is_prefix)
{
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, value);
    while (analyzer_next(&analyzer, &token)) {
        if (str_equal(token.term, term)) return true;
        if (is_prefix && str_starts_with(term, token.term)) return true;
    }
    return false;
}

/* Whether a leaf's value may have matched this term (of a text), or this whole keyword. */
static bool value_matches(const struct marker *marker, const struct logstore_filter *filter,
                          struct str value, struct str term)
{
    CLEANUP(buf_release) struct buf lower = { 0 };
    buf_init(&lower, (size_t)1 << 20);
    switch (filter->kind) {
    case LOGSTORE_FILTER_TERM:
        return filter->is_case_insensitive ? str_equal_nocase(value, term) : str_equal(value, term);
    case LOGSTORE_FILTER_MATCH:
    case LOGSTORE_FILTER_PHRASE:
        return marker->is_keyword ? str_equal(value, term) : analyzed_holds(value, term, false);
    case LOGSTORE_FILTER_PHRASE_PREFIX:
        return marker->is_keyword ? str_starts_with(term, value)
                                  : analyzed_holds(value, term, true);
    case LOGSTORE_FILTER_PREFIX:
    case LOGSTORE_FILTER_WILDCARD:
        if (!marker->is_keyword && filter->is_normalized) {
            analyzer_lowercase(value, &lower);
            value = buf_str(&lower);
        }
        if (filter->kind == LOGSTORE_FILTER_PREFIX) return str_starts_with(term, value);
        return wildcard_matches(value, term);
    case LOGSTORE_FILTER_ALL:
    case LOGSTORE_FILTER_NONE:
    case LOGSTORE_FILTER_BOOL:
    case LOGSTORE_FILTER_RANGE:
    case LOGSTORE_FILTER_EXISTS:
    case LOGSTORE_FILTER_REGEXP:
    case LOGSTORE_FILTER_FUZZY:
    case LOGSTORE_FILTER_IDS:
    case LOGSTORE_FILTER_KIND_COUNT: break;
    }
    return false;
}

static bool term_matches(const struct marker *marker, struct str term)
{
    for (size_t i = 0; i < marker->leaf_count; i++) {
        const struct logstore_filter *filter = marker->leaves[i].filter;
        if (!asks_field(marker, filter)) continue;
        for (size_t k = 0; k < filter->value_count; k++) {
            if (value_matches(marker, filter, filter->values[k], term)) return true;
        }
    }
    return false;
}

/* The whole text with its marks. */
static void mark_text(struct marker *marker, struct str text, struct buf *out)
{
    const struct highlight_spec *spec = marker->search->highlight;
    if (marker->is_keyword) {
        marker->has_match = term_matches(marker, text);
        if (marker->has_match) buf_append_str(out, spec->pre_tag);
        buf_append_str(out, text);
        if (marker->has_match) buf_append_str(out, spec->post_tag);
        return;
    }
    struct analyzer analyzer;
    struct analyzer_token token;
    size_t done = 0;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        if (!term_matches(marker, token.term)) continue;
        marker->has_match = true;
        buf_append(out, text.data + done, token.start - done);
        buf_append_str(out, spec->pre_tag);
        buf_append(out, text.data + token.start, token.end - token.start);
        buf_append_str(out, spec->post_tag);
        done = token.end;
    }
    buf_append(out, text.data + done, text.size - done);
}

/* Long texts are cut to what stands around the first mark, at blanks. */
static struct str fragment(const struct highlight_spec *spec, struct str marked)
{
    bool is_whole = spec->fragment_count == 0 || spec->fragment_size >= (int64_t)marked.size;
    if (is_whole) return marked;
    size_t at = str_find(marked, spec->pre_tag);
    size_t size = (size_t)spec->fragment_size + spec->pre_tag.size + spec->post_tag.size;
    if (at == STR_NONE) return str_first(marked, size < marked.size ? size : marked.size);
    size_t start = at > FRAGMENT_GAP ? at - FRAGMENT_GAP : 0;
    while (start > 0 && marked.data[start - 1] != ' ') start--;
    size_t end = start + size < marked.size ? start + size : marked.size;
    while (end < marked.size && marked.data[end] != ' ') end++;
    return (struct str){ marked.data + start, end - start };
}

static void mark_values(struct marker *marker, const struct json *value, struct json_writer *json,
                        bool *is_open)
{
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; i < value->array.count; i++) {
            mark_values(marker, &value->array.items[i], json, is_open);
        }
        return;
    }
    struct str text = parse_scalar(value);
    if (text.data == NULL) return;
    CLEANUP(buf_release) struct buf marked = { 0 };
    buf_init(&marked, (size_t)1 << 28);
    marker->has_match = false;
    mark_text(marker, text, &marked);
    if (!marker->has_match || marked.has_failed) return;
    if (!*is_open) {
        json_key(json, marker->path);
        json_array_begin(json);
        *is_open = true;
    }
    json_put_text(json, fragment(marker->search->highlight, buf_str(&marked)));
}

static const struct json *find_path(const struct json *root, struct str path)
{
    return json_get_path(root, path);
}

int highlight_write(struct search *search, const struct candidate *candidate,
                    const struct json *root, struct json_writer *json)
{
    if (search->highlight == NULL) return 0;
    struct leaf leaves[LEAVES_MAX];
    struct marker marker = { .search = search, .leaves = leaves };
    gather(search->filter, leaves, &marker.leaf_count, 0);
    const struct logstore_mapping *mapping =
        search->snapshot->segments[candidate->segment].index->mapping;
    bool has_any = false;
    for (size_t i = 0; marker.leaf_count > 0 && i < mapping->fields.count; i++) {
        const struct logstore_field *field = &mapping->fields.items[i];
        bool is_text = field->type == LOGSTORE_TEXT;
        if (!is_text && field->type != LOGSTORE_KEYWORD) continue;
        bool is_wanted = false;
        for (size_t k = 0; !is_wanted && k < search->highlight->field_count; k++) {
            is_wanted = logstore_name_matches(search->highlight->fields[k], field->path);
        }
        if (!is_wanted) continue;
        struct str path = field->path;
        while (field->is_sub_field && path.size > 0 && path.data[path.size - 1] != '.') path.size--;
        if (field->is_sub_field && path.size > 0) path.size--;
        const struct json *value = find_path(root, path);
        if (value == NULL) continue;
        marker.path = field->path;
        marker.is_keyword = !is_text;
        bool is_open = false;
        if (!has_any) {
            size_t before = json->out->size;
            bool comma = json->needs_comma;
            json_key(json, STR("highlight"));
            json_object_begin(json);
            size_t inside = json->out->size;
            mark_values(&marker, value, json, &is_open);
            if (is_open) json_array_end(json);
            has_any = json->out->size > inside;
            if (!has_any && !json->out->has_failed) {
                buf_truncate(json->out, before);
                json->needs_comma = comma;
            }
            continue;
        }
        mark_values(&marker, value, json, &is_open);
        if (is_open) json_array_end(json);
    }
    if (has_any) json_object_end(json);
    return 0;
}
