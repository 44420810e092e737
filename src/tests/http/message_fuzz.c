/* message_fuzz.c - any bytes as form, address, packed body and resolve rule: no crash, and what was
 * escaped comes back. */
#include "http/message.h"

#include "base/check.h"
#include "http/pack.h"
#include "http/resolve.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { size == 0 ? "" : (const char *)data, size };
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 22);
    struct http_fields fields = { 0 };
    (void)!http_form_parse(&arena, text, &fields, NULL);

    struct http_address address;
    (void)!http_address_parse(text, &address, NULL);

    struct str back = { NULL, 0 };
    struct str escaped = http_escape(&arena, text);
    bool has_nul = str_find_char(text, '\0') != STR_NONE;
    if (escaped.data != NULL && !has_nul) {
        CHECK(http_unescape(&arena, escaped, false, &back));
        CHECK(str_equal(back, text));
    }
    CLEANUP(buf_release) struct buf plain;
    buf_init(&plain, 1 << 16);
    (void)!pack_gzip_decode(text, &plain, NULL);
    CHECK(plain.size <= 1 << 16);

    CLEANUP(http_resolve_cleanup) struct http_resolve *map = NULL;
    if (http_resolve_new(&map, NULL) == 0) (void)!http_resolve_add(map, text, NULL);
    return 0;
}
