/* request.c - looking things up in a request. */
#include "http/server.h"

struct str http_request_path_value(const struct http_request *request, const char *name)
{
    return http_fields_get(&request->path_values, str_from(name));
}

struct str http_request_parameter(const struct http_request *request, const char *name)
{
    return http_fields_get(&request->parameters, str_from(name));
}

struct str http_request_header(const struct http_request *request, const char *name)
{
    return http_fields_get_nocase(&request->headers, str_from(name));
}

bool http_request_has_type(const struct http_request *request, const char *type)
{
    struct str rest = http_request_header(request, "Content-Type");
    return rest.size > 0 && str_equal_nocase(str_trim(str_cut(&rest, ';')), str_from(type));
}
