/* cat_table.h - the tables of _cat: small, for people, as text or JSON.
 *
 *     static const struct cat_column columns[] = { { "count", "dc", "documents", CAT_RIGHT } };
 *     struct cat_table table;
 *     if (!cat_begin(&table, call, columns, ARRAY_LENGTH(columns), row_count)) return ERROR_LIMIT;
 *     struct cat_cell *cells = cat_row(&table);
 *     cells[0] = cat_count(7);
 *     return cat_answer(&table);
 *
 * Of the URL: v, h (names, other names, patterns), s (name:desc ...), help, format, bytes, time.
 */
#ifndef LOG_SERVER_CAT_TABLE_H
#define LOG_SERVER_CAT_TABLE_H

#include "log_server/server.h"

#define CAT_RIGHT  1u /* numbers stand at the right */
#define CAT_HIDDEN 2u /* shown only when named */

struct cat_column {
    const char *name;
    const char *others; /* other names, with commas between */
    const char *meaning;
    unsigned flags;
};

enum cat_kind { CAT_NONE, CAT_TEXT, CAT_COUNT, CAT_SIZE, CAT_DURATION, CAT_REAL };

struct cat_cell {
    enum cat_kind kind;
    struct str text;
    uint64_t number; /* of sizes bytes, of durations milliseconds */
    double real;
};

struct cat_table {
    struct call *call;
    const struct cat_column *columns;
    size_t column_count;
    struct cat_cell *cells; /* rows one behind the other, in the call's arena */
    size_t row_count, row_capacity;
};

/* Room for so many rows; false: no memory. */
bool cat_begin(struct cat_table *table, struct call *call, const struct cat_column *columns,
               size_t column_count, size_t row_capacity) MUST_CHECK;
struct cat_cell *cat_row(struct cat_table *table); /* one more, all of it empty */
int cat_answer(struct cat_table *table) MUST_CHECK;

struct cat_cell cat_text(struct str text);
struct cat_cell cat_cstr(const char *text);
struct cat_cell cat_count(uint64_t count);
struct cat_cell cat_size(uint64_t size);
struct cat_cell cat_duration(uint64_t ms);
struct cat_cell cat_real(double value); /* two digits */

#define CAT_PARAMETERS                                                                             \
    INDICES_PARAMETERS " h s v bytes time ts help size health pri include_unloaded_segments"       \
                       " full_id active_only detailed actions nodes parent_task_id fields"

#endif
