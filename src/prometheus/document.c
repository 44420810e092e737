/* document.c - a parsed exposition written again, in its own format or another.
 *
 * ACROSS  OpenMetrics to text: x of type counter is x_total, info x is the gauge x_info, a state
 *         set is a gauge, a gauge histogram a histogram, unknown untyped; created samples, units
 *         and exemplars are left out. Text to OpenMetrics: a counter without _total, which
 *         OpenMetrics cannot have, is unknown.
 */
#include "prometheus/emit.h"
#include "prometheus/escape.h"
#include "prometheus/name.h"
#include "prometheus/number.h"
#include "prometheus/parse_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    struct pm_emit emit;
    bool from_openmetrics;
    bool to_openmetrics;
    enum pm_escaping escaping;
};

static void put(struct writer *writer, const char *text)
{
    pm_emit_bytes(&writer->emit, text, strlen(text));
}

static bool ends_in(struct pm_text text, const char *ending)
{
    size_t size = strlen(ending);
    return text.size > size && memcmp(text.data + text.size - size, ending, size) == 0;
}

/* ---- Names ---- */

static void put_name(struct writer *writer, struct pm_text name, bool is_label)
{
    bool is_quoted =
        writer->escaping == PM_ESCAPE_NONE && !pm_escape_is_plain(name.data, name.size, is_label);
    char *to = pm_emit_room(&writer->emit, name.size * ESCAPE_GROWTH + ESCAPE_MORE);
    if (to == NULL) return;
    size_t used = 0;
    if (is_quoted) to[used++] = '"';
    used += pm_escape_name(to + used, name.data, name.size, writer->escaping, is_label);
    if (is_quoted) to[used++] = '"';
    writer->emit.used += used;
}

/* Texts with NULs inside, too, which pm_name_escape() ends at. */
static void put_escaped(struct writer *writer, struct pm_text text, bool quotes)
{
    char *to = pm_emit_room(&writer->emit, text.size * 2);
    if (to == NULL) return;
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool is_special = byte == '\\' || byte == '\n' || (byte == '"' && quotes);
        if (is_special) to[used++] = '\\';
        to[used++] = byte == '\n' ? 'n' : byte;
    }
    writer->emit.used += used;
}

/* The name in an answer of the other kind, in `space` when it is made up. */
static struct pm_text name_across(const struct writer *writer, struct pm_text name,
                                  enum pm_type type, char *space, size_t space_size)
{
    if (writer->from_openmetrics == writer->to_openmetrics) return name;
    const char *ending = type == PM_COUNTER ? "_total" : type == PM_INFO ? "_info" : "";
    size_t size = strlen(ending);
    if (writer->to_openmetrics) {
        return ends_in(name, ending) ? (struct pm_text){ name.data, name.size - size } : name;
    }
    if (size == 0 || name.size + size > space_size) return name;
    memcpy(space, name.data, name.size);
    memcpy(space + name.size, ending, size);
    return (struct pm_text){ space, name.size + size };
}

static const char *type_name(const struct writer *writer, const struct pm_parsed_family *family)
{
    bool to_openmetrics = writer->to_openmetrics;
    switch (family->type) {
    case PM_COUNTER:
        if (to_openmetrics && !writer->from_openmetrics && !ends_in(family->name, "_total")) break;
        return "counter";
    case PM_GAUGE: return "gauge";
    case PM_HISTOGRAM: return "histogram";
    case PM_SUMMARY: return "summary";
    case PM_INFO: return to_openmetrics ? "info" : "gauge";
    case PM_ENUM: return to_openmetrics ? "stateset" : "gauge";
    case PM_GAUGE_HISTOGRAM: return to_openmetrics ? "gaugehistogram" : "histogram";
    case PM_UNTYPED: break;
    }
    return to_openmetrics ? "unknown" : "untyped";
}

/* ---- Samples ---- */

static void put_double(struct writer *writer, double value)
{
    char *to = pm_emit_room(&writer->emit, NUMBER_SIZE_MAX);
    if (to != NULL) writer->emit.used += pm_number_print_double(to, value);
}

/* Bounds of OpenMetrics are floats: a whole one gets its ".0". */
static void put_label(struct writer *writer, const struct pm_parsed_label *label)
{
    put_name(writer, label->name, true);
    put(writer, "=\"");
    put_escaped(writer, label->value, true);
    bool is_bound =
        strcmp(label->name.data, "le") == 0 || strcmp(label->name.data, "quantile") == 0;
    bool is_whole =
        label->value.size > 0 && strspn(label->value.data, "0123456789-") == label->value.size;
    if (writer->to_openmetrics && !writer->from_openmetrics && is_bound && is_whole) {
        put(writer, ".0");
    }
    put(writer, "\"");
}

static void put_labels(struct writer *writer, const struct pm_parsed_label *labels, size_t count,
                       bool is_open)
{
    for (size_t i = 0; i < count; i++) {
        put(writer, i == 0 && !is_open ? "" : ",");
        put_label(writer, &labels[i]);
    }
}

static void put_timestamp(struct writer *writer, double seconds)
{
    put(writer, " ");
    char *to = pm_emit_room(&writer->emit, NUMBER_SIZE_MAX + 8);
    if (to == NULL) return;
    size_t used = 0;
    if (writer->to_openmetrics) {
        used = pm_number_print_double(to, seconds);
    } else {
        double ms = floor(seconds * 1000 + 0.5);
        if (ms < 0) to[used++] = '-';
        used += pm_number_print_u64(to + used, fabs(ms) < 1e18 ? (uint64_t)fabs(ms) : 0);
    }
    writer->emit.used += used;
}

static void put_exemplar(struct writer *writer, const struct pm_parsed_exemplar *exemplar)
{
    put(writer, " # {");
    put_labels(writer, exemplar->labels, exemplar->label_count, false);
    put(writer, "} ");
    put_double(writer, exemplar->value);
    if (exemplar->has_timestamp) put_timestamp(writer, exemplar->timestamp_s);
}

static void put_sample(struct writer *writer, const struct pm_parsed_family *family,
                       const struct pm_parsed_sample *sample)
{
    bool is_created = writer->from_openmetrics && !writer->to_openmetrics &&
                      ends_in(sample->name, "_created") && sample->name.size > family->name.size;
    if (is_created) return;
    struct pm_text name = sample->name;
    char space[512];
    if (family->type == PM_GAUGE_HISTOGRAM && !writer->to_openmetrics &&
        name.size < sizeof(space)) {
        memcpy(space, name.data, name.size);
        const char *ending = ends_in(name, "_gsum")     ? "_sum"
                             : ends_in(name, "_gcount") ? "_count"
                                                        : "";
        if (ending[0] != '\0') {
            name.size -= 1;
            memcpy(space + name.size - strlen(ending), ending, strlen(ending));
            name.data = space;
        }
    }
    bool is_quoted =
        writer->escaping == PM_ESCAPE_NONE && !pm_escape_is_plain(name.data, name.size, false);
    if (is_quoted) put(writer, "{");
    put_name(writer, name, false);
    if (!is_quoted && sample->label_count > 0) put(writer, "{");
    put_labels(writer, sample->labels, sample->label_count, is_quoted);
    if (is_quoted || sample->label_count > 0) put(writer, "}");
    put(writer, " ");
    if (isfinite(sample->value))
        pm_emit_bytes(&writer->emit, sample->value_text.data, sample->value_text.size);
    else
        put_double(writer, sample->value);
    if (sample->has_timestamp) put_timestamp(writer, sample->timestamp_s);
    if (sample->exemplar != NULL && writer->to_openmetrics) put_exemplar(writer, sample->exemplar);
    put(writer, "\n");
}

/* ---- Families ---- */

static void put_metadata(struct writer *writer, const char *kind, struct pm_text name)
{
    put(writer, kind);
    put_name(writer, name, false);
    put(writer, " ");
}

static void put_family(struct writer *writer, const struct pm_parsed_family *family)
{
    char space[512];
    struct pm_text name = name_across(writer, family->name, family->type, space, sizeof(space));
    if (family->help_line > 0 && !writer->to_openmetrics) {
        put_metadata(writer, "# HELP ", name);
        put_escaped(writer, family->help, false);
        put(writer, "\n");
    }
    if (family->type_line > 0) {
        put_metadata(writer, "# TYPE ", name);
        put(writer, type_name(writer, family));
        put(writer, "\n");
    }
    if (family->unit_line > 0 && writer->to_openmetrics) {
        put_metadata(writer, "# UNIT ", name);
        pm_emit_bytes(&writer->emit, family->unit.data, family->unit.size);
        put(writer, "\n");
    }
    if (family->help_line > 0 && writer->to_openmetrics) {
        put_metadata(writer, "# HELP ", name);
        put_escaped(writer, family->help, true);
        put(writer, "\n");
    }
    for (size_t i = 0; i < family->sample_count && writer->emit.code == PM_OK; i++) {
        put_sample(writer, family, &family->samples[i]);
    }
}

int pm_document_render(const struct pm_document *document, struct pm_format format,
                       pm_write_function *write, void *arg)
{
    if (format.kind == PM_PROTOBUF) return PM_ERROR_TYPE;
    struct writer writer = { .from_openmetrics = document->is_openmetrics };
    writer.to_openmetrics = pm_emit_is_openmetrics(format);
    writer.escaping = pm_escape_of(format);
    int code = pm_emit_init(&writer.emit, format, write, arg);
    if (code < 0) return code;
    for (size_t i = 0; i < document->family_count && writer.emit.code == PM_OK; i++) {
        put_family(&writer, &document->families[i]);
    }
    if (writer.to_openmetrics) put(&writer, "# EOF\n");
    code = pm_emit_flush(&writer.emit);
    pm_emit_release(&writer.emit);
    return code;
}
