/* message.h - the words that HTTP server and client share: methods, header fields, parameters.
 *
 * Ownership: texts in fields are borrowed; each user says from where (a request's arena, mostly).
 */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* Bits, so that a route can name several. */
enum http_method {
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_PUT = 8,
    HTTP_DELETE = 16,
    HTTP_PATCH = 32,
    HTTP_OPTIONS = 64,
};

/* A header line or a parameter. */
struct http_field {
    struct str name;
    struct str value;
};

/* Fields in the order in which they came; a name may occur several times. */
struct http_fields {
    struct http_field *items;
    size_t count;
};

/* First value under this name, data NULL when there is none. Parameters: exact; headers: nocase. */
struct str http_fields_get(const struct http_fields *fields, struct str name);
struct str http_fields_get_nocase(const struct http_fields *fields, struct str name);

const char *http_method_name(enum http_method method); /* "GET"; "?" for what is not one */
unsigned http_method_parse(struct str name);           /* 0: not one of ours */
const char *http_status_text(unsigned status);         /* "Not Found"; "Unknown" */

/* Undoes %XX, and + for a blank when `is_form`; false (output untouched) for a broken escape, a
 * decoded NUL, or no memory. Borrows `text` when there is nothing to undo. */
bool http_unescape(struct arena *arena, struct str text, bool is_form, struct str *out) MUST_CHECK;

/* Puts %XX for all but letters, digits and -._~ ; data NULL when there is no memory. */
struct str http_escape(struct arena *arena, struct str text) MUST_CHECK;

/*
 * Reads "a=1&b=%20&match[]=x" (a query string or an urlencoded form).
 *
 *   fields  out: appended behind what is there, up to HTTP_PARAMETERS_MAX in all
 *
 * Returns 0, ERROR_PARSE (broken escape) or ERROR_LIMIT.
 */
#define HTTP_PARAMETERS_MAX 1024
int http_form_parse(struct arena *arena, struct str text, struct http_fields *fields,
                    struct error *error) MUST_CHECK;

/* "host:port", ":port", "[::1]:port", "port" or "host" in pieces. */
struct http_address {
    struct str host; /* without brackets; empty: not given */
    uint16_t port;   /* 0: not given, or a free one */
};

/* 0 with *address borrowing from `text`, or ERROR_PARSE. */
int http_address_parse(struct str text, struct http_address *address,
                       struct error *error) MUST_CHECK;

#endif
