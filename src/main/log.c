/* log.c - `barograph log`: structured log lines from scripts, in the form that programs write.
 *
 *     barograph log info "backup done" size=123 took=1.5 host.name=db1 --file logs/backup.json
 *     make 2>&1 | barograph log info --lines --file logs/make.json
 *
 * VALUES   key=value: a JSON number, true, false or null is that, anything else is text.
 *          key:=json is JSON of any kind, on one line. --text key=value is text whatever it looks
 *          like.
 * The file is appended to by one write a line, so that any number of scripts and programs share it.
 */
#include "main/main.h"

#include "base/arena.h"
#include "base/compiler.h"
#include "base/str.h"
#include "codec/json.h"
#include "role/role.h"
#include "structlog/structlog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX      (2 * OPTION_LIST_MAX)
#define LINE_SIZE_MAX   65536 /* of --lines; a longer line is several events */
#define JSON_MEMORY_MAX (4u << 20)

struct flags {
    struct option_list texts;
    const char *file;
    const char *format;
    const char *service;
    const char *name;
    int64_t rotate_size;
    int64_t rotate_count;
    int64_t rotate_interval_ms;
    int64_t rotate_age_ms;
    int64_t rotate_total_size;
    bool takes_lines;
    bool wants_help;
};

static const char usage[] = "barograph log LEVEL EVENT [KEY=VALUE | KEY:=JSON]... [OPTIONS]\n"
                            "       barograph log LEVEL --lines [KEY=VALUE]... [OPTIONS] < TEXT";

#define FLAG(member) offsetof(struct flags, member)

static const struct option options[] = {
    { "file", "FILE", OPTION_TEXT, FLAG(file), NULL,
      "Append to this file; default $SL_FILE, else standard error." },
    { "format", "NAME", OPTION_TEXT, FLAG(format), NULL,
      "ecs, json, logfmt, keyvalue or console; default ecs in a file, console on a terminal." },
    { "service", "NAME", OPTION_TEXT, FLAG(service), NULL, "service.name; default $SL_SERVICE." },
    { "logger", "NAME", OPTION_TEXT, FLAG(name), NULL, "log.logger." },
    { "text", "KEY=VALUE", OPTION_LIST, FLAG(texts), NULL,
      "A field that is text even where it looks like a number." },
    { "lines", NULL, OPTION_FLAG, FLAG(takes_lines), NULL,
      "Each line of standard input is an event, in place of EVENT." },
    { "rotate-size", "SIZE", OPTION_SIZE, FLAG(rotate_size), "0",
      "Rotate the file when it is larger; 0 never does." },
    { "rotate-interval", "DURATION", OPTION_DURATION, FLAG(rotate_interval_ms), "0",
      "Rotate it with the first line after each multiple of this since 1970 in UTC: 1d, 1h." },
    { "rotate-count", "COUNT", OPTION_COUNT, FLAG(rotate_count), "5", "Old files to keep." },
    { "rotate-age", "DURATION", OPTION_DURATION, FLAG(rotate_age_ms), "0",
      "Delete old files whose last line is older; 0 never does." },
    { "rotate-total-size", "SIZE", OPTION_SIZE, FLAG(rotate_total_size), "0",
      "Delete the oldest when all old files together are larger." },
    { "help", NULL, OPTION_FLAG, FLAG(wants_help), NULL, "Show this text." },
};

static const struct {
    const char *name;
    enum sl_format format;
} formats[] = {
    { "ecs", SL_FORMAT_ECS },
    { "json", SL_FORMAT_JSON },
    { "logfmt", SL_FORMAT_LOGFMT },
    { "console", SL_FORMAT_CONSOLE },
    { "keyvalue", SL_FORMAT_KEY_VALUE },
};

struct log_run {
    struct flags flags;
    int level;
    const char *event; /* NULL: --lines */
    struct sl_logger *log;
    struct sl_field fields[FIELDS_MAX];
    size_t field_count;
    struct arena arena; /* of JSON values */
};

static int fail(const char *what, const char *subject)
{
    (void)fprintf(stderr, "barograph log: %s '%s'\n", what, subject);
    return ROLE_EXIT_USAGE;
}

static struct sl_value text_of(struct str text)
{
    return sl_strn(text.data == NULL ? "" : text.data, text.size);
}

/* What a value without quotes is: as JSON if it is a number or a word of it, else text. */
static struct sl_value value_of(struct log_run *run, struct str text)
{
    const struct json *json = NULL;
    if (json_parse(NULL, &run->arena, text, &json, NULL) < 0) return text_of(text);
    switch (json->kind) {
    case JSON_NULL: return sl_strn(NULL, 0);
    case JSON_BOOL: return SL_VALUE((bool)json->boolean);
    case JSON_INT: return SL_VALUE(json->integer);
    case JSON_DOUBLE: return SL_VALUE(json->number);
    case JSON_TEXT:
    case JSON_ARRAY:
    case JSON_OBJECT: return text_of(text);
    }
    return text_of(text);
}

/* JSON on one line may still come with line feeds between its parts: these are blanks. */
static int read_json(struct log_run *run, const char *word, struct str text, struct sl_value *value)
{
    struct error error = { 0 };
    const struct json *json = NULL;
    if (json_parse(NULL, &run->arena, text, &json, &error) < 0) {
        (void)fprintf(stderr, "barograph log: '%s' is no JSON: %s\n", word, error.text);
        return ROLE_EXIT_USAGE;
    }
    if (str_find_char(text, '\n') != STR_NONE || str_find_char(text, '\r') != STR_NONE) {
        return fail("JSON must stand on one line:", word);
    }
    *value = sl_json(text.data, text.size);
    return 0;
}

static int add_field(struct log_run *run, struct str key, struct sl_value value, const char *word)
{
    if (key.size == 0) return fail("a key is missing in", word);
    if (run->field_count == FIELDS_MAX) return fail("too many fields from", word);
    run->fields[run->field_count++] = (struct sl_field){ sl_strn(key.data, key.size), value };
    return 0;
}

static int read_field(struct log_run *run, const char *word)
{
    struct str rest = str_from(word);
    if (str_find_char(rest, '=') == STR_NONE) {
        return fail("expected KEY=VALUE (an event of several words wants quotes), got", word);
    }
    struct str key = str_cut(&rest, '=');
    if (rest.data == NULL) rest = STR("");
    if (key.size == 0 || key.data[key.size - 1] != ':') {
        return add_field(run, key, value_of(run, rest), word);
    }
    key.size--;
    struct sl_value value;
    int status = read_json(run, word, rest, &value);
    return status != 0 ? status : add_field(run, key, value, word);
}

static int read_text_field(struct log_run *run, const char *word)
{
    struct str rest = str_from(word);
    if (str_find_char(rest, '=') == STR_NONE) return fail("--text wants KEY=VALUE, got", word);
    struct str key = str_cut(&rest, '=');
    return add_field(run, key, text_of(rest), word);
}

static int read_words(struct log_run *run, const struct option_list *words)
{
    size_t at = 0;
    if (at == words->count) return fail("a level is missing before", "EVENT");
    if (sl_level_parse(words->items[at], &run->level) < 0) {
        return fail("expected a level such as debug, info, warning, error or critical, got",
                    words->items[at]);
    }
    at++;
    if (!run->flags.takes_lines) {
        if (at == words->count) return fail("an event is missing after", words->items[0]);
        run->event = words->items[at++];
    }
    for (; at < words->count; at++) {
        int status = read_field(run, words->items[at]);
        if (status != 0) return status;
    }
    for (size_t i = 0; i < run->flags.texts.count; i++) {
        int status = read_text_field(run, run->flags.texts.items[i]);
        if (status != 0) return status;
    }
    return 0;
}

static int format_of(const char *name, enum sl_format *format)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LENGTH(formats); i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        *format = formats[i].format;
        return 0;
    }
    return name == NULL ? 0
                        : fail("--format wants ecs, json, logfmt, keyvalue or console, got", name);
}

/* As far as the library's field goes; what is too much for it, it refuses itself. */
static unsigned seconds(int64_t ms)
{
    int64_t whole = (ms + 999) / 1000;
    return whole > UINT32_MAX ? UINT32_MAX : (unsigned)whole;
}

static int configure(struct log_run *run)
{
    const struct flags *flags = &run->flags;
    struct sl_sink_options sink = { .kind = SL_SINK_STDERR,
                                    .path = flags->file,
                                    .rotate_size_max = (uint64_t)flags->rotate_size,
                                    .rotate_count_max = (unsigned)flags->rotate_count,
                                    .rotate_interval_s = seconds(flags->rotate_interval_ms),
                                    .rotate_age_max_s = seconds(flags->rotate_age_ms),
                                    .rotate_total_size_max = (uint64_t)flags->rotate_total_size };
    if (flags->file != NULL) sink.kind = SL_SINK_FILE;
    if (flags->file == NULL) sink.rotate_count_max = 0;
    int status = format_of(flags->format, &sink.format);
    if (status != 0) return status;
    /* The number of this process, which ends at once, tells nobody anything. */
    struct sl_config config = { .level = SL_DEBUG,
                                .service_name = flags->service,
                                .without_pid = true,
                                .sinks = &sink,
                                .sink_count = 1 };
    int code = flags->file == NULL ? sl_configure_from_environment(&config) : sl_configure(&config);
    if (code == 0) return 0;
    (void)fprintf(stderr, "barograph log: cannot write to '%s': %s\n",
                  flags->file == NULL ? "standard error, or what SL_* names" : flags->file,
                  strerror(-code));
    return ROLE_EXIT_FAILED;
}

static void log_line(struct log_run *run, const char *line, size_t size)
{
    sl_log_fields(run->log, run->level, sl_strn(line, size), run->fields, run->field_count);
}

/* A line longer than LINE_SIZE_MAX becomes several events. */
static void log_lines(struct log_run *run)
{
    static char line[LINE_SIZE_MAX];
    size_t used = 0;
    for (int c = getchar_unlocked(); c != EOF; c = getchar_unlocked()) {
        if (c != '\n') line[used++] = (char)c;
        if (c == '\n' && used > 0 && line[used - 1] == '\r') used--;
        if (used == sizeof(line) || (c == '\n' && used > 0)) {
            log_line(run, line, used);
            used = 0;
        }
    }
    if (used > 0) log_line(run, line, used);
}

static int write_out(struct log_run *run)
{
    if (run->flags.name != NULL) run->log = sl_named(NULL, run->flags.name);
    if (run->event == NULL)
        log_lines(run);
    else
        log_line(run, run->event, strlen(run->event));
    int code = sl_flush(NULL);
    sl_unref(run->log);
    struct sl_stats stats;
    sl_stats(&stats);
    sl_shutdown();
    if (code == 0 && stats.lost_count == 0 && !ferror(stdin)) return ROLE_EXIT_OK;
    (void)fprintf(stderr, "barograph log: %llu of %llu lines could not be written%s%s\n",
                  (unsigned long long)stats.lost_count,
                  (unsigned long long)(stats.lost_count + stats.written_count),
                  code == 0 ? "" : ": ", code == 0 ? "" : strerror(-code));
    return ROLE_EXIT_FAILED;
}

int log_main(int argc, char **argv)
{
    static struct log_run run;
    struct option_table table = { options, ARRAY_LENGTH(options), &run.flags };
    struct option_list words = { 0 };
    struct error error = { 0 };
    if (options_parse(&table, 1, argc, argv, &words, &error) != 0) {
        (void)fprintf(stderr, "barograph log: %s\n", error.text);
        return ROLE_EXIT_USAGE;
    }
    if (run.flags.wants_help) return show_help(&table, usage);
    arena_init(&run.arena, JSON_MEMORY_MAX);
    int status = read_words(&run, &words);
    if (status == 0) status = configure(&run);
    if (status == 0) status = write_out(&run);
    arena_release(&run.arena);
    return status;
}
