/* address.h - IP addresses of both families as 16 bytes, in order; those of version 4 lie in
 * ::ffff:0:0/96. Threads: pure.
 */
#ifndef LOGSTORE_ADDRESS_H
#define LOGSTORE_ADDRESS_H

#include "base/compiler.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_SIZE     16
#define ADDRESS_TEXT_MAX 64

struct address {
    unsigned char bytes[ADDRESS_SIZE];
};

struct address_range {
    bool has_from, has_to;
    struct address from, to; /* to is not in it */
};

bool address_parse(struct str text, struct address *address) MUST_CHECK;
struct str address_print(const struct address *address, char text[ADDRESS_TEXT_MAX]);
bool address_next(struct address *address); /* the one behind it; false: there is none */

/* "10.0.0.0/8" */
bool address_range_parse(struct str mask, struct address_range *range) MUST_CHECK;
bool address_range_holds(const struct address_range *range, const struct address *address);

#endif
