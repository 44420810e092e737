/* logs_lines.c - bodies for _bulk on standard output: three kinds of lines, the same for one seed.
 *
 *     logs_lines service 100000 > bulk      lines of services, few kinds that repeat
 *     logs_lines access 100000 > bulk       requests: addresses, ids, paths that hardly come twice
 *     logs_lines hostile 100000 > bulk      long hexadecimal, thousands of keys, other scripts
 *
 * Times rise by a millisecond a line on average. Every millionth and fifth line of any kind holds the
 * word "needle" with its number.
 */
#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_NS    INT64_C(1707386400000000000)
#define NEEDLE_EACH 1000000
#define NEEDLE_AT   5
#define LONG_EACH   5000
#define LONG_SIZE   1000000

static const char *const levels[] = { "info",  "info",  "info", "info", "info",
                                      "debug", "debug", "warn", "error" };
static const char *const loggers[] = { "api.http",        "api.auth",     "db.pool",
                                       "cache.redis",     "queue.worker", "mail.smtp",
                                       "billing.invoice", "search.index" };
static const char *const files[] = { "server.py", "auth.py", "pool.py", "client.py", "worker.py" };
static const char *const agents[] = {
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 "
     "Safari/537.36"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:122.0) Gecko/20100101 Firefox/122.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "curl/7.88.1",
    "python-requests/2.31.0",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
};
static const char *const paths[] = {
    "/api/v1/users", "/api/v1/orders", "/static/app.js", "/login",
    "/search",       "/api/v2/items",  "/images/banner", "/health"
};
static const int statuses[] = { 200, 200, 200, 200, 200, 200, 201, 204, 301, 304, 404, 403, 500 };
static const char *const scripts[] = { "Ошибка соединения с базой",
                                       "数据库连接超时",
                                       "σφάλμα σύνδεσης",
                                       "خطأ في الاتصال",
                                       "接続エラー",
                                       "🔥 brûlé naïve Straße" };

#define PICK(dice, table) ((table)[random_below((dice), ARRAY_LENGTH(table))])

static unsigned below(struct random *dice, unsigned limit)
{
    return (unsigned)random_below(dice, limit);
}

static void put_hex(struct random *dice, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        char text[17];
        (void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)random_next(dice));
        size_t size = count - i < 16 ? count - i : 16;
        (void)fwrite(text, 1, size, stdout);
    }
}

static void put_uuid(struct random *dice)
{
    static const size_t sizes[] = { 8, 4, 4, 4, 12 };
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        if (i > 0) (void)putchar('-');
        put_hex(dice, sizes[i]);
    }
}

static void put_service_message(struct random *dice)
{
    switch (below(dice, 8)) {
    case 0:
        printf("request GET %s finished with status %d in %u ms", PICK(dice, paths),
               PICK(dice, statuses), below(dice, 900));
        return;
    case 1:
        printf("connection to db-%u.internal:5432 established, pool size %u of 20", below(dice, 4),
               below(dice, 21));
        return;
    case 2: printf("cache miss for key user:%u, loading from database", below(dice, 50000)); return;
    case 3:
        printf("job %u of queue mail finished, %u retries, took %u.%03u s", below(dice, 1000000),
               below(dice, 3), below(dice, 4), below(dice, 1000));
        return;
    case 4:
        printf("user %u logged in from 10.%u.%u.%u", below(dice, 50000), below(dice, 4),
               below(dice, 256), below(dice, 256));
        return;
    case 5:
        printf("timeout while waiting for lock on table orders, transaction %u rolled back",
               below(dice, 1000000));
        return;
    case 6:
        printf("garbage collection finished, freed %u kB in %u us", below(dice, 90000),
               below(dice, 9000));
        return;
    default:
        printf("failed to send mail to customer %u: connection refused by smtp-%u, will retry",
               below(dice, 50000), below(dice, 3));
    }
}

static void put_service(struct random *dice, const char *date)
{
    unsigned logger = below(dice, ARRAY_LENGTH(loggers));
    printf("{\"@timestamp\":\"%s\",\"log.level\":\"%s\",\"message\":\"", date, PICK(dice, levels));
    put_service_message(dice);
    printf("\",\"ecs.version\":\"1.6.0\",\"log\":{\"logger\":\"%s\",\"origin\":{\"file\":{\"line\":"
           "%u,\"name\":\"%s\"}}},\"process\":{\"pid\":%u,\"thread\":{\"name\":\"worker-%u\"}},"
           "\"service\":{\"name\":\"svc-%u\"}}\n",
           loggers[logger], 10 + logger * 37 + below(dice, 8), PICK(dice, files),
           1000 + logger * 17, below(dice, 16), logger % 5);
}

static void put_access(struct random *dice, const char *date)
{
    unsigned bytes = below(dice, 1 << (8 + below(dice, 12)));
    printf("{\"@timestamp\":\"%s\",\"client\":{\"ip\":\"%u.%u.%u.%u\"},\"http\":{\"request\":"
           "{\"method\":\"%s\",\"id\":\"",
           date, 1 + below(dice, 223), below(dice, 256), below(dice, 256), below(dice, 256),
           below(dice, 5) == 0 ? "POST" : "GET");
    put_uuid(dice);
    printf("\"},\"response\":{\"status_code\":%d,\"bytes\":%u}},\"url\":{\"path\":\"%s/%u\"},"
           "\"event\":{\"duration\":%u},\"user_agent\":{\"original\":\"%s\"},\"trace.id\":\"",
           PICK(dice, statuses), bytes, PICK(dice, paths), below(dice, 10000000),
           below(dice, 900000000), PICK(dice, agents));
    put_hex(dice, 32);
    printf("\",\"message\":\"%u.%u.%u.%u - - GET %s/%u?session=", 1 + below(dice, 223),
           below(dice, 256), below(dice, 256), below(dice, 256), PICK(dice, paths),
           below(dice, 10000000));
    put_hex(dice, 16);
    printf(" HTTP/1.1 %d %u\"}\n", PICK(dice, statuses), bytes);
}

static void put_hostile(struct random *dice, const char *date, long number)
{
    if (number % LONG_EACH == LONG_EACH - 1) {
        printf("{\"@timestamp\":\"%s\",\"message\":\"", date);
        put_hex(dice, LONG_SIZE);
        printf("\"}\n");
        return;
    }
    switch (below(dice, 4)) {
    case 0:
    case 1:
        printf("{\"@timestamp\":\"%s\",\"message\":\"", date);
        put_hex(dice, 1024);
        printf("\"}\n");
        return;
    case 2:
        printf("{\"@timestamp\":\"%s\",\"k%u\":\"%u\",\"k%u\":%u,\"k%u\":true}\n", date,
               below(dice, 2000), below(dice, 1000000), 2000 + below(dice, 2000),
               below(dice, 1000000), 4000 + below(dice, 2000));
        return;
    default:
        printf("{\"@timestamp\":\"%s\",\"message\":\"%s %u \\u00e9\\n %s\"}\n", date,
               PICK(dice, scripts), below(dice, 100000), PICK(dice, scripts));
    }
}

static void put_needle(const char *date, long number)
{
    printf("{\"@timestamp\":\"%s\",\"log.level\":\"error\",\"message\":\"needle%ld in the "
           "haystack, found it\"}\n",
           date, number);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: logs_lines service|access|hostile COUNT [SEED]\n");
        return 2;
    }
    static char buffer[1 << 20];
    (void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
    long count = strtol(argv[2], NULL, 10);
    struct random dice;
    random_init(&dice, argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    int64_t time_ns = START_NS;
    for (long i = 0; i < count; i++) {
        char date[CLOCK_RFC3339_SIZE];
        time_ns += (int64_t)random_below(&dice, 2000) * 1000;
        (void)clock_rfc3339_print(time_ns, 6, date);
        (void)fputs("{\"create\":{}}\n", stdout);
        if (i % NEEDLE_EACH == NEEDLE_AT)
            put_needle(date, i);
        else if (strcmp(argv[1], "service") == 0)
            put_service(&dice, date);
        else if (strcmp(argv[1], "access") == 0)
            put_access(&dice, date);
        else
            put_hostile(&dice, date, i);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
