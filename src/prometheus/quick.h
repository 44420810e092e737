/* quick.h - short texts read in one step: label values are compared and hashed at every update.
 *
 * A text of up to 15 bytes is one load of 16, where no page ends near it: what stands behind its NUL
 * is read, not used. Sanitizers cannot know that, so under them there is no quick way.
 */
#ifndef PROMETHEUS_QUICK_H
#define PROMETHEUS_QUICK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define QUICK_READS 1
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
    __has_feature(thread_sanitizer)
#undef QUICK_READS
#endif
#endif
#endif

#ifdef QUICK_READS
#include <emmintrin.h>

static inline int quick_may_read(const char *text)
{
    return ((uintptr_t)text & 4095) <= 4080;
}

static inline unsigned quick_ends(__m128i bytes)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128()));
}
#endif

/* The size, NUL included, of the text at own when value is the same; 0: it is not, or has to be
 * compared in another way. 16 bytes can be read from own on. */
static inline size_t quick_same(const char *own, const char *value)
{
#ifdef QUICK_READS
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)own);
    unsigned ends = quick_ends(a);
    if (__builtin_expect(ends == 0 || !quick_may_read(value), 0)) return 0;
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)value);
    unsigned same = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b));
    unsigned wanted = ends ^ (ends - 1); /* up to the NUL */
    return (same & wanted) == wanted ? (size_t)__builtin_ctz(ends) + 1 : 0;
#else
    (void)own;
    (void)value;
    return 0;
#endif
}

/* The bytes of a text of up to 15, then zeros, as two words. Returns its size, NUL included; 0: it
 * is longer. */
static inline size_t quick_words(const char *text, uint64_t words[2])
{
#ifdef QUICK_READS
    if (__builtin_expect(quick_may_read(text), 1)) {
        static const unsigned char masks[32] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
        unsigned ends = quick_ends(bytes);
        if (ends == 0) return 0;
        size_t size = (size_t)__builtin_ctz(ends);
        bytes = _mm_and_si128(bytes,
                              _mm_loadu_si128((const __m128i *)(const void *)(masks + 16 - size)));
        memcpy(words, &bytes, sizeof(bytes));
        return size + 1;
    }
#endif
    size_t size = strlen(text);
    if (size > 15) return 0;
    words[0] = 0;
    words[1] = 0;
    memcpy(words, text, size);
    return size + 1;
}

#endif
