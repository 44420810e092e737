/* dial.c - a bare TCP connection for probes, with libcurl's resolver, which knows time limits. */
#include "http/resolve.h"

#include "http/call.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TIMEOUT_MS 5000

static void easy_cleanup(CURL **easy)
{
    if (*easy != NULL) curl_easy_cleanup(*easy);
}

static void list_cleanup(struct curl_slist **list)
{
    curl_slist_free_all(*list);
}

/* A blocking copy of the socket that outlives libcurl's. */
static int keep_socket(CURL *easy, int *descriptor, struct error *error)
{
    curl_socket_t open = CURL_SOCKET_BAD;
    (void)curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &open);
    int copy = open == CURL_SOCKET_BAD ? -1 : fcntl(open, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return error_set(error, -EMFILE, "keep the connection: %s", strerrordesc_np(errno));
    int flags = fcntl(copy, F_GETFL);
    (void)fcntl(copy, F_SETFL, flags & ~O_NONBLOCK);
    *descriptor = copy;
    return 0;
}

int http_dial(const struct http_dial *dial, int *descriptor, struct http_dial_facts *facts,
              struct error *error)
{
    struct http_dial_facts ignored;
    if (facts == NULL) facts = &ignored;
    *facts = (struct http_dial_facts){ 0 };
    struct http_address address = { 0 };
    int code = http_address_parse(dial->target, &address, error);
    if (code < 0) return code;
    if (address.host.size == 0 || address.port == 0 || address.host.size > 253) {
        return error_set(error, ERROR_PARSE, "target needs a host and a port");
    }
    char url[300];
    bool is_six = str_find_char(address.host, ':') != STR_NONE;
    (void)snprintf(url, sizeof(url), "http://%s" STR_FMT "%s:%u/", is_six ? "[" : "",
                   STR_ARG(address.host), is_six ? "]" : "", address.port);

    call_init_curl();
    CLEANUP(easy_cleanup) CURL *easy = curl_easy_init();
    CLEANUP(list_cleanup) struct curl_slist *connect_to = NULL;
    if (easy == NULL || !call_connect_list(dial->resolve, &connect_to)) {
        return error_set(error, -ENOMEM, "no memory for a connection");
    }
    char detail[CURL_ERROR_SIZE] = "";
    long timeout_ms = dial->timeout_ms > 0 ? (long)dial->timeout_ms : TIMEOUT_MS;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connect_to);
    (void)curl_easy_setopt(easy, CURLOPT_IPRESOLVE, call_family(dial->family));
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);

    CURLcode result = curl_easy_perform(easy);
    struct http_answer answer = { 0 };
    call_read_facts(easy, &answer);
    facts->resolve_ns = answer.timings.resolve_ns;
    facts->connect_ns = answer.timings.connect_ns;
    facts->is_ip6 = answer.is_ip6;
    memcpy(facts->address, answer.address, sizeof(facts->address));
    facts->is_connected = result == CURLE_OK;
    facts->is_resolved = facts->is_connected || facts->resolve_ns > 0;
    if (result == CURLE_OK) return keep_socket(easy, descriptor, error);
    return call_error(easy, call_failure(result), result, detail, error);
}
