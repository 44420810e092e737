/* search.h - inside `barograph search` and `barograph tail`: what the command's files share. */
#ifndef MAIN_SEARCH_H
#define MAIN_SEARCH_H

#include "base/map.h"
#include "base/str.h"
#include "codec/json.h"
#include "http/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEARCH_ANSWER_SIZE_MAX ((size_t)256 << 20)
#define SEARCH_LIMIT_MAX       10000 /* from and size together, as every Elasticsearch allows */
#define SEARCH_FOLLOW_SIZE     1000  /* lines of one request while following */

struct search_flags {
    const char *url, *index, *user, *api_key, *color, *since, *until;
    const char *authority_path;
    int64_t limit, every_ms;
    bool follows, is_kql, is_json, has_histogram, is_unchecked, wants_help;
};

struct search_session {
    const struct search_flags *flags;
    const char *name; /* of the command */
    struct str query;
    struct http_client *client;
    bool has_color;
    bool is_following;
    bool is_down;      /* the server did not answer when it was asked last */
    bool has_warned;   /* of an answer that is not whole; told once */
    struct map seen;   /* "index id" of lines shown while following, newer ones */
    struct map before; /* and those that came before; the two take turns */
    int64_t newest_ms;
};

/* What is asked for: lines whose @timestamp is in [from_ms, to_ms]. */
struct search_page {
    int64_t from_ms, to_ms; /* to_ms INT64_MAX: no end */
    size_t skipped;         /* hits before the first */
    bool is_following;      /* oldest first; else the newest, and the bars */
};

/* A sentence to standard error; ROLE_EXIT_FAILED. */
int search_fail(const struct search_session *session, const char *text);

/*
 * Asks for one page.
 *
 *   root  out: the answer, in the arena; NULL when there is nothing to show this time: while
 *         following a server may be away
 *
 * Returns ROLE_EXIT_OK, or ROLE_EXIT_FAILED when the reason was told.
 */
int search_ask(struct search_session *session, const struct search_page *page, struct arena *arena,
               const struct json **root);

/* Shows an answer's lines and bars. `skips_old`: those up to newest_ms are taken for shown, and
 * only remembered. Lines that came in *count. */
int search_show(struct search_session *session, const struct json *root,
                const struct search_page *page, bool skips_old, size_t *count);

#endif
