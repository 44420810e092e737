/* pages.c - the embedded pages and their files, also below a path prefix.
 *
 * The pages name their files from the root ("/assets/..."), for a page may stand at any depth.
 * Below --web.route-prefix a page is sent with the prefix put in front of these names. */
#include "role/role.h"

#include "web/web.h"

#include <errno.h>

static const struct web_asset *find(struct str path, struct error *error)
{
    const struct web_asset *asset = web_asset_find(path);
    if (asset == NULL) {
        (void)error_set(error, -ENOENT, "not in this build: '" STR_FMT "'", STR_ARG(path));
    }
    return asset;
}

static void give(struct http_response *response, const struct web_asset *asset)
{
    http_response_static(response, asset->content_type,
                         (struct str){ (const char *)asset->data, asset->size },
                         (struct str){ (const char *)asset->gzip, asset->gzip_size }, asset->etag);
}

static void give_below(struct http_response *response, const struct web_asset *asset,
                       struct str prefix)
{
    struct str rest = { (const char *)asset->data, asset->size };
    response->content_type = asset->content_type;
    while (rest.size > 0) {
        size_t at = str_find(rest, STR("\"/assets/"));
        if (at == STR_NONE) at = rest.size;
        buf_append_str(&response->body, str_first(rest, at));
        rest = str_skip(rest, at);
        if (rest.size == 0) break;
        buf_append_char(&response->body, '"');
        buf_append_str(&response->body, prefix);
        rest = str_skip(rest, 1);
    }
}

int role_give_page(struct role *role, const char *name, struct http_response *response,
                   struct error *error)
{
    const struct web_asset *asset = find(str_from(name), error);
    if (asset == NULL) return -ENOENT;
    struct str prefix = str_from(role_prefix(role));
    while (str_ends_with(prefix, STR("/"))) prefix.size--;
    if (prefix.size == 0) {
        give(response, asset);
    } else {
        give_below(response, asset, prefix);
    }
    return 0;
}

int role_give_asset(const struct http_request *request, struct http_response *response,
                    struct error *error)
{
    struct str rest = http_request_path_value(request, "rest");
    struct str path = arena_printf(request->arena, "assets/" STR_FMT, STR_ARG(rest));
    const struct web_asset *asset = find(path, error);
    if (asset == NULL) return -ENOENT;
    give(response, asset);
    http_response_header(response, "Cache-Control", STR("public, max-age=31536000, immutable"));
    return 0;
}
