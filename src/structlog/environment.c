/* environment.c - sl_configure with what the user said in SL_ variables laid over it. */
#include "structlog/internal.h"

#include <stdlib.h>

static const char *get(const char *name)
{
    const char *text = getenv(name);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

struct word {
    const char *text;
    int value;
};

static const struct word formats[] = { { "ecs", SL_FORMAT_ECS },
                                       { "json", SL_FORMAT_JSON },
                                       { "logfmt", SL_FORMAT_LOGFMT },
                                       { "console", SL_FORMAT_CONSOLE },
                                       { "keyvalue", SL_FORMAT_KEY_VALUE } };
static const struct word clocks[] = { { "precise", SL_CLOCK_PRECISE },
                                      { "coarse", SL_CLOCK_COARSE } };
static const struct word switches[] = { { "0", 0 }, { "1", 1 } };

/* 1: found, 0: not set, -EINVAL: set to something else. */
static int look_up(const char *name, const struct word *words, size_t count, int *value)
{
    const char *text = get(name);
    if (text == NULL) return 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, words[i].text) != 0) continue;
        *value = words[i].value;
        return 1;
    }
    return -EINVAL;
}

/* Digits up to 15; NULL when there are none. */
static const char *read_digits(const char *text, uint64_t *value)
{
    uint64_t sum = 0;
    size_t at = 0;
    for (; text[at] >= '0' && text[at] <= '9' && at < 15; at++) {
        sum = 10 * sum + (uint64_t)(text[at] - '0');
    }
    *value = sum;
    return at == 0 ? NULL : text + at;
}

struct unit {
    char letter;
    uint64_t factor;
};

static const struct unit byte_units[] = { { 'k', 1u << 10 }, { 'm', 1u << 20 }, { 'g', 1u << 30 } };
static const struct unit time_units[] = {
    { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 }
};

/* A number and perhaps a unit, up to `max`: all of the text. */
static int read_amount(const char *text, const struct unit *units, size_t count, uint64_t max,
                       uint64_t *amount)
{
    uint64_t number = 0;
    uint64_t factor = 1;
    const char *at = read_digits(text, &number);
    if (at == NULL) return -EINVAL;
    char letter = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    for (size_t i = 0; i < count && letter != '\0'; i++) {
        if (units[i].letter != letter) continue;
        factor = units[i].factor;
        at++;
        break;
    }
    if (*at != '\0' || number > max / factor) return -EINVAL;
    *amount = number * factor;
    return 0;
}

static int read_bytes(const char *text, uint64_t *bytes)
{
    return read_amount(text, byte_units, SL_LENGTH(byte_units), UINT64_MAX, bytes);
}

static int read_time(const char *text, uint64_t *seconds)
{
    return read_amount(text, time_units, SL_LENGTH(time_units), INT32_MAX, seconds);
}

/* `rest` behind `name`, or NULL. */
static const char *after(const char *word, const char *name)
{
    size_t size = strlen(name);
    return strncmp(word, name, size) == 0 ? word + size : NULL;
}

static int read_rotation_word(const char *word, struct sl_sink_options *sink)
{
    uint64_t amount = 0;
    int code = 0;
    const char *rest = after(word, "every=");
    if (rest != NULL) {
        code = read_time(rest, &amount);
        if (code == 0) sink->rotate_interval_s = (unsigned)amount;
    } else if ((rest = after(word, "offset=")) != NULL) {
        bool is_negative = rest[0] == '-';
        code = read_time(is_negative ? rest + 1 : rest, &amount);
        if (code == 0) sink->rotate_offset_s = is_negative ? -(int)amount : (int)amount;
    } else if ((rest = after(word, "age=")) != NULL) {
        code = read_time(rest, &amount);
        if (code == 0) sink->rotate_age_max_s = (unsigned)amount;
    } else if ((rest = after(word, "total=")) != NULL) {
        code = read_bytes(rest, &sink->rotate_total_size_max);
    } else if (strcmp(word, "gzip") == 0) {
        sink->rotate_compression = SL_COMPRESSION_GZIP;
    } else {
        code = read_amount(word, NULL, 0, 999, &amount);
        if (code == 0) sink->rotate_count_max = (unsigned)amount;
    }
    return code;
}

#define ROTATION_SIZE 256

/* The first word is a size. */
static int read_rotation(const char *text, struct sl_sink_options *sink)
{
    char copy[ROTATION_SIZE];
    size_t size = strlen(text);
    if (size >= sizeof(copy)) return -EINVAL;
    memcpy(copy, text, size + 1);
    char *rest = copy;
    const char *word = strsep(&rest, ",");
    int code = read_bytes(word, &sink->rotate_size_max);
    while (code == 0 && (word = strsep(&rest, ",")) != NULL) {
        code = read_rotation_word(word, sink);
    }
    return code;
}

static int overlay(struct sl_config *config, struct sl_sink_options *sinks)
{
    int value = 0;
    if (get("SL_LEVEL") != NULL) {
        int code = sl_level_parse(get("SL_LEVEL"), &config->level);
        if (code < 0) return code;
        if (config->level == 0) config->level = 1; /* "notset": all; 0 would be the default */
    }
    if (get("SL_SERVICE") != NULL) config->service_name = get("SL_SERVICE");
    int code = look_up("SL_CLOCK", clocks, SL_LENGTH(clocks), &value);
    if (code < 0) return code;
    if (code > 0) config->clock = (enum sl_clock)value;
    code = look_up("SL_ORIGIN", switches, SL_LENGTH(switches), &value);
    if (code < 0) return code;
    if (code > 0) config->with_origin = value != 0;
    if (get("SL_FILE") != NULL) {
        sinks[0] = (struct sl_sink_options){ .kind = SL_SINK_FILE, .path = get("SL_FILE") };
        config->sink_count = 1;
    }
    int format = look_up("SL_FORMAT", formats, SL_LENGTH(formats), &value);
    if (format < 0) return format;
    const char *rotation = get("SL_ROTATE");
    for (size_t i = 0; i < config->sink_count; i++) {
        if (format > 0) sinks[i].format = (enum sl_format)value;
        if (rotation == NULL || sinks[i].kind != SL_SINK_FILE) continue;
        code = read_rotation(rotation, &sinks[i]);
        if (code < 0) return code;
    }
    return 0;
}

static void switch_sites(void)
{
    const char *text = get("SL_SITES");
    while (text != NULL && *text != '\0') {
        char pattern[256];
        size_t size = strcspn(text, ",");
        if (size < sizeof(pattern)) {
            memcpy(pattern, text, size);
            pattern[size] = '\0';
            (void)sl_site_switch(pattern, SL_SITE_ON);
        }
        text += size + (text[size] == ',' ? 1 : 0);
    }
}

int sl_configure_from_environment(const struct sl_config *config)
{
    struct sl_config own = { 0 };
    struct sl_sink_options sinks[SL_SINK_MAX];
    memset(sinks, 0, sizeof(sinks));
    if (config != NULL) own = *config;
    if (own.sink_count > SL_SINK_MAX) return -EINVAL;
    if (own.sinks == NULL) {
        own.sink_count = 1; /* stderr, spelled out, so that a format can be laid over it */
    } else {
        memcpy(sinks, own.sinks, own.sink_count * sizeof(sinks[0]));
    }
    own.sinks = sinks;
    int code = overlay(&own, sinks);
    if (code == 0) code = sl_configure(&own);
    if (code == 0) switch_sites();
    return code;
}
