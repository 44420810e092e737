/* web.c - looks files of the pages up in the generated table, which is sorted by path. */
#include "web/web.h"

#include "web/web_table.h"

static int compare_path(struct str path, const char *name)
{
    size_t name_size = strlen(name);
    size_t common = path.size < name_size ? path.size : name_size;
    int order = common == 0 ? 0 : memcmp(path.data, name, common);
    if (order != 0) return order;
    return path.size < name_size ? -1 : path.size > name_size;
}

const struct web_asset *web_asset_find(struct str path)
{
    size_t low = 0;
    size_t high = web_asset_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_path(path, web_assets[middle].path);
        if (order == 0) return &web_assets[middle];
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
