/* check_metrics.c - `barograph check metrics`: an exposition, as strictly as its format says, and
 * its names and help texts as Prometheus' pages ask.
 *
 *     barograph check metrics http://127.0.0.1:8081/metrics
 *     curl -s http://127.0.0.1:8081/metrics | barograph check metrics
 *
 * What is not well-formed is one finding, "parse", and nothing more is looked at in that file.
 */
#include "main/check.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/str.h"
#include "http/client.h"
#include "main/main.h"
#include "prometheus/prometheus.h"
#include "role/role.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE_MAX ((size_t)256 << 20)
#define FETCH_MS      10000

struct flags {
    int64_t findings_max;
    int64_t values_max;
    struct option_list skipped;
    const char *format;
    bool is_quiet;
    bool wants_help;
};

static const struct option options[] = {
    { "format", "NAME", OPTION_TEXT, offsetof(struct flags, format), "auto",
      "text, openmetrics, or auto: by the answer's type or a last line '# EOF'." },
    { "skip", "RULE", OPTION_LIST, offsetof(struct flags, skipped), NULL,
      "Leave out the findings of this rule." },
    { "label-values", "COUNT", OPTION_COUNT, offsetof(struct flags, values_max), "1000",
      "More values of a label than this are a finding." },
    { "max-findings", "COUNT", OPTION_COUNT, offsetof(struct flags, findings_max), "100",
      "Show at most so many; the rest is only counted. 0 shows all." },
    { "quiet", NULL, OPTION_FLAG, offsetof(struct flags, is_quiet), NULL,
      "Show no finding, only the exit status." },
    { "help", NULL, OPTION_FLAG, offsetof(struct flags, wants_help), NULL, "Show this text." },
};

struct check_run {
    struct flags flags;
    const char *name; /* of what is read */
    uint64_t family_count;
    uint64_t finding_count;
};

static void show(struct check_run *run, size_t line, const char *rule, const char *metric,
                 const char *text)
{
    run->finding_count++;
    bool is_shown =
        run->flags.findings_max == 0 || run->finding_count <= (uint64_t)run->flags.findings_max;
    if (run->flags.is_quiet || !is_shown) return;
    printf("%s:%zu: %s: %s%s%s\n", run->name, line, rule, metric, metric[0] == '\0' ? "" : ": ",
           text);
}

static void take_finding(void *arg, const struct pm_finding *finding)
{
    struct check_run *run = arg;
    for (size_t i = 0; i < run->flags.skipped.count; i++) {
        if (strcmp(run->flags.skipped.items[i], finding->rule) == 0) return;
    }
    show(run, finding->line, finding->rule, finding->metric, finding->text);
}

static enum pm_exposition kind_of(const struct flags *flags, struct str type, struct str text)
{
    if (strcmp(flags->format, "openmetrics") == 0) return PM_OPENMETRICS_1_0_0;
    if (strcmp(flags->format, "text") == 0) return PM_TEXT_1_0_0;
    bool is_openmetrics = str_starts_with(type, STR("application/openmetrics-text")) ||
                          (type.size == 0 && (str_ends_with(text, STR("# EOF\n")) ||
                                              str_ends_with(text, STR("# EOF"))));
    return is_openmetrics ? PM_OPENMETRICS_1_0_0 : PM_TEXT_1_0_0;
}

static int check_text(struct check_run *run, struct str type, struct str text)
{
    struct pm_document *document = NULL;
    struct pm_parse_error error = { 0 };
    struct pm_parse_options parse = { .kind = kind_of(&run->flags, type, text) };
    if (pm_parse(&document, text.data == NULL ? "" : text.data, text.size, &parse, &error) < 0) {
        show(run, error.line, "parse", "", error.text);
        return 0;
    }
    struct pm_lint_options lint = { .values_max = (size_t)run->flags.values_max };
    size_t count = 0;
    (void)pm_document_families(document, &count);
    run->family_count += count;
    int code = pm_lint(document, &lint, take_finding, run);
    pm_document_free(document);
    if (code < 0) (void)fprintf(stderr, "barograph check metrics: not enough memory\n");
    return code < 0 ? -1 : 0;
}

static int check_file(struct check_run *run, FILE *file)
{
    char piece[65536];
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, TEXT_SIZE_MAX);
    for (;;) {
        size_t size = fread(piece, 1, sizeof(piece), file);
        if (size == 0) break;
        buf_append(&text, piece, size);
    }
    if (ferror(file) || text.has_failed) {
        (void)fprintf(stderr, "barograph check metrics: cannot read '%s': %s\n", run->name,
                      ferror(file) ? strerror(errno) : "it is over 256 MiB");
        return -1;
    }
    return check_text(run, STR(""), buf_str(&text));
}

static int check_url(struct check_run *run)
{
    struct error error = { 0 };
    CLEANUP(http_client_cleanup) struct http_client *client = NULL;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct http_client_options none = { 0 };
    struct http_call call = { .url = str_from(run->name),
                              .timeout_ms = FETCH_MS,
                              .body_size_max = TEXT_SIZE_MAX };
    if (http_client_new(&client, &none, &error) < 0 ||
        http_client_send(client, &call, &answer, &error) < 0) {
        (void)fprintf(stderr, "barograph check metrics: %s\n", error.text);
        return -1;
    }
    if (answer.status != 200) {
        (void)fprintf(stderr, "barograph check metrics: '%s' answers %u\n", run->name,
                      answer.status);
        return -1;
    }
    return check_text(run, http_answer_header(&answer, "Content-Type"), buf_str(&answer.body));
}

static int check_one(void *context, const char *name)
{
    struct check_run *run = context;
    run->name = name;
    if (str_starts_with(str_from(name), STR("http://")) ||
        str_starts_with(str_from(name), STR("https://"))) {
        return check_url(run);
    }
    if (strcmp(name, "-") == 0) {
        run->name = "(standard input)";
        return check_file(run, stdin);
    }
    FILE *file = check_open("metrics", name);
    if (file == NULL) return -1;
    int code = check_file(run, file);
    (void)fclose(file);
    return code;
}

static uint64_t say_sums(void *context)
{
    const struct check_run *run = context;
    if (!run->flags.is_quiet) {
        printf("%llu metrics, %llu findings\n", (unsigned long long)run->family_count,
               (unsigned long long)run->finding_count);
    }
    return run->finding_count;
}

int check_metrics_main(int argc, char **argv)
{
    struct check_run run = { 0 };
    struct option_table table = { options, ARRAY_LENGTH(options), &run.flags };
    struct option_list names = { 0 };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, &names, &error) != 0) {
        (void)fprintf(stderr, "barograph check metrics: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    if (run.flags.wants_help) {
        return show_help(&table, "barograph check metrics [OPTIONS] [FILE|URL...]");
    }
    if (strcmp(run.flags.format, "auto") != 0 && strcmp(run.flags.format, "text") != 0 &&
        strcmp(run.flags.format, "openmetrics") != 0) {
        (void)fprintf(stderr,
                      "barograph check metrics: --format is text, openmetrics or auto, not '%s'\n",
                      run.flags.format);
        return ROLE_EXIT_USAGE;
    }
    return check_each(&(struct check_words){ &names, &run, check_one, say_sums });
}
