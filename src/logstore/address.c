/* address.c - IP addresses: text to bytes and back, masks. */
#include "logstore/address.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char v4_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool address_parse(struct str text, struct address *address)
{
    char copy[ADDRESS_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof(copy)) return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (inet_pton(AF_INET6, copy, address->bytes) == 1) return true;
    memcpy(address->bytes, v4_prefix, sizeof(v4_prefix));
    return inet_pton(AF_INET, copy, address->bytes + sizeof(v4_prefix)) == 1;
}

struct str address_print(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
    bool is_v4 = memcmp(address->bytes, v4_prefix, sizeof(v4_prefix)) == 0;
    const void *bytes = is_v4 ? address->bytes + sizeof(v4_prefix) : address->bytes;
    const char *printed = inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, text, ADDRESS_TEXT_MAX);
    return printed == NULL ? STR("") : str_from(printed);
}

bool address_next(struct address *address)
{
    for (size_t i = ADDRESS_SIZE; i > 0; i--) {
        if (++address->bytes[i - 1] != 0) return true;
    }
    return false;
}

bool address_range_parse(struct str mask, struct address_range *range)
{
    struct str rest = mask;
    struct str text = str_cut(&rest, '/');
    int64_t bits;
    if (!address_parse(text, &range->from) || !str_to_int64(rest, &bits)) return false;
    bool is_v4 = str_find_char(text, ':') == STR_NONE;
    if (bits < 0 || bits > (is_v4 ? 32 : 128)) return false;
    size_t kept = (size_t)bits + (is_v4 ? 96 : 0);
    struct address last = range->from;
    for (size_t i = kept; i < (size_t)ADDRESS_SIZE * 8; i++) {
        unsigned char bit = (unsigned char)(0x80 >> (i % 8));
        range->from.bytes[i / 8] &= (unsigned char)~bit;
        last.bytes[i / 8] |= bit;
    }
    range->has_from = true;
    range->to = last;
    range->has_to = address_next(&range->to);
    return true;
}

bool address_range_holds(const struct address_range *range, const struct address *address)
{
    return (!range->has_from || memcmp(address, &range->from, ADDRESS_SIZE) >= 0) &&
           (!range->has_to || memcmp(address, &range->to, ADDRESS_SIZE) < 0);
}
