/* call.h - what client and dial share of libcurl. For http/ alone. */
#ifndef HTTP_CALL_H
#define HTTP_CALL_H

#include "base/error.h"
#include "http/client.h"

#include <curl/curl.h>

void call_init_curl(void); /* once a process; any thread */

/* "name::address:" for each rule, as CURLOPT_CONNECT_TO wants it; false when there is no memory.
 * The caller frees the list. */
bool call_connect_list(const struct http_resolve *resolve, struct curl_slist **list) MUST_CHECK;

long call_family(enum http_family family);

/* Which failure a code of libcurl is, and our error for it; `detail` is libcurl's text. */
enum http_failure call_failure(CURLcode code);
int call_error(CURL *easy, enum http_failure failure, CURLcode curl_code, const char *detail,
               struct error *error);

/* Puts phases and the peer's address into the answer. */
void call_read_facts(CURL *easy, struct http_answer *answer);

#endif
