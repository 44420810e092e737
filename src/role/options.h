/* options.h - the flags of a role from one table: parsing, defaults, --help, nearest names.
 *
 *     struct shop { const char *listen; int64_t keep_ms; bool is_dry; struct option_list files; };
 *     static const struct option options[] = {
 *         { "web.listen-address", "ADDRESS", OPTION_TEXT, offsetof(struct shop, listen),
 *           "127.0.0.1:9090", "Where to listen." },
 *         { "storage.retention", "DURATION", OPTION_DURATION, offsetof(struct shop, keep_ms),
 *           "15d", "How long to keep samples." },
 *         { "dry-run", NULL, OPTION_FLAG, offsetof(struct shop, is_dry), NULL, "Change nothing." },
 *         { "c", "FILE", OPTION_LIST, offsetof(struct shop, files), NULL, "Read this file." },
 *     };
 *
 * GRAMMAR  --name=value, --name value, --flag, --no-flag, --flag=true|false; one dash does the same
 *          as two, so -c FILE, -e and -once work. "--" ends the options. A name given twice: the
 *          last counts, except for OPTION_LIST.
 */
#ifndef ROLE_OPTIONS_H
#define ROLE_OPTIONS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_kind {
    OPTION_TEXT,     /* const char *: borrowed from argv, or the default */
    OPTION_FLAG,     /* bool: no value */
    OPTION_INT,      /* int64_t: also negative */
    OPTION_COUNT,    /* int64_t: 0 and more */
    OPTION_SIZE,     /* int64_t bytes: "512MB", "64MiB", "1g"; powers of 1024 as in Prometheus */
    OPTION_DURATION, /* int64_t milliseconds: "15d", "1h30m", "500ms", "0" */
    OPTION_REAL,     /* double */
    OPTION_LIST,     /* struct option_list: may be repeated */
    OPTION_IGNORED,  /* taken with a value, without effect: offset unused */
    OPTION_IGNORED_FLAG,
};

#define OPTION_LIST_MAX 64

struct option_list {
    const char *items[OPTION_LIST_MAX]; /* borrowed from argv */
    size_t count;
};

struct option {
    const char *name;     /* without dashes */
    const char *argument; /* what --help shows behind it; NULL: VALUE */
    enum option_kind kind;
    size_t offset;       /* of the field in the values */
    const char *initial; /* the default as text; NULL: what is in the values stays */
    const char *help;    /* one sentence; NULL: hidden from --help */
};

/* A table and where its values go; a command line is read into several of them. */
struct option_table {
    const struct option *options;
    size_t count;
    void *values;
};

/*
 * Puts the defaults, then reads argv[1] and on.
 *
 *   rest   out: words that are no options; NULL: there may be none
 *
 * Returns 0, or ERROR_INVALID with a text for the user: "unknown option '--web.listen-adress', did
 * you mean '--web.listen-address'?". Values may be half filled then.
 */
int options_parse(const struct option_table *tables, size_t table_count, int argc,
                  char *const *argv, struct option_list *rest, struct error *error) MUST_CHECK;

/* "Usage: ..." and one entry an option, for a terminal of 80 columns. */
void options_help(const struct option_table *tables, size_t table_count, const char *usage,
                  struct buf *out);

/* Each visible option with its value now, as text, for /api/v1/status/flags. `value` is valid
 * during the call. Options whose name holds "password", "secret" or "token" give "<secret>". */
void options_visit(const struct option_table *tables, size_t table_count,
                   void (*visit)(void *argument, const char *name, const char *value),
                   void *argument);

#endif
