/* json.h - reading JSON: a tree in an arena, every value with its exact source bytes.
 *
 *     struct json_parser *parser;                       one a thread, kept between documents
 *     const struct json *root;
 *     int code = json_parse(parser, &arena, text, &root, &error);
 *     struct str level = json_text(json_get(root, STR("log.level")), STR("info"));
 *
 * Valid UTF-8 only; duplicate keys are kept in order and json_get answers the last; numbers keep
 * their source text, so nothing is lost that a double cannot hold. Half a surrogate pair in an
 * escape reads as U+FFFD, as in Go.
 *
 * Ownership: the tree lives in the arena; keys, texts and raw point into a copy of the source that
 *            lives there too.
 * Threads:   a parser belongs to one thread; a finished tree is read-only.
 * Source:    RFC 8259. simdjson finds where the marks stand, the tree is ours.
 */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 128

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,    /* fits in int64_t, no fraction or exponent */
    JSON_DOUBLE, /* every other number */
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_member;

struct json {
    enum json_kind kind;
    struct str raw; /* exact source bytes of the value, quotes and brackets included */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct str text; /* unescaped */
        struct {
            const struct json *items;
            size_t count;
        } array;
        struct {
            const struct json_member *members;
            size_t count;
        } object;
    };
};

struct json_member {
    struct str key;
    struct json value;
};

struct json_parser;

int json_parser_new(struct json_parser **parser, struct error *error) MUST_CHECK;
void json_parser_free(struct json_parser *parser); /* NULL is fine */
void json_parser_cleanup(struct json_parser **parser);

/*
 * Reads one document; blanks around it are allowed, nothing else.
 *
 *   parser  NULL: one is made for this call
 *   root    out: in the arena; untouched on failure
 *
 * Returns 0, ERROR_PARSE (error->offset is the byte of `text` that is wrong, its size when the end
 * came too early; the text says what was expected), ERROR_LIMIT (the arena, 4 GiB or
 * JSON_DEPTH_MAX) or -ENOMEM.
 */
int json_parse(struct json_parser *parser, struct arena *arena, struct str text,
               const struct json **root, struct error *error) MUST_CHECK;

/* The same of a line among others: when the byte behind it is '\n' and `behind`, the bytes behind
 * it that may be read, are at least 64, the tree has its texts in the line and not in a copy, and
 * may be used as long as the line stays. */
int json_parse_line(struct json_parser *parser, struct arena *arena, struct str line, size_t behind,
                    const struct json **root, struct error *error) MUST_CHECK;

/* The last member with this key; NULL when there is none, or no object (NULL too). */
const struct json *json_get(const struct json *object, struct str key);

/* json_get along the parts of a dotted path: "query.bool.must". A key that itself holds dots is
 * found too when the whole rest of the path is a key. */
const struct json *json_get_path(const struct json *object, struct str path);

bool json_is(const struct json *value, enum json_kind kind); /* false for NULL */

/* The value, or `otherwise` when it is NULL or of another kind. json_number takes both kinds of
 * numbers; json_integer takes doubles without a fraction too. */
struct str json_text(const struct json *value, struct str otherwise);
int64_t json_integer(const struct json *value, int64_t otherwise);
double json_number(const struct json *value, double otherwise);
bool json_boolean(const struct json *value, bool otherwise);

const char *json_kind_name(enum json_kind kind); /* "object" */

#endif
