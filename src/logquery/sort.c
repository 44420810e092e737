/* sort.c - the order of hits: keys, their values in each segment, search_after. */
#include "logquery/search.h"

#include "base/check.h"
#include "codec/number.h"
#include "logquery/query_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "mode" and "numeric_type"; an option that there is not refuses the sort. */
static int read_options(struct search *search, struct sort_key *key, const struct json *value)
{
    static const struct str modes[] = {
        [SORT_LEAST] = STR_INIT("min"),     [SORT_MOST] = STR_INIT("max"),
        [SORT_SUM] = STR_INIT("sum"),       [SORT_AVERAGE] = STR_INIT("avg"),
        [SORT_MEDIAN] = STR_INIT("median"),
    };
    for (size_t i = 0; i < value->object.count; i++) {
        struct str name = value->object.members[i].key;
        if (query_has_word("order missing mode unmapped_type format numeric_type nested "
                           "nested_path nested_filter",
                           name)) {
            continue;
        }
        return parse_fail(&search->parse, "x_content_parse_exception",
                          "[field_sort] unknown field [" STR_FMT "]", STR_ARG(name));
    }
    struct str mode = json_text(json_get(value, STR("mode")), STR(""));
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        if (str_equal_nocase(modes[i], mode)) key->mode = (enum sort_mode)i;
    }
    if (mode.size > 0 && !str_equal_nocase(modes[key->mode], mode)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "Unknown SortMode [" STR_FMT "]", STR_ARG(mode));
    }
    struct str type = json_text(json_get(value, STR("numeric_type")), STR(""));
    if (str_equal(type, STR("date"))) key->unit = SORT_UNIT_MS;
    if (str_equal(type, STR("date_nanos"))) key->unit = SORT_UNIT_NS;
    if (type.size == 0 || query_has_word("long double date date_nanos", type)) return 0;
    return parse_fail(&search->parse, "illegal_argument_exception",
                      "invalid value for [numeric_type], must be [long, double, date, date_nanos], "
                      "got [" STR_FMT "]",
                      STR_ARG(type));
}

static int read_field_sort(struct search *search, struct str name, const struct json *value)
{
    if (search->key_count == SORT_KEYS_MAX - 1) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "more than %d sort keys are not supported", SORT_KEYS_MAX - 1);
    }
    struct sort_key *key = &search->keys[search->key_count++];
    *key = (struct sort_key){ .field = name };
    if (str_equal(name, STR("_score"))) {
        key->kind = SORT_SCORE;
        key->is_descending = true;
    }
    if (str_equal(name, STR("_doc")) || str_equal(name, STR("_shard_doc"))) {
        key->kind = SORT_DOCUMENT;
    }
    if (value == NULL) return 0;
    const struct json *order = json_is(value, JSON_OBJECT) ? json_get(value, STR("order")) : value;
    if (order != NULL) {
        struct str word = json_text(order, STR(""));
        key->is_descending = str_equal_nocase(word, STR("desc"));
        if (!key->is_descending && !str_equal_nocase(word, STR("asc"))) {
            return parse_fail(&search->parse, "illegal_argument_exception",
                              "No enum constant org.elasticsearch.search.sort.SortOrder." STR_FMT,
                              STR_ARG(word));
        }
    }
    key->mode = key->is_descending ? SORT_MOST : SORT_LEAST;
    if (!json_is(value, JSON_OBJECT)) return 0;
    int code = read_options(search, key, value);
    if (code < 0) return code;
    key->has_unmapped_type = json_get(value, STR("unmapped_type")) != NULL;
    key->format = json_text(json_get(value, STR("format")), STR(""));
    const struct json *missing = json_get(value, STR("missing"));
    struct str word = json_text(missing, STR(""));
    if (str_equal(word, STR("_first")))
        key->is_missing_first = true;
    else if (missing != NULL && !str_equal(word, STR("_last")))
        key->missing_value = missing;
    return 0;
}

static int read_item(struct search *search, const struct json *json)
{
    if (json_is(json, JSON_TEXT)) return read_field_sort(search, json->text, NULL);
    if (!json_is(json, JSON_OBJECT)) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "malformed sort format, within the sort array, an object, or an actual "
                          "string are allowed");
    }
    int code = 0;
    for (size_t i = 0; code == 0 && i < json->object.count; i++) {
        const struct json_member *member = &json->object.members[i];
        if (str_equal(member->key, STR("_script")) ||
            str_equal(member->key, STR("_geo_distance"))) {
            return parse_fail(&search->parse, "illegal_argument_exception",
                              "sorting by [" STR_FMT "] is not supported", STR_ARG(member->key));
        }
        code = read_field_sort(search, member->key, &member->value);
    }
    return code;
}

int sort_read(struct search *search, const struct json *json)
{
    search->key_count = 0;
    if (json == NULL || json->kind == JSON_NULL) return 0;
    if (!json_is(json, JSON_ARRAY)) return read_item(search, json);
    int code = 0;
    for (size_t i = 0; code == 0 && i < json->array.count; i++) {
        code = read_item(search, &json->array.items[i]);
    }
    return code;
}

int sort_add_tiebreak(struct search *search)
{
    for (size_t i = 0; i < search->key_count; i++) {
        if (search->keys[i].kind == SORT_DOCUMENT) return 0;
    }
    CHECK(search->key_count < SORT_KEYS_MAX);
    search->keys[search->key_count++] =
        (struct sort_key){ .kind = SORT_DOCUMENT, .field = STR_INIT("_shard_doc") };
    return 0;
}

int sort_read_after(struct search *search, const struct json *json)
{
    if (!json_is(json, JSON_ARRAY) || json->array.count != search->key_count ||
        search->key_count == 0) {
        return parse_fail(&search->parse, "illegal_argument_exception",
                          "search_after has %zu value(s) but sort has %zu.",
                          json_is(json, JSON_ARRAY) ? json->array.count : 0, search->key_count);
    }
    search->after = ARENA_ARRAY(search->arena, struct sort_value, search->key_count);
    if (search->after == NULL) return parse_out_of_memory(&search->parse);
    for (size_t i = 0; i < search->key_count; i++) {
        const struct json *value = &json->array.items[i];
        struct sort_value *after = &search->after[i];
        *after = (struct sort_value){ .type = SORT_TYPE_NONE };
        if (value->kind == JSON_NULL) continue;
        if (value->kind == JSON_OBJECT || value->kind == JSON_ARRAY) {
            return parse_fail(&search->parse, "parsing_exception",
                              "Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or "
                              "[VALUE_NULL] but found [%s] inside search_after.",
                              value->kind == JSON_OBJECT ? "START_OBJECT" : "START_ARRAY");
        }
        /* Its type is the field's, known once the sort is prepared; until then it is text. */
        after->type = SORT_TYPE_TEXT;
        after->text = parse_scalar(value);
        if (after->text.data == NULL) after->text = STR("");
    }
    return 0;
}

static enum sort_type type_of(enum logstore_type type)
{
    switch (logstore_type_column(type)) {
    case LOGSTORE_COLUMN_INTEGER: return SORT_TYPE_INTEGER;
    case LOGSTORE_COLUMN_REAL: return SORT_TYPE_REAL;
    case LOGSTORE_COLUMN_KEYWORD: return SORT_TYPE_TEXT;
    case LOGSTORE_COLUMN_TEXT:
    case LOGSTORE_COLUMN_NONE: break;
    }
    return SORT_TYPE_NONE;
}

/* What put_missing writes for a document without a value comes back as no value. */
static bool is_missing_mark(const struct sort_key *key, struct str text)
{
    if (key->kind != SORT_FIELD || key->missing_value != NULL) return false;
    bool is_least = key->is_missing_first != key->is_descending;
    if (key->type == SORT_TYPE_INTEGER) {
        return str_equal(text, is_least ? STR("-9223372036854775808") : STR("9223372036854775807"));
    }
    return key->type == SORT_TYPE_REAL &&
           str_equal(text, is_least ? STR("-Infinity") : STR("Infinity"));
}

static int prepare_after(struct search *search, const struct sort_key *key,
                         struct sort_value *after)
{
    enum sort_type type = key->kind == SORT_FIELD ? key->type : SORT_TYPE_INTEGER;
    if (after->type != SORT_TYPE_TEXT || type == SORT_TYPE_TEXT) return 0;
    struct str text = after->text;
    if (is_missing_mark(key, text)) {
        after->type = SORT_TYPE_NONE;
        return 0;
    }
    after->type = type;
    double real;
    if (type == SORT_TYPE_REAL && number_parse(text, &after->real)) return 0;
    if (type == SORT_TYPE_INTEGER && str_to_int64(text, &after->integer)) return 0;
    if (type == SORT_TYPE_INTEGER && key->field_type != LOGSTORE_DATE &&
        number_parse(text, &real)) {
        after->integer = (int64_t)real;
        return 0;
    }
    struct date_options options = { .format = key->format.size > 0 ? key->format : key->own_format,
                                    .now_ms = search->context.now_ms,
                                    .allows_math = true };
    struct error error = { 0 };
    int code = key->field_type == LOGSTORE_DATE_NANOS
                   ? date_parse_ns(text, &options, &after->integer, &error)
                   : date_parse_ms(text, &options, &after->integer, &error);
    if (code == 0) return 0;
    if (type == SORT_TYPE_NONE) return 0;
    return parse_fail(&search->parse, "parse_exception", "%s", error.text);
}

int sort_prepare(struct search *search)
{
    for (size_t i = 0; i < search->key_count; i++) {
        struct sort_key *key = &search->keys[i];
        if (key->kind == SORT_FIELD && !str_equal(key->field, STR("_index")) &&
            !str_equal(key->field, STR("_id"))) {
            const struct logstore_field *field = search_field(search, key->field);
            if (field == NULL && !key->has_unmapped_type && search->snapshot->index_count > 0) {
                return parse_fail_shard(&search->parse, "query_shard_exception",
                                        "No mapping found for [" STR_FMT "] in order to sort on",
                                        STR_ARG(key->field));
            }
            if (field != NULL && field->type == LOGSTORE_TEXT) {
                return search_refuse_text(search, key->field);
            }
            key->type = field == NULL ? SORT_TYPE_NONE : type_of(field->type);
            key->field_type = field == NULL ? LOGSTORE_LONG : field->type;
            key->own_format = field == NULL ? STR("") : field->format;
            bool is_time =
                key->field_type == LOGSTORE_DATE || key->field_type == LOGSTORE_DATE_NANOS;
            if (is_time && key->unit != SORT_UNIT_OWN) {
                key->field_type = key->unit == SORT_UNIT_MS ? LOGSTORE_DATE : LOGSTORE_DATE_NANOS;
            }
            if (key->mode > SORT_MOST && key->type == SORT_TYPE_TEXT) {
                return parse_fail_shard(&search->parse, "illegal_argument_exception",
                                        "we only support MIN and MAX sort modes on text fields, "
                                        "not on [" STR_FMT "]",
                                        STR_ARG(key->field));
            }
        } else if (key->kind == SORT_FIELD) {
            key->type = SORT_TYPE_TEXT;
        }
        if (search->after != NULL) {
            int code = prepare_after(search, key, &search->after[i]);
            if (code < 0) return code;
        }
    }
    return 0;
}

static int compare_values(const struct sort_key *key, const struct sort_value *a,
                          const struct sort_value *b)
{
    if (a->type == SORT_TYPE_NONE || b->type == SORT_TYPE_NONE) {
        if (a->type == b->type) return 0;
        bool a_first = (a->type == SORT_TYPE_NONE) == key->is_missing_first;
        return a_first ? -1 : 1;
    }
    int order = 0;
    if (a->type == SORT_TYPE_INTEGER && b->type == SORT_TYPE_INTEGER) {
        order = a->integer < b->integer ? -1 : a->integer > b->integer;
    } else if (a->type == SORT_TYPE_TEXT && b->type == SORT_TYPE_TEXT) {
        order = str_compare(a->text, b->text);
    } else {
        double left = a->type == SORT_TYPE_REAL ? a->real : (double)a->integer;
        double right = b->type == SORT_TYPE_REAL ? b->real : (double)b->integer;
        order = left < right ? -1 : left > right;
    }
    return key->is_descending ? -order : order;
}

int sort_compare(const struct search *search, const struct candidate *a, const struct candidate *b)
{
    for (size_t i = 0; i < search->key_count; i++) {
        int order = compare_values(&search->keys[i], &a->values[i], &b->values[i]);
        if (order != 0) return order;
    }
    if (a->segment != b->segment) return a->segment < b->segment ? -1 : 1;
    return a->document < b->document ? -1 : a->document > b->document;
}

bool sort_is_after(const struct search *search, const struct candidate *candidate)
{
    if (search->after == NULL) return true;
    for (size_t i = 0; i < search->key_count; i++) {
        int order = compare_values(&search->keys[i], &candidate->values[i], &search->after[i]);
        if (order != 0) return order > 0;
    }
    return false;
}

struct sort_segment {
    size_t segment;
    struct logstore_cursor cursors[SORT_KEYS_MAX]; /* column NULL: no values here */
    struct str *terms[SORT_KEYS_MAX];              /* by ordinal, filled when first needed */
    const struct logstore_column *leading;         /* of integers, one a document; NULL: not so */
    double *scratch;                               /* for medians */
    size_t scratch_count;
    char id[LOGSTORE_ID_BUFFER]; /* of the document at hand */
    uint32_t document_base;
};

/* Whether an integer, as the first key's value, would come behind the worst hit that is kept. */
static bool is_behind_worst(const struct search *search, int64_t integer)
{
    const struct sort_value *worst = &search->heap[0].values[0];
    if (worst->type != SORT_TYPE_INTEGER) return false;
    return search->keys[0].is_descending ? integer < worst->integer : integer > worst->integer;
}

/* The column of the first key when it is of integers and documents without a value come last. */
static const struct logstore_column *leading_column(const struct search *search, size_t segment)
{
    const struct sort_key *key = &search->keys[0];
    if (search->key_count == 0 || key->kind != SORT_FIELD || key->is_missing_first ||
        key->missing_value != NULL || key->mode > SORT_MOST || key->unit != SORT_UNIT_OWN) {
        return NULL;
    }
    const struct logstore_column *column = search_column(search, segment, key->field);
    bool is_integer = column != NULL && logstore_column_kind(column) == LOGSTORE_COLUMN_INTEGER &&
                      key->type == SORT_TYPE_INTEGER;
    return is_integer ? column : NULL;
}

bool sort_passes_segment(const struct search *search, size_t segment)
{
    const struct logstore_column *column = leading_column(search, segment);
    int64_t least;
    int64_t most;
    if (column == NULL || !logstore_column_integer_range(column, &least, &most)) return false;
    return is_behind_worst(search, search->keys[0].is_descending ? most : least);
}

bool sort_passes_document(const struct search *search, const struct sort_segment *sort,
                          uint32_t document)
{
    const struct logstore_column *column = sort->leading;
    return column != NULL && is_behind_worst(search, logstore_column_integer(column, document));
}

int sort_segment_begin(struct search *search, size_t segment, struct sort_segment **out)
{
    struct sort_segment *sort = ARENA_NEW(search->arena, struct sort_segment);
    if (sort == NULL) return parse_out_of_memory(&search->parse);
    sort->segment = segment;
    for (size_t i = 0; i < segment; i++) {
        sort->document_base += search->snapshot->segments[i].document_count;
    }
    const struct logstore_column *leading = leading_column(search, segment);
    if (leading != NULL && logstore_column_has_one_each(leading)) sort->leading = leading;
    for (size_t i = 0; i < search->key_count; i++) {
        if (search->keys[i].kind != SORT_FIELD) continue;
        const struct logstore_column *column =
            search_column(search, segment, search->keys[i].field);
        if (column == NULL || logstore_column_kind(column) == LOGSTORE_COLUMN_TEXT) continue;
        sort->cursors[i].column = column;
        if (logstore_column_kind(column) != LOGSTORE_COLUMN_KEYWORD) continue;
        sort->terms[i] =
            ARENA_ARRAY(search->arena, struct str, logstore_column_term_count(column) + 1);
        if (sort->terms[i] == NULL) return parse_out_of_memory(&search->parse);
    }
    *out = sort;
    return 0;
}

static int read_term(struct search *search, struct sort_segment *sort, size_t key, size_t value,
                     struct str *term)
{
    const struct logstore_column *column = sort->cursors[key].column;
    uint32_t ordinal = logstore_column_ordinal(column, value);
    struct str *known = &sort->terms[key][ordinal];
    if (known->data == NULL) {
        CLEANUP(buf_release) struct buf scratch = { 0 };
        buf_init(&scratch, (size_t)1 << 20);
        struct str found;
        if (logstore_column_term(column, ordinal, &scratch, &found) < 0) {
            return error_set(search->parse.error, ERROR_CORRUPT, "dictionary is broken");
        }
        *known = arena_copy(search->arena, found);
        if (known->data == NULL) return parse_out_of_memory(&search->parse);
    }
    *term = *known;
    return 0;
}

static void set_missing(const struct sort_key *key, struct sort_value *value)
{
    *value = (struct sort_value){ .type = SORT_TYPE_NONE };
    if (key->missing_value == NULL) return;
    value->type = key->type;
    if (key->type == SORT_TYPE_INTEGER)
        value->integer = parse_integer(key->missing_value, 0);
    else if (key->type == SORT_TYPE_REAL)
        value->real = parse_number(key->missing_value, 0);
    else if (key->type == SORT_TYPE_TEXT)
        value->text = parse_scalar(key->missing_value);
}

static bool is_id(const struct sort_key *key)
{
    return key->kind == SORT_FIELD && str_equal(key->field, STR("_id"));
}

int sort_keep_values(struct search *search, struct sort_value *values)
{
    for (size_t i = 0; i < search->key_count; i++) {
        if (!is_id(&search->keys[i])) continue;
        values[i].text = arena_copy(search->arena, values[i].text);
        if (values[i].text.data == NULL) return parse_out_of_memory(&search->parse);
    }
    return 0;
}

/* The ordinal of the term that comes first, or last. */
static size_t choose_term(const struct sort_key *key, const struct logstore_column *column,
                          size_t first, size_t count)
{
    size_t chosen = first;
    for (size_t k = first; k < first + count; k++) {
        uint32_t now = logstore_column_ordinal(column, k);
        uint32_t best = logstore_column_ordinal(column, chosen);
        if (key->mode == SORT_MOST ? now > best : now < best) chosen = k;
    }
    return chosen;
}

static double number_at(const struct logstore_column *column, size_t value)
{
    return logstore_column_kind(column) == LOGSTORE_COLUMN_REAL
               ? logstore_column_real(column, value)
               : (double)logstore_column_integer(column, value);
}

static int by_number(const void *a, const void *b)
{
    const double *left = a;
    const double *right = b;
    return *left < *right ? -1 : *left > *right;
}

static int64_t rounded(double number)
{
    if (number >= 0x1p63) return INT64_MAX;
    return number <= -0x1p63 ? INT64_MIN : (int64_t)floor(number + 0.5);
}

/* The sum, the average or the median of numbers. */
static int compute(struct search *search, struct sort_segment *sort, enum sort_mode mode,
                   const struct logstore_column *column, size_t first, size_t count, double *out)
{
    double sum = 0;
    for (size_t k = first; k < first + count; k++) sum += number_at(column, k);
    *out = mode == SORT_SUM ? sum : sum / (double)count;
    if (mode != SORT_MEDIAN) return 0;
    if (count > sort->scratch_count) {
        sort->scratch_count = count * 2;
        sort->scratch = ARENA_ARRAY(search->arena, double, sort->scratch_count);
        if (sort->scratch == NULL) return parse_out_of_memory(&search->parse);
    }
    for (size_t k = 0; k < count; k++) sort->scratch[k] = number_at(column, first + k);
    qsort(sort->scratch, count, sizeof(double), by_number);
    double high = sort->scratch[count / 2];
    *out = count % 2 == 1 ? high : (sort->scratch[count / 2 - 1] + high) / 2;
    return 0;
}

static double choose_real(enum sort_mode mode, const struct logstore_column *column, size_t first,
                          size_t count)
{
    double best = logstore_column_real(column, first);
    for (size_t k = first; k < first + count; k++) {
        double now = logstore_column_real(column, k);
        if (mode == SORT_MOST ? now > best : now < best) best = now;
    }
    return best;
}

static int64_t choose_integer(enum sort_mode mode, const struct logstore_column *column,
                              size_t first, size_t count)
{
    int64_t best = logstore_column_integer(column, first);
    for (size_t k = first; k < first + count; k++) {
        int64_t now = logstore_column_integer(column, k);
        if (mode == SORT_MOST ? now > best : now < best) best = now;
    }
    return best;
}

/* A time in the unit that numeric_type asks for. */
static int64_t in_unit(enum sort_unit unit, enum logstore_type type, int64_t value)
{
    int64_t scaled;
    if (unit == SORT_UNIT_MS && type == LOGSTORE_DATE_NANOS) {
        return value / 1000000 - (value % 1000000 < 0);
    }
    bool is_ms = unit == SORT_UNIT_NS && type == LOGSTORE_DATE;
    if (!is_ms) return value;
    return __builtin_mul_overflow(value, INT64_C(1000000), &scaled) ? value : scaled;
}

/* One of a document's values, or what is computed of them. */
static int field_value(struct search *search, struct sort_segment *sort, size_t at,
                       uint32_t document, struct sort_value *value)
{
    const struct sort_key *key = &search->keys[at];
    struct logstore_cursor *cursor = &sort->cursors[at];
    size_t first = 0;
    size_t count = cursor->column == NULL ? 0 : logstore_cursor_seek(cursor, document, &first);
    if (str_equal(key->field, STR("_index"))) {
        value->type = SORT_TYPE_TEXT;
        value->text = search->snapshot->segments[sort->segment].index->name;
        return 0;
    }
    if (is_id(key)) {
        const struct logstore_segment_view *view = &search->snapshot->segments[sort->segment];
        value->type = SORT_TYPE_TEXT;
        return logstore_document_id(view->segment, document, sort->id, &value->text,
                                    search->parse.error);
    }
    if (count == 0) {
        set_missing(key, value);
        return 0;
    }
    enum logstore_column_kind kind = logstore_column_kind(cursor->column);
    if (kind == LOGSTORE_COLUMN_KEYWORD) {
        size_t chosen = choose_term(key, cursor->column, first, count);
        value->type = SORT_TYPE_TEXT;
        return read_term(search, sort, at, chosen, &value->text);
    }
    if (key->mode > SORT_MOST) {
        double number;
        int code = compute(search, sort, key->mode, cursor->column, first, count, &number);
        value->type = key->type;
        value->real = number;
        if (key->type == SORT_TYPE_INTEGER) value->integer = rounded(number);
        return code;
    }
    if (kind == LOGSTORE_COLUMN_REAL) {
        value->type = SORT_TYPE_REAL;
        value->real = choose_real(key->mode, cursor->column, first, count);
        return 0;
    }
    value->type = SORT_TYPE_INTEGER;
    value->integer = in_unit(key->unit, logstore_column_type(cursor->column),
                             choose_integer(key->mode, cursor->column, first, count));
    return 0;
}

int sort_segment_values(struct search *search, struct sort_segment *sort, uint32_t document,
                        struct sort_value *values)
{
    for (size_t i = 0; i < search->key_count; i++) {
        struct sort_value *value = &values[i];
        if (search->keys[i].kind == SORT_SCORE) {
            *value = (struct sort_value){ .type = SORT_TYPE_INTEGER, .integer = 1 };
        } else if (search->keys[i].kind == SORT_DOCUMENT) {
            value->type = SORT_TYPE_INTEGER;
            value->integer = (int64_t)sort->document_base + document;
        } else {
            int code = field_value(search, sort, i, document, value);
            if (code < 0) return code;
        }
    }
    return 0;
}

static void put_missing(const struct sort_key *key, struct json_writer *json)
{
    if (key->kind != SORT_FIELD || key->type == SORT_TYPE_TEXT || key->type == SORT_TYPE_NONE) {
        json_put_null(json);
        return;
    }
    bool is_least = key->is_missing_first != key->is_descending;
    if (key->type == SORT_TYPE_INTEGER)
        json_put_int(json, is_least ? INT64_MIN : INT64_MAX);
    else
        json_put_text(json, is_least ? STR("-Infinity") : STR("Infinity"));
}

void sort_write(const struct search *search, const struct candidate *candidate, size_t key_count,
                struct json_writer *json)
{
    json_array_begin(json);
    for (size_t i = 0; i < key_count; i++) {
        const struct sort_key *key = &search->keys[i];
        const struct sort_value *value = &candidate->values[i];
        bool is_date = key->kind == SORT_FIELD &&
                       (key->field_type == LOGSTORE_DATE || key->field_type == LOGSTORE_DATE_NANOS);
        if (value->type == SORT_TYPE_NONE)
            put_missing(key, json);
        else if (key->kind == SORT_SCORE)
            put_double(json, 1);
        else if (value->type == SORT_TYPE_REAL)
            put_double(json, value->real);
        else if (value->type == SORT_TYPE_TEXT)
            json_put_text(json, value->text);
        else if (is_date && key->format.size > 0) {
            CLEANUP(buf_release) struct buf text = { 0 };
            buf_init(&text, 256);
            if (key->field_type == LOGSTORE_DATE) {
                date_print_ms(value->integer, key->format, 0, &text);
            } else {
                date_print_ns(value->integer, key->format, 0, &text);
            }
            json_put_text(json, buf_str(&text));
        } else {
            json_put_int(json, value->integer);
        }
    }
    json_array_end(json);
}
