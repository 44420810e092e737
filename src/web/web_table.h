/* web_table.h - the table that tools/embed-web generates. Only web.c includes it. */
#ifndef WEB_WEB_TABLE_H
#define WEB_WEB_TABLE_H

#include <stddef.h>

#include "web/web.h"

extern const struct web_asset web_assets[]; /* sorted by path */
extern const size_t web_asset_count;        /* 0 when built without npm */

#endif
