/* highlight.c - marks what matched: a query's leaves are tried on each term of a text again.
 *
 * Long texts are cut into fragments around the marks, at blanks. The types unified, plain and fvh
 * are the same here.
 */
#include "logquery/highlight.h"

#include "base/check.h"

#include <string.h>

#define FIELDS_MAX   1024
#define FRAGMENT_GAP 16 /* bytes before the first mark of a fragment, about */

struct highlight_options {
    struct str pre_tag, post_tag;
    int64_t fragment_size, fragment_count;
    int64_t no_match_size; /* bytes of a text without marks that are given back; 0: none */
    bool needs_field_match;
    bool escapes_html;
    struct highlight_matcher_vec *matchers; /* of highlight_query, or the search's own */
};

struct highlight_field {
    struct str pattern;
    struct highlight_options options;
    const struct logstore_filter *query; /* its highlight_query; NULL: none */
};

struct highlighter {
    struct highlight_field *fields;
    size_t field_count;
    struct highlight_matcher_vec *matchers; /* the first is the query's, then one a field */
    bool is_prepared;
};

/* Reading ------------------------------------------------------------------------------------- */

static struct str first_text(const struct json *json, struct str otherwise)
{
    if (json_is(json, JSON_ARRAY) && json->array.count > 0) json = &json->array.items[0];
    return json_text(json, otherwise);
}

static int read_type(struct search *search, const struct json *json, struct str field)
{
    static const struct str types[] = { STR_INIT("unified"), STR_INIT("plain"), STR_INIT("fvh") };
    struct str type = json_text(json_get(json, STR("type")), STR("unified"));
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (str_equal(types[i], type)) return 0;
    }
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "unknown highlighter type [" STR_FMT "] for the field [" STR_FMT "]",
                      STR_ARG(type), STR_ARG(field));
}

/* Takes over what is said; the rest stays as it was. */
static void read_options(struct parse *parse, const struct json *json,
                         struct highlight_options *options)
{
    if (str_equal(json_text(json_get(json, STR("tags_schema")), STR("")), STR("styled"))) {
        options->pre_tag = STR("<em class=\"hlt1\">");
        options->post_tag = STR("</em>");
    }
    options->pre_tag = first_text(json_get(json, STR("pre_tags")), options->pre_tag);
    options->post_tag = first_text(json_get(json, STR("post_tags")), options->post_tag);
    options->fragment_size = parse_integer_of(parse, json, "fragment_size", options->fragment_size);
    options->fragment_count =
        parse_integer_of(parse, json, "number_of_fragments", options->fragment_count);
    options->no_match_size = parse_integer_of(parse, json, "no_match_size", options->no_match_size);
    options->needs_field_match =
        parse_flag_of(parse, json, "require_field_match", options->needs_field_match);
    struct str encoder = json_text(json_get(json, STR("encoder")), STR(""));
    if (encoder.size > 0) options->escapes_html = str_equal(encoder, STR("html"));
}

static int read_field(struct search *search, const struct highlight_options *options,
                      const struct logstore_filter *query, const struct json_member *member,
                      struct highlight_field *field)
{
    *field =
        (struct highlight_field){ .pattern = member->key, .options = *options, .query = query };
    read_options(&search->parse, &member->value, &field->options);
    int code = read_type(search, &member->value, member->key);
    const struct json *own = json_get(&member->value, STR("highlight_query"));
    if (code < 0 || own == NULL) return code;
    struct logstore_filter *filter = NULL;
    code = parse_query(&search->parse, own, &filter);
    field->query = filter;
    return code;
}

/* {"a":{...}} or [{"a":{...}}]: the member that stands at a place; NULL: none. */
static const struct json_member *member_at(const struct json *fields, size_t i)
{
    if (fields->kind == JSON_OBJECT) return &fields->object.members[i];
    const struct json *item = &fields->array.items[i];
    bool is_one = json_is(item, JSON_OBJECT) && item->object.count > 0;
    return is_one ? &item->object.members[0] : NULL;
}

int highlight_read(struct search *search, const struct json *json)
{
    struct highlighter *highlighter = ARENA_NEW(search->arena, struct highlighter);
    const struct json *fields = json_get(json, STR("fields"));
    size_t count = json_is(fields, JSON_OBJECT)  ? fields->object.count
                   : json_is(fields, JSON_ARRAY) ? fields->array.count
                                                 : 0;
    struct highlight_options options = {
        .pre_tag = STR("<em>"),
        .post_tag = STR("</em>"),
        .fragment_size = 100,
        .fragment_count = 5,
        .needs_field_match = true,
    };
    if (highlighter == NULL) return parse_out_of_memory(&search->parse);
    if (count > FIELDS_MAX) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[highlight] names more than %d [fields]", FIELDS_MAX);
    }
    read_options(&search->parse, json, &options);
    int code = read_type(search, json, STR("*"));
    struct logstore_filter *query = NULL;
    const struct json *own = json_get(json, STR("highlight_query"));
    if (code == 0 && own != NULL) code = parse_query(&search->parse, own, &query);
    highlighter->fields = ARENA_ARRAY(search->arena, struct highlight_field, count + 1);
    highlighter->matchers = ARENA_ARRAY(search->arena, struct highlight_matcher_vec, count + 1);
    if (highlighter->fields == NULL || highlighter->matchers == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        const struct json_member *member = member_at(fields, i);
        if (member == NULL) continue;
        code = read_field(search, &options, query, member,
                          &highlighter->fields[highlighter->field_count++]);
    }
    if (code == 0) search->highlight = highlighter;
    return code;
}

/* Makes the tests of terms when the first hit is written. */
static int prepare(struct search *search)
{
    struct highlighter *highlighter = search->highlight;
    if (highlighter->is_prepared) return 0;
    highlighter->is_prepared = true;
    int code = highlight_matchers_add(search, search->filter, &highlighter->matchers[0]);
    for (size_t i = 0; code == 0 && i < highlighter->field_count; i++) {
        struct highlight_field *field = &highlighter->fields[i];
        field->options.matchers = &highlighter->matchers[field->query == NULL ? 0 : i + 1];
        if (field->query == NULL) continue;
        code = highlight_matchers_add(search, field->query, field->options.matchers);
    }
    return code;
}

void highlight_release(struct search *search)
{
    struct highlighter *highlighter = search->highlight;
    for (size_t i = 0; highlighter != NULL && i <= highlighter->field_count; i++) {
        highlight_matchers_release(&highlighter->matchers[i]);
    }
}

/* Marking ------------------------------------------------------------------------------------- */

struct mark {
    size_t start, end;
};

VEC_TYPE(mark_vec, struct mark);

struct marker {
    struct search *search;
    const struct highlight_options *options;
    struct highlight_target target;
    struct mark_vec marks;
    size_t given; /* fragments of the field */
    bool is_open; /* its list is begun */
    struct json_writer *json;
};

static int find_marks(struct marker *marker, struct str text)
{
    const struct highlight_matcher_vec *matchers = marker->options->matchers;
    marker->marks.count = 0;
    if (!marker->target.is_text) {
        bool is_it = highlight_matches(matchers, &marker->target, text);
        if (is_it && !VEC_PUSH(&marker->marks, (struct mark){ 0, text.size })) {
            return parse_out_of_memory(&marker->search->parse);
        }
        return 0;
    }
    struct analyzer analyzer;
    struct analyzer_token token;
    analyzer_init(&analyzer, text);
    while (analyzer_next(&analyzer, &token)) {
        if (!highlight_matches(matchers, &marker->target, token.term)) continue;
        if (!VEC_PUSH(&marker->marks, (struct mark){ token.start, token.end })) {
            return parse_out_of_memory(&marker->search->parse);
        }
    }
    return 0;
}

static void put_plain(const struct marker *marker, struct str text, struct buf *out)
{
    static const struct escape {
        char c;
        const char *text;
    } escapes[] = { { '"', "&quot;" }, { '&', "&amp;" },   { '<', "&lt;" },
                    { '>', "&gt;" },   { '\'', "&#x27;" }, { '/', "&#x2F;" } };
    if (!marker->options->escapes_html) {
        buf_append_str(out, text);
        return;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *escaped = NULL;
        for (size_t k = 0; k < ARRAY_LENGTH(escapes); k++) {
            if (escapes[k].c == text.data[i]) escaped = escapes[k].text;
        }
        if (escaped != NULL)
            buf_append_cstr(out, escaped);
        else
            buf_append_char(out, text.data[i]);
    }
}

static struct str part(struct str text, size_t start, size_t end)
{
    CHECK(start <= end && end <= text.size);
    return (struct str){ text.data + start, end - start };
}

/* A piece of the text with the marks from `first` up to `last` in it. */
static int put_fragment(struct marker *marker, struct str text, struct mark piece, size_t first,
                        size_t last)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    size_t done = piece.start;
    buf_init(&out, (size_t)1 << 28);
    for (size_t i = first; i < last; i++) {
        const struct mark *mark = &marker->marks.items[i];
        put_plain(marker, part(text, done, mark->start), &out);
        buf_append_str(&out, marker->options->pre_tag);
        put_plain(marker, part(text, mark->start, mark->end), &out);
        buf_append_str(&out, marker->options->post_tag);
        done = mark->end;
    }
    put_plain(marker, part(text, done, piece.end), &out);
    if (out.has_failed) return parse_out_of_memory(&marker->search->parse);
    if (!marker->is_open) {
        json_key(marker->json, marker->target.path);
        json_array_begin(marker->json);
        marker->is_open = true;
    }
    json_put_text(marker->json, buf_str(&out));
    marker->given++;
    return 0;
}

static size_t blank_behind(struct str text, size_t at)
{
    while (at < text.size && text.data[at] != ' ') at++;
    return at;
}

static int put_fragments(struct marker *marker, struct str text)
{
    const struct highlight_options *options = marker->options;
    size_t count = marker->marks.count;
    size_t size = options->fragment_size > 0 ? (size_t)options->fragment_size : 1;
    bool is_whole = options->fragment_count <= 0 || !marker->target.is_text || size >= text.size;
    if (is_whole) {
        return count == 0 ? 0 : put_fragment(marker, text, (struct mark){ 0, text.size }, 0, count);
    }
    size_t behind = 0; /* where the fragment before ended */
    int code = 0;
    for (size_t i = 0; code == 0 && i < count && marker->given < (size_t)options->fragment_count;) {
        const struct mark *mark = &marker->marks.items[i];
        size_t start = mark->start > FRAGMENT_GAP ? mark->start - FRAGMENT_GAP : 0;
        while (start > behind && text.data[start - 1] != ' ') start--;
        if (start < behind) start = behind;
        while (start < mark->start && text.data[start] == ' ') start++;
        size_t end = start + size < text.size ? blank_behind(text, start + size) : text.size;
        size_t last = i;
        while (last < count && (last == i || marker->marks.items[last].start < end)) {
            if (marker->marks.items[last].end > end) end = marker->marks.items[last].end;
            last++;
        }
        code = put_fragment(marker, text, (struct mark){ start, end }, i, last);
        behind = end;
        i = last;
    }
    return code;
}

/* Depth: JSON_DEPTH_MAX. */
static int mark_values(struct marker *marker, const struct json *value)
{
    int code = 0;
    if (value->kind == JSON_ARRAY) {
        for (size_t i = 0; code == 0 && i < value->array.count; i++) {
            code = mark_values(marker, &value->array.items[i]);
        }
        return code;
    }
    struct str text = parse_scalar(value);
    if (text.data == NULL) return 0;
    code = find_marks(marker, text);
    return code < 0 ? code : put_fragments(marker, text);
}

/* The beginning of a text in which nothing is marked. */
static int put_no_match(struct marker *marker, const struct json *value)
{
    if (value->kind == JSON_ARRAY && value->array.count > 0) value = &value->array.items[0];
    struct str text = value->kind == JSON_ARRAY ? STR("") : parse_scalar(value);
    if (marker->options->no_match_size <= 0 || text.size == 0) return 0;
    size_t size = (size_t)marker->options->no_match_size;
    size_t end = size < text.size ? blank_behind(text, size) : text.size;
    return put_fragment(marker, text, (struct mark){ 0, end }, 0, 0);
}

static const struct highlight_field *wanted_field(const struct highlighter *highlighter,
                                                  struct str path)
{
    for (size_t i = 0; i < highlighter->field_count; i++) {
        if (logstore_name_matches(highlighter->fields[i].pattern, path)) {
            return &highlighter->fields[i];
        }
    }
    return NULL;
}

static int mark_field(struct marker *marker, const struct logstore_field *field,
                      const struct json *root)
{
    bool is_text = field->type == LOGSTORE_TEXT;
    const struct highlight_field *wanted = wanted_field(marker->search->highlight, field->path);
    if (wanted == NULL || (!is_text && field->type != LOGSTORE_KEYWORD)) return 0;
    struct str path = field->path; /* of the source: a sub-field's is its field's */
    while (field->is_sub_field && path.size > 0 && path.data[path.size - 1] != '.') path.size--;
    if (field->is_sub_field && path.size > 0) path.size--;
    const struct json *value = json_get_path(root, path);
    if (value == NULL) return 0;
    marker->options = &wanted->options;
    marker->target =
        (struct highlight_target){ field->path, is_text, !wanted->options.needs_field_match };
    marker->given = 0;
    marker->is_open = false;
    int code = mark_values(marker, value);
    if (code == 0 && marker->given == 0) code = put_no_match(marker, value);
    if (code == 0 && marker->is_open) json_array_end(marker->json);
    return code;
}

int highlight_write(struct search *search, const struct candidate *candidate,
                    const struct json *root, struct json_writer *json)
{
    if (search->highlight == NULL) return 0;
    int code = prepare(search);
    const struct logstore_mapping *mapping =
        search->snapshot->segments[candidate->segment].index->mapping;
    struct marker marker = { .search = search, .json = json };
    size_t before = json->out->size;
    bool comma = json->needs_comma;
    json_key(json, STR("highlight"));
    json_object_begin(json);
    size_t inside = json->out->size;
    for (size_t i = 0; code == 0 && i < mapping->fields.count; i++) {
        code = mark_field(&marker, &mapping->fields.items[i], root);
    }
    VEC_RELEASE(&marker.marks);
    if (json->out->has_failed || json->out->size > inside) {
        json_object_end(json);
    } else { /* nothing is marked: no highlight at all */
        buf_truncate(json->out, before);
        json->needs_comma = comma;
    }
    return code;
}
