/* format.c - one pass; what stands between %{ and } is a field or a time. */
#include "shipper/format.h"

#include "base/clock.h"

/* The member at a dotted path; a member whose own name holds dots is not found. */
static const struct field *find_path(const struct field *object, struct str path)
{
    const struct field *found = object;
    while (path.data != NULL && found != NULL) {
        if (!found->is_object) return NULL;
        found = field_find(found, str_cut(&path, '.'));
    }
    return found;
}

static bool print_field(struct str path, struct str otherwise, const struct field *document,
                        struct buf *out)
{
    const struct field *field = document == NULL ? NULL : find_path(document, path);
    if (field != NULL && !field->is_object && field->kind != JSON_NULL) {
        buf_append_str(out, field->kind == JSON_TEXT ? field->text : field->raw);
        return true;
    }
    buf_append_str(out, otherwise);
    return otherwise.data != NULL;
}

static bool print_letters(char letter, size_t count, const struct utc *utc, struct buf *out)
{
    int width = count > 9 ? 9 : (int)count;
    int64_t value;
    switch (letter) {
    case 'y':
    case 'Y': value = count == 2 ? utc->year % 100 : utc->year; break;
    case 'M': value = utc->month; break;
    case 'd': value = utc->day; break;
    case 'D': value = utc->year_day; break;
    case 'H': value = utc->hour; break;
    case 'm': value = utc->minute; break;
    case 's': value = utc->second; break;
    case 'S': value = utc->nanosecond / 1000000; break;
    default: return false;
    }
    buf_printf(out, "%0*lld", width, (long long)value);
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool print_time(struct str format, int64_t time_ns, struct buf *out)
{
    struct utc utc = clock_utc_from_ns(time_ns);
    size_t i = 0;
    while (i < format.size) {
        char c = format.data[i];
        size_t count = 1;
        while (i + count < format.size && format.data[i + count] == c) count++;
        if (is_letter(c)) {
            if (!print_letters(c, count, &utc, out)) return false;
        } else if (c != '\'') {
            buf_append(out, format.data + i, count);
        }
        i += count;
    }
    return true;
}

static bool print_variable(struct str inside, const struct field *document, int64_t time_ns,
                           struct buf *out)
{
    if (inside.size == 0) return false;
    if (inside.data[0] == '+') return print_time(str_skip(inside, 1), time_ns, out);
    size_t end = str_find_char(inside, ']');
    if (inside.data[0] != '[' || end == STR_NONE || end < 2) return false;
    struct str rest = str_skip(inside, end + 1);
    struct str otherwise = { 0 };
    if (rest.size > 0) {
        if (rest.data[0] != ':') return false;
        otherwise = str_skip(rest, 1);
    }
    return print_field((struct str){ inside.data + 1, end - 1 }, otherwise, document, out);
}

bool format_print(struct str format, const struct field *document, int64_t time_ns, struct buf *out)
{
    size_t start;
    while ((start = str_find(format, STR("%{"))) != STR_NONE) {
        buf_append_str(out, str_first(format, start));
        format = str_skip(format, start + 2);
        size_t end = str_find_char(format, '}');
        if (end == STR_NONE) return false;
        if (!print_variable(str_first(format, end), document, time_ns, out)) return false;
        format = str_skip(format, end + 1);
    }
    buf_append_str(out, format);
    return !out->has_failed;
}

bool format_is_valid(struct str format)
{
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 4096);
    size_t start;
    while ((start = str_find(format, STR("%{"))) != STR_NONE) {
        format = str_skip(format, start + 2);
        size_t end = str_find_char(format, '}');
        if (end == STR_NONE || end == 0) return false;
        struct str inside = str_first(format, end);
        if (inside.data[0] == '+') {
            if (!print_time(str_skip(inside, 1), 0, &out)) return false;
        } else {
            size_t close = str_find_char(inside, ']');
            if (inside.data[0] != '[' || close == STR_NONE || close < 2) return false;
            if (close + 1 < inside.size && inside.data[close + 1] != ':') return false;
        }
        format = str_skip(format, end + 1);
    }
    return true;
}
