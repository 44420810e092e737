/* emit.h - the writer of an exposition: families and samples in one of the formats, in pieces.
 *
 * Text goes out in pieces of 64 KiB. In protobuf a family is one message that starts with its size,
 * so the buffer grows until the family is whole.
 */
#ifndef PROMETHEUS_EMIT_H
#define PROMETHEUS_EMIT_H

#include "prometheus/store.h"

enum { EMIT_PIECE_SIZE = 64 * 1024 };

/* Owned by: the thread that renders. */
struct pm_emit {
    pm_write_function *write;
    void *write_arg;
    int code; /* first failure; nothing is written after it */
    struct pm_format format;
    enum pm_escaping escaping; /* of the format, as it can have it */
    bool has_utf8;             /* the registry's: names may be any UTF-8 */
    const char *const *names;  /* of the families wanted; count 0 = all */
    size_t name_count;
    char *data;
    size_t used;
    size_t capacity;
    uint64_t *seen; /* hashes of the names of families shown, 0 = free; half full at most */
    size_t seen_capacity;
    size_t seen_count;
    bool is_open;   /* pm_emit_family() was taken */
    size_t message; /* protobuf: of the open family, 0 = none */
    enum pm_type type;
    bool is_quoted;                              /* the name stands in braces, quoted */
    char sample_name[PM_NAME_SIZE_MAX * 8 + 32]; /* escaped, without quotes */
    size_t sample_name_size;
};

static inline bool pm_emit_is_openmetrics(struct pm_format format)
{
    return format.kind == PM_OPENMETRICS_1_0_0 || format.kind == PM_OPENMETRICS_0_0_1;
}

int pm_emit_init(struct pm_emit *emit, struct pm_format format, pm_write_function *write,
                 void *arg);
int pm_emit_flush(struct pm_emit *emit);
void pm_emit_release(struct pm_emit *emit);

/* Room for size bytes at the end, or NULL after a failure; then emit->used is moved by the user. */
char *pm_emit_room(struct pm_emit *emit, size_t size);
void pm_emit_bytes(struct pm_emit *emit, const char *data, size_t size);
size_t pm_emit_print_value(char *to, double value); /* as the formats want it; NUMBER_SIZE_MAX */

/* Writes the family's metadata. False: not wanted, not valid or shown already. */
bool pm_emit_begin(struct pm_emit *emit, enum pm_type type, const char *name, const char *help,
                   const char *unit);
void pm_emit_end(struct pm_emit *emit); /* of the open family */

/* One point of the open family, in text and in protobuf. */
void pm_emit_text_point(struct pm_emit *emit, const struct pm_point *point);
void pm_emit_proto_point(struct pm_emit *emit, const struct pm_point *point);
/* ' # {labels} value time' of OpenMetrics, without line feed. */
void pm_emit_text_exemplar(struct pm_emit *emit, const struct pm_exemplar *exemplar);
void pm_emit_text_timestamp(struct pm_emit *emit, double seconds);

/* The lines of one family, and of all families of a registry. */
void pm_emit_store_family(struct pm_emit *emit, const struct family *family);
void pm_emit_store(struct pm_emit *emit, struct pm_registry *registry);
/* A series as a point: for formats that have no lines made before. */
void pm_emit_series_point(struct pm_emit *emit, const struct series *series, struct span span);

#endif
