/* site.c - the program's own log calls: listing them, switching single ones on and off.
 *
 * A call that was never run must be found too (a debug line that is off is the one to switch on),
 * so each puts the address of its site into the section sl_sites, whose borders the linker knows.
 * Sites outside the executable, and those of C++, add themselves to a list when they first run.
 */
#include "structlog/async_state.h"

#include "structlog/number.h"

#include <fnmatch.h>

/* Weak: a program without any call has no such section. The linker may leave gaps, of zeros. */
extern struct sl_site *const __start_sl_sites[] __attribute__((weak, visibility("hidden")));
extern struct sl_site *const __stop_sl_sites[] __attribute__((weak, visibility("hidden")));

static struct sl_site *added; /* a stack that only grows */

/* ---- numbers, for rings ---- */

static struct sl_site *numbered[SL_RING_SITE_MAX]; /* 0 is nobody's */
static uint32_t last_number;

struct sl_site *sl_site_numbered(uint32_t number)
{
    if (number == 0 || number >= SL_RING_SITE_MAX) return NULL;
    return __atomic_load_n(&numbered[number], __ATOMIC_ACQUIRE);
}

static void give_number(struct sl_site *site)
{
    uint32_t number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
    if (number >= SL_RING_SITE_MAX) { /* its events travel with all their texts */
        __atomic_store_n(&last_number, SL_RING_SITE_MAX, __ATOMIC_RELAXED);
        return;
    }
    __atomic_store_n(&numbered[number], site, __ATOMIC_RELEASE);
    __atomic_store_n(&site->number, number, __ATOMIC_RELAXED);
}

/* ---- the list ---- */

static bool is_in_section(const struct sl_site *site)
{
    for (struct sl_site *const *at = __start_sl_sites; at < __stop_sl_sites; at++) {
        if (*at == site) return true;
    }
    return false;
}

void sl_site_add(struct sl_site *site)
{
    give_number(site);
    struct sl_site *next = __atomic_load_n(&added, __ATOMIC_RELAXED);
    do {
        site->next = next;
        /* Release: who follows the pointer finds the site's own `next`. */
    } while (!__atomic_compare_exchange_n(&added, &next, site, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

static size_t for_each(bool (*visit)(void *context, struct sl_site *site), void *context)
{
    size_t count = 0;
    for (struct sl_site *const *at = __start_sl_sites; at < __stop_sl_sites; at++) {
        if (*at != NULL && visit(context, *at)) count++;
    }
    struct sl_site *site = __atomic_load_n(&added, __ATOMIC_ACQUIRE);
    for (; site != NULL; site = site->next) {
        if (!is_in_section(site) && visit(context, site)) count++;
    }
    return count;
}

/* ---- switching ---- */

#define NAME_SIZE 320

struct wish {
    const char *pattern;
    enum sl_site_mode mode;
};

static bool name_matches(const char *pattern, const char *file, const char *part)
{
    char name[NAME_SIZE];
    size_t file_size = strlen(file);
    size_t part_size = strlen(part);
    if (file_size + part_size + 2 > sizeof(name)) return false;
    memcpy(name, file, file_size);
    name[file_size] = ':';
    memcpy(name + file_size + 1, part, part_size + 1);
    return fnmatch(pattern, name, 0) == 0;
}

static bool switch_site(void *context, struct sl_site *site)
{
    const struct wish *wish = context;
    const char *file = sl_basename(site->file);
    char line[24];
    *sl_put_uint(line, site->line) = '\0';
    if (fnmatch(wish->pattern, file, 0) != 0 && !name_matches(wish->pattern, file, line) &&
        !name_matches(wish->pattern, file, site->function)) {
        return false;
    }
    __atomic_store_n(&site->mode, wish->mode, __ATOMIC_RELAXED);
    return true;
}

size_t sl_site_switch(const char *pattern, enum sl_site_mode mode)
{
    struct wish wish = { pattern, mode };
    return for_each(switch_site, &wish);
}

/* ---- listing ---- */

struct listing {
    void (*visit)(void *context, const struct sl_site_info *site);
    void *context;
};

#define EVENT_SIZE 256

static bool list_site(void *context, struct sl_site *site)
{
    const struct listing *listing = context;
    /* The event stands inside its JSON wrapping; here it ends where it ends. */
    char event[EVENT_SIZE];
    size_t size = site->keys[0].size < EVENT_SIZE ? site->keys[0].size : EVENT_SIZE - 1;
    memcpy(event, site->keys[0].json + 2, size);
    event[size] = '\0';
    struct sl_site_info info = {
        .file = sl_basename(site->file),
        .function = site->function,
        .event = event,
        .line = site->line,
        .mode = (enum sl_site_mode)__atomic_load_n(&site->mode, __ATOMIC_RELAXED),
    };
    listing->visit(listing->context, &info);
    return true;
}

size_t sl_site_list(void (*visit)(void *context, const struct sl_site_info *site), void *context)
{
    struct listing listing = { visit, context };
    return for_each(list_site, &listing);
}
