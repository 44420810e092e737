/* script_compare.c - results beside what is expected: notes, order, labels, points. */
#include "tests/conformance/script_compare.h"

#include "codec/regex.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "tests/conformance/script.h"

#include <math.h>
#include <stdio.h>

double script_tolerance = 1e-6;

const struct expectation *script_expectation(const struct script_case *test, enum expect_kind kind)
{
    for (size_t i = 0; i < test->expectation_count; i++) {
        if (test->expectations[i].kind == kind) return &test->expectations[i];
    }
    return NULL;
}

bool script_text_fits(const struct expectation *wanted, struct str text)
{
    if (wanted->has_message) return str_equal(wanted->message, text);
    if (!wanted->has_pattern) return true;
    struct regex *regex;
    if (regex_new(&regex, wanted->pattern, 0, NULL) < 0) return false;
    bool fits = regex_contains(regex, text);
    regex_free(regex);
    return fits;
}

static bool check_notes(struct script_case *test, enum expect_kind wants, enum expect_kind refuses,
                        const struct str *texts, size_t count)
{
    const char *what = wants == EXPECT_WARN ? "warning" : "info";
    if (script_expectation(test, refuses) != NULL && count > 0) {
        (void)snprintf(test->reason, REASON_SIZE, "unexpected %s: " STR_FMT, what,
                       STR_ARG(texts[0]));
        return false;
    }
    for (size_t i = 0; i < test->expectation_count; i++) {
        const struct expectation *wanted = &test->expectations[i];
        if (wanted->kind != wants) continue;
        bool is_found = false;
        for (size_t t = 0; t < count; t++)
            is_found = is_found || script_text_fits(wanted, texts[t]);
        if (is_found) continue;
        (void)snprintf(test->reason, REASON_SIZE, "missing %s " STR_FMT STR_FMT ", got " STR_FMT,
                       what, STR_ARG(wanted->message), STR_ARG(wanted->pattern),
                       STR_ARG(count == 0 ? STR("none") : texts[0]));
        return false;
    }
    return true;
}

static bool is_close(double want, double got)
{
    if (isnan(want) || isnan(got)) return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got)) return want == got;
    double difference = fabs(want - got);
    return difference <= script_tolerance * fmax(fabs(want), fabs(got)) || difference < 1e-12;
}

static bool are_buckets_close(const struct histogram_bucket *want, size_t want_count,
                              const struct histogram_bucket *got, size_t got_count)
{
    size_t w = 0;
    size_t g = 0;
    while (w < want_count || g < got_count) {
        bool has_want = w < want_count && (g == got_count || want[w].index <= got[g].index);
        bool has_got = g < got_count && (w == want_count || got[g].index <= want[w].index);
        if (!is_close(has_want ? want[w].count : 0, has_got ? got[g].count : 0)) return false;
        w += has_want ? 1 : 0;
        g += has_got ? 1 : 0;
    }
    return true;
}

static bool are_histograms_close(const struct text_point *want, const struct histogram *got)
{
    const struct histogram *h = want->histogram;
    if (h->schema != got->schema || h->bound_count != got->bound_count ||
        !is_close(h->count, got->count) || !is_close(h->sum, got->sum) ||
        !is_close(h->zero_count, got->zero_count) ||
        !is_close(h->zero_threshold, got->zero_threshold)) {
        return false;
    }
    for (size_t i = 0; i < h->bound_count; i++) {
        if (!is_close(h->bounds[i], got->bounds[i])) return false;
    }
    if (want->has_hint && h->hint != got->hint) return false;
    return are_buckets_close(h->positive, h->positive_count, got->positive, got->positive_count) &&
           are_buckets_close(h->negative, h->negative_count, got->negative, got->negative_count);
}

static const struct histogram *histogram_of(const struct promql_series *series, size_t i)
{
    return series->histograms == NULL ? NULL : series->histograms[i];
}

void script_describe(const struct text_point *want, const struct promql_series *got, size_t i,
                     char *text, size_t size)
{
    struct buf buf;
    buf_init(&buf, (size_t)1 << 16);
    buf_append_cstr(&buf, "want ");
    static const char *const hints[] = { "unknown", "reset", "not_reset", "gauge" };
    if (want->histogram != NULL) {
        histogram_print(&buf, want->histogram);
        if (want->has_hint) buf_printf(&buf, " %s", hints[want->histogram->hint]);
    } else {
        buf_printf(&buf, "%.17g", want->value);
    }
    buf_append_cstr(&buf, ", got ");
    const struct histogram *histogram = histogram_of(got, i);
    if (histogram != NULL) {
        histogram_print(&buf, histogram);
        buf_printf(&buf, " %s schema %d z %g", hints[histogram->hint], (int)histogram->schema,
                   histogram->zero_threshold);
    } else {
        buf_printf(&buf, "%.17g", got->values[i]);
    }
    (void)snprintf(text, size, "%s", buf_cstr(&buf));
    buf_release(&buf);
}

bool script_is_close(const struct text_point *want, const struct promql_series *got, size_t i)
{
    const struct histogram *histogram = histogram_of(got, i);
    if ((want->histogram != NULL) != (histogram != NULL)) return false;
    if (histogram != NULL) return are_histograms_close(want, histogram);
    return is_close(want->value, got->values[i]);
}

/* Points at start + i * step of the expectation against those of the answer. */
static bool compare_points(struct script_case *test, const struct expected_series *want,
                           const struct promql_series *got, int64_t start_ms, int64_t step_ms)
{
    char text[REASON_SIZE - 64];
    size_t g = 0;
    for (size_t i = 0; i < want->points.count; i++) {
        if (!want->points.items[i].is_there) continue;
        int64_t time_ms = start_ms + (int64_t)i * step_ms;
        if (g == got->count || got->times_ms[g] != time_ms) {
            (void)snprintf(test->reason, REASON_SIZE, "no point at %lld, next is %lld",
                           (long long)time_ms, (long long)(g < got->count ? got->times_ms[g] : -1));
            return false;
        }
        if (!script_is_close(&want->points.items[i], got, g)) {
            script_describe(&want->points.items[i], got, g, text, sizeof(text));
            (void)snprintf(test->reason, REASON_SIZE, "at %lld: %s", (long long)time_ms, text);
            return false;
        }
        g++;
    }
    if (g == got->count) return true;
    (void)snprintf(test->reason, REASON_SIZE, "a point too many at %lld",
                   (long long)got->times_ms[g]);
    return false;
}

void script_set_reason(struct script_case *test, const char *what, struct labels labels)
{
    struct buf buf;
    buf_init(&buf, (size_t)1 << 16);
    labels_print(&buf, labels);
    (void)snprintf(test->reason, REASON_SIZE, "%s %s", what, buf_cstr(&buf));
    buf_release(&buf);
}

static bool compare_series(struct script_case *test, const struct promql_result *result)
{
    bool is_ordered = script_expectation(test, EXPECT_ORDERED) != NULL;
    for (size_t s = 0; s < result->series_count; s++) {
        const struct promql_series *got = &result->series[s];
        struct expected_series *want = NULL;
        VEC_FOR_EACH (&test->series, candidate) {
            if (!candidate->is_found && labels_equal(candidate->labels, got->labels)) {
                want = candidate;
                break;
            }
        }
        if (want == NULL) {
            script_set_reason(test, "unexpected series", got->labels);
            return false;
        }
        want->is_found = true;
        if (is_ordered && want != &test->series.items[s]) {
            script_set_reason(test, "out of order:", got->labels);
            return false;
        }
        bool is_good;
        if (test->expects_matrix) {
            is_good = compare_points(test, want, got, test->matrix.start_ms, test->matrix.step_ms);
        } else {
            is_good = compare_points(test, want, got, test->start_ms, test->step_ms);
        }
        if (!is_good) return false;
    }
    VEC_FOR_EACH (&test->series, candidate) {
        if (candidate->is_found) continue;
        script_set_reason(test, "missing series", candidate->labels);
        return false;
    }
    return true;
}

bool script_compare(struct script_case *test, const struct promql_result *result)
{
    if (!check_notes(test, EXPECT_WARN, EXPECT_NO_WARN, result->warnings, result->warning_count) ||
        !check_notes(test, EXPECT_INFO, EXPECT_NO_INFO, result->infos, result->info_count)) {
        return false;
    }
    if (test->expects_string) {
        bool is_good = result->type == PROMQL_STRING && str_equal(test->string, result->string);
        if (!is_good) (void)snprintf(test->reason, REASON_SIZE, "another string");
        return is_good;
    }
    if (test->expects_scalar && result->type == PROMQL_SCALAR) {
        if (is_close(test->scalar, result->scalar)) return true;
        (void)snprintf(test->reason, REASON_SIZE, "want %.17g, got %.17g", test->scalar,
                       result->scalar);
        return false;
    }
    if (test->expects_scalar) {
        (void)snprintf(test->reason, REASON_SIZE, "a scalar was wanted");
        return false;
    }
    return compare_series(test, result);
}
