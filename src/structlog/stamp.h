/* stamp.h - the time of a line as fixed-width UTC text, the second cached. */
#ifndef STRUCTLOG_STAMP_H
#define STRUCTLOG_STAMP_H

#include "structlog/number.h"

#include <stdint.h>
#include <string.h>

#define SL_STAMP_SIZE 27 /* 2026-01-02T03:04:05.123456Z */

struct sl_stamp {
    int64_t second; /* what `text` holds; any other second is formatted anew, later or earlier */
    char text[20];  /* 2026-01-02T03:04:05 */
};

void sl_stamp_format(struct sl_stamp *stamp, int64_t second);

/* Writes SL_STAMP_SIZE bytes; nanoseconds are cut, never rounded into the next second. Years
 * outside 1970 to 9999 are held at these ends. */
static inline char *sl_put_stamp(char *to, struct sl_stamp *stamp, int64_t second,
                                 uint32_t nanosecond)
{
    if (__builtin_expect(second != stamp->second || stamp->text[0] == '\0', 0)) {
        sl_stamp_format(stamp, second);
    }
    memcpy(to, stamp->text, 20);
    uint32_t micro = nanosecond / 1000;
    uint32_t middle = micro / 100;
    memcpy(to + 20, sl_two_digits + 2 * (middle / 100), 2);
    memcpy(to + 22, sl_two_digits + 2 * (middle % 100), 2);
    memcpy(to + 24, sl_two_digits + 2 * (micro % 100), 2);
    to[26] = 'Z';
    return to + SL_STAMP_SIZE;
}

#endif
