/* expose_fuzz.c
 *
 * Goal:   nothing a scraper sends, no exposition that is linted or compared, crashes the library,
 *         and what a scrape took is within its limits.
 * Method: the input is lines: an Accept header, a query, a timeout; the rest is an exposition. The
 *         scrape is done with them, the exposition is parsed, linted and compared with a registry.
 */
#include "prometheus/lint.h"
#include "prometheus/prometheus.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int drop(void *arg, const char *data, size_t size)
{
    (void)data;
    *(size_t *)arg += size;
    return 0;
}

static void tell(void *arg, const struct pm_finding *finding)
{
    if (finding->rule[0] == '\0' || strlen(finding->text) >= sizeof(finding->text)) abort();
    *(size_t *)arg += 1;
}

static struct pm_registry *make_registry(void)
{
    struct pm_registry *registry = NULL;
    if (pm_registry_new(&registry, NULL) < 0) abort();
    pm_inc(pm_counter_with(pm_counter_new(registry, "jobs_total", "Jobs.", "n"), "x"));
    pm_observe(pm_histogram_new(registry, "latency_seconds", "Latency."), 0.2);
    return registry;
}

static void scrape(struct pm_registry *registry, const char *const *lines)
{
    struct pm_scrape scrape;
    size_t size = 0;
    if (pm_scrape_init(&scrape, lines[0], lines[1], lines[2]) < 0 && scrape.name_count != 0)
        abort();
    if (scrape.name_count > PM_SCRAPE_NAMES_MAX) abort();
    if (scrape.timeout_ms > PM_SCRAPE_TIMEOUT_MS_MAX) abort();
    if (pm_content_type(scrape.format) == NULL) abort();
    (void)pm_scrape_render(&scrape, registry, drop, &size, NULL);
}

static void look_at(struct pm_registry *registry, const char *text)
{
    struct pm_document *document = NULL;
    struct pm_parse_options options = { .kind = PM_TEXT_0_0_4 };
    struct pm_parse_error parse_error;
    struct pm_error error;
    size_t found = 0;
    if (pm_parse(&document, text, strlen(text), &options, &parse_error) == 0) {
        int count = pm_lint(document, NULL, tell, &found);
        if (count >= 0 && (size_t)count != found) abort();
        pm_document_free(document);
    }
    (void)pm_compare(registry, text, NULL, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) abort();
    memcpy(text, data, size);
    text[size] = '\0';
    const char *lines[3] = { NULL, NULL, NULL };
    char *rest = text;
    for (size_t i = 0; i < 3; i++) {
        char *end = strchr(rest, '\n');
        if (end == NULL) break;
        *end = '\0';
        lines[i] = rest;
        rest = end + 1;
    }
    struct pm_registry *registry = make_registry();
    scrape(registry, lines);
    look_at(registry, rest);
    pm_registry_free(registry);
    free(text);
    return 0;
}
