/* remote_write.c - /api/v1/write: samples that others push, remote write 1.0; and the admin API.
 *
 * FORMAT   snappy block of prometheus.WriteRequest
 *            1 repeated TimeSeries   1 repeated Label { 1 name 2 value }
 *                                    2 repeated Sample { 1 double value 2 int64 timestamp, ms }
 *                                    3 repeated Exemplar, 4 repeated Histogram: write_histogram.h
 *            3 repeated MetricMetadata: pushed_metadata.h
 * RULES    As the real receiver: one bad sample refuses the request and nothing of it is kept; the
 *          same sample again is fine; a series without a name or with a bad label is left out.
 *          204 means that everything is durable.
 * SPEED    Senders write a series' labels in the same bytes each time, and one sample behind them.
 *          Such series are looked up by a hash of those bytes (write_cache.h), many at a time;
 *          their labels are read when the hash or the store does not know them.
 * Source:  Prometheus Remote-Write 1.0 specification.
 */
#include "metrics_server/server.h"
#include "metrics_server/write_histogram.h"

#include "base/random.h"
#include "codec/compress.h"
#include "codec/protobuf.h"
#include "codec/utf8.h"
#include "prometheus/prometheus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    ROWS_MAX = 256,   /* series looked up at a time */
    SAMPLE_SIZE = 18, /* 0x12 16 0x09 value 0x10 time, when a time has 6 bytes, as it has to 2109 */
    ZERO_SAMPLE_SIZE = 9, /* 0x12 7 0x10 time: a value of 0 may be left out */
};

#define UNPACKED_SIZE_MAX (32u << 20)

/* One request on its way into a batch. */
struct writing {
    struct write_cache *cache;
    struct sample_batch *batch;
    size_t row_count; /* series that wait to be looked up */
    struct str bodies[ROWS_MAX];
    struct write_key keys[ROWS_MAX];
    struct sample_row rows[ROWS_MAX];
    struct labels_builder builder;
    struct arena *arena; /* histograms and exemplars on their way */
    uint64_t sample_count;
    bool has_metadata;
};

/* The form that senders write, with short texts: 0x0a size name 0x12 size value. Most of the time
 * of a request goes into these, so they are not read field by field. */
static bool read_short_label(struct str bytes, struct str *name, struct str *value)
{
    const unsigned char *at = (const unsigned char *)bytes.data;
    if (bytes.size < 4 || at[0] != 0x0a || at[1] > 127) return false;
    size_t size = at[1];
    if (bytes.size < size + 4) return false;
    *name = (struct str){ bytes.data + 2, size };
    at += size + 2;
    if (at[0] != 0x12 || at[1] > 127 || bytes.size != size + 4 + at[1]) return false;
    *value = (struct str){ bytes.data + size + 4, at[1] };
    return true;
}

static int read_label(struct str bytes, struct str *name, struct str *value, struct error *error)
{
    struct protobuf_field field;
    int code;
    *name = *value = (struct str){ 0 };
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        if (field.wire != PROTOBUF_BYTES) continue;
        if (field.number == 1) *name = field.bytes;
        if (field.number == 2) *value = field.bytes;
    }
    return code;
}

static int take_label(struct writing *writing, struct str bytes, bool *is_bad, struct error *error)
{
    struct str name;
    struct str value;
    if (!read_short_label(bytes, &name, &value)) {
        int code = read_label(bytes, &name, &value, error);
        if (code != 0) return code;
    }
    if (name.size == 0 || !utf8_is_valid(name) || !utf8_is_valid(value)) {
        *is_bad = true;
        return 0;
    }
    if (value.size == 0) return 0; /* the same as no label */
    size_t before = writing->builder.items.count;
    labels_builder_set(&writing->builder, name, value);
    bool is_twice = writing->builder.items.count == before && !writing->builder.has_failed;
    if (is_twice) *is_bad = true;
    return 0;
}

static int take_sample(struct writing *writing, struct str bytes, uint64_t *ref,
                       struct error *error)
{
    struct protobuf_field field;
    double value = 0;
    int64_t time_ms = 0;
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        if (field.number == 1 && field.wire == PROTOBUF_FIXED64) value = protobuf_double(&field);
        if (field.number == 2 && field.wire == PROTOBUF_VARINT) time_ms = (int64_t)field.value;
    }
    if (code != 0) return code;
    writing->sample_count++;
    return writing->batch->append(writing->batch, ref, labels_builder_labels(&writing->builder),
                                  time_ms, value, error);
}

static int take_histogram(struct writing *writing, struct str bytes, uint64_t *ref,
                          struct error *error)
{
    struct histogram *histogram;
    int64_t time_ms;
    if (writing->batch->append_histogram == NULL) {
        return error_set(error, ERROR_UNSUPPORTED, "the store takes no native histograms");
    }
    int code = write_histogram_read(bytes, writing->arena, &histogram, &time_ms, error);
    if (code != 0) return code;
    writing->sample_count++;
    return writing->batch->append_histogram(
        writing->batch, ref, labels_builder_labels(&writing->builder), time_ms, histogram, error);
}

/* Exemplars never refuse a request: as in the real receiver. */
static int take_exemplar(struct writing *writing, struct str bytes, uint64_t ref,
                         struct error *error)
{
    struct exemplar exemplar;
    if (writing->batch->append_exemplar == NULL || ref == 0) return 0;
    int code = write_exemplar_read(bytes, writing->arena, &exemplar, error);
    if (code != 0) return code;
    code = writing->batch->append_exemplar(writing->batch, ref, &exemplar, NULL);
    return code == -ENOMEM ? error_set(error, code, "no memory for an exemplar") : 0;
}

/* Reads a series label by label. *ref: its number, 0 when it was left out; *label_size: bytes from
 * the front that hold labels alone. */
static int take_series(struct writing *writing, struct str bytes, uint64_t *ref, size_t *label_size,
                       struct error *error)
{
    struct protobuf_field field;
    bool is_bad = false;
    int code;
    labels_builder_start(&writing->builder, (struct labels){ 0 });
    struct str rest = bytes;
    struct str samples = bytes; /* from the first field that is no label */
    bool has_samples = false;
    bool has_exemplars = false;
    while ((code = protobuf_next(&rest, &field, error)) == 1) {
        if (field.number != 1 || field.wire != PROTOBUF_BYTES) {
            has_samples = true;
            continue;
        }
        if (!has_samples) samples = rest;
        code = take_label(writing, field.bytes, &is_bad, error);
        if (code != 0) return code;
    }
    if (code != 0) return code;
    if (writing->builder.has_failed) return error_set(error, -ENOMEM, "no memory for labels");
    *ref = 0;
    *label_size = bytes.size - samples.size;
    if (is_bad || labels_builder_get(&writing->builder, LABEL_METRIC_NAME).size == 0) return 0;
    struct str exemplars = samples;
    while ((code = protobuf_next(&samples, &field, error)) == 1) {
        if (field.wire != PROTOBUF_BYTES) continue;
        if (field.number == 2) code = take_sample(writing, field.bytes, ref, error);
        if (field.number == 3) has_exemplars = true;
        if (field.number == 4) code = take_histogram(writing, field.bytes, ref, error);
        if (code < 0) return code;
    }
    /* Behind the samples, for they need the series' number. */
    while (has_exemplars && (code = protobuf_next(&exemplars, &field, error)) == 1) {
        if (field.wire != PROTOBUF_BYTES || field.number != 3) continue;
        code = take_exemplar(writing, field.bytes, *ref, error);
        if (code < 0) return code;
    }
    return code;
}

/* Six bytes of a varint: five that go on and one that ends. */
static bool read_time(const unsigned char *bytes, int64_t *time_ms)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 6; i++) {
        if ((bytes[i] >> 7) != (i < 5)) return false;
        value |= (uint64_t)(bytes[i] & 127) << (7 * i);
    }
    *time_ms = (int64_t)value;
    return true;
}

/* Whether the series ends in one sample as senders write it, if what is before are its labels:
 * the cache knows whether that is so. */
static bool read_last_sample(struct str body, struct sample_row *row, size_t *size)
{
    const unsigned char *end = (const unsigned char *)body.data + body.size;
    if (body.size <= SAMPLE_SIZE) return false;
    if (end[-7] != 0x10 || !read_time(end - 6, &row->time_ms)) return false;
    if (end[-18] == 0x12 && end[-17] == SAMPLE_SIZE - 2 && end[-16] == 0x09) {
        memcpy(&row->value, end - 15, sizeof(row->value)); /* the wire's order is the machine's */
        *size = SAMPLE_SIZE;
        return true;
    }
    row->value = 0;
    *size = ZERO_SAMPLE_SIZE;
    return end[-9] == 0x12 && end[-8] == ZERO_SAMPLE_SIZE - 2;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "read_last_sample copies a double");

/* A row whose number is not known, or not any more. */
static int take_unknown(struct writing *writing, size_t i, struct error *error)
{
    struct sample_row row;
    size_t size = 0;
    size_t label_size = 0;
    uint64_t ref = 0;
    int code = take_series(writing, writing->bodies[i], &ref, &label_size, error);
    if (code != 0) return code;
    bool is_sample = read_last_sample(writing->bodies[i], &row, &size);
    if (is_sample && label_size + size == writing->bodies[i].size) {
        write_cache_put(writing->cache, &writing->keys[i], ref);
    }
    return 0;
}

/* Appends the rows that wait. */
static int take_rows(struct writing *writing, struct error *error)
{
    uint64_t refs[ROWS_MAX];
    size_t count = writing->row_count;
    writing->row_count = 0;
    write_cache_find(writing->cache, writing->keys, refs, count);
    for (size_t i = 0; i < count; i++) writing->rows[i].ref = refs[i];
    for (size_t i = 0; i < count;) {
        size_t end = i;
        while (end < count && writing->rows[end].ref != 0) end++;
        size_t taken = 0;
        int code = 0;
        if (end > i) {
            code = writing->batch->append_rows(writing->batch, writing->rows + i, end - i, &taken,
                                               error);
        }
        writing->sample_count += taken;
        i += taken;
        if (code != 0 && code != -ENOENT) return code;
        if (i == count) return 0;
        code = take_unknown(writing, i++, error);
        if (code != 0) return code;
    }
    return 0;
}

static int take_request(struct writing *writing, struct str bytes, struct error *error)
{
    struct protobuf_field field;
    int code;
    while ((code = protobuf_next(&bytes, &field, error)) == 1) {
        if (field.number == 3 && field.wire == PROTOBUF_BYTES) {
            writing->has_metadata = true;
            code = pushed_metadata_take(NULL, field.bytes, error);
            if (code != 0) return code;
        }
        if (field.number != 1 || field.wire != PROTOBUF_BYTES) continue;
        size_t at = writing->row_count;
        size_t size = 0;
        if (read_last_sample(field.bytes, &writing->rows[at], &size)) {
            writing->bodies[at] = field.bytes;
            struct str labels = str_first(field.bytes, field.bytes.size - size);
            writing->keys[at] = write_cache_key(writing->cache, labels);
            if (++writing->row_count < ROWS_MAX) continue;
            code = take_rows(writing, error);
        } else {
            uint64_t ref;
            size_t label_size;
            code = take_rows(writing, error);
            if (code == 0) code = take_series(writing, field.bytes, &ref, &label_size, error);
        }
        if (code != 0) return code;
    }
    return code == 0 ? take_rows(writing, error) : code;
}

/* What a request that was taken says of its metrics. Without memory it is not kept: it comes
 * again. */
static void take_metadata(struct metrics_server *server, struct str bytes)
{
    struct protobuf_field field;
    while (protobuf_next(&bytes, &field, NULL) == 1) {
        if (field.number != 3 || field.wire != PROTOBUF_BYTES) continue;
        if (pushed_metadata_take(&server->pushed_metadata, field.bytes, NULL) != 0) return;
    }
}

static int check_request(const struct metrics_server *server, const struct http_request *request,
                         struct http_response *response)
{
    struct str encoding = http_request_header(request, "Content-Encoding");
    if (!server->flags.takes_remote_write) {
        http_response_text(response, 404,
                           "remote write receiver needs to be enabled with "
                           "--web.enable-remote-write-receiver\n");
        return 1;
    }
    if (encoding.size > 0 && !str_equal_nocase(encoding, STR("snappy"))) {
        http_response_text(response, 415, "%s is not supported, only snappy\n", "this encoding");
        return 1;
    }
    struct str type = http_request_header(request, "Content-Type");
    if (str_find(type, STR("io.prometheus.write.v2.Request")) != STR_NONE) {
        http_response_text(response, 415, "remote write 2.0 is not supported, send 1.0\n");
        return 1;
    }
    return 0;
}

/* What went wrong in the store, as the status a sender acts on: 4xx drops, 5xx tries again. */
static void write_failure(struct http_response *response, int code, const struct error *error)
{
    unsigned status = (unsigned)error_http_status(code);
    if (code == ERROR_LIMIT || code == ERROR_INVALID || code == ERROR_UNSUPPORTED) status = 400;
    if (code == ERROR_CORRUPT) status = 400;
    /* Senders and people look for the real receiver's words. */
    const char *words = "";
    if (code == ERROR_DUPLICATE) words = "duplicate sample for timestamp: ";
    if (code == ERROR_OUT_OF_ORDER) words = "out of order sample: ";
    if (code == ERROR_INVALID) words = "out of bounds: ";
    http_response_text(response, status, "%s%s\n", words, error->text);
}

API_HANDLER(remote_write)
{
    struct metrics_server *server = context;
    if (check_request(server, request, response) != 0) return 0;
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, UNPACKED_SIZE_MAX);
    struct writing writing = { .cache = &server->write_cache, .arena = request->arena };
    int code = snappy_unpack(request->body, &plain, error);
    if (code == 0 && role_is_memory_short(server->role)) {
        code = error_set(error, ERROR_REFUSED, "over the memory limit, try again later");
    }
    if (code == 0) code = server->sink.begin(server->sink.state, &writing.batch, error);
    if (code == 0) {
        code = take_request(&writing, buf_str(&plain), error);
        if (code != 0) {
            writing.batch->rollback(writing.batch);
        } else {
            code = writing.batch->commit(writing.batch, error);
        }
    }
    if (code == 0 && writing.has_metadata) take_metadata(server, buf_str(&plain));
    labels_builder_release(&writing.builder);
    if (code != 0) {
        write_failure(response, code, error);
        return 0;
    }
    pm_add(server->remote_samples, (double)writing.sample_count);
    response->status = 204;
    return 0;
}

/* ---- admin ---- */

static int check_admin(const struct metrics_server *server, struct error *error)
{
    if (server->flags.has_admin) return 0;
    return error_set(error, -EACCES, "admin APIs disabled");
}

API_HANDLER(admin_delete_series)
{
    struct metrics_server *server = context;
    CLEANUP(api_matches_release) struct api_matches matches = { 0 };
    int64_t start_ms = INT64_MIN / 2;
    int64_t end_ms = INT64_MAX / 2;
    int code = check_admin(server, error);
    if (code == 0) code = api_time(request, "start", &start_ms, error);
    if (code == 0) code = api_time(request, "end", &end_ms, error);
    if (code == 0) code = api_matches_read(server, request, &matches, error);
    if (code != 0) return code;
    if (matches.count == 0) {
        return error_set(error, ERROR_INVALID, "no match[] parameter provided");
    }
    for (size_t i = 0; i < matches.count && code == 0; i++) {
        const struct matcher *matchers;
        size_t count;
        if (!promql_expr_selector(matches.exprs[i], &matchers, &count)) continue;
        code = tsdb_delete(server->db, matchers, count, start_ms, end_ms, error);
    }
    if (code == 0) response->status = 204;
    return code;
}

API_HANDLER(admin_snapshot)
{
    struct metrics_server *server = context;
    struct str skip = http_request_parameter(request, "skip_head");
    bool skips_head = str_equal(skip, STR("true")) || str_equal(skip, STR("1"));
    unsigned char dice[8];
    char time[32];
    char name[64];
    int code = check_admin(server, error);
    if (code != 0) return code;
    if (skip.size > 0 && !skips_head && !str_equal(skip, STR("false")) &&
        !str_equal(skip, STR("0"))) {
        return error_set(error, ERROR_INVALID,
                         "invalid parameter \"skip_head\": expected true or false, got \"" STR_FMT
                         "\"",
                         STR_ARG(skip));
    }
    time_t now = (time_t)(clock_realtime_ms(role_clock(server->role)) / 1000);
    struct tm parts;
    (void)gmtime_r(&now, &parts);
    (void)strftime(time, sizeof(time), "%Y%m%dT%H%M%SZ", &parts);
    random_secret(dice, sizeof(dice));
    (void)snprintf(name, sizeof(name), "%s-%02x%02x%02x%02x%02x%02x%02x%02x", time, dice[0],
                   dice[1], dice[2], dice[3], dice[4], dice[5], dice[6], dice[7]);
    code = tsdb_snapshot(server->db, name, !skips_head, error);
    if (code != 0) return code;
    struct json_writer json;
    api_begin(response, &json);
    json_object_begin(&json);
    json_member_cstr(&json, "name", name);
    json_object_end(&json);
    api_end(response, &json);
    return 0;
}

API_HANDLER(admin_clean_tombstones)
{
    (void)request;
    struct metrics_server *server = context;
    int code = check_admin(server, error);
    if (code == 0) code = tsdb_clean(server->db, error);
    if (code == 0) response->status = 204;
    return code;
}
