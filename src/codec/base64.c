/* base64.c - three bytes, four letters. */
#include "codec/base64.h"

#include <stdint.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, struct str bytes, const char *letters, bool is_padded)
{
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t count = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t word = 0;
        for (size_t j = 0; j < 3; j++) {
            word = word << 8 | (j < count ? (unsigned char)bytes.data[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            if (j <= count) {
                buf_append_char(out, letters[(word >> (18 - 6 * j)) & 63]);
            } else if (is_padded) {
                buf_append_char(out, '=');
            }
        }
    }
}

void base64_encode(struct buf *out, struct str bytes)
{
    encode(out, bytes, standard, true);
}

void base64_url_encode(struct buf *out, struct str bytes)
{
    encode(out, bytes, url, false);
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+' || c == '-') return 62;
    if (c == '/' || c == '_') return 63;
    return -1;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t size = text.size;
    if (size % 4 == 0 && size > 0 && text.data[size - 1] == '=') size--;
    if (size % 4 == 3 && text.size % 4 == 0 && text.data[size - 1] == '=') size--;
    if (size % 4 == 1) return false;
    size_t before = out->size;
    uint32_t word = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++) {
        int value = value_of(text.data[i]);
        if (value < 0) {
            buf_truncate(out, before);
            return false;
        }
        word = word << 6 | (uint32_t)value;
        bits += 6;
        if (bits < 8) continue;
        bits -= 8;
        buf_append_char(out, (char)(word >> bits));
        word &= (UINT32_C(1) << bits) - 1;
    }
    if (word == 0 && !out->has_failed) return true; /* bits left over must not carry anything */
    buf_truncate(out, before);
    return false;
}
