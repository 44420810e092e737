#!/bin/sh
# docs_test.sh GUIDE SOURCE LIBRARY - the examples of the guide compile, and those with a main run.
#
# Every block ```c of GUIDE is taken. One with a main is a program: compiled, linked with LIBRARY and
# run. One that begins in a function's head is a file. Any other is the inside of a function that has
# a registry, an error and what a server's handler has at hand; those of one page share what they
# declare, so each is compiled behind the ones before it under the same heading.
set -eu
guide=$1 source=$2 library=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v work="$work" '
    /^## /   { heading++ }
    /^```c$/ { inside = 1; name = sprintf("%s/example_%02d_%02d", work, heading, ++count); next }
    /^```$/  { inside = 0; next }
    inside   { print > name }
' "$guide"
cat > "$work/around.h" << 'END'
#include "prometheus/prometheus.h"
#include <stdio.h>
#include <stdlib.h>
static inline void fail(const char *text) { puts(text); }
static inline void answer(int status) { (void)status; }
static inline void set_header(const char *name, const char *value) { (void)name; (void)value; }
static inline int write_some(void *arg, const char *data, size_t size)
{ (void)arg; (void)data; (void)size; return 0; }
END
flags="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -Wno-unused -I$source -I$work"
number=0 failed=0
check() {
    number=$((number + 1))
    if "$@" > "$work/log" 2>&1; then echo "ok $number - $example"; else
        echo "not ok $number - $example"; sed 's/^/# /' "$work/log"; failed=$((failed + 1)); fi
}
last=
for path in "$work"/example_*; do
    example=$(basename "$path")
    heading=${example%_*}
    [ "$heading" = "$last" ] || : > "$work/before"
    last=$heading
    if grep -q 'int main' "$path"; then
        cp "$path" "$path.c"
        # shellcheck disable=SC2086
        check ${CC:-cc} $flags "$path.c" "$library" -lm -lpthread -o "$path.out"
        check "$path.out"
        continue
    fi
    if grep -q '^static .*)$' "$path"; then
        { echo '#include "around.h"'; cat "$path"; } > "$path.c"
    else
        cat "$path" >> "$work/before"
        {
            echo '#include "around.h"'
            echo 'void example(struct pm_registry *registry, struct pm_error error, void *connection,'
            echo '             const char *accept_header, const char *query, const char *timeout_header);'
            echo 'void example(struct pm_registry *registry, struct pm_error error, void *connection,'
            echo '             const char *accept_header, const char *query, const char *timeout_header)'
            echo '{'
            grep -q 'pm_daemon \*server' "$work/before" || echo 'struct pm_daemon *server = NULL;'
            cat "$work/before"
            echo '}'
        } > "$path.c"
    fi
    # shellcheck disable=SC2086
    check ${CC:-cc} $flags -Wno-missing-prototypes -c "$path.c" -o "$path.o"
done
echo "1..$number"
echo "# $((number - failed)) passed, $failed failed"
[ "$number" -gt 7 ] && [ "$failed" -eq 0 ]
