/* regex_fuzz.c - the first line is a pattern, the second a text, the third a template: the quick
 * ways (literals, prefix) never contradict the pattern itself. */
#include "codec/regex.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_quick_ways(const struct regex *regex, struct str pattern, struct str text)
{
    CLEANUP(arena_release) struct arena arena;
    arena_init(&arena, 1 << 20);
    struct str *items = NULL;
    size_t count = 0;
    bool matches = regex_matches(regex, text);
    if (matches) CHECK(str_starts_with(text, regex_prefix(regex)));
    if (!regex_literals(&arena, pattern, &items, &count)) return;
    bool is_listed = false;
    for (size_t i = 0; i < count; i++) is_listed = is_listed || str_equal(items[i], text);
    CHECK(is_listed == matches);
    for (size_t i = 0; i < count; i++) CHECK(regex_matches(regex, items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    struct str pattern = str_cut(&rest, '\n');
    struct str text = str_cut(&rest, '\n');
    struct error error = { 0 };
    CLEANUP(regex_cleanup) struct regex *regex = NULL;
    if (regex_new(&regex, pattern, REGEX_DOT_NEWLINE, &error) != 0) {
        CHECK(error.offset <= pattern.size);
        return 0;
    }
    check_quick_ways(regex, pattern, text);
    struct str groups[REGEX_GROUPS_MAX];
    if (!regex_groups(regex, text, groups, REGEX_GROUPS_MAX)) return 0;
    CLEANUP(buf_release) struct buf out;
    buf_init(&out, 1 << 20);
    regex_expand(regex, rest, groups, REGEX_GROUPS_MAX, &out);
    return 0;
}
