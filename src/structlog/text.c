/* text.c - escaping: sixteen bytes at a time while nothing is special, one by one where it is. */
#include "structlog/text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* ---- what is special: controls, the quote, the backslash, and all that is not ASCII ---- */

static bool is_special(unsigned char c)
{
    return c < 0x20 || c >= 0x80 || c == '"' || c == '\\';
}

#if defined(__SSE2__)
static unsigned special_of_16(__m128i x)
{
    /* Signed: bytes from 0x80 are negative, so one comparison finds them and the controls. */
    __m128i low = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
}
#endif

/* Copies the plain bytes at the front, returns how many; may scribble behind them. */
static size_t copy_plain(char *to, const char *from, size_t size)
{
    size_t done = 0;
#if defined(__SSE2__)
    while (size - done >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(from + done));
        unsigned special = special_of_16(x);
        _mm_storeu_si128((__m128i *)(void *)(to + done), x);
        if (special != 0) return done + (unsigned)__builtin_ctz(special);
        done += 16;
    }
#endif
    while (size - done >= 8) {
        uint64_t x = 0;
        memcpy(&x, from + done, 8);
        if (sl_special_of_8(x) != 0) break;
        memcpy(to + done, &x, 8);
        done += 8;
    }
    if (size >= 8 && size - done < 8 && size != done) {
        uint64_t x = 0;
        memcpy(&x, from + size - 8, 8);
        if (sl_special_of_8(x) == 0) {
            memcpy(to + size - 8, &x, 8);
            return size;
        }
    }
    while (done < size && !is_special((unsigned char)from[done])) {
        to[done] = from[done];
        done++;
    }
    return done;
}

bool sl_text_is_plain(const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (is_special((unsigned char)from[i])) return false;
    }
    return true;
}

/* ---- UTF-8 ---- */

size_t sl_utf8_length(const char *from, size_t size, size_t *skip)
{
    const unsigned char *s = (const unsigned char *)from;
    unsigned char first = s[0];
    *skip = 1;
    if (first < 0x80) return 1;
    if (first < 0xc2 || first > 0xf4) return 0;
    size_t length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    /* Only the second byte has limits of its own: no overlong form, no surrogate, no U+110000. */
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (size < 2 || s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if (i >= size || (s[i] & 0xc0) != 0x80) {
            *skip = i;
            return 0;
        }
    }
    return length;
}

size_t sl_utf8_cut(const char *from, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)from[size - back];
        if ((c & 0xc0) == 0x80) continue;
        size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return length > back ? size - back : size;
    }
    return size;
}

/* ---- one special byte or sequence ---- */

static char *put_control(char *to, unsigned char c)
{
    *to++ = '\\';
    switch (c) {
    case '\b': *to++ = 'b'; break;
    case '\f': *to++ = 'f'; break;
    case '\n': *to++ = 'n'; break;
    case '\r': *to++ = 'r'; break;
    case '\t': *to++ = 't'; break;
    case '"':
    case '\\': *to++ = (char)c; break;
    default:
        memcpy(to, "u00", 3);
        to[3] = "0123456789abcdef"[c >> 4];
        to[4] = "0123456789abcdef"[c & 15];
        to += 5;
        break;
    }
    return to;
}

static char *put_special(char *to, const char *from, size_t size, size_t *taken)
{
    unsigned char c = (unsigned char)*from;
    *taken = 1;
    if (c < 0x80) return put_control(to, c);
    size_t skip = 1;
    size_t length = sl_utf8_length(from, size, &skip);
    if (length == 0) {
        *taken = skip;
        memcpy(to, "\xef\xbf\xbd", 3);
        return to + 3;
    }
    *taken = length;
    for (size_t i = 0; i < length; i++) to[i] = from[i];
    return to + length;
}

char *sl_put_json_text(char *to, const char *from, size_t size)
{
    while (size > 0) {
        size_t plain = copy_plain(to, from, size);
        to += plain;
        from += plain;
        size -= plain;
        if (size == 0) break;
        size_t taken = 1;
        to = put_special(to, from, size, &taken);
        from += taken;
        size -= taken;
    }
    return to;
}

/* U+0080 to U+009F are controls of terminals too, in UTF-8: C2 80 to C2 9F. */
static bool is_c1_control(const char *from, size_t size)
{
    return size >= 2 && (unsigned char)from[0] == 0xc2 && (unsigned char)from[1] < 0xa0;
}

static char *put_text_for_eyes(char *to, const char *from, size_t size, bool in_quotes)
{
    while (size > 0) {
        unsigned char c = (unsigned char)*from;
        size_t taken = 1;
        if (c == 0x7f || is_c1_control(from, size)) {
            taken = c == 0x7f ? 1 : 2;
            to = put_control(to, taken == 1 ? c : (unsigned char)from[1]);
        } else if (!is_special(c) || (!in_quotes && (c == '"' || c == '\\'))) {
            *to++ = (char)c;
        } else {
            to = put_special(to, from, size, &taken);
        }
        from += taken;
        size -= taken;
    }
    return to;
}

static bool needs_quotes(const char *from, size_t size)
{
    if (size == 0) return true;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)from[i];
        size_t skip = 1;
        if (c <= 0x20 || c == '=' || c == '"' || c == '\\' || c == 0x7f) return true;
        if (c < 0x80) continue;
        size_t length = sl_utf8_length(from + i, size - i, &skip);
        if (length == 0 || is_c1_control(from + i, size - i)) return true;
        i += length - 1;
    }
    return false;
}

char *sl_put_quoted(char *to, const char *from, size_t size)
{
    if (!needs_quotes(from, size)) return sl_put_bytes(to, from, size);
    *to++ = '"';
    to = put_text_for_eyes(to, from, size, true);
    *to++ = '"';
    return to;
}

char *sl_put_visible(char *to, const char *from, size_t size)
{
    return put_text_for_eyes(to, from, size, false);
}
