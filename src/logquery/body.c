/* body.c - the body of a search and its URL parameters: one row a key. */
#include "codec/number.h"
#include "logquery/agg.h"
#include "logquery/search.h"

#include <errno.h>

#define SIZE_DEFAULT        10
#define TRACK_TOTAL_DEFAULT 10000

typedef int key_reader(struct search *search, const struct json *value);

static int read_query(struct search *search, const struct json *value)
{
    return parse_query(&search->parse, value, &search->filter);
}

static int read_post_filter(struct search *search, const struct json *value)
{
    return parse_query(&search->parse, value, &search->post_filter);
}

static int read_aggs(struct search *search, const struct json *value)
{
    int code = aggs_read(search, value, &search->aggs, &search->agg_count);
    for (size_t i = 0; code == 0 && i < search->agg_count; i++) {
        search->aggs[i]->is_outermost = true;
    }
    return code;
}

static int check_count(struct search *search, const char *name, int64_t count)
{
    if (count >= 0 && count <= INT32_MAX) return 0;
    return parse_fail(&search->parse, "parsing_exception",
                      count < 0 ? "[%s] parameter cannot be negative, found [%lld]"
                                : "[%s] is out of range of an integer, found [%lld]",
                      name, (long long)count);
}

static int read_size(struct search *search, const struct json *value)
{
    search->size = parse_integer_named(&search->parse, value, "size", SIZE_DEFAULT);
    return check_count(search, "size", search->size);
}

static int read_from(struct search *search, const struct json *value)
{
    search->from = parse_integer_named(&search->parse, value, "from", 0);
    return check_count(search, "from", search->from);
}

static int read_track(struct search *search, const struct json *value)
{
    if (json_is(value, JSON_INT))
        search->track_total = value->integer;
    else if (parse_flag(value, false))
        search->track_total = INT64_MAX;
    else if (!parse_flag(value, true))
        search->track_total = 0;
    else
        search->track_total =
            parse_integer_named(&search->parse, value, "track_total_hits", TRACK_TOTAL_DEFAULT);
    return 0;
}

static int read_source(struct search *search, const struct json *value)
{
    return source_spec_read(&search->parse, value, &search->source);
}

static int read_wanted(struct search *search, const struct json *value,
                       const struct wanted_field **fields, size_t *count)
{
    size_t total = json_is(value, JSON_ARRAY) ? value->array.count : 1;
    struct wanted_field *list = ARENA_ARRAY(search->arena, struct wanted_field, total + 1);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < total; i++) {
        const struct json *item = json_is(value, JSON_ARRAY) ? &value->array.items[i] : value;
        if (json_is(item, JSON_OBJECT)) {
            list[i].pattern = json_text(json_get(item, STR("field")), STR(""));
            list[i].format = json_text(json_get(item, STR("format")), STR(""));
            list[i].includes_unmapped =
                parse_flag_of(&search->parse, item, "include_unmapped", false);
        } else {
            list[i].pattern = json_text(item, STR(""));
        }
    }
    *fields = list;
    *count = total;
    return 0;
}

static int read_fields(struct search *search, const struct json *value)
{
    return read_wanted(search, value, &search->fields, &search->field_count);
}

static int read_docvalues(struct search *search, const struct json *value)
{
    return read_wanted(search, value, &search->docvalues, &search->docvalue_count);
}

/* Stored fields we have none; asking for any of them leaves the source out, unless it is named. */
static int read_stored(struct search *search, const struct json *value)
{
    bool is_source = json_is(value, JSON_TEXT) && str_equal(value->text, STR("_source"));
    if (!is_source) search->source.is_off = true;
    return 0;
}

static int read_sort(struct search *search, const struct json *value)
{
    return sort_read(search, value);
}

static int read_version(struct search *search, const struct json *value)
{
    search->has_version = parse_flag(value, false);
    return 0;
}

static int read_seq_no(struct search *search, const struct json *value)
{
    search->has_seq_no = parse_flag(value, false);
    return 0;
}

static int read_track_scores(struct search *search, const struct json *value)
{
    search->tracks_scores = parse_flag(value, false);
    return 0;
}

static int read_timeout(struct search *search, const struct json *value)
{
    static const struct {
        const char *unit;
        int64_t ms; /* 0: less than one */
    } units[] = { { "nanos", 0 }, { "micros", 0 },  { "ms", 1 },      { "s", 1000 },
                  { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    struct str text = parse_scalar(value);
    size_t digits = 0;
    int64_t number;
    if (str_equal(text, STR("-1"))) return 0; /* none */
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    bool is_number = str_to_int64(str_first(text, digits), &number);
    for (size_t i = 0; is_number && i < ARRAY_LENGTH(units); i++) {
        if (!str_equal(str_skip(text, digits), str_from(units[i].unit))) continue;
        if (number > INT64_MAX / 86400000) number = INT64_MAX / 86400000;
        search->timeout_ms = number * units[i].ms > 0 ? number * units[i].ms : 1;
        return 0;
    }
    struct str shown = parse_shown(text);
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "failed to parse setting [timeout] with value [" STR_FMT
                      "] as a time value: unit is missing or unrecognized",
                      STR_ARG(shown));
}

static int read_terminate(struct search *search, const struct json *value)
{
    search->terminate_after = parse_integer_named(&search->parse, value, "terminate_after", 0);
    if (search->terminate_after >= 0) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception", "terminateAfter must be > 0");
}

/* Every hit has the score 1: there is no ranking. */
static int read_min_score(struct search *search, const struct json *value)
{
    double least = 0;
    if (value->kind == JSON_INT)
        least = (double)value->integer;
    else if (value->kind == JSON_DOUBLE)
        least = value->number;
    else if (value->kind != JSON_TEXT || !number_parse(value->text, &least))
        return parse_fail(&search->parse, "parsing_exception", "[min_score] must be a number");
    search->finds_nothing = least > 1;
    return 0;
}

static int read_profile(struct search *search, const struct json *value)
{
    search->has_profile = parse_flag(value, false);
    return 0;
}

static int read_explain(struct search *search, const struct json *value)
{
    if (!parse_flag(value, false)) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[explain] of a search is not supported: every hit has the score 1");
}

static int read_nothing(struct search *search, const struct json *value)
{
    (void)search;
    (void)value;
    return 0;
}

/* Keys that mean nothing when they are empty, and that we cannot do otherwise. */
static int refuse_full(struct search *search, const struct json *value, const char *name)
{
    bool is_empty = value->kind == JSON_NULL ||
                    (value->kind == JSON_OBJECT && value->object.count == 0) ||
                    (value->kind == JSON_ARRAY && value->array.count == 0);
    if (is_empty) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "[%s] of a search is not supported", name);
}

static int refuse_scripts(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "script_fields");
}

static int refuse_runtime(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "runtime_mappings");
}

static int refuse_suggest(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "suggest");
}

/* The server has looked it up before; a search within a search has none. */
static int read_pit(struct search *search, const struct json *value)
{
    if (search->request->page != NULL) return 0;
    return refuse_full(search, value, "pit");
}

/* {"id":0,"max":2}: every max-th document. */
static int read_slice(struct search *search, const struct json *value)
{
    int64_t id = parse_integer_of(&search->parse, value, "id", -1);
    int64_t most = parse_integer_of(&search->parse, value, "max", 0);
    if (id < 0 || most < 2 || id >= most || most > 1024) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "[slice] needs an [id] of 0 to max-1 and a [max] of 2 to 1024");
    }
    search->slice_id = (uint32_t)id;
    search->slice_max = (uint32_t)most;
    return 0;
}

static int refuse_knn(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "knn");
}

static int refuse_boost(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "indices_boost");
}

static int refuse_rescore(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "rescore");
}

static int refuse_stats(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "stats");
}

static int refuse_ext(struct search *search, const struct json *value)
{
    return refuse_full(search, value, "ext");
}

struct key_row {
    struct str name;
    key_reader *read;
};

static const struct key_row key_rows[] = {
    { STR_INIT("query"), read_query },
    { STR_INIT("post_filter"), read_post_filter },
    { STR_INIT("aggs"), read_aggs },
    { STR_INIT("aggregations"), read_aggs },
    { STR_INIT("size"), read_size },
    { STR_INIT("from"), read_from },
    { STR_INIT("sort"), read_sort },
    { STR_INIT("search_after"), read_nothing }, /* needs the sort, wherever that stands */
    { STR_INIT("track_total_hits"), read_track },
    { STR_INIT("stored_fields"), read_stored },
    { STR_INIT("_source"), read_source },
    { STR_INIT("fields"), read_fields },
    { STR_INIT("docvalue_fields"), read_docvalues },
    { STR_INIT("highlight"), highlight_read },
    { STR_INIT("version"), read_version },
    { STR_INIT("seq_no_primary_term"), read_seq_no },
    { STR_INIT("track_scores"), read_track_scores },
    { STR_INIT("timeout"), read_timeout },
    { STR_INIT("terminate_after"), read_terminate },
    { STR_INIT("min_score"), read_min_score },
    { STR_INIT("explain"), read_explain },
    { STR_INIT("profile"), read_profile },
    { STR_INIT("indices_boost"), refuse_boost },
    { STR_INIT("rescore"), refuse_rescore },
    { STR_INIT("stats"), refuse_stats },
    { STR_INIT("ext"), refuse_ext },
    { STR_INIT("script_fields"), refuse_scripts },
    { STR_INIT("runtime_mappings"), refuse_runtime },
    { STR_INIT("collapse"), collapse_read },
    { STR_INIT("suggest"), refuse_suggest },
    { STR_INIT("pit"), read_pit },
    { STR_INIT("slice"), read_slice },
    { STR_INIT("knn"), refuse_knn },
};

static int read_key(struct search *search, const struct json_member *member)
{
    for (size_t i = 0; i < ARRAY_LENGTH(key_rows); i++) {
        if (!str_equal(key_rows[i].name, member->key)) continue;
        return key_rows[i].read(search, &member->value);
    }
    const char *token = member->value.kind == JSON_OBJECT  ? "START_OBJECT"
                        : member->value.kind == JSON_ARRAY ? "START_ARRAY"
                                                           : "VALUE_STRING";
    return parse_fail(&search->parse, "parsing_exception", "Unknown key for a %s in [" STR_FMT "].",
                      token, STR_ARG(member->key));
}

static int read_body(struct search *search)
{
    struct str body = search->request->body;
    if (str_trim(body).size == 0) return 0;
    struct error error = { 0 };
    const struct json *root = NULL;
    int code = json_parse(NULL, search->arena, body, &root, &error);
    bool is_deep = code == ERROR_LIMIT && str_find(str_from(error.text), STR("nested")) != STR_NONE;
    if (!is_deep && (code == ERROR_LIMIT || code == -ENOMEM)) {
        return parse_out_of_memory(&search->parse);
    }
    if (code < 0) {
        return parse_fail(&search->parse, "json_parse_exception", "%s (at byte %zu)", error.text,
                          error.offset);
    }
    if (!json_is(root, JSON_OBJECT)) {
        return parse_fail(&search->parse, "parsing_exception",
                          "Expected [START_OBJECT] but found another token");
    }
    for (size_t i = 0; code == 0 && i < root->object.count; i++) {
        code = read_key(search, &root->object.members[i]);
    }
    const struct logquery_page *page = search->request->page;
    bool has_tiebreak = page != NULL && !page->is_scroll && search->key_count > 0;
    if (code == 0 && has_tiebreak) code = sort_add_tiebreak(search);
    const struct json *after = json_get(root, STR("search_after"));
    if (code == 0 && after != NULL) code = sort_read_after(search, after);
    return code;
}

/* The further pages of a scroll begin where the last one ended and aggregate no more. */
static int read_page(struct search *search)
{
    const struct logquery_page *page = search->request->page;
    if (page == NULL) return 0;
    if (!page->is_scroll) return search->key_count > 0 ? sort_add_tiebreak(search) : 0;
    if (search->from > 0 || search->collapse != NULL) {
        return parse_fail(&search->parse, "action_request_validation_exception",
                          "Validation Failed: 1: using [%s] is not allowed in a scroll context;",
                          search->from > 0 ? "from" : "collapse");
    }
    size_t shown = search->key_count;
    int code = sort_add_tiebreak(search);
    search->hides_last_key = search->key_count > shown;
    if (code < 0 || page->after.size == 0) return code;
    search->agg_count = 0;
    const struct json *root = NULL;
    if (json_parse(NULL, search->arena, page->after, &root, NULL) < 0) {
        return parse_out_of_memory(&search->parse);
    }
    return sort_read_after(search, root);
}

/* A parameter of the URL as the value that would stand in a body. */
static struct json as_text(struct str text)
{
    return (struct json){ .kind = JSON_TEXT, .raw = text, .text = text };
}

static int read_url_query(struct search *search)
{
    const struct logquery_request *request = search->request;
    if (request->q.data == NULL) return 0;
    struct lucene_options options = { 0 };
    struct str *field = ARENA_NEW(search->arena, struct str);
    if (field == NULL) return parse_out_of_memory(&search->parse);
    *field = request->default_field;
    options.fields = field;
    options.field_count = field->size > 0 && !str_equal(*field, STR("*")) ? 1 : 0;
    options.needs_all = str_equal_nocase(request->default_operator, STR("and"));
    options.is_lenient = str_equal(request->lenient, STR("true")) ||
                         (request->lenient.size == 0 && options.field_count == 0);
    struct error error = { 0 };
    int code = logquery_parse_lucene(request->q, &options, search->arena, &search->filter, &error);
    if (code == 0) return 0;
    return parse_fail_shard(&search->parse, "query_shard_exception",
                            "Failed to parse query [" STR_FMT "]: %s", STR_ARG(request->q),
                            error.text);
}

/* sort=a:desc,b */
static int read_url_sort(struct search *search)
{
    struct str rest = search->request->sort;
    if (rest.data == NULL) return 0;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct json_writer json;
    buf_init(&text, 16384);
    json_writer_init(&json, &text);
    json_array_begin(&json);
    while (rest.size > 0) {
        struct str order = str_cut(&rest, ',');
        struct str field = str_cut(&order, ':');
        json_object_begin(&json);
        json_key(&json, field);
        json_put_text(&json, order.size > 0                    ? order
                             : str_equal(field, STR("_score")) ? STR("desc")
                                                               : STR("asc"));
        json_object_end(&json);
    }
    json_array_end(&json);
    const struct json *root = NULL;
    if (json_parse(NULL, search->arena, buf_str(&text), &root, NULL) < 0) {
        return parse_out_of_memory(&search->parse);
    }
    return sort_read(search, root);
}

/* docvalue_fields=a,b */
static int read_url_docvalues(struct search *search)
{
    struct str rest = search->request->docvalue_fields;
    if (rest.data == NULL) return 0;
    size_t count = 1;
    for (size_t i = 0; i < rest.size; i++) count += rest.data[i] == ',';
    struct wanted_field *list = ARENA_ARRAY(search->arena, struct wanted_field, count);
    if (list == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < count; i++) list[i].pattern = str_trim(str_cut(&rest, ','));
    search->docvalues = list;
    search->docvalue_count = count;
    return 0;
}

static int read_url(struct search *search)
{
    const struct logquery_request *request = search->request;
    int code = read_url_query(search);
    const struct url_row {
        struct str value;
        key_reader *read;
    } rows[] = {
        { request->size, read_size },
        { request->from, read_from },
        { request->track_total_hits, read_track },
        { request->timeout, read_timeout },
        { request->terminate_after, read_terminate },
        { request->min_score, read_min_score },
        { request->version, read_version },
        { request->seq_no, read_seq_no },
        { request->track_scores, read_track_scores },
        { request->explain, read_explain },
        { request->profile, read_profile },
        { request->stored_fields, read_stored },
    };
    for (size_t i = 0; code == 0 && i < ARRAY_LENGTH(rows); i++) {
        if (rows[i].value.data == NULL) continue;
        struct json value = as_text(rows[i].value);
        code = rows[i].read(search, &value);
    }
    if (code == 0) code = read_url_docvalues(search);
    if (code == 0) code = read_url_sort(search);
    if (code == 0) {
        code = logquery_source_read_url(request->source, request->source_includes,
                                        request->source_excludes, search->arena, &search->source);
        if (code < 0) return parse_out_of_memory(&search->parse);
    }
    return code;
}

int search_read(struct search *search)
{
    search->size = SIZE_DEFAULT;
    search->track_total = TRACK_TOTAL_DEFAULT;
    search->timeout_ms = search->options->timeout_ms;
    int code = read_body(search);
    if (code == 0) code = read_url(search);
    if (code == 0) code = read_page(search);
    if (code == 0) code = parse_settled(&search->parse);
    if (code < 0) return code;
    if (search->filter == NULL || search->finds_nothing) {
        search->filter = filter_new(&search->parse, search->finds_nothing ? LOGSTORE_FILTER_NONE
                                                                          : LOGSTORE_FILTER_ALL);
        if (search->filter == NULL) return parse_out_of_memory(&search->parse);
    }
    if (search->from + search->size > RESULT_WINDOW_MAX) {
        return parse_fail_shard(
            &search->parse, "illegal_argument_exception",
            "Result window is too large, from + size must be less than or equal "
            "to: [%d] but was [%lld]. See the scroll api for a more efficient "
            "way to request large data sets. This limit can be set by changing "
            "the [index.max_result_window] index level setting.",
            RESULT_WINDOW_MAX, (long long)(search->from + search->size));
    }
    if (search->after != NULL && search->from > 0) {
        return parse_fail(&search->parse, "action_request_validation_exception",
                          "Validation Failed: 1: `from` parameter must be set to 0 when "
                          "`search_after` is used.;");
    }
    return 0;
}
