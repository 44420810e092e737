/* router.c - which row of which mount answers a path.
 *
 * Rows are tried one after the other, part by part: a role has some fifty, most of which part ways
 * in their first part, so that a tree would gain nothing that can be measured.
 */
#include "http/router.h"

#include <errno.h>
#include <stdlib.h>

void router_release(struct router *router)
{
    size_t count = atomic_load(&router->count);
    for (size_t i = 0; i < count; i++) free(router->mounts[i].rows);
    atomic_store(&router->count, 0);
}

static int compile_pattern(struct router_row *row, const char *pattern, struct error *error)
{
    struct str rest = str_from(pattern);
    if (rest.size == 0 || rest.data[0] != '/') {
        return error_set(error, ERROR_INVALID, "route '%s' does not begin with '/'", pattern);
    }
    rest = str_skip(rest, 1);
    while (rest.data != NULL) {
        struct str text = str_cut(&rest, '/');
        struct router_part part = { PART_LITERAL, text };
        if (text.size > 1 && text.data[0] == ':') {
            part = (struct router_part){ PART_NAME, str_skip(text, 1) };
        } else if (text.size > 0 && text.data[0] == '*') {
            part = (struct router_part){ PART_REST, str_skip(text, 1) };
        }
        if (row->part_count == ROUTER_PARTS_MAX) {
            return error_set(error, ERROR_INVALID, "route '%s' has more than %d parts", pattern,
                             ROUTER_PARTS_MAX);
        }
        row->parts[row->part_count++] = part;
        if (part.kind == PART_REST && rest.data != NULL) {
            return error_set(error, ERROR_INVALID, "route '%s' goes on behind '*'", pattern);
        }
    }
    return 0;
}

int router_mount(struct router *router, const struct http_mount *mount, struct counters *counters,
                 struct error *error)
{
    size_t index = atomic_load(&router->count);
    if (index == HTTP_SERVER_MOUNTS_MAX) {
        return error_set(error, ERROR_LIMIT, "more than %d mounts", HTTP_SERVER_MOUNTS_MAX);
    }
    struct router_row *rows = calloc(mount->count + 1, sizeof(*rows));
    if (rows == NULL) return error_set(error, -ENOMEM, "no memory for routes");

    for (size_t i = 0; i < mount->count; i++) {
        const struct http_route *route = &mount->routes[i];
        rows[i].route = *route;
        int code = compile_pattern(&rows[i], route->path, error);
        const char *label = route->label != NULL ? route->label : route->path;
        if (code == 0) {
            rows[i].counters = counters_find(counters, label);
            if (rows[i].counters == NULL) {
                code = error_set(error, ERROR_LIMIT, "more than %d handler labels",
                                 COUNTERS_HANDLERS_MAX);
            }
        }
        if (code < 0) {
            free(rows);
            return code;
        }
    }
    router->mounts[index] = (struct router_mount){ *mount, rows };
    /* Release: who sees the count sees the mount. */
    atomic_store_explicit(&router->count, index + 1, memory_order_release);
    return 0;
}

enum fit { FIT_NO, FIT_YES, FIT_BROKEN };

/* Compares one path with one pattern; values: one place a part. */
static enum fit row_fits(const struct router_row *row, const struct http_request *request,
                         struct http_field *values, size_t *value_count)
{
    struct str rest = request->raw_path;
    if (rest.size == 0 || rest.data[0] != '/') return FIT_NO;
    rest = str_skip(rest, 1);
    size_t count = 0;
    for (size_t i = 0; i < row->part_count; i++) {
        const struct router_part *part = &row->parts[i];
        if (part->kind == PART_REST) {
            struct str text = rest.data == NULL ? (struct str){ "", 0 } : rest;
            rest = (struct str){ NULL, 0 };
            if (!http_unescape(request->arena, text, false, &values[count].value)) {
                return FIT_BROKEN;
            }
            values[count++].name = part->text;
            continue;
        }
        if (rest.data == NULL) {
            /* "/a" fits "/a/" + rest only by name, never a missing part. */
            return FIT_NO;
        }
        struct str text = str_cut(&rest, '/');
        if (!http_unescape(request->arena, text, false, &text)) return FIT_BROKEN;
        if (part->kind == PART_NAME) {
            if (text.size == 0) return FIT_NO;
            values[count++] = (struct http_field){ part->text, text };
        } else if (!str_equal(text, part->text)) {
            return FIT_NO;
        }
    }
    *value_count = count;
    return rest.data == NULL ? FIT_YES : FIT_NO;
}

bool router_find(struct router *router, struct http_request *request, struct router_match *match)
{
    *match = (struct router_match){ 0 };
    struct http_field *values = ARENA_ARRAY(request->arena, struct http_field, ROUTER_PARTS_MAX);
    if (values == NULL) return false;

    size_t mount_count = atomic_load_explicit(&router->count, memory_order_acquire);
    for (size_t i = 0; i < mount_count; i++) {
        const struct router_mount *mount = &router->mounts[i];
        for (size_t j = 0; j < mount->mount.count; j++) {
            const struct router_row *row = &mount->rows[j];
            size_t value_count = 0;
            enum fit fit = row_fits(row, request, values, &value_count);
            if (fit == FIT_BROKEN) return false;
            if (fit == FIT_NO) continue;
            if (match->mount == NULL) match->mount = mount;
            match->methods |= row->route.methods;
            if ((row->route.methods & (unsigned)request->method) == 0) continue;
            match->mount = mount;
            match->row = row;
            request->path_values = (struct http_fields){ values, value_count };
            return true;
        }
    }
    return true;
}

const struct router_mount *router_fallback(struct router *router)
{
    size_t count = atomic_load_explicit(&router->count, memory_order_acquire);
    while (count > 0) {
        count--;
        if (router->mounts[count].mount.fallback != NULL) return &router->mounts[count];
    }
    return NULL;
}
