/* decode.c - the order of things is Filebeat's: JSON, filters, what the file tells, JSON laid over
 * it, what the input adds, what the configuration adds, who ships.
 */
#include "shipper/decode.h"

#include "base/clock.h"
#include "codec/utf8.h"
#include "shipper/field.h"
#include "shipper/format.h"

#include <errno.h>

#define ARENA_SIZE_MAX ((size_t)512 << 20) /* a line of max_bytes, taken apart */
#define INDEX_SIZE_MAX 1024

/* One line on its way. */
struct making {
    struct decoder *decoder;
    struct arena *arena;
    const struct ship_line *line;
    const struct ship_json *json;
    struct field *document;
    struct field *object; /* what the line's JSON holds; NULL: none */
    struct str text;      /* what filters look at and `message` is */
    int64_t time_ns;
    struct str id; /* _id, or empty */
    struct str index;
    struct str raw_index;
    struct str pipeline;
    bool has_failed; /* the arena is full */
};

int decoder_init(struct decoder *decoder, const struct ship_config *config,
                 const struct ship_agent *agent, struct error *error)
{
    *decoder = (struct decoder){ .config = config, .agent = *agent };
    arena_init(&decoder->arena, ARENA_SIZE_MAX);
    return json_parser_new(&decoder->parser, error);
}

void decoder_release(struct decoder *decoder)
{
    json_parser_free(decoder->parser);
    arena_release(&decoder->arena);
    *decoder = (struct decoder){ 0 };
}

static void note(struct making *making, bool is_done)
{
    if (!is_done) making->has_failed = true;
}

bool decode_time(struct str text, int64_t *time_ns)
{
    char copy[64];
    if (text.size < 20 || text.size >= sizeof(copy) - 1 || text.data[10] != 'T') return false;
    char sign = text.data[text.size - 5];
    bool has_short_zone =
        (sign == '+' || sign == '-') && text.data[text.size - 3] != ':' && text.data[19] == '.';
    if (!has_short_zone) return clock_rfc3339_parse(text, time_ns);
    memcpy(copy, text.data, text.size - 2);
    copy[text.size - 2] = ':';
    memcpy(copy + text.size - 1, text.data + text.size - 2, 2);
    return clock_rfc3339_parse((struct str){ copy, text.size + 1 }, time_ns);
}

/* `error`: {"message": ..., "type": "json"} in `object`. */
static void put_error(struct making *making, struct field *object, struct str message)
{
    if (!making->json->add_error_key) return;
    struct field *error = field_put(making->arena, object, STR("error"));
    if (error == NULL) {
        making->has_failed = true;
        return;
    }
    error->is_object = true;
    note(making, field_put_text(making->arena, error, STR("message"), message));
    note(making, field_put_text(making->arena, error, STR("type"), STR("json")));
}

/* ---- reading the line's JSON ---- */

/* Size of the first JSON object at the start of the text, or 0. */
static size_t first_object_size(struct str text)
{
    size_t depth = 0;
    bool in_text = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (in_text) {
            if (c == '\\') i++;
            if (c == '"') in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && (depth == 0 || --depth == 0)) {
            return i + 1;
        }
    }
    return 0;
}

static const struct json *parse_first(struct making *making, struct str text, struct error *error)
{
    const struct json *root = NULL;
    struct json_parser *parser = making->decoder->parser;
    text = str_trim(text);
    if (json_parse(parser, making->arena, text, &root, error) == 0) return root;
    size_t size = text.size > 0 && text.data[0] == '{' ? first_object_size(text) : 0;
    if (size == 0 || size == text.size) return NULL;
    if (json_parse(parser, making->arena, str_first(text, size), &root, error) != 0) return NULL;
    return root;
}

/* The member's text, as the key says it flat; sets an error when it is none. */
static struct str take_message(struct making *making, struct str key)
{
    const struct field *field = field_find(making->object, key);
    struct str problem;
    if (field == NULL) {
        problem = arena_printf(making->arena, "Key '" STR_FMT "' not found", STR_ARG(key));
    } else if (!field->is_object && field->kind == JSON_TEXT) {
        return field->text;
    } else {
        problem =
            arena_printf(making->arena, "Value of key '" STR_FMT "' is not a string", STR_ARG(key));
    }
    note(making, problem.data != NULL);
    put_error(making, making->object, problem);
    return STR("");
}

/* Fills object and text from the line. */
static void read_json(struct making *making)
{
    struct error error = { 0 };
    const struct json *root = parse_first(making, making->text, &error);
    if (root != NULL && root->kind == JSON_OBJECT) {
        making->object = field_from_json(making->arena, root);
        if (making->object == NULL) (void)error_set(&error, ERROR_LIMIT, "too many fields");
    } else if (root != NULL) {
        (void)error_set(&error, ERROR_PARSE, "a line is an object, not %s",
                        json_kind_name(root->kind));
    }
    if (making->object == NULL) {
        making->decoder->undecoded_count++;
        if (!making->json->add_error_key) return;
        making->object = field_object(making->arena);
        struct str problem = arena_printf(making->arena, "Error decoding JSON: %s", error.text);
        if (making->object == NULL || problem.data == NULL) {
            making->has_failed = true;
            return;
        }
        put_error(making, making->object, problem);
        return;
    }
    struct str key = making->json->message_key;
    making->text = key.size == 0 ? STR("") : take_message(making, key);
}

/* ---- laying it over the document ---- */

static void take_metadata(struct making *making, const struct field *metadata)
{
    const struct {
        struct str key;
        struct str *value;
    } known[] = { { STR("_id"), &making->id },
                  { STR("index"), &making->index },
                  { STR("raw_index"), &making->raw_index },
                  { STR("pipeline"), &making->pipeline } };
    if (!metadata->is_object) {
        put_error(making, making->document, STR("failed to update @metadata"));
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        const struct field *field = field_find(metadata, known[i].key);
        if (field != NULL && !field->is_object && field->kind == JSON_TEXT) {
            *known[i].value = field->text;
        }
    }
}

/* @timestamp, @metadata and type are not plain fields when keys may be overwritten. */
static void take_special(struct making *making, struct field *object)
{
    const struct field *time = field_find(object, STR("@timestamp"));
    if (time != NULL && (time->is_object || time->kind != JSON_TEXT)) {
        put_error(making, making->document, STR("@timestamp not overwritten (not string)"));
    } else if (time != NULL && !decode_time(time->text, &making->time_ns)) {
        struct str problem =
            arena_printf(making->arena, "@timestamp not overwritten (parse error on " STR_FMT ")",
                         STR_ARG(time->text));
        note(making, problem.data != NULL);
        put_error(making, making->document, problem);
    }
    const struct field *metadata = field_find(object, STR("@metadata"));
    if (metadata != NULL) take_metadata(making, metadata);
    const struct field *type = field_find(object, STR("type"));
    if (type != NULL && (type->is_object || type->kind != JSON_TEXT)) {
        put_error(making, making->document, STR("type not overwritten (not string)"));
        field_remove(object, STR("type"));
    } else if (type != NULL && (type->text.size == 0 || type->text.data[0] == '_')) {
        struct str problem =
            arena_printf(making->arena, "type not overwritten (invalid value [" STR_FMT "])",
                         STR_ARG(type->text));
        note(making, problem.data != NULL);
        put_error(making, making->document, problem);
        field_remove(object, STR("type"));
    }
}

/* A key met another in its place: Filebeat loses the line here, we keep it as event.original. */
static void say_conflict(struct making *making, struct str key)
{
    struct str problem = arena_printf(
        making->arena, "cannot expand \"" STR_FMT "\": found conflicting key", STR_ARG(key));
    note(making, problem.data != NULL);
    put_error(making, making->document, problem);
    struct field *event = field_put_object(making->arena, making->document, STR("event"));
    note(making, event != NULL &&
                     field_put_text(making->arena, event, STR("original"), making->line->text));
}

static void lay_over_root(struct making *making)
{
    struct field *object = making->object;
    if (making->json->expand_keys) {
        struct str conflict = { 0 };
        object = field_expand(making->arena, object, &conflict);
        if (object == NULL && conflict.data != NULL) {
            say_conflict(making, conflict);
            return;
        }
        if (object == NULL) {
            making->has_failed = true;
            return;
        }
    }
    if (making->json->overwrite_keys) take_special(making, object);
    field_remove(object, STR("@timestamp"));
    field_remove(object, STR("@metadata"));
    note(making,
         field_merge(making->arena, making->document, object, making->json->overwrite_keys));
}

static void lay_over(struct making *making)
{
    struct field *object = making->object;
    struct str key = making->json->message_key;
    if (key.size > 0) note(making, field_put_text(making->arena, object, key, making->text));
    if (object->count == 1 && field_find(object, STR("error")) != NULL) {
        note(making, field_put_text(making->arena, making->document, STR("message"), making->text));
    }
    struct str id_key = making->json->document_id;
    const struct field *id = id_key.size > 0 ? field_find(object, id_key) : NULL;
    if (id != NULL && !id->is_object && id->kind == JSON_TEXT) {
        making->id = id->text;
        field_remove(object, id_key);
    }
    if (making->json->target.size == 0) {
        lay_over_root(making);
        return;
    }
    struct field *target = field_put_object(making->arena, making->document, making->json->target);
    note(making, target != NULL && field_merge(making->arena, target, object, true));
}

/* ---- what the shipper adds ---- */

static void put_file(struct making *making)
{
    struct arena *arena = making->arena;
    struct field *log = field_put_object(arena, making->document, STR("log"));
    struct field *file = log == NULL ? NULL : field_put_object(arena, log, STR("file"));
    if (file == NULL) {
        making->has_failed = true;
        return;
    }
    note(making, field_put_int(arena, log, STR("offset"), (int64_t)making->line->offset));
    note(making, field_put_text(arena, file, STR("path"), making->line->path));
    if (making->line->is_truncated) {
        note(making, field_put_raw(arena, log, STR("flags"), STR("[\"truncated\"]")));
    }
}

/* Tags go behind those that the line has. */
static void put_tags(struct making *making, struct ship_texts tags)
{
    if (tags.count == 0) return;
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, making->arena->size_max);
    const struct field *there = field_find(making->document, STR("tags"));
    buf_append_char(&text, '[');
    if (there != NULL && !there->is_object && there->kind == JSON_ARRAY && there->raw.size > 2) {
        buf_append(&text, there->raw.data + 1, there->raw.size - 2);
    } else if (there != NULL && !there->is_object && there->kind == JSON_TEXT) {
        buf_append_str(&text, there->raw);
    }
    for (size_t i = 0; i < tags.count; i++) {
        if (text.size > 1) buf_append_char(&text, ',');
        json_escape(&text, tags.items[i]);
    }
    buf_append_char(&text, ']');
    struct str raw = arena_copy(making->arena, buf_str(&text));
    note(making, !text.has_failed && raw.data != NULL &&
                     field_put_raw(making->arena, making->document, STR("tags"), raw));
    struct field *field = field_find(making->document, STR("tags"));
    if (field != NULL) field->kind = JSON_ARRAY; /* the next tags go behind */
}

static void put_additions(struct making *making, const struct ship_additions *additions)
{
    put_tags(making, additions->tags);
    if (additions->fields == NULL) return;
    struct field *fields = field_from_json(making->arena, additions->fields);
    struct field *target = making->document;
    if (!additions->fields_under_root) {
        target = field_put_object(making->arena, making->document, STR("fields"));
    }
    note(making,
         fields != NULL && target != NULL && field_merge(making->arena, target, fields, true));
}

static void put_text(struct making *making, struct field *object, const char *key, struct str text)
{
    note(making, object != NULL && field_put_text(making->arena, object, str_from(key), text));
}

/* agent, ecs and host: what the line says of itself stays. */
static void put_agent(struct making *making)
{
    const struct ship_agent *agent = &making->decoder->agent;
    struct arena *arena = making->arena;
    struct field *added = field_object(arena);
    struct field *own = added == NULL ? NULL : field_put_object(arena, added, STR("agent"));
    struct field *ecs = added == NULL ? NULL : field_put_object(arena, added, STR("ecs"));
    struct field *host = added == NULL ? NULL : field_put_object(arena, added, STR("host"));
    put_text(making, ecs, "version", STR(SHIP_ECS_VERSION));
    put_text(making, host, "name", agent->name);
    put_text(making, own, "ephemeral_id", agent->ephemeral_id);
    put_text(making, own, "hostname", agent->hostname);
    put_text(making, own, "id", agent->id);
    put_text(making, own, "name", agent->name);
    put_text(making, own, "type", STR("filebeat"));
    put_text(making, own, "version", STR(SHIP_AGENT_VERSION));
    note(making, added != NULL && field_merge(arena, making->document, added, false));
}

static bool any_matches(const struct ship_patterns *patterns, struct str text)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (regex_contains(patterns->items[i], text)) return true;
    }
    return false;
}

static bool is_wanted(const struct making *making)
{
    const struct ship_input *input = making->line->input;
    if (making->text.size == 0 && making->object == NULL) return false;
    if (making->object != NULL && making->object->count == 0 && making->text.size == 0) {
        return making->line->text.size > 0; /* `{}` is a document */
    }
    if (input->include_lines.count > 0 && !any_matches(&input->include_lines, making->text)) {
        return false;
    }
    return !any_matches(&input->exclude_lines, making->text);
}

static void make_document(struct making *making)
{
    const struct ship_input *input = making->line->input;
    making->document = field_object(making->arena);
    if (making->document == NULL) {
        making->has_failed = true;
        return;
    }
    put_file(making);
    if (making->object != NULL && making->object->count > 0) {
        lay_over(making);
    } else if (making->object == NULL) {
        put_text(making, making->document, "message", making->text);
    }
    if (making->has_failed) return;
    struct field *kind = field_put_object(making->arena, making->document, STR("input"));
    put_text(making, kind, "type", input->type);
    put_additions(making, &making->decoder->config->additions);
    put_additions(making, &input->additions);
    put_agent(making);
}

/* ---- printing ---- */

static const char index_date[] = "-%{+yyyy.MM.dd}";

/* The index of a document whose format misses a field: the usual one. */
static void print_usual_index(const struct making *making, struct str base, struct buf *out)
{
    buf_reset(out);
    buf_append_str(out, base);
    if (!format_print(str_from(index_date), making->document, making->time_ns, out)) buf_reset(out);
}

static void print_index(const struct making *making, struct buf *out)
{
    const struct ship_config *config = making->decoder->config;
    struct str format = making->line->input->index;
    if (format.size == 0) format = config->output.index;
    if (making->raw_index.size > 0) {
        buf_append_str(out, making->raw_index);
    } else if (making->index.size > 0) {
        print_usual_index(making, making->index, out);
    } else if (!format_print(format, making->document, making->time_ns, out)) {
        print_usual_index(making, STR("filebeat-" SHIP_AGENT_VERSION), out);
    }
    for (size_t i = 0; i < out->size; i++) {
        if (out->data[i] >= 'A' && out->data[i] <= 'Z') out->data[i] += 'a' - 'A';
    }
}

static void print_action(const struct making *making, struct buf *out)
{
    CLEANUP(buf_release) struct buf index;
    buf_init(&index, INDEX_SIZE_MAX);
    print_index(making, &index);
    struct str pipeline = making->pipeline;
    if (pipeline.size == 0) pipeline = making->line->input->pipeline;
    if (pipeline.size == 0) pipeline = making->decoder->config->output.pipeline;
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_key(&json, STR("create"));
    json_object_begin(&json);
    json_member_text(&json, "_index", buf_str(&index));
    if (making->id.size > 0) json_member_text(&json, "_id", making->id);
    if (pipeline.size > 0) json_member_text(&json, "pipeline", pipeline);
    json_object_end(&json);
    json_object_end(&json);
    buf_append_char(out, '\n');
}

static void print_document(const struct making *making, struct buf *out)
{
    char time[CLOCK_RFC3339_SIZE];
    size_t size = clock_rfc3339_print(making->time_ns, 3, time);
    struct json_writer json;
    json_writer_init(&json, out);
    json_object_begin(&json);
    json_member_text(&json, "@timestamp", (struct str){ time, size });
    field_print_members(&json, making->document);
    json_object_end(&json);
    buf_append_char(out, '\n');
}

/* The line's text as valid UTF-8. */
static void read_text(struct making *making)
{
    making->text = making->line->text;
    if (utf8_is_valid(making->text)) return;
    CLEANUP(buf_release) struct buf clean;
    buf_init(&clean, ARENA_SIZE_MAX);
    utf8_append_clean(&clean, making->text);
    making->text = clean.has_failed ? STR("") : arena_copy(making->arena, buf_str(&clean));
    note(making, making->text.data != NULL);
}

/* 1, 0 (not wanted); has_failed when there is no memory. */
static int make(struct making *making)
{
    read_text(making);
    if (making->json->is_on && !making->has_failed) read_json(making);
    if (making->has_failed) return 0;
    if (!is_wanted(making)) return 0;
    make_document(making);
    return 1;
}

int decoder_decode(struct decoder *decoder, const struct ship_line *line, struct buf *out)
{
    static const struct ship_json no_json = { 0 };
    const struct ship_json *const ways[] = { &line->input->json, &no_json };
    for (size_t i = 0; i < ARRAY_LENGTH(ways); i++) {
        arena_reset(&decoder->arena);
        struct making making = { .decoder = decoder,
                                 .arena = &decoder->arena,
                                 .line = line,
                                 .json = ways[i],
                                 .time_ns = line->read_ns };
        int result = make(&making);
        if (making.has_failed) continue; /* no room to take it apart: shipped as text */
        if (result == 0) return 0;
        if (decoder->config->output.kind == SHIP_OUTPUT_ELASTIC) print_action(&making, out);
        print_document(&making, out);
        if (!out->has_failed) return 1;
        buf_reset(out);
    }
    return -ENOMEM;
}
