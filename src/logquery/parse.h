/* parse.h - what the readers of request bodies share: lenient values and failures with a type. */
#ifndef LOGQUERY_PARSE_H
#define LOGQUERY_PARSE_H

#include "base/arena.h"
#include "base/error.h"
#include "codec/json.h"
#include "logquery/logquery.h"

#include <stdbool.h>
#include <stdint.h>

struct parse {
    struct arena *arena;
    struct logstore *store; /* for what a query looks up in another document; NULL: nothing */
    struct logquery_failure *failure;
    struct error *error;
    unsigned depth;
    unsigned clause_count;
    size_t regex_size; /* of the patterns in query strings */
    /* The first value that is not of the kind that its name wants; see parse_settled. */
    const char *bad_kind; /* "an integer"; NULL: none */
    struct str bad_name;
    struct str bad_value;
};

#define PARSE_DEPTH_MAX   64
#define PARSE_CLAUSES_MAX 8192

/* Fills the failure (status 400) and the error; returns ERROR_INVALID. */
int parse_fail(struct parse *parse, const char *type, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same as a shard reports it: search_phase_execution_exception, "all shards failed". */
int parse_fail_shard(struct parse *parse, const char *type, const char *format, ...)
    PRINTF_LIKE(3, 4);

int parse_out_of_memory(struct parse *parse);

/* Values as clients write them: true and "true", 10 and "10". */
bool parse_flag(const struct json *value, bool otherwise);
int64_t parse_integer(const struct json *value, int64_t otherwise);
double parse_number(const struct json *value, double otherwise);

/* Members of an object, likewise. One that is there and cannot be read is noted, so that
 * parse_settled refuses the request by its name. */
bool parse_flag_of(struct parse *parse, const struct json *object, const char *name,
                   bool otherwise);
int64_t parse_integer_of(struct parse *parse, const struct json *object, const char *name,
                         int64_t otherwise);
double parse_number_of(struct parse *parse, const struct json *object, const char *name,
                       double otherwise);
/* The value itself, which the request has under that name. */
int64_t parse_integer_named(struct parse *parse, const struct json *value, const char *name,
                            int64_t otherwise);
void parse_note_bad(struct parse *parse, const struct json *value, const char *name,
                    const char *kind);
int parse_settled(struct parse *parse) MUST_CHECK;

/* As much of a value as an error shows. */
struct str parse_shown(struct str text);

/* The text of a scalar: texts unescaped, others as written. Data NULL for null and containers. */
struct str parse_scalar(const struct json *value);

/* A list of texts from a text or an array; or from a comma-separated text when `splits`. */
int parse_texts(struct parse *parse, const struct json *value, bool splits,
                const struct str **texts, size_t *count) MUST_CHECK;

/* "+01:00" or the name of a region; NULL when none is given. In the arena. */
int parse_zone(struct parse *parse, const struct json *value,
               const struct date_zone **zone) MUST_CHECK;

/* {"match":{...}} */
int parse_query(struct parse *parse, const struct json *json,
                struct logstore_filter **filter) MUST_CHECK;

struct logstore_filter *filter_new(struct parse *parse, enum logstore_filter_kind kind);

/* A bool filter with both in must. */
int filter_and(struct parse *parse, struct logstore_filter *a, struct logstore_filter *b,
               struct logstore_filter **out) MUST_CHECK;

#endif
