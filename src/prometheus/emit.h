/* emit.h - the writer of an exposition: families and samples in one of the formats, in pieces. */
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
    const char *const *names; /* of the families wanted; count 0 = all */
    size_t name_count;
    char *data;
    size_t used;
    size_t capacity;
    uint64_t *seen; /* hashes of the names of families shown, 0 = free; half full at most */
    size_t seen_capacity;
    size_t seen_count;
    bool is_open; /* pm_emit_family() was taken */
    enum pm_type type;
    char sample_name[PM_NAME_SIZE_MAX + 8];
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

/* The lines of one family, and of all families of a registry. */
void pm_emit_store_family(struct pm_emit *emit, const struct family *family);
void pm_emit_store(struct pm_emit *emit, struct pm_registry *registry);

#endif
