/* utf8.c - decoding with every overlong form, surrogate and cut sequence refused. */
#include "codec/utf8.h"

/* Size of the valid character at the front, 0 when there is none. */
static size_t character_size(const unsigned char *bytes, size_t size)
{
    unsigned char first = bytes[0];
    if (first < 0x80) return 1;
    if (first < 0xC2 || first > 0xF4) return 0;
    size_t wanted = first < 0xE0 ? 2 : (first < 0xF0 ? 3 : 4);
    if (size < wanted) return 0;
    for (size_t i = 1; i < wanted; i++) {
        if ((bytes[i] & 0xC0) != 0x80) return 0;
    }
    if (first == 0xE0 && bytes[1] < 0xA0) return 0;
    if (first == 0xED && bytes[1] > 0x9F) return 0;
    if (first == 0xF0 && bytes[1] < 0x90) return 0;
    if (first == 0xF4 && bytes[1] > 0x8F) return 0;
    return wanted;
}

size_t utf8_valid_size(struct str text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    size_t at = 0;
    while (at < text.size) {
        uint64_t word;
        if (text.size - at >= sizeof(word)) {
            memcpy(&word, bytes + at, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof(word);
                continue;
            }
        }
        size_t size = character_size(bytes + at, text.size - at);
        if (size == 0) break;
        at += size;
    }
    return at;
}

uint32_t utf8_take(struct str *rest)
{
    if (rest->size == 0) return 0;
    const unsigned char *b = (const unsigned char *)rest->data;
    size_t size = character_size(b, rest->size);
    uint32_t character = 0xFFFD;
    if (size == 1) character = b[0];
    if (size == 2) character = (uint32_t)(b[0] & 0x1F) << 6 | (b[1] & 0x3F);
    if (size == 3) {
        character = (uint32_t)(b[0] & 0x0F) << 12 | (uint32_t)(b[1] & 0x3F) << 6 | (b[2] & 0x3F);
    }
    if (size == 4) {
        character = (uint32_t)(b[0] & 0x07) << 18 | (uint32_t)(b[1] & 0x3F) << 12 |
                    (uint32_t)(b[2] & 0x3F) << 6 | (b[3] & 0x3F);
    }
    *rest = str_skip(*rest, size == 0 ? 1 : size);
    return character;
}

size_t utf8_count(struct str text)
{
    size_t count = 0;
    while (text.size > 0) {
        (void)utf8_take(&text);
        count++;
    }
    return count;
}

size_t utf8_valid_count(struct str text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t count = text.size;
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, sizeof(word));
        count -= ((word >> 7 & ~(word >> 6) & ones) * ones) >> 56; /* bytes 10xxxxxx */
    }
    for (; i < text.size; i++) count -= ((unsigned char)text.data[i] & 0xc0) == 0x80;
    return count;
}

size_t utf8_encode(uint32_t c, char *bytes)
{
    if (c < 0x80) {
        bytes[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        bytes[0] = (char)(0xC0 | (c >> 6));
        bytes[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c >= 0xD800 && c <= 0xDFFF) return 0;
    if (c < 0x10000) {
        bytes[0] = (char)(0xE0 | (c >> 12));
        bytes[1] = (char)(0x80 | ((c >> 6) & 0x3F));
        bytes[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    if (c > 0x10FFFF) return 0;
    bytes[0] = (char)(0xF0 | (c >> 18));
    bytes[1] = (char)(0x80 | ((c >> 12) & 0x3F));
    bytes[2] = (char)(0x80 | ((c >> 6) & 0x3F));
    bytes[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

size_t utf8_from_hex(struct str digits, char *bytes)
{
    uint32_t code = 0;
    if (digits.size < 4) return 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(digits.data[i]);
        if (digit < 0) return 0;
        code = code << 4 | (uint32_t)digit;
    }
    return utf8_encode(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, bytes);
}

void utf8_append(struct buf *out, uint32_t character)
{
    char bytes[4];
    size_t size = utf8_encode(character, bytes);
    if (size == 0) size = utf8_encode(0xFFFD, bytes);
    buf_append(out, bytes, size);
}

void utf8_append_clean(struct buf *out, struct str text)
{
    while (text.size > 0) {
        size_t valid = utf8_valid_size(text);
        buf_append(out, text.data, valid);
        text = str_skip(text, valid);
        if (text.size == 0) return;
        buf_append_str(out, STR("\xEF\xBF\xBD"));
        text = str_skip(text, 1);
    }
}
