/* settings.c - walks the YAML with the name so far, so that dotted and nested keys are one. */
#include "explore/settings.h"

#include "base/buf.h"
#include "base/file.h"
#include "codec/yaml.h"

#include <errno.h>

struct walk {
    struct settings settings;
    struct arena *arena;
    struct str host;
    struct str port;
    struct error *error;
};

static int read_text(const struct yaml_node *node, const char **text, struct walk *walk)
{
    struct str value = { 0 };
    int code = yaml_text(node, &value, walk->error);
    if (code != 0) return code;
    struct str copy = arena_copy(walk->arena, value);
    if (copy.data == NULL) return error_set(walk->error, -ENOMEM, "no memory for settings");
    *text = copy.data;
    return 0;
}

static int read_hosts(const struct yaml_node *node, struct walk *walk)
{
    if (node->kind == YAML_SEQUENCE) {
        if (node->count == 0) {
            return yaml_fail(node, ERROR_INVALID, walk->error, "'elasticsearch.hosts' is empty");
        }
        if (node->count > 1) {
            return yaml_fail(node, ERROR_UNSUPPORTED, walk->error,
                             "more than one of 'elasticsearch.hosts' is not supported");
        }
        node = node->items[0];
    }
    return read_text(node, &walk->settings.hosts, walk);
}

static int read_one(const struct yaml_node *node, struct str name, struct walk *walk)
{
    const char *text = NULL;
    if (str_equal(name, STR("elasticsearch.hosts"))) return read_hosts(node, walk);
    if (str_equal(name, STR("elasticsearch.username"))) {
        return read_text(node, &walk->settings.user, walk);
    }
    if (str_equal(name, STR("elasticsearch.password"))) {
        return read_text(node, &walk->settings.password, walk);
    }
    bool is_host = str_equal(name, STR("server.host"));
    if (is_host || str_equal(name, STR("server.port"))) {
        int code = read_text(node, &text, walk);
        if (code != 0) return code;
        *(is_host ? &walk->host : &walk->port) = str_from(text);
        return 0;
    }
    struct str line =
        arena_printf(walk->arena, STR_FMT ":%zu:%zu: '" STR_FMT "' has no effect here",
                     STR_ARG(node->file), node->line, node->column, STR_ARG(name));
    if (line.data == NULL || !VEC_PUSH(&walk->settings.ignored, line)) {
        return error_set(walk->error, -ENOMEM, "no memory for settings");
    }
    return 0;
}

static int visit(const struct yaml_node *node, struct str name, struct walk *walk)
{
    if (node->kind != YAML_MAPPING) return read_one(node, name, walk);
    for (size_t i = 0; i < node->count; i++) {
        struct str key = node->pairs[i].key->text;
        struct str longer = name.size == 0 ? key
                                           : arena_printf(walk->arena, STR_FMT "." STR_FMT,
                                                          STR_ARG(name), STR_ARG(key));
        if (longer.data == NULL) return error_set(walk->error, -ENOMEM, "no memory for settings");
        int code = visit(node->pairs[i].value, longer, walk);
        if (code != 0) return code;
    }
    return 0;
}

static int take_listen(struct walk *walk)
{
    if (walk->host.size == 0 && walk->port.size == 0) return 0;
    struct str host = walk->host.size == 0 ? STR("127.0.0.1") : walk->host;
    struct str port = walk->port.size == 0 ? STR("5601") : walk->port;
    bool is_ip6 = str_find_char(host, ':') != STR_NONE && host.data[0] != '[';
    struct str listen =
        arena_printf(walk->arena, is_ip6 ? "[" STR_FMT "]:" STR_FMT : STR_FMT ":" STR_FMT,
                     STR_ARG(host), STR_ARG(port));
    if (listen.data == NULL) return error_set(walk->error, -ENOMEM, "no memory for settings");
    walk->settings.listen = listen.data;
    return 0;
}

int settings_parse(struct settings *settings, struct arena *arena, struct str text, struct str file,
                   struct error *error)
{
    const struct yaml_node *root = NULL;
    struct walk walk = { .arena = arena, .error = error };
    int code = yaml_parse(arena, text, file, &root, error);
    if (code == 0 && root != NULL && !yaml_is_null(root)) {
        if (root->kind == YAML_MAPPING) {
            code = visit(root, STR(""), &walk);
        } else {
            code = yaml_fail(root, ERROR_PARSE, error, "settings are not a mapping");
        }
    }
    if (code == 0) code = take_listen(&walk);
    if (code != 0) {
        settings_release(&walk.settings);
        return code;
    }
    *settings = walk.settings;
    return 0;
}

int settings_read(struct settings *settings, struct arena *arena, const char *path,
                  struct error *error)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, SETTINGS_FILE_SIZE_MAX);
    int code = file_read(&disk_system, path, &text, error);
    if (code != 0) return code;
    return settings_parse(settings, arena, buf_str(&text), str_from(path), error);
}

void settings_release(struct settings *settings)
{
    VEC_RELEASE(&settings->ignored);
}
