/* search_show.c - how `barograph search` shows lines and bars. What a line holds is shown, never
 * carried out: control characters become '?'.
 */
#include "main/search.h"

#include "base/buf.h"
#include "base/clock.h"
#include "role/role.h"

#include <stdio.h>

#define SEEN_MAX 25000 /* in each of the two generations */
#define DAY_MS   86400000
/* Fields of nanoseconds sort by these; as milliseconds it would be the year 5138. */
#define NANOSECONDS_MIN INT64_C(100000000000000)

struct level {
    struct str name;
    const char *color;
};

static const struct level levels[] = {
    { STR_INIT("fatal"), "\033[1;31m" }, { STR_INIT("critical"), "\033[1;31m" },
    { STR_INIT("error"), "\033[31m" },   { STR_INIT("err"), "\033[31m" },
    { STR_INIT("warn"), "\033[33m" },    { STR_INIT("warning"), "\033[33m" },
    { STR_INIT("info"), "\033[32m" },    { STR_INIT("debug"), "\033[90m" },
    { STR_INIT("trace"), "\033[90m" },
};

static const char *level_color(struct str name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (str_equal_nocase(levels[i].name, str_trim(name))) return levels[i].color;
    }
    return "";
}

/* Text of a log: what would move the cursor or change the screen becomes '?'. */
static void put_clean(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool is_c1 = c == 0xc2 && i + 1 < text.size && (unsigned char)text.data[i + 1] < 0xa0;
        if (is_c1) i++;
        bool is_control = (c < 0x20 && c != '\t') || c == 0x7f || is_c1;
        buf_append_char(out, c == '\n' && i + 1 < text.size ? '\n' : is_control ? '?' : (char)c);
    }
}

static struct str field_text(const struct json *source, const char *path)
{
    const struct json *value = json_get_path(source, str_from(path));
    if (json_is(value, JSON_TEXT)) return value->text;
    return value == NULL || value->kind == JSON_OBJECT ? STR("") : value->raw;
}

static void put_line(const struct search_session *session, const struct json *hit, struct buf *out)
{
    const struct json *source = json_get(hit, STR("_source"));
    if (session->flags->is_json) {
        if (source != NULL) buf_append_str(out, source->raw);
        buf_append_char(out, '\n');
        return;
    }
    static const char *const messages[] = { "message", "event.original", "log", "msg" };
    struct str time = field_text(source, "@timestamp");
    struct str level = field_text(source, "log.level");
    if (level.size == 0) level = field_text(source, "level");
    struct str message = STR("");
    for (size_t i = 0; message.size == 0 && i < ARRAY_LENGTH(messages); i++) {
        message = field_text(source, messages[i]);
    }
    if (message.size == 0 && source != NULL) message = source->raw;
    const char *color = session->has_color ? level_color(level) : "";
    const char *dim = session->has_color ? "\033[90m" : "";
    const char *plain = session->has_color ? "\033[0m" : "";
    buf_append_cstr(out, dim);
    put_clean(out, time);
    buf_append_cstr(out, plain);
    buf_append_char(out, ' ');
    buf_append_cstr(out, color);
    put_clean(out, level);
    for (size_t i = level.size; i < 5; i++) buf_append_char(out, ' ');
    buf_append_cstr(out, color[0] == 0 ? "" : plain);
    buf_append_char(out, ' ');
    put_clean(out, message);
    buf_append_char(out, '\n');
}

/* "10:05", or with the day when the bars span more than one; UTC as the lines are. */
static void put_bar_time(int64_t time_ms, bool has_day, struct buf *out)
{
    struct utc utc = clock_utc_from_ms(time_ms);
    if (has_day) buf_printf(out, "%02d-%02d ", utc.month, utc.day);
    buf_printf(out, "%02d:%02d", utc.hour, utc.minute);
}

static int64_t bar_start(const struct json *list, size_t i)
{
    return json_integer(json_get(&list->array.items[i], STR("key")), 0);
}

/* One row of bars, those with many errors in red, between the times that they span. */
static void put_bars(const struct search_session *session, const struct json *root, struct buf *out)
{
    static const char *const bars[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    const struct json *list = json_get_path(root, STR("aggregations.bars.buckets"));
    int64_t most = 0;
    size_t count = json_is(list, JSON_ARRAY) ? list->array.count : 0;
    for (size_t i = 0; i < count; i++) {
        int64_t lines = json_integer(json_get(&list->array.items[i], STR("doc_count")), 0);
        if (lines > most) most = lines;
    }
    if (count == 0 || most == 0) return;
    bool has_days = bar_start(list, count - 1) - bar_start(list, 0) >= DAY_MS;
    put_bar_time(bar_start(list, 0), has_days, out);
    buf_append_char(out, ' ');
    for (size_t i = 0; i < count; i++) {
        const struct json *bucket = &list->array.items[i];
        int64_t lines = json_integer(json_get(bucket, STR("doc_count")), 0);
        int64_t bad = json_integer(json_get_path(bucket, STR("bad.doc_count")), 0);
        size_t height = lines == 0 ? 0 : (size_t)(1 + lines * 7 / most);
        bool is_red = session->has_color && bad * 4 > lines && lines > 0;
        if (is_red) buf_append_cstr(out, "\033[31m");
        buf_append_cstr(out, bars[height > 8 ? 8 : height]);
        if (is_red) buf_append_cstr(out, "\033[0m");
    }
    /* An object from 7 on, a number before. */
    const struct json *hits = json_get_path(root, STR("hits.total"));
    int64_t total = json_integer(json_get(hits, STR("value")), json_integer(hits, 0));
    bool is_least = str_equal(json_text(json_get(hits, STR("relation")), STR("eq")), STR("gte"));
    buf_append_char(out, ' ');
    put_bar_time(bar_start(list, count - 1), has_days, out);
    buf_printf(out, "  %s%lld lines, %lld at most a bar\n", is_least ? "at least " : "",
               (long long)total, (long long)most);
}

/* "index id": the same id may be in several indices. False: no memory for it. */
static bool key_of(const struct json *hit, struct buf *key)
{
    buf_reset(key);
    buf_append_str(key, json_text(json_get(hit, STR("_index")), STR("")));
    buf_append_char(key, ' ');
    buf_append_str(key, json_text(json_get(hit, STR("_id")), STR("")));
    return !key->has_failed;
}

static int64_t time_of(const struct json *hit)
{
    const struct json *sort = json_get(hit, STR("sort"));
    bool has_time = json_is(sort, JSON_ARRAY) && sort->array.count > 0;
    int64_t time = has_time ? json_integer(&sort->array.items[0], INT64_MIN) : INT64_MIN;
    return time > NANOSECONDS_MIN ? time / 1000000 : time;
}

/* Two generations, so that what is forgotten is old. */
static void remember(struct search_session *session, struct str key)
{
    if (session->seen.count >= SEEN_MAX) {
        map_release(&session->before);
        session->before = session->seen;
        session->seen = (struct map){ 0 };
    }
    if (map_put(&session->seen, key, session) < 0) map_release(&session->seen);
}

int search_show(struct search_session *session, const struct json *root,
                const struct search_page *page, bool skips_old, size_t *count)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    CLEANUP(buf_release) struct buf key = { 0 };
    buf_init(&out, SEARCH_ANSWER_SIZE_MAX);
    buf_init(&key, 4096);
    const struct json *hits = json_get_path(root, STR("hits.hits"));
    int64_t newest_ms = session->newest_ms;
    *count = hits->array.count;
    for (size_t i = 0; i < *count; i++) {
        /* The first answer has the newest first; what follows comes in order. */
        const struct json *hit = &hits->array.items[page->is_following ? i : *count - 1 - i];
        bool has_key = key_of(hit, &key);
        bool is_seen = has_key && (map_has(&session->seen, buf_str(&key)) ||
                                   map_has(&session->before, buf_str(&key)));
        if (page->is_following && is_seen) continue;
        if (time_of(hit) > newest_ms) newest_ms = time_of(hit);
        if (has_key && session->flags->follows) remember(session, buf_str(&key));
        if (!skips_old || time_of(hit) > session->newest_ms) put_line(session, hit, &out);
    }
    session->newest_ms = newest_ms;
    if (!page->is_following && !session->flags->is_json) put_bars(session, root, &out);
    if (out.has_failed) return search_fail(session, "the answer is too large to be shown");
    if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0) {
        return ROLE_EXIT_FAILED; /* nobody reads on */
    }
    return ROLE_EXIT_OK;
}
