#!/bin/sh
# install_test.sh BUILD - what is installed is enough: a program builds with pkg-config against the
# shared libraries, another one against the archive; only what the headers declare is exported.
set -eu
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/app.c" <<'END'
#include <prometheus/prometheus.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    struct pm_counter *jobs = pm_counter_new(NULL, "jobs_total", "Jobs done.", "queue");
    pm_inc(pm_counter_with(jobs, "mail"));
#ifdef WITH_EXPOSER
    struct pm_exposer *exposer = NULL;
    struct pm_exposer_options options = { .listen = "127.0.0.1:0" };
    struct pm_error error;
    if (pm_exposer_start(&exposer, &options, &error) < 0) return 1;
    if (strncmp(pm_exposer_url(exposer), "http://127.0.0.1:", 17) != 0) return 2;
    pm_exposer_stop(exposer);
#endif
    double value = 0;
    return pm_sample(NULL, &value, "jobs_total", "queue", "mail") == 0 && value == 1 ? 0 : 3;
}
END
number=0 failed=0
check() {
    number=$((number + 1))
    if "$@" > "$work/log" 2>&1; then echo "ok $number - $(echo "$*" | sed "s,$work,WORK,g")"; else
        echo "not ok $number - $*"; sed 's/^/# /' "$work/log"; failed=$((failed + 1)); fi
}
check meson install -C "$build" --no-rebuild --quiet --destdir "$work/root"
pc=$(find "$work/root" -name prometheus_exposer.pc)
libraries=$(dirname "$(dirname "$pc")")
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$libraries
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
flags='-std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror'
# shellcheck disable=SC2046,SC2086
check ${CC:-cc} $flags "$work/app.c" -o "$work/app" $(pkg-config --cflags --libs prometheus)
check "$work/app"
# shellcheck disable=SC2046,SC2086
check ${CC:-cc} $flags -DWITH_EXPOSER "$work/app.c" -o "$work/exposer" \
    $(pkg-config --cflags --libs prometheus_exposer)
check "$work/exposer"
# shellcheck disable=SC2046,SC2086
check ${CC:-cc} $flags "$work/app.c" "$libraries/libprometheus.a" -o "$work/static" \
    $(pkg-config --cflags prometheus) -lpthread -lm
check "$work/static"
needed=$(ldd "$work/static" | grep -c prometheus || true)
check test "$needed" -eq 0
cat "$work"/root/*/*/include/prometheus/*.h "$work"/root/*/include/prometheus/*.h > "$work/headers" 2> /dev/null ||
    true
nm -D --defined-only "$libraries"/libprometheus*.so | awk 'NF == 3 { print $3 }' | sort -u > "$work/exports"
undeclared=$(while read -r name; do
    case $name in *_new_ | *_with_) continue ;; esac
    grep -qw "$name" "$work/headers" || echo "$name"
done < "$work/exports")
check test -z "$undeclared"
check test "$(wc -l < "$work/exports")" -gt 90
for page in barograph-metric.1 barograph-check.1 libprometheus.3; do
    check test -n "$(find "$work/root" -name "$page*")"
done
echo "1..$number"
echo "# $((number - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
