/* catalog_text.h - owned copies of texts in the catalog's tables. */
#ifndef LOGSTORE_CATALOG_TEXT_H
#define LOGSTORE_CATALOG_TEXT_H

#include "base/str.h"

#include <stdbool.h>
#include <stdlib.h>

static inline bool text_set(struct str *place, struct str text)
{
    char *copy = str_copy(text);
    if (copy == NULL) return false;
    *place = (struct str){ copy, text.size };
    return true;
}

static inline void text_free(struct str text)
{
    free((char *)(uintptr_t)text.data);
}

#endif
