/* processor.h - the program's own steps between a call and its line: add, change, drop.
 *
 *     static enum sl_verdict hide_token(void *context, struct sl_event *event)
 *     {
 *         struct sl_value token;
 *         if (sl_event_get(event, "token", &token)) sl_event_set(event, "token", SL_VALUE("***"));
 *         return SL_EVENT_NEXT;
 *     }
 *
 * Included by structlog.h, never by itself. Processors are called on the calling thread, in the
 * order of the configuration, with the merged fields: context, bound, call. Lazy values have been
 * called, errno and failures are apart in key.code, key.type, key.message by then. What the library
 * adds itself (time, level, service, process, origin, logger's name) is not among them. A processor
 * may log: that call goes round the processors' own locks at its own risk.
 *
 * A configuration without processors costs nothing for them: its steps are one encoder.
 */
#ifndef STRUCTLOG_PROCESSOR_H
#define STRUCTLOG_PROCESSOR_H

#include "structlog/structlog.h"

#define SL_PROCESSOR_MAX 8

enum sl_verdict {
    SL_EVENT_NEXT = 0, /* to the next processor, and then into a line */
    SL_EVENT_DROP,     /* no line; counted in stats.filtered_count */
    SL_EVENT_DONE      /* into a line, past the processors that follow */
};

struct sl_event; /* valid until the processor returns */

struct sl_processor {
    enum sl_verdict (*call)(void *context, struct sl_event *event);
    void *context;
};

SL_API int sl_event_level(const struct sl_event *event);
SL_API void sl_event_set_level(struct sl_event *event, int level);  /* for the line and the sinks */
SL_API struct sl_value sl_event_text(const struct sl_event *event); /* the message */
SL_API void sl_event_set_text(struct sl_event *event, struct sl_value text); /* a string */
SL_API const char *sl_event_logger(const struct sl_event *event); /* sl_named's; NULL: none */

SL_API size_t sl_event_count(const struct sl_event *event);
/* The field at `index`; false behind the last. The key is text with a length. */
SL_API bool sl_event_at(const struct sl_event *event, size_t index, struct sl_value *key,
                        struct sl_value *value);
SL_API bool sl_event_get(const struct sl_event *event, const char *key, struct sl_value *value);
/* A key that is there keeps its place. Key and texts are borrowed until the call that logs returns:
 * literals, or what sl_event_copy gives. False when the event is full. */
SL_API bool sl_event_set(struct sl_event *event, const char *key, struct sl_value value);
SL_API bool sl_event_remove(struct sl_event *event, const char *key);
/* A string value of its own, of some 2 KiB that an event has in all; null when they are used up. */
SL_API struct sl_value sl_event_copy(struct sl_event *event, const char *text, size_t size);

#endif
