/* web_test.c
 *
 * Goal:   what the build put into the table is found by its exact name, whole and with its type.
 * Method: the three pages and an asset one of them names; names that are nearly right.
 */
#include "web/web.h"

#include "tests/test.h"

static const char *const pages[] = { "dashboards.html", "explore.html", "query.html" };

/* Built without npm there are no pages; the lookup must then find nothing and not fail. */
static bool has_pages(void)
{
    return web_asset_find(STR("dashboards.html")) != NULL;
}

static void pages_are_found_whole(void)
{
    if (!has_pages()) return;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        struct str path = { pages[i], strlen(pages[i]) };
        const struct web_asset *asset = web_asset_find(path);
        EXPECT(asset != NULL);
        if (asset == NULL) return;
        EXPECT(strcmp(asset->path, pages[i]) == 0);
        EXPECT(strcmp(asset->content_type, "text/html; charset=utf-8") == 0);
        EXPECT(asset->size > 100);
        EXPECT(memcmp(asset->data, "<!doctype html>", 15) == 0);
        EXPECT(asset->etag[0] == '"');
        EXPECT(asset->etag[strlen(asset->etag) - 1] == '"');
        EXPECT(asset->gzip == NULL || asset->gzip_size < asset->size);
        EXPECT(asset->gzip == NULL || (asset->gzip[0] == 0x1f && asset->gzip[1] == 0x8b));
    }
}

/* A strict content security policy forbids code and style inside the page. */
static void pages_hold_no_inline_code(void)
{
    if (!has_pages()) return;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        const struct web_asset *asset = web_asset_find((struct str){ pages[i], strlen(pages[i]) });
        if (asset == NULL) return;
        EXPECT(memmem(asset->data, asset->size, "<style", 6) == NULL);
        EXPECT(memmem(asset->data, asset->size, " style=", 7) == NULL);
        EXPECT(memmem(asset->data, asset->size, "<script>", 8) == NULL);
    }
}

static void other_names_are_not_found(void)
{
    static const char *const names[] = { "",
                                         "/",
                                         "dashboard",
                                         "dashboards.htm",
                                         "assets/",
                                         "dashboards.html/",
                                         "../web.c",
                                         "dashboards.html?x",
                                         "Dashboards.html" };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        EXPECT(web_asset_find((struct str){ names[i], strlen(names[i]) }) == NULL);
    }
    EXPECT(web_asset_find((struct str){ "dashboards.html\0x", 17 }) == NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(pages_are_found_whole),
        TEST(pages_hold_no_inline_code),
        TEST(other_names_are_not_found),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
