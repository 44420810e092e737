/* str.c - searching, comparing and converting borrowed text. */
#include "base/str.h"

#include <stdlib.h>

size_t str_find(struct str text, struct str wanted)
{
    if (wanted.size == 0) return 0;
    if (text.size < wanted.size) return STR_NONE;
    const char *at = memmem(text.data, text.size, wanted.data, wanted.size);
    return at == NULL ? STR_NONE : (size_t)(at - text.data);
}

size_t str_find_char(struct str text, char wanted)
{
    if (text.size == 0) return STR_NONE;
    const char *at = memchr(text.data, wanted, text.size);
    return at == NULL ? STR_NONE : (size_t)(at - text.data);
}

int str_compare(struct str a, struct str b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_equal_nocase(struct str a, struct str b)
{
    if (a.size != b.size) return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    }
    return true;
}

bool str_contains_nocase(struct str text, struct str wanted)
{
    for (size_t i = 0; i + wanted.size <= text.size; i++) {
        if (str_equal_nocase(str_first(str_skip(text, i), wanted.size), wanted)) return true;
    }
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str text)
{
    while (text.size > 0 && is_blank(text.data[0])) text = str_skip(text, 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1])) text.size--;
    return text;
}

struct str str_cut(struct str *rest, char separator)
{
    size_t at = str_find_char(*rest, separator);
    struct str head = *rest;
    if (at == STR_NONE) {
        *rest = (struct str){ 0 };
        return head;
    }
    head.size = at;
    *rest = str_skip(*rest, at + 1);
    return head;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t read_word(const char *data)
{
    uint64_t word;
    memcpy(&word, data, sizeof(word));
    return word;
}

/* The last bytes of a text, 1 to 7, as a word of the byte order that has the low byte first; read
 * by whole words, which may overlap. */
static uint64_t read_rest(struct str text, size_t size)
{
    const char *data = text.data + text.size - size;
    if (text.size >= 8) return read_word(text.data + text.size - 8) >> (8 * (8 - size));
    if (size >= 4) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, data, sizeof(first));
        memcpy(&last, data + size - 4, sizeof(last));
        return first | (uint64_t)last << (8 * (size - 4));
    }
    uint64_t word = (unsigned char)data[0];
    word |= (uint64_t)(unsigned char)data[size / 2] << (8 * (size / 2));
    return word | (uint64_t)(unsigned char)data[size - 1] << (8 * (size - 1));
}

/* Folded 128-bit multiplication over eight bytes at a time (the idea of wyhash, public domain). */
uint64_t str_hash(struct str text, uint64_t seed)
{
    static const uint64_t odd_a = UINT64_C(0x9E3779B97F4A7C15);
    static const uint64_t odd_b = UINT64_C(0xD1B54A32D192ED03);
    uint64_t hash = seed ^ mix(seed ^ odd_a, text.size ^ odd_b);
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) hash = mix(read_word(text.data + i) ^ odd_a, hash ^ odd_b);
    if (i < text.size) hash = mix(read_rest(text, text.size - i) ^ odd_a, hash ^ odd_b);
    return mix(hash ^ odd_a, odd_b);
}

bool str_to_uint64(struct str text, uint64_t *value)
{
    uint64_t number = 0;
    if (text.size == 0) return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        if (__builtin_mul_overflow(number, UINT64_C(10), &number)) return false;
        if (__builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number)) return false;
    }
    *value = number;
    return true;
}

bool str_to_int64(struct str text, int64_t *value)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) text = str_skip(text, 1);
    uint64_t number;
    if (!str_to_uint64(text, &number)) return false;
    if (number > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) return false;
    *value = is_negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

char *str_copy(struct str text)
{
    char *copy = malloc(text.size + 1);
    if (copy == NULL) return NULL;
    if (text.size > 0) memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

bool str_to_cstr(struct str text, char *buffer, size_t buffer_size)
{
    if (text.size >= buffer_size) return false;
    if (str_find_char(text, '\0') != STR_NONE) return false;
    if (text.size > 0) memcpy(buffer, text.data, text.size);
    buffer[text.size] = '\0';
    return true;
}
