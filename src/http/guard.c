/* guard.c - who may ask: the Host header, the Origin, basic authentication. */
#include "http/guard.h"

#include <stdio.h>

/* Base64 of user:password, as the header has it, so that checking is comparing. */
static bool print_credentials(char *out, size_t out_size, const char *user, const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char plain[GUARD_CREDENTIALS_SIZE / 2];
    int size = snprintf(plain, sizeof(plain), "%s:%s", user, password);
    if (size < 0 || (size_t)size >= sizeof(plain)) return false;

    int used = snprintf(out, out_size, "Basic ");
    for (int i = 0; i < size; i += 3) {
        unsigned word = 0;
        for (int j = 0; j < 3; j++) {
            word = word << 8 | (i + j < size ? (unsigned char)plain[i + j] : 0U);
        }
        for (int j = 0; j < 4; j++) {
            bool is_padding = i + j > size;
            out[used++] = is_padding ? '=' : digits[word >> (18 - 6 * j) & 63];
        }
    }
    out[used] = '\0';
    return true;
}

int guard_init(struct guard *guard, const struct http_server_options *options, struct error *error)
{
    *guard = (struct guard){ .options = options };
    struct http_address address = { 0 };
    int code = http_address_parse(str_from(options->listen), &address, error);
    if (code < 0) return code;

    guard->listen_host = address.host;
    guard->allows_addresses = address.host.size == 0 || str_equal(address.host, STR("0.0.0.0")) ||
                              str_equal(address.host, STR("::"));
    for (size_t i = 0; i < options->name_count; i++) {
        guard->allows_all |= str_equal(str_from(options->names[i]), STR("*"));
    }
    if (options->name_count > HTTP_SERVER_NAMES_MAX) {
        return error_set(error, ERROR_LIMIT, "more than %d host names", HTTP_SERVER_NAMES_MAX);
    }
    bool asks = options->basic_user != NULL && options->basic_password != NULL;
    if (asks && !print_credentials(guard->credentials, sizeof(guard->credentials),
                                   options->basic_user, options->basic_password)) {
        return error_set(error, ERROR_LIMIT, "user and password are too long");
    }
    return 0;
}

static bool is_address(struct str host)
{
    bool has_colon = str_find_char(host, ':') != STR_NONE;
    size_t dots = 0;
    for (size_t i = 0; i < host.size; i++) {
        char c = host.data[i];
        bool is_hex = (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        bool is_good = (c >= '0' && c <= '9') || c == '.' || c == ':' || (has_colon && is_hex);
        if (!is_good) return false;
        dots += c == '.';
    }
    return has_colon || dots == 3;
}

static bool is_our_name(const struct guard *guard, struct str host)
{
    if (str_equal_nocase(host, STR("localhost")) || str_equal(host, STR("127.0.0.1")) ||
        str_equal(host, STR("::1"))) {
        return true;
    }
    if (guard->listen_host.size > 0 && str_equal_nocase(host, guard->listen_host)) return true;
    if (guard->allows_addresses && is_address(host)) return true;
    for (size_t i = 0; i < guard->options->name_count; i++) {
        if (str_equal_nocase(host, str_from(guard->options->names[i]))) return true;
    }
    return false;
}

static unsigned check_host(const struct guard *guard, const struct http_request *request,
                           bool is_http_1_0, const char **text)
{
    size_t count = 0;
    for (size_t i = 0; i < request->headers.count; i++) {
        count += str_equal_nocase(request->headers.items[i].name, STR("Host"));
    }
    if (count == 0 && is_http_1_0) return 0; /* no browser speaks it */
    if (count != 1) {
        *text = count == 0 ? "the Host header is missing" : "more than one Host header";
        return 400;
    }
    if (guard->allows_all) return 0;
    struct http_address address = { 0 };
    /* A bare number would be taken for a port; it is no name of ours either. */
    if (http_address_parse(request->host, &address, NULL) < 0 || address.host.size == 0) {
        *text = "the Host header is not a host";
        return 400;
    }
    if (is_our_name(guard, address.host)) return 0;
    *text = "this server is not known by the name in the Host header "
            "(allow it with --web.allowed-host)";
    return 421;
}

static unsigned check_origin(const struct http_request *request, const char **text)
{
    unsigned harmless = HTTP_GET | HTTP_OPTIONS;
    if (((unsigned)request->method & harmless) != 0) return 0;

    struct str origin = http_request_header(request, "Origin");
    if (origin.data != NULL) {
        struct str host = origin;
        if (str_starts_with(host, STR("http://"))) {
            host = str_skip(host, 7);
        } else if (str_starts_with(host, STR("https://"))) {
            host = str_skip(host, 8);
        }
        if (host.size != origin.size && str_equal_nocase(host, request->host)) return 0;
        *text = "requests that change something are not taken from pages of another origin";
        return 403;
    }
    struct str site = http_request_header(request, "Sec-Fetch-Site");
    if (site.data == NULL || str_equal(site, STR("same-origin")) || str_equal(site, STR("none"))) {
        return 0;
    }
    *text = "requests that change something are not taken from other sites";
    return 403;
}

unsigned guard_check(const struct guard *guard, const struct http_request *request,
                     bool is_http_1_0, const char **text)
{
    unsigned status = check_host(guard, request, is_http_1_0, text);
    if (status != 0) return status;
    return check_origin(request, text);
}

bool guard_knows_user(const struct guard *guard, const struct http_request *request)
{
    struct str want = str_from(guard->credentials);
    if (want.size == 0) return true;
    struct str got = http_request_header(request, "Authorization");
    if (got.size != want.size) return false;
    unsigned difference = 0; /* looks at every byte, so that time tells nothing */
    for (size_t i = 0; i < want.size; i++) {
        difference |= (unsigned char)want.data[i] ^ (unsigned char)got.data[i];
    }
    return difference == 0;
}
