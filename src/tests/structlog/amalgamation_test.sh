#!/bin/sh
# amalgamation_test.sh TOOL - a program of ten lines builds with structlog.c and structlog.h alone,
# writes ECS lines, and rotates a file; with zlib, where it is, old files are compressed.
set -eu
tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$tool" structlog "$work"
cat > "$work/app.c" <<'END'
#include "structlog.h"
int main(void)
{
    struct sl_sink_options sink = { .kind = SL_SINK_FILE, .path = "app.json",
                                    .rotate_size_max = 100000 };
    struct sl_config config = { .service_name = "app", .sinks = &sink, .sink_count = 1 };
    if (sl_configure(&config) < 0) return 1;
    for (int i = 0; i < 1000; i++) sl_info(NULL, "counted", "n", i, "half", i / 2.0);
    return 0;
}
END
cd "$work"
number=0 failed=0
check() {
    number=$((number + 1))
    if "$@" > log 2>&1; then echo "ok $number - $*"; else
        echo "not ok $number - $*"; sed 's/^/# /' log; failed=$((failed + 1)); fi
}
check ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror app.c structlog.c -o app -lpthread -lm
check ./app
check test "$(cat app.json app.json.1 | wc -l)" -eq 1000
check grep -q '^{"@timestamp":"[^"]*","log.level":"info","message":"counted","ecs.version":"1.6.0",.*"n":999,"half":499.5}$' app.json
if echo '#include <zlib.h>' | ${CC:-cc} -E - > /dev/null 2>&1; then
    sed -i 's/\.rotate_size_max = 100000/.rotate_size_max = 50000, .rotate_compression = SL_COMPRESSION_GZIP/
        s/    return 0;/    for (int i = 0; i < 300 \&\& access("app.json.2", F_OK) == 0; i++) usleep(100000);\n&/
        1i #include <unistd.h>' app.c
    rm -f app.json*
    check ${CC:-cc} -std=c11 -D_GNU_SOURCE -DSL_WITH_ZLIB -Wall -Wextra -Wpedantic -Werror app.c structlog.c -o app -lpthread -lm -lz
    check ./app
    check test "$({ cat app.json app.json.1; gzip -dc app.json.*.gz; } | wc -l)" -eq 1000
    check gzip -t app.json.2.gz
fi
echo "1..$number"
echo "# $((number - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
