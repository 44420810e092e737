/* resolve.c - host names to addresses: our own map. */
#include "http/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#define NAME_SIZE    254
#define ADDRESS_SIZE 46

struct rule {
    char name[NAME_SIZE];
    char address[ADDRESS_SIZE];
};

struct http_resolve {
    struct rule *rules; /* HTTP_RESOLVE_MAX places are never all needed: grown by one */
    size_t count;
};

int http_resolve_new(struct http_resolve **map, struct error *error)
{
    struct http_resolve *made = calloc(1, sizeof(*made));
    if (made == NULL) return error_set(error, -ENOMEM, "no memory for a resolve map");
    *map = made;
    return 0;
}

void http_resolve_free(struct http_resolve *map)
{
    if (map == NULL) return;
    free(map->rules);
    free(map);
}

void http_resolve_cleanup(struct http_resolve **map)
{
    http_resolve_free(*map);
}

static struct rule *find_rule(const struct http_resolve *map, struct str name)
{
    for (size_t i = 0; i < map->count; i++) {
        if (str_equal_nocase(str_from(map->rules[i].name), name)) return &map->rules[i];
    }
    return NULL;
}

static bool read_address(struct str text, char *address)
{
    bool has_brackets = text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']';
    if (has_brackets) text = (struct str){ text.data + 1, text.size - 2 };
    if (str_equal_nocase(text, STR("localhost"))) text = STR("127.0.0.1");
    unsigned char binary[16];
    char copy[ADDRESS_SIZE];
    if (!str_to_cstr(text, copy, sizeof(copy))) return false;
    if (inet_pton(AF_INET, copy, binary) != 1 && inet_pton(AF_INET6, copy, binary) != 1) {
        return false;
    }
    memcpy(address, copy, sizeof(copy));
    return true;
}

int http_resolve_add(struct http_resolve *map, struct str text, struct error *error)
{
    struct str rest = text;
    struct str name = str_cut(&rest, '=');
    struct rule rule = { 0 };
    bool has_odd_byte =
        str_find_char(name, ':') != STR_NONE || str_find_char(name, ' ') != STR_NONE;
    if (name.size == 0 || has_odd_byte || !str_to_cstr(name, rule.name, sizeof(rule.name)) ||
        !read_address(rest.data == NULL ? STR("") : rest, rule.address)) {
        return error_set(error, ERROR_PARSE, "'" STR_FMT "' is not of the form name=IP-address",
                         (int)(text.size < 120 ? text.size : 120), text.data);
    }
    struct rule *known = find_rule(map, name);
    if (known != NULL) {
        *known = rule;
        return 0;
    }
    if (map->count == HTTP_RESOLVE_MAX) {
        return error_set(error, ERROR_LIMIT, "more than %d names to resolve", HTTP_RESOLVE_MAX);
    }
    struct rule *grown = realloc(map->rules, (map->count + 1) * sizeof(*grown));
    if (grown == NULL) return error_set(error, -ENOMEM, "no memory for a resolve map");
    map->rules = grown;
    map->rules[map->count++] = rule;
    return 0;
}

const char *http_resolve_find(const struct http_resolve *map, struct str name)
{
    const struct rule *rule = map == NULL ? NULL : find_rule(map, name);
    return rule == NULL ? NULL : rule->address;
}

size_t http_resolve_count(const struct http_resolve *map)
{
    return map == NULL ? 0 : map->count;
}

void http_resolve_rule(const struct http_resolve *map, size_t index, struct str *name,
                       struct str *address)
{
    *name = str_from(map->rules[index].name);
    *address = str_from(map->rules[index].address);
}
