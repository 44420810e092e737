/* search_fuzz.c - any bytes as the body of a search over a small store: query DSL, aggregations,
 * sort, highlighting and all else that a body may hold.
 *
 * Seeds: corpus/search.
 */
#include "logquery/logquery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct logstore *store;
static char folder[] = "/tmp/search-fuzz-XXXXXX";

static void close_store(void)
{
    char command[64];
    logstore_close(store);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    if (system(command) != 0) perror("remove the folder");
}

static void open_store(void)
{
    static const char *const sources[] = {
        "{\"@timestamp\":\"2024-02-08T10:00:00Z\",\"message\":\"error: out\",\"n\":1}",
        "{\"@timestamp\":\"2024-02-09T10:00:00Z\",\"message\":\"foo bar\",\"n\":-7,\"ok\":true}",
        "{\"@timestamp\":\"2024-03-31T01:30:00Z\",\"message\":[\"a\",\"b c\"],\"level\":\"info\"}",
        "{\"level\":\"warn\",\"ip\":\"10.0.0.1\",\"o\":{\"p\":3},\"n\":9007199254740993}",
    };
    struct error error = { 0 };
    struct arena arena;
    if (mkdtemp(folder) == NULL) abort();
    struct logstore_options options = { .folder = folder, .manual = true };
    if (logstore_open(&store, &options, &error) < 0) abort();
    arena_init(&arena, 1 << 24);
    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
        struct logstore_operation operation = { .action = LOGSTORE_INDEX,
                                                .index = STR("f"),
                                                .source = str_from(sources[i]) };
        if (logstore_write(store, &operation, 1, &arena, &error) < 0) abort();
    }
    arena_release(&arena);
    atexit(close_store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (store == NULL) open_store();
    struct arena arena;
    struct buf out;
    struct logquery_failure failure;
    struct logquery_options options = { .store = store, .clock = &clock_system, .timeout_ms = 500 };
    struct logquery_request request = { .body = { (const char *)data, size },
                                        .allow_no_indices = true };
    arena_init(&arena, 1 << 26);
    buf_init(&out, 1 << 26);
    (void)!logquery_search(&options, &request, &arena, &out, &failure, NULL);
    buf_release(&out);
    arena_release(&arena);
    return 0;
}
