/* negotiate.c - which format a scraper wants, by its Accept header (RFC 9110, 12.5.1). */
#include "prometheus/prometheus.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

struct piece { /* of the header, borrowed */
    const char *text;
    size_t size;
};

/* The text up to a separator, blanks cut off; *at moves behind the separator. */
static struct piece take(const char **at, char separator, const char *end)
{
    const char *from = *at;
    const char *to = from;
    while (to < end && *to != separator) to++;
    *at = to < end ? to + 1 : end;
    while (from < to && (*from == ' ' || *from == '\t')) from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t')) to--;
    return (struct piece){ from, (size_t)(to - from) };
}

static bool is(struct piece piece, const char *text)
{
    return piece.size == strlen(text) && strncasecmp(piece.text, text, piece.size) == 0;
}

/* q in thousandths; what is not a number is 0, "unacceptable". */
static int read_quality(struct piece value)
{
    int quality = 0;
    int unit = 1000;
    for (size_t i = 0; i < value.size; i++) {
        char byte = value.text[i];
        if (byte == '.' && i == 1) continue;
        if (byte < '0' || byte > '9') return 0;
        quality += (byte - '0') * unit;
        unit /= 10;
    }
    return quality > 1000 ? 1000 : quality;
}

/* What one element of the header asks for: its quality, and the format it would get. */
static int read_element(struct piece element, enum pm_exposition *kind)
{
    const char *at = element.text;
    const char *end = element.text + element.size;
    struct piece type = take(&at, ';', end);
    struct piece version = { "", 0 };
    int quality = 1000;
    while (at < end) {
        struct piece value = take(&at, ';', end);
        const char *value_at = value.text;
        const char *value_end = value.text + value.size;
        struct piece name = take(&value_at, '=', value_end);
        value = take(&value_at, ';', value_end);
        if (is(name, "q")) quality = read_quality(value);
        if (is(name, "version")) version = value;
    }
    if (is(type, "application/openmetrics-text")) {
        *kind = is(version, "0.0.1") ? PM_OPENMETRICS_0_0_1 : PM_OPENMETRICS_1_0_0;
        return is(version, "0.0.1") || is(version, "1.0.0") || version.size == 0 ? quality : 0;
    }
    *kind = PM_TEXT_0_0_4;
    if (is(type, "text/plain")) return is(version, "0.0.4") || version.size == 0 ? quality : 0;
    return is(type, "*/*") || is(type, "text/*") ? quality : 0;
}

struct pm_format pm_negotiate(const char *accept)
{
    struct pm_format best = { .kind = PM_TEXT_0_0_4 };
    int best_quality = 0;
    const char *at = accept == NULL ? "" : accept;
    const char *end = at + strlen(at);
    while (at < end) {
        enum pm_exposition kind = PM_TEXT_0_0_4;
        int quality = read_element(take(&at, ',', end), &kind);
        if (quality <= best_quality) continue;
        best_quality = quality;
        best.kind = kind;
    }
    return best;
}

const char *pm_content_type(struct pm_format format)
{
    switch (format.kind) {
    case PM_OPENMETRICS_1_0_0: return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    case PM_OPENMETRICS_0_0_1: return "application/openmetrics-text; version=0.0.1; charset=utf-8";
    case PM_TEXT_1_0_0: return "text/plain; version=1.0.0; charset=utf-8";
    case PM_PROTOBUF:
        return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
               "encoding=delimited";
    case PM_TEXT_0_0_4: break;
    }
    return "text/plain; version=0.0.4; charset=utf-8";
}
