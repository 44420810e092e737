/* help.c - what `barograph COMMAND --help` shows. */
#include "main/main.h"

#include "base/buf.h"
#include "role/role.h"

#include <stdio.h>

#define HELP_SIZE_MAX 65536

int show_help(const struct option_table *table, const char *usage)
{
    CLEANUP(buf_release) struct buf text;
    buf_init(&text, HELP_SIZE_MAX);
    options_help(table, 1, usage, &text);
    (void)fwrite(text.data, 1, text.size, stdout);
    return ROLE_EXIT_OK;
}
