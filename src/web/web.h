/* web.h - the pages, built from TypeScript and kept in the executable.
 *
 * `tools/build-web` builds src/web/ into a folder, `tools/embed-web` turns that folder into one
 * table; web_asset_find looks a name up in it. There is no file system behind the pages when the
 * program runs.
 *
 *     const struct web_asset *page = web_asset_find(STR("dashboards.html"));
 *     if (page == NULL) ...  // built without npm: there are no pages
 *
 * Names under "assets/" hold a hash of their content and may be cached for ever; pages may not.
 */
#ifndef WEB_WEB_H
#define WEB_WEB_H

#include <stddef.h>

#include "base/str.h"

/* One file of the pages. All pointers are static and live as long as the program. */
struct web_asset {
    const char *path;          /* "dashboards.html", "assets/x.js" */
    const char *content_type;  /* with the character set where it is text */
    const unsigned char *data; /* as it is, `size` bytes */
    size_t size;
    const unsigned char *gzip; /* the same compressed; NULL when that would not be smaller */
    size_t gzip_size;
    const char *etag; /* quoted, strong, of the identity bytes */
};

/*
 * Finds a file of the pages by its exact name, without a leading slash.
 *
 * Returns NULL when there is none. Threads: pure; any thread.
 */
const struct web_asset *web_asset_find(struct str path);

#endif
