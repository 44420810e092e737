#!/bin/sh
# docs_test.sh GUIDE SOURCE LIBRARY LINKS - the examples of the guide compile, and those with a main run.
#
# Every block ```c of GUIDE is taken. One with a main is a program: compiled, linked with LIBRARY,
# run, and must succeed. Any other stands for the inside of a function that has a logger and a few
# values at hand.
set -eu
guide=$1 source=$2 library=$3 links=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v work="$work" '
    /^```c$/ { inside = 1; name = sprintf("%s/example_%02d", work, ++count); next }
    /^```$/  { inside = 0; next }
    inside   { print > name }
' "$guide"
flags="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -I$source"
number=0 failed=0
for example in "$work"/example_*; do
    number=$((number + 1))
    if grep -q 'int main' "$example"; then
        cp "$example" "$example.c"
    else
        {
            echo '#include "structlog/structlog.h"'
            echo 'static void example(struct sl_logger *log, const char *path, const char *address,'
            echo '                    int status, double seconds)'
            echo '{ (void)path; (void)address; (void)status; (void)seconds;'
            cat "$example"
            echo '}'
            echo 'int main(void) { example(NULL, "/etc/hosts", "10.0.0.1", 2, 0.5); return 0; }'
        } > "$example.c"
    fi
    if ${CC:-cc} $flags "$example.c" "$library" $links -o "$example.out" &&
        (cd "$work" && "$example.out") > "$example.log" 2>&1; then
        echo "ok $number - $(basename "$example")"
    else
        echo "not ok $number - $(basename "$example")"
        sed 's/^/# /' "$example" "$example.log" 2> /dev/null || true
        failed=$((failed + 1))
    fi
done
echo "1..$number"
rm -f /tmp/structlog_guide.json /tmp/.structlog_guide.json.lock
echo "# $((number - failed)) passed, $failed failed"
[ "$number" -gt 5 ] && [ "$failed" -eq 0 ]
