/* capture.c - lines kept in memory, for tests.
 *
 * Reading is for when nobody writes: a test logs, then looks.
 */
#include "structlog/sink.h"

#include <stdlib.h>

struct sl_capture {
    size_t size_max;
    size_t size;
    size_t count;
    size_t dropped;
    char text[]; /* size_max bytes and a NUL */
};

struct sl_capture *sl_capture_new(size_t size_max)
{
    struct sl_capture *capture = malloc(sizeof(*capture) + size_max + 1);
    if (capture == NULL) return NULL;
    *capture = (struct sl_capture){ .size_max = size_max };
    capture->text[0] = '\0';
    return capture;
}

void sl_capture_free(struct sl_capture *capture)
{
    free(capture);
}

void sl_capture_put(struct sl_capture *capture, const char *line, size_t size)
{
    if (size > capture->size_max - capture->size) {
        capture->dropped++;
        return;
    }
    memcpy(capture->text + capture->size, line, size);
    capture->size += size;
    capture->text[capture->size] = '\0';
    capture->count++;
}

const char *sl_capture_text(const struct sl_capture *capture)
{
    return capture->text;
}

size_t sl_capture_count(const struct sl_capture *capture)
{
    return capture->count;
}

size_t sl_capture_dropped(const struct sl_capture *capture)
{
    return capture->dropped;
}

void sl_capture_clear(struct sl_capture *capture)
{
    capture->size = 0;
    capture->count = 0;
    capture->dropped = 0;
    capture->text[0] = '\0';
}

bool sl_capture_has(const struct sl_capture *capture, const char *text)
{
    size_t size = strlen(text);
    for (const char *line = capture->text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t length = end == NULL ? strlen(line) : (size_t)(end - line);
        for (size_t i = 0; i + size <= length; i++) {
            if (memcmp(line + i, text, size) == 0) return true;
        }
        line += length + (end == NULL ? 0 : 1);
    }
    return false;
}
