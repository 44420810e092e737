/* call.c - what client and dial share of libcurl. */
#include "http/call.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

void call_init_curl(void)
{
    (void)pthread_once(&once, init_curl);
}

bool call_connect_list(const struct http_resolve *resolve, struct curl_slist **list)
{
    for (size_t i = 0; i < http_resolve_count(resolve); i++) {
        struct str name;
        struct str address;
        http_resolve_rule(resolve, i, &name, &address);
        bool is_six = str_find_char(address, ':') != STR_NONE;
        char rule[400];
        (void)snprintf(rule, sizeof(rule), STR_FMT "::%s" STR_FMT "%s:", STR_ARG(name),
                       is_six ? "[" : "", STR_ARG(address), is_six ? "]" : "");
        struct curl_slist *longer = curl_slist_append(*list, rule);
        if (longer == NULL) return false;
        *list = longer;
    }
    return true;
}

long call_family(enum http_family family)
{
    switch (family) {
    case HTTP_FAMILY_4: return CURL_IPRESOLVE_V4;
    case HTTP_FAMILY_6: return CURL_IPRESOLVE_V6;
    case HTTP_FAMILY_ANY: break;
    }
    return CURL_IPRESOLVE_WHATEVER;
}

static const struct {
    CURLcode code;
    enum http_failure failure;
} curl_codes[] = {
    { CURLE_URL_MALFORMAT, HTTP_FAILURE_CALL },
    { CURLE_UNSUPPORTED_PROTOCOL, HTTP_FAILURE_CALL },
    { CURLE_LOGIN_DENIED, HTTP_FAILURE_CALL },
    { CURLE_SSL_CERTPROBLEM, HTTP_FAILURE_CALL },
    { CURLE_SSL_CACERT_BADFILE, HTTP_FAILURE_CALL },
    { CURLE_BAD_FUNCTION_ARGUMENT, HTTP_FAILURE_CALL },
    { CURLE_COULDNT_RESOLVE_HOST, HTTP_FAILURE_RESOLVE },
    { CURLE_COULDNT_CONNECT, HTTP_FAILURE_CONNECT },
    { CURLE_SSL_CONNECT_ERROR, HTTP_FAILURE_TLS },
    { CURLE_PEER_FAILED_VERIFICATION, HTTP_FAILURE_TLS },
    { CURLE_SSL_CIPHER, HTTP_FAILURE_TLS },
    { CURLE_SSL_ISSUER_ERROR, HTTP_FAILURE_TLS },
    { CURLE_OPERATION_TIMEDOUT, HTTP_FAILURE_TIMEOUT },
    { CURLE_GOT_NOTHING, HTTP_FAILURE_RESET },
    { CURLE_SEND_ERROR, HTTP_FAILURE_RESET },
    { CURLE_RECV_ERROR, HTTP_FAILURE_RESET },
    { CURLE_PARTIAL_FILE, HTTP_FAILURE_RESET },
    { CURLE_WEIRD_SERVER_REPLY, HTTP_FAILURE_PROTOCOL },
    { CURLE_BAD_CONTENT_ENCODING, HTTP_FAILURE_PROTOCOL },
    { CURLE_FILESIZE_EXCEEDED, HTTP_FAILURE_LIMIT },
    { CURLE_TOO_MANY_REDIRECTS, HTTP_FAILURE_REDIRECT },
    { CURLE_ABORTED_BY_CALLBACK, HTTP_FAILURE_CANCEL },
};

enum http_failure call_failure(CURLcode code)
{
    if (code == CURLE_OK) return HTTP_FAILURE_NONE;
    for (size_t i = 0; i < ARRAY_LENGTH(curl_codes); i++) {
        if (curl_codes[i].code == code) return curl_codes[i].failure;
    }
    return HTTP_FAILURE_PROTOCOL;
}

/* One row a failure: its name, our code, and what stands before libcurl's words. */
static const struct {
    const char *name;
    int code;
    const char *text;
} failures[] = {
    [HTTP_FAILURE_NONE] = { "none", 0, "" },
    [HTTP_FAILURE_CALL] = { "call", ERROR_INVALID, "bad call" },
    [HTTP_FAILURE_RESOLVE] = { "resolve", -EHOSTUNREACH, "name does not resolve" },
    [HTTP_FAILURE_CONNECT] = { "connect", -ECONNREFUSED, "no connection" },
    [HTTP_FAILURE_TLS] = { "tls", -EPROTO, "TLS failed" },
    [HTTP_FAILURE_TIMEOUT] = { "timeout", ERROR_TIMEOUT, "timeout" },
    [HTTP_FAILURE_RESET] = { "reset", -ECONNRESET, "connection broke" },
    [HTTP_FAILURE_PROTOCOL] = { "protocol", -EPROTO, "no valid HTTP answer" },
    [HTTP_FAILURE_LIMIT] = { "limit", ERROR_LIMIT, "answer is larger than its limit" },
    [HTTP_FAILURE_REDIRECT] = { "redirect", -ELOOP, "redirect not followed" },
    [HTTP_FAILURE_CANCEL] = { "cancel", ERROR_CLOSED, "cancelled" },
};
_Static_assert(ARRAY_LENGTH(failures) == HTTP_FAILURE_COUNT, "one row a failure");

const char *http_failure_name(enum http_failure failure)
{
    return (unsigned)failure < HTTP_FAILURE_COUNT ? failures[failure].name : "unknown";
}

int call_error(CURL *easy, enum http_failure failure, CURLcode curl_code, const char *detail,
               struct error *error)
{
    long cause = 0;
    if (detail[0] == '\0') detail = curl_easy_strerror(curl_code);
    if (failure == HTTP_FAILURE_CONNECT) (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &cause);
    if (cause != 0) { /* "connection refused" is what a person looks for; libcurl leaves it out */
        return error_set(error, failures[failure].code, "%s: %s: %s", failures[failure].text,
                         strerrordesc_np((int)cause), detail);
    }
    return error_set(error, failures[failure].code, "%s: %s", failures[failure].text, detail);
}

static int64_t time_ns(CURL *easy, CURLINFO info)
{
    curl_off_t microseconds = 0;
    (void)curl_easy_getinfo(easy, info, &microseconds);
    return (int64_t)microseconds * 1000;
}

static int64_t since(int64_t end_ns, int64_t begin_ns)
{
    return end_ns > begin_ns ? end_ns - begin_ns : 0;
}

void call_read_facts(CURL *easy, struct http_answer *answer)
{
    int64_t resolved = time_ns(easy, CURLINFO_NAMELOOKUP_TIME_T);
    int64_t connected = time_ns(easy, CURLINFO_CONNECT_TIME_T);
    int64_t secured = time_ns(easy, CURLINFO_APPCONNECT_TIME_T);
    int64_t sending = time_ns(easy, CURLINFO_PRETRANSFER_TIME_T);
    int64_t first = time_ns(easy, CURLINFO_STARTTRANSFER_TIME_T);
    int64_t total = time_ns(easy, CURLINFO_TOTAL_TIME_T);
    answer->timings = (struct http_timings){
        .resolve_ns = resolved,
        .connect_ns = connected > 0 ? since(connected, resolved) : 0,
        .tls_ns = secured > 0 ? since(secured, connected) : 0,
        .processing_ns = first > 0 ? since(first, sending) : 0,
        .transfer_ns = first > 0 ? since(total, first) : 0,
        .total_ns = total,
    };
    char *address = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address != NULL) {
        (void)snprintf(answer->address, sizeof(answer->address), "%s", address);
        answer->is_ip6 = str_find_char(str_from(address), ':') != STR_NONE;
    }
}
