/* negotiate.c - which format a scraper wants, by its Accept header (RFC 9110, 12.5.1). */
#include "prometheus/escape.h"

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

struct element { /* of the header: what it asks for */
    struct piece type;
    struct piece version;
    struct piece escaping;
    struct piece proto;
    struct piece encoding;
    int quality;
};

static struct element read_element(struct piece text)
{
    struct element element = { .quality = 1000 };
    const char *at = text.text;
    const char *end = text.text + text.size;
    element.type = take(&at, ';', end);
    while (at < end) {
        struct piece value = take(&at, ';', end);
        const char *value_at = value.text;
        const char *value_end = value.text + value.size;
        struct piece name = take(&value_at, '=', value_end);
        value = take(&value_at, ';', value_end);
        if (is(name, "q")) element.quality = read_quality(value);
        if (is(name, "version")) element.version = value;
        if (is(name, "escaping")) element.escaping = value;
        if (is(name, "proto")) element.proto = value;
        if (is(name, "encoding")) element.encoding = value;
    }
    return element;
}

static bool version_is(const struct element *element, const char *version)
{
    return element->version.text != NULL && is(element->version, version);
}

/* The format the element would get; false: none of ours. */
static bool find_kind(const struct element *element, enum pm_exposition *kind)
{
    bool has_version = element->version.size > 0;
    if (is(element->type, "application/vnd.google.protobuf")) {
        *kind = PM_PROTOBUF;
        return element->proto.size > 0 && is(element->proto, "io.prometheus.client.MetricFamily") &&
               element->encoding.size > 0 && is(element->encoding, "delimited");
    }
    if (is(element->type, "application/openmetrics-text")) {
        *kind = version_is(element, "0.0.1") ? PM_OPENMETRICS_0_0_1 : PM_OPENMETRICS_1_0_0;
        return !has_version || version_is(element, "0.0.1") || version_is(element, "1.0.0");
    }
    *kind = version_is(element, "1.0.0") ? PM_TEXT_1_0_0 : PM_TEXT_0_0_4;
    if (is(element->type, "text/plain")) {
        return !has_version || version_is(element, "0.0.4") || version_is(element, "1.0.0");
    }
    return is(element->type, "*/*") || is(element->type, "text/*");
}

static const char *const escapings[] = {
    [PM_ESCAPE_UNDERSCORES] = "underscores",
    [PM_ESCAPE_DOTS] = "dots",
    [PM_ESCAPE_VALUES] = "values",
    [PM_ESCAPE_NONE] = "allow-utf-8",
};

struct pm_format pm_negotiate(const char *accept)
{
    struct pm_format best = { .kind = PM_TEXT_0_0_4 };
    int best_quality = 0;
    const char *at = accept == NULL ? "" : accept;
    const char *end = at + strlen(at);
    while (at < end) {
        struct element element = read_element(take(&at, ',', end));
        enum pm_exposition kind = PM_TEXT_0_0_4;
        if (element.quality <= best_quality || !find_kind(&element, &kind)) continue;
        best_quality = element.quality;
        best.kind = kind;
        best.escaping = PM_ESCAPE_UNDERSCORES;
        for (size_t i = 0; i < sizeof(escapings) / sizeof(escapings[0]); i++) {
            bool is_it = element.escaping.size > 0 && is(element.escaping, escapings[i]);
            if (is_it) best.escaping = (enum pm_escaping)i;
        }
    }
    best.escaping = pm_escape_of(best);
    return best;
}

#define OPENMETRICS(version) "application/openmetrics-text; version=" version "; charset=utf-8"
#define TEXT(version)        "text/plain; version=" version "; charset=utf-8"
#define PROTOBUF                                                                                   \
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

/* The escaping is told where the reader may have asked for one. */
static const char *const content_types[][4] = {
    [PM_TEXT_0_0_4] = { TEXT("0.0.4"), TEXT("0.0.4") "; escaping=dots",
                        TEXT("0.0.4") "; escaping=values", TEXT("0.0.4") },
    [PM_OPENMETRICS_1_0_0] = { OPENMETRICS("1.0.0"), OPENMETRICS("1.0.0") "; escaping=dots",
                               OPENMETRICS("1.0.0") "; escaping=values",
                               OPENMETRICS("1.0.0") "; escaping=allow-utf-8" },
    [PM_OPENMETRICS_0_0_1] = { OPENMETRICS("0.0.1"), OPENMETRICS("0.0.1") "; escaping=dots",
                               OPENMETRICS("0.0.1") "; escaping=values", OPENMETRICS("0.0.1") },
    [PM_TEXT_1_0_0] = { TEXT("1.0.0") "; escaping=underscores", TEXT("1.0.0") "; escaping=dots",
                        TEXT("1.0.0") "; escaping=values", TEXT("1.0.0") "; escaping=allow-utf-8" },
    [PM_PROTOBUF] = { PROTOBUF, PROTOBUF "; escaping=dots", PROTOBUF "; escaping=values",
                      PROTOBUF "; escaping=allow-utf-8" },
};

const char *pm_content_type(struct pm_format format)
{
    return content_types[format.kind][pm_escape_of(format)];
}
