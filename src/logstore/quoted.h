/* quoted.h - where a JSON text ends and what it holds, sixteen bytes at a time where there is SSE2.
 *
 * Threads: pure.
 */
#ifndef LOGSTORE_QUOTED_H
#define LOGSTORE_QUOTED_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* What a text holds besides plain ASCII. */
#define QUOTED_CONTROL 1u /* bytes below 0x20, which JSON forbids */
#define QUOTED_ESCAPE  2u
#define QUOTED_MORE    4u /* bytes from 0x80 on, or escaped ones */

static inline unsigned quoted_byte(unsigned char byte)
{
    return (byte < 0x20 ? QUOTED_CONTROL : 0) | (byte >= 0x80 ? QUOTED_MORE : 0);
}

/* The closing quote of the text whose first byte is at `at`, or document.size when there is none;
 * *contents is what stands before it. */
static inline size_t quoted_end(struct str document, size_t at, unsigned *contents)
{
    unsigned seen = 0;
    const char *bytes = document.data;
    while (at < document.size) {
#ifdef __SSE2__
        if (document.size - at >= 16) {
            __m128i word = _mm_loadu_si128((const __m128i *)(const void *)(bytes + at));
            __m128i quotes = _mm_cmpeq_epi8(word, _mm_set1_epi8('"'));
            __m128i slashes = _mm_cmpeq_epi8(word, _mm_set1_epi8('\\'));
            __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(word, _mm_set1_epi8(0x1f)), word);
            unsigned ends = (unsigned)_mm_movemask_epi8(_mm_or_si128(quotes, slashes));
            unsigned before = ends == 0 ? 0xffff : (ends & -ends) - 1;
            seen |= ((unsigned)_mm_movemask_epi8(controls) & before) != 0 ? QUOTED_CONTROL : 0;
            seen |= ((unsigned)_mm_movemask_epi8(word) & before) != 0 ? QUOTED_MORE : 0;
            if (ends == 0) {
                at += 16;
                continue;
            }
            at += (size_t)__builtin_ctz(ends);
        }
#endif
        unsigned char byte = (unsigned char)bytes[at];
        if (byte == '"') break;
        at++;
        seen |= quoted_byte(byte);
        if (byte != '\\') continue;
        seen |= QUOTED_ESCAPE;
        if (at < document.size) seen |= quoted_byte((unsigned char)bytes[at++]);
    }
    *contents = seen;
    return at;
}

#endif
