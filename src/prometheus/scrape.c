/* scrape.c - one scrape as an HTTP server gets it: format, names, time. */
#include "prometheus/expose.h"

#include "prometheus/fail.h"
#include "prometheus/line.h"

#include <string.h>
#include <time.h>

static int digit_of(char byte)
{
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

/* Undoes %XX and '+', up to the end or '&'. The size without NUL, or a code. */
static int unescape(char *to, size_t room, const char *from)
{
    size_t used = 0;
    for (; *from != '\0' && *from != '&'; from++) {
        int byte = *from == '+' ? ' ' : (unsigned char)*from;
        if (*from == '%') {
            int high = digit_of(from[1]);
            int low = high < 0 ? -1 : digit_of(from[2]);
            byte = low < 0 ? 0 : high * 16 + low;
            if (byte == 0) return PM_ERROR_VALUE;
            from += 2;
        }
        if (used + 1 >= room) return PM_ERROR_FULL;
        to[used++] = (char)byte;
    }
    to[used] = '\0';
    return (int)used;
}

/* The value behind "name[]=", however its brackets are written; NULL for other parameters. */
static const char *value_of_name(const char *parameter)
{
    static const char *const forms[] = { "name[]=", "name%5B%5D=", "name%5b%5d=" };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t size = strlen(forms[i]);
        if (strncmp(parameter, forms[i], size) == 0) return parameter + size;
    }
    return NULL;
}

static int read_names(struct pm_scrape *scrape, const char *query)
{
    size_t used = 0;
    while (query != NULL && *query != '\0') {
        const char *value = value_of_name(query);
        if (value != NULL) {
            if (scrape->name_count == PM_SCRAPE_NAMES_MAX) return PM_ERROR_FULL;
            int size = unescape(scrape->text + used, sizeof(scrape->text) - used, value);
            if (size < 0) return size;
            scrape->names[scrape->name_count++] = scrape->text + used;
            used += (size_t)size + 1;
        }
        query = strchr(query, '&');
        if (query != NULL) query++;
    }
    return PM_OK;
}

int pm_scrape_init(struct pm_scrape *scrape, const char *accept, const char *query,
                   const char *timeout)
{
    scrape->format = pm_negotiate(accept);
    scrape->name_count = 0;
    scrape->is_late = false;
    scrape->timeout_ms = PM_SCRAPE_TIMEOUT_MS;
    double seconds = 0;
    if (timeout != NULL && pm_line_number(timeout, strlen(timeout), &seconds) && seconds > 0) {
        double most = (double)PM_SCRAPE_TIMEOUT_MS_MAX / 1000;
        scrape->timeout_ms = (int64_t)((seconds < most ? seconds : most) * 1000);
    }
    int code = read_names(scrape, query);
    if (code < 0) scrape->name_count = 0;
    return code;
}

struct timed { /* a writer with an end */
    pm_write_function *write;
    void *arg;
    int64_t end_ms;
    bool is_late;
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int write_timed(void *arg, const char *data, size_t size)
{
    struct timed *timed = arg;
    timed->is_late = now_ms() >= timed->end_ms;
    return timed->is_late ? -1 : timed->write(timed->arg, data, size);
}

int pm_scrape_render(struct pm_scrape *scrape, struct pm_registry *registry,
                     pm_write_function *write, void *arg, struct pm_error *error)
{
    struct timed timed = { .write = write, .arg = arg, .end_ms = now_ms() + scrape->timeout_ms };
    int code = pm_render_names(registry, scrape->format, scrape->names, scrape->name_count,
                               write_timed, &timed);
    scrape->is_late = timed.is_late;
    if (code == PM_OK) return code;
    return pm_fail(error, code,
                   timed.is_late ? "the scrape took longer than its %lld ms"
                                 : "the metrics could not be written in %lld ms",
                   (long long)scrape->timeout_ms);
}
