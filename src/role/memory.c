/* memory.c - a walk over /proc/self/smaps.
 *
 * A mapping is let go only when it is private, of a file, not writable, and its Anonymous line says
 * 0 kB: then every page of it is the file's, and dropping it loses nothing. Relocated read-only
 * data holds pages of its own and so is left alone. */
#include "role/memory.h"

#include "base/file.h"
#include "base/str.h"

#include <malloc.h>
#include <sys/mman.h>

#define SMAPS_SIZE_MAX (8u << 20)

/* A mapping as its first line names it. */
struct mapping {
    uintptr_t start;
    uintptr_t end;
    bool may_go; /* private, of a file, not writable */
};

static bool take_hex(struct str *rest, uintptr_t *number)
{
    uintptr_t value = 0;
    size_t digits = 0;
    for (; digits < rest->size; digits++) {
        char c = rest->data[digits];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && !(c >= 'a' && c <= 'f')) break;
        value = value << 4 | (uintptr_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *rest = str_skip(*rest, digits);
    *number = value;
    return digits > 0;
}

/* "7f12a000-7f12b000 r-xp 00001000 fe:00 1234   /usr/lib/libc.so.6" */
static bool read_mapping(struct str line, struct mapping *mapping)
{
    struct str rest = line;
    uintptr_t start;
    uintptr_t end;
    if (!take_hex(&rest, &start) || rest.size == 0 || rest.data[0] != '-') return false;
    rest = str_skip(rest, 1);
    if (!take_hex(&rest, &end) || rest.size < 6 || rest.data[0] != ' ' || end <= start)
        return false;
    bool is_writable = rest.data[2] != '-';
    bool is_private = rest.data[4] == 'p';
    bool is_file = str_find_char(rest, '/') != STR_NONE;
    *mapping = (struct mapping){ start, end, !is_writable && is_private && is_file };
    return true;
}

void memory_trim(void)
{
    (void)malloc_trim(0);
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SMAPS_SIZE_MAX);
    if (file_read(&disk_system, "/proc/self/smaps", &text, NULL) != 0) return;
    struct str rest = buf_str(&text);
    struct mapping mapping = { 0 };
    while (rest.size > 0) {
        struct str line = str_cut(&rest, '\n');
        if (read_mapping(line, &mapping)) continue;
        if (!mapping.may_go || !str_starts_with(line, STR("Anonymous:"))) continue;
        struct str size = str_trim(str_skip(line, sizeof("Anonymous:") - 1));
        if (!str_equal(size, STR("0 kB"))) continue;
        /* The address comes from the kernel's own list of this process's mappings. */
        (void)madvise((void *)mapping.start, mapping.end - mapping.start, MADV_DONTNEED);
    }
}
