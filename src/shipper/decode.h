/* decode.h - from a line to the document that is shipped, as Filebeat 7.17 makes it.
 *
 * Nothing is ever dropped here but what include_lines, exclude_lines and empty lines ask for: a
 * line that cannot be decoded is shipped as text.
 */
#ifndef SHIPPER_DECODE_H
#define SHIPPER_DECODE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/str.h"
#include "codec/json.h"
#include "shipper/config.h"

#include <stdbool.h>
#include <stdint.h>

/* Who ships. */
struct ship_agent {
    struct str id;
    struct str ephemeral_id;
    struct str hostname;
    struct str name; /* the configuration's, else the hostname */
};

/* Owned by: the reader thread. */
struct decoder {
    const struct ship_config *config;
    struct ship_agent agent;
    struct json_parser *parser;
    struct arena arena;
    uint64_t undecoded_count; /* lines that should have been JSON and were not */
};

int decoder_init(struct decoder *decoder, const struct ship_config *config,
                 const struct ship_agent *agent, struct error *error) MUST_CHECK;
void decoder_release(struct decoder *decoder); /* accepts a zeroed one */

struct ship_line {
    const struct ship_input *input;
    struct str path;
    struct str text; /* without its end */
    uint64_t offset; /* of its first byte in the file */
    int64_t read_ns; /* since the epoch */
    bool is_truncated;
};

/*
 * Appends what _bulk wants for the line: action, newline, document, newline; for the console only
 * document and newline.
 *
 * Returns 1, 0 when the line is one that is not shipped, or -ENOMEM (out->has_failed).
 */
int decoder_decode(struct decoder *decoder, const struct ship_line *line,
                   struct buf *out) MUST_CHECK;

/* RFC 3339, or 2006-01-02T15:04:05.000+0100: the two forms that are taken for @timestamp. */
bool decode_time(struct str text, int64_t *time_ns) MUST_CHECK;

#endif
