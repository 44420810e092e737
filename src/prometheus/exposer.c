/* exposer.c - /metrics over HTTP. */
#include "prometheus/exposer.h"

#include "base/compiler.h"
#include "codec/compress.h"
#include "http/server.h"
#include "prometheus/expose.h"
#include "prometheus/fail.h"

#include <stdlib.h>

enum {
    SCRAPE_MAX = 4,
    PACK_SIZE_MIN = 1024, /* smaller bodies fit in one packet anyway */
    PACK_LEVEL = 1,       /* both packers' fastest; texts of metrics shrink tenfold all the same */
    STOP_MS = 1000
};

/* ---- Packing ---- */

/* The quality Accept-Encoding gives a coding, in thousandths; -1: not named. */
static int quality_of(struct str accept, struct str coding)
{
    int any = -1;
    while (accept.data != NULL && accept.size > 0) {
        struct str rest = str_trim(str_cut(&accept, ','));
        struct str name = str_trim(str_cut(&rest, ';'));
        struct str text = rest.data == NULL ? STR("") : str_trim(rest);
        int quality = 1000;
        if (str_starts_with(text, STR("q="))) {
            quality = 0;
            int unit = 1000;
            for (size_t i = 2; i < text.size && unit > 0; i++) {
                if (text.data[i] < '0' || text.data[i] > '9') continue;
                quality += (text.data[i] - '0') * unit;
                unit /= 10;
            }
        }
        if (str_equal_nocase(name, coding)) return quality;
        if (str_equal(name, STR("*"))) any = quality;
    }
    return any;
}

/* Packs the body as the scraper likes best; where that is nothing or fails, it stays plain. */
static void pack(const struct http_request *request, struct http_response *response)
{
    static const struct {
        const char *name;
        int (*pack)(struct str bytes, int level, struct buf *out, struct error *error);
    } packers[] = { { "zstd", zstd_pack }, { "gzip", gzip_pack } };
    struct str accept = http_request_header(request, "Accept-Encoding");
    int best_quality = 0;
    size_t best = ARRAY_LENGTH(packers);
    for (size_t i = 0; i < ARRAY_LENGTH(packers); i++) {
        int quality = quality_of(accept, str_from(packers[i].name));
        if (quality <= best_quality) continue;
        best_quality = quality;
        best = i;
    }
    http_response_header(response, "Vary", STR("Accept, Accept-Encoding"));
    response->is_plain = true; /* what is to be packed is packed here */
    if (best == ARRAY_LENGTH(packers) || response->body.size < PACK_SIZE_MIN) return;
    CLEANUP(buf_release) struct buf packed;
    buf_init(&packed, response->body.size + response->body.size / 16 + PACK_SIZE_MIN);
    if (packers[best].pack(buf_str(&response->body), PACK_LEVEL, &packed, NULL) < 0) return;
    http_response_header(response, "Content-Encoding", str_from(packers[best].name));
    buf_reset(&response->body);
    buf_append_str(&response->body, buf_str(&packed));
}

/* ---- One scrape ---- */

static int write_piece(void *arg, const char *data, size_t size)
{
    struct buf *body = arg;
    buf_append(body, data, size);
    return body->has_failed ? -1 : 0;
}

/* The header as C text of the request's arena; NULL when it is not there. */
static const char *header(struct http_request *request, const char *name)
{
    struct str value = http_request_header(request, name);
    return value.data == NULL ? NULL : arena_copy(request->arena, value).data;
}

static int answer(struct pm_scrapes *scrapes, struct http_request *request,
                  struct http_response *response, struct error *error)
{
    struct pm_scrape *scrape = ARENA_NEW(request->arena, struct pm_scrape);
    if (scrape == NULL) return error_set(error, ERROR_LIMIT, "no memory for a scrape");
    int code = pm_scrape_init(scrape, header(request, "Accept"),
                              arena_copy(request->arena, request->query).data,
                              header(request, "X-Prometheus-Scrape-Timeout-Seconds"));
    if (code < 0) {
        http_response_text(response, 400, "expected name[]=METRIC up to %d times\n",
                           PM_SCRAPE_NAMES_MAX);
        return 0;
    }
    if (scrapes->timeout_ms > 0 && scrapes->timeout_ms < scrape->timeout_ms) {
        scrape->timeout_ms = scrapes->timeout_ms;
    }
    struct pm_error cause = { 0 };
    response->content_type = pm_content_type(scrape->format);
    code = pm_scrape_render(scrape, scrapes->registry, write_piece, &response->body, &cause);
    if (code == 0) {
        pack(request, response);
        (void)__atomic_fetch_add(&scrapes->answered, 1, __ATOMIC_RELAXED);
        return 0;
    }
    if (scrape->is_late) (void)__atomic_fetch_add(&scrapes->late, 1, __ATOMIC_RELAXED);
    http_response_text(response, 503, "%s\n",
                       scrape->is_late ? cause.text : "the metrics do not fit in memory");
    return 0;
}

int pm_scrapes_answer(struct pm_scrapes *scrapes, struct http_request *request,
                      struct http_response *response, struct error *error)
{
    unsigned most = scrapes->scrape_max == 0 ? SCRAPE_MAX : scrapes->scrape_max;
    int code = 0;
    if (__atomic_fetch_add(&scrapes->running, 1, __ATOMIC_RELAXED) < most) {
        code = answer(scrapes, request, response, error);
    } else {
        (void)__atomic_fetch_add(&scrapes->refused, 1, __ATOMIC_RELAXED);
        http_response_header(response, "Retry-After", STR("1"));
        http_response_text(response, 503, "%u scrapes are running, the limit\n", most);
    }
    (void)__atomic_fetch_sub(&scrapes->running, 1, __ATOMIC_RELAXED);
    return code;
}

/* ---- A server of its own ---- */

struct pm_exposer {
    struct pm_scrapes scrapes;
    struct http_server *server;
};

static int handle(void *context, struct http_request *request, struct http_response *response,
                  struct error *error)
{
    struct pm_exposer *exposer = context;
    return pm_scrapes_answer(&exposer->scrapes, request, response, error);
}

static int start(struct pm_exposer *exposer, const struct pm_exposer_options *options,
                 struct error *error)
{
    unsigned most = options->scrape_max == 0 ? SCRAPE_MAX : options->scrape_max;
    const struct http_server_options server = {
        .listen = options->listen == NULL ? "127.0.0.1:0" : options->listen,
        .thread_count = 1,
        .worker_count = most + 1, /* one says no while the others work */
        .body_size_max = 1,
        .answer_size_max = options->body_size_max,
        .names = options->names,
        .name_count = options->name_count,
    };
    const struct http_route route = { HTTP_GET, options->path == NULL ? "/metrics" : options->path,
                                      handle,   "metrics",
                                      0,        0 };
    struct http_mount mount = { .routes = &route, .count = 1, .context = exposer };
    int code = http_server_new(&exposer->server, &server, error);
    if (code == 0) code = http_server_mount(exposer->server, &mount, error);
    return code == 0 ? http_server_start(exposer->server, error) : code;
}

int pm_exposer_start(struct pm_exposer **exposer_out, const struct pm_exposer_options *options,
                     struct pm_error *error)
{
    struct error cause = { 0 };
    struct pm_exposer *exposer = calloc(1, sizeof(*exposer));
    if (exposer == NULL) return pm_fail(error, PM_ERROR_MEMORY, "no memory for an exposer");
    exposer->scrapes.registry = options->registry;
    exposer->scrapes.scrape_max = options->scrape_max;
    exposer->scrapes.timeout_ms = options->timeout_ms;
    if (start(exposer, options, &cause) < 0) {
        pm_exposer_stop(exposer);
        return pm_fail(error, PM_ERROR_SYSTEM, "%.180s", cause.text);
    }
    *exposer_out = exposer;
    return PM_OK;
}

void pm_exposer_stop(struct pm_exposer *exposer)
{
    if (exposer == NULL) return;
    if (exposer->server != NULL) http_server_stop(exposer->server, STOP_MS);
    http_server_free(exposer->server);
    free(exposer);
}

unsigned pm_exposer_port(const struct pm_exposer *exposer)
{
    return http_server_port(exposer->server);
}

const char *pm_exposer_url(const struct pm_exposer *exposer)
{
    return http_server_url(exposer->server);
}
