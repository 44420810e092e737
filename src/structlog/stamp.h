/* stamp.h - the time of a line as fixed-width UTC text, the second cached. */
#ifndef STRUCTLOG_STAMP_H
#define STRUCTLOG_STAMP_H

#include <stdint.h>

#define SL_STAMP_SIZE 27 /* 2026-01-02T03:04:05.123456Z */

struct sl_stamp {
    int64_t second; /* what `text` holds; any other second is formatted anew, later or earlier */
    char text[20];  /* 2026-01-02T03:04:05 */
};

/* Writes SL_STAMP_SIZE bytes; nanoseconds are cut, never rounded into the next second. Years
 * outside 1970 to 9999 are held at these ends. */
char *sl_put_stamp(char *to, struct sl_stamp *stamp, int64_t second, uint32_t nanosecond);

#endif
