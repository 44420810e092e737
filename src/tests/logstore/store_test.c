/* store_test.c
 *
 * Goal:   what was acknowledged is there, byte for byte, once, after close, crash and merge;
 *         filters find what Elasticsearch's rules say.
 * Method: a store on the simulated disk; tables of filters; crashes at random changing calls.
 */
#include "logstore/logstore.h"

#include "base/random.h"
#include "tests/sim/disk.h"
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct sim_disk *sim;
    struct logstore *store;
    struct arena arena;
    unsigned events[LOGSTORE_EVENT_KIND_COUNT];
};

static void count_event(void *context, const struct logstore_event *event)
{
    struct bench *bench = context;
    bench->events[event->kind]++;
}

static int bench_open(struct bench *bench, size_t buffer_size_max)
{
    struct error error = { 0 };
    struct logstore_options options = {
        .folder = "/data",
        .disk = sim_disk_table(bench->sim),
        .buffer_size_max = buffer_size_max,
        .on_event = count_event,
        .event_context = bench,
        .manual = true,
    };
    int code = logstore_open(&bench->store, &options, &error);
    if (code < 0 && !sim_disk_has_crashed(bench->sim)) printf("# open: %s\n", error.text);
    return code;
}

static void bench_begin(struct bench *bench, uint64_t seed)
{
    *bench = (struct bench){ .sim = sim_disk_new(seed) };
    arena_init(&bench->arena, (size_t)256 << 20);
}

static void bench_end(struct bench *bench)
{
    logstore_close(bench->store);
    sim_disk_free(bench->sim);
    arena_release(&bench->arena);
}

static struct logstore_operation put(struct bench *bench, enum logstore_action action,
                                     const char *id, const char *source)
{
    struct logstore_operation operation = {
        .action = action,
        .index = STR("logs"),
        .id = str_from(id),
        .source = str_from(source),
    };
    struct error error = { 0 };
    int code = logstore_write(bench->store, &operation, 1, &bench->arena, &error);
    if (code < 0) operation.outcome = LOGSTORE_FAILED;
    return operation;
}

/* How many documents pass. */
static int64_t count(struct bench *bench, const struct logstore_filter *filter)
{
    struct logstore_snapshot *snapshot = NULL;
    struct error error = { 0 };
    struct str name = STR("logs");
    if (logstore_snapshot_take(bench->store, &name, 1, &snapshot, &error) < 0) {
        printf("# snapshot: %s\n", error.text);
        return -1;
    }
    int64_t total = 0;
    struct logstore_filter_context context = { .now_ms = 1700000000000 };
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        size_t words = LOGSTORE_BITS_WORDS(snapshot->segments[i].document_count);
        uint64_t *bits = calloc(words, sizeof(*bits));
        int code = logstore_filter_run(snapshot, i, filter, &context, bits, &error);
        if (code < 0) {
            printf("# filter: %s\n", error.text);
            total = -1;
        }
        for (size_t k = 0; code == 0 && k < words; k++) total += __builtin_popcountll(bits[k]);
        free(bits);
        if (code < 0) break;
    }
    logstore_snapshot_free(snapshot);
    return total;
}

static int64_t count_leaf(struct bench *bench, enum logstore_filter_kind kind, const char *field,
                          const char *value)
{
    struct str fields[] = { str_from(field) };
    struct str values[] = { str_from(value) };
    struct logstore_filter filter = {
        .kind = kind,
        .fields = fields,
        .field_count = field == NULL ? 0 : 1,
        .values = values,
        .value_count = 1,
    };
    return count(bench, &filter);
}

static void documents_come_back(void)
{
    struct bench bench;
    bench_begin(&bench, 1);
    REQUIRE(bench_open(&bench, 0) == 0);
    const char *source = "{ \"message\" : \"Hello, World\",\"n\":1.50, \"a\":{\"b\":[1,2]}}";
    struct logstore_operation operation = put(&bench, LOGSTORE_INDEX, "one", source);
    EXPECT_INT(LOGSTORE_CREATED, operation.outcome);
    EXPECT_INT(201, operation.status);
    operation = put(&bench, LOGSTORE_CREATE, "one", "{}");
    EXPECT_INT(409, operation.status);
    EXPECT_STR("[one]: version conflict, document already exists (current version [1])",
               operation.reason);
    operation = put(&bench, LOGSTORE_INDEX, "", "{\"message\":\"second\"}");
    EXPECT_INT(20, (int64_t)operation.result_id.size);
    for (int round = 0; round < 3; round++) {
        struct logstore_document document = { 0 };
        EXPECT_INT(
            1, logstore_get(bench.store, STR("logs"), STR("one"), &bench.arena, &document, NULL));
        EXPECT_STR(source, document.source);
        EXPECT_INT(2, count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
        if (round == 0) EXPECT_INT(0, logstore_flush(bench.store, NULL));
        if (round == 1) {
            logstore_close(bench.store);
            REQUIRE(bench_open(&bench, 0) == 0);
        }
    }
    operation = put(&bench, LOGSTORE_INDEX, "one", "{\"message\":\"again\"}");
    EXPECT_INT(LOGSTORE_UPDATED, operation.outcome);
    EXPECT_INT(2, operation.version);
    EXPECT_INT(2, count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
    operation = put(&bench, LOGSTORE_DELETE, "one", "");
    EXPECT_INT(LOGSTORE_DELETED, operation.outcome);
    EXPECT_INT(404, put(&bench, LOGSTORE_DELETE, "one", "").status);
    EXPECT_INT(1, count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
    bench_end(&bench);
}

struct filter_row {
    enum logstore_filter_kind kind;
    const char *field;
    const char *value;
    int64_t want;
};

static const char *const filter_documents[] = {
    "{\"message\":\"java.lang.NullPointerException in error:timeout\",\"level\":\"ERROR\",\"n\":7}",
    "{\"message\":\"connection from 10.0.0.1:8080 refused\",\"level\":\"warn\",\"n\":7.9}",
    "{\"message\":\"the quick brown fox\",\"level\":\"info\",\"n\":\"12\",\"ok\":true}",
    "{\"message\":\"quick the fox brown\",\"level\":\"info\",\"f\":0.1,\"t\":\"2024-02-08\"}",
    "{\"message\":[\"one two\",\"three four\"],\"a.b\":1}",
    "{\"message\":\"x\",\"a\":{\"b\":2},\"empty\":[],\"nothing\":null}",
    "{\"message\":\"y\",\"n\":\"not a number\",\"level\":{\"was\":\"object\"}}",
};

static const struct filter_row filter_rows[] = {
    { LOGSTORE_FILTER_MATCH, "message", "timeout", 0 },
    { LOGSTORE_FILTER_MATCH, "message", "error:timeout", 1 },
    { LOGSTORE_FILTER_MATCH, "message", "NullPointerException", 0 },
    { LOGSTORE_FILTER_WILDCARD, "message", "*nullpointerexception", 1 },
    { LOGSTORE_FILTER_MATCH, "message", "10.0.0", 0 },
    { LOGSTORE_FILTER_PHRASE, "message", "10.0.0.1:8080", 1 },
    { LOGSTORE_FILTER_PHRASE, "message", "quick brown fox", 1 },
    { LOGSTORE_FILTER_PHRASE, "message", "two three", 0 },
    { LOGSTORE_FILTER_PHRASE, "message", "three four", 1 },
    { LOGSTORE_FILTER_PHRASE_PREFIX, "message", "brown f", 1 },
    { LOGSTORE_FILTER_MATCH, "message", "QUICK nothing", 2 },
    { LOGSTORE_FILTER_TERM, "message", "Quick", 0 },
    { LOGSTORE_FILTER_TERM, "level.keyword", "ERROR", 1 },
    { LOGSTORE_FILTER_TERM, "level.keyword", "error", 0 },
    { LOGSTORE_FILTER_MATCH, "level", "error", 1 },
    { LOGSTORE_FILTER_PREFIX, "level.keyword", "i", 2 },
    { LOGSTORE_FILTER_REGEXP, "level.keyword", "(info|warn)", 3 },
    { LOGSTORE_FILTER_REGEXP, "message", "qui", 0 },
    { LOGSTORE_FILTER_REGEXP, "message", "qui.*", 2 },
    { LOGSTORE_FILTER_TERM, "n", "7", 2 },
    { LOGSTORE_FILTER_TERM, "n", "12", 1 },
    { LOGSTORE_FILTER_TERM, "n", "5.5", 0 },
    { LOGSTORE_FILTER_TERM, "n", "not a number", 1 },
    { LOGSTORE_FILTER_EXISTS, "n", "", 4 },
    { LOGSTORE_FILTER_EXISTS, "empty", "", 0 },
    { LOGSTORE_FILTER_EXISTS, "nothing", "", 0 },
    { LOGSTORE_FILTER_EXISTS, "a", "", 2 },
    { LOGSTORE_FILTER_TERM, "a.b", "2", 1 },
    { LOGSTORE_FILTER_TERM, "ok", "true", 1 },
    { LOGSTORE_FILTER_TERM, "f", "0.1", 1 },
    { LOGSTORE_FILTER_TERM, "t", "2024-02-08", 1 },
    { LOGSTORE_FILTER_TERM, "t", "2024", 1 },
    { LOGSTORE_FILTER_TERM, "_ignored", "n", 1 },
    { LOGSTORE_FILTER_MATCH, NULL, "fox", 2 },
    { LOGSTORE_FILTER_FUZZY, "message", "quikc", 0 },
    { LOGSTORE_FILTER_TERM, "_index", "logs", 7 },
    { LOGSTORE_FILTER_IDS, NULL, "3", 1 },
    { LOGSTORE_FILTER_TERM, "no.such", "x", 0 },
};

static void filters_follow_the_rules(void)
{
    struct bench bench;
    bench_begin(&bench, 2);
    REQUIRE(bench_open(&bench, 0) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(filter_documents); i++) {
        char id[2] = { (char)('0' + i), 0 };
        struct logstore_operation operation = put(&bench, LOGSTORE_INDEX, id, filter_documents[i]);
        EXPECT_INT(201, operation.status);
        if (i == 3) EXPECT_INT(0, logstore_refresh(bench.store, NULL));
    }
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(filter_rows); i++) {
            const struct filter_row *row = &filter_rows[i];
            char name[200];
            (void)snprintf(name, sizeof(name), "round %d: kind %d %s: %s", round, (int)row->kind,
                           row->field, row->value);
            test_context(name);
            EXPECT_INT(row->want, count_leaf(&bench, row->kind, row->field, row->value));
        }
        test_context(NULL);
        EXPECT_INT(0, logstore_flush(bench.store, NULL));
    }
    bench_end(&bench);
}

/* What a client knows of one id: the newest acknowledged number, and one that may be there too. */
#define CLIENT_IDS 40

struct client {
    int acknowledged[CLIENT_IDS]; /* 0: none */
    int tried[CLIENT_IDS];
    int next;
};

static void source_of(int id, int number, char *source, size_t size)
{
    (void)snprintf(source, size,
                   "{\"id\":%d, \"number\":%d,\"message\":\"event %d of id %d\",\"level\":\"%s\"}",
                   id, number, number, id, number % 3 == 0 ? "error" : "info");
}

static void client_write(struct bench *bench, struct client *client, struct random *dice)
{
    struct logstore_operation operations[8] = { 0 };
    char ids[8][8];
    char sources[8][160];
    size_t batch = 1 + random_below(dice, 8);
    int numbers[8];
    for (size_t i = 0; i < batch; i++) {
        int id = (int)random_below(dice, CLIENT_IDS);
        numbers[i] = ++client->next;
        (void)snprintf(ids[i], sizeof(ids[i]), "id%d", id);
        source_of(id, numbers[i], sources[i], sizeof(sources[i]));
        operations[i] = (struct logstore_operation){
            .action = LOGSTORE_INDEX,
            .index = STR("logs"),
            .id = str_from(ids[i]),
            .source = str_from(sources[i]),
        };
        client->tried[id] = numbers[i];
    }
    int code = logstore_write(bench->store, operations, batch, &bench->arena, NULL);
    for (size_t i = 0; code == 0 && i < batch; i++) {
        if (operations[i].outcome == LOGSTORE_FAILED) continue;
        int64_t id;
        if (str_to_int64(str_skip(operations[i].id, 2), &id)) client->acknowledged[id] = numbers[i];
    }
}

static bool client_check(struct bench *bench, const struct client *client)
{
    int64_t known = 0;
    bool is_sound = true;
    for (int id = 0; id < CLIENT_IDS; id++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "id%d", id);
        struct logstore_document document = { 0 };
        struct error error = { 0 };
        int code = logstore_get(bench->store, STR("logs"), str_from(name), &bench->arena, &document,
                                &error);
        if (code == 1) known++;
        if (client->acknowledged[id] == 0) continue;
        char wanted[160];
        char tried[160];
        source_of(id, client->acknowledged[id], wanted, sizeof(wanted));
        source_of(id, client->tried[id], tried, sizeof(tried));
        bool holds = code == 1 && (str_equal(document.source, str_from(wanted)) ||
                                   str_equal(document.source, str_from(tried)));
        /* A batch that was cut may have brought any of its numbers. */
        if (!holds && code == 1 && client->tried[id] > client->acknowledged[id]) holds = true;
        if (!holds) {
            printf("# id %d: wanted number %d, code %d %s\n", id, client->acknowledged[id], code,
                   error.text);
            is_sound = false;
        }
    }
    int64_t total = count(bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL });
    if (total != known && !(total == 0 && known == 0)) {
        printf("# %lld documents are found, %lld ids\n", (long long)total, (long long)known);
        is_sound = false;
    }
    return is_sound;
}

static bool crash_run(uint64_t seed)
{
    struct bench bench;
    struct random dice;
    struct client client = { 0 };
    random_init(&dice, seed);
    bench_begin(&bench, seed);
    bool is_sound = true;
    for (int life = 0; is_sound && life < 6; life++) {
        sim_disk_crash_after(bench.sim, 1 + random_below(&dice, life == 0 ? 400 : 120));
        size_t buffer_size_max = 500 + (size_t)random_below(&dice, 4000);
        bool is_open = bench_open(&bench, buffer_size_max) == 0;
        while (is_open && !sim_disk_has_crashed(bench.sim)) {
            client_write(&bench, &client, &dice);
            if (random_below(&dice, 5) == 0) logstore_maintain(bench.store);
            if (random_below(&dice, 40) == 0) (void)!logstore_flush(bench.store, NULL);
            if (random_below(&dice, 10) == 0) (void)!logstore_refresh(bench.store, NULL);
        }
        if (is_open) logstore_close(bench.store);
        bench.store = NULL;
        sim_disk_restart(bench.sim);
        if (bench_open(&bench, buffer_size_max) < 0) {
            printf("# seed %llu: does not open\n", (unsigned long long)seed);
            is_sound = false;
            break;
        }
        is_sound = client_check(&bench, &client);
        for (int id = 0; id < CLIENT_IDS; id++) client.tried[id] = client.next;
        logstore_close(bench.store);
        bench.store = NULL;
        arena_reset(&bench.arena);
    }
    if (!is_sound) printf("# seed %llu\n", (unsigned long long)seed);
    bench_end(&bench);
    return is_sound;
}

static void nothing_acknowledged_is_lost_in_a_crash(void)
{
    const char *seeds_text = getenv("SEEDS");
    int64_t seeds = 60;
    if (seeds_text != NULL && !str_to_int64(str_from(seeds_text), &seeds)) seeds = 60;
    for (uint64_t seed = 1; seed <= (uint64_t)seeds; seed++) {
        bool is_sound = crash_run(seed);
        EXPECT(is_sound);
        if (!is_sound) return;
    }
}

static void a_full_disk_refuses_and_recovers(void)
{
    struct bench bench;
    bench_begin(&bench, 3);
    REQUIRE(bench_open(&bench, 0) == 0);
    EXPECT_INT(201, put(&bench, LOGSTORE_INDEX, "1", "{\"a\":1}").status);
    sim_disk_set_size(bench.sim, sim_disk_used(bench.sim) + 8);
    struct logstore_operation operation = { .index = STR("logs"), .source = STR("{\"a\":2}") };
    struct error error = { 0 };
    EXPECT_INT(ERROR_REFUSED, logstore_write(bench.store, &operation, 1, &bench.arena, &error));
    EXPECT(error.text[0] != 0);
    EXPECT_INT(1, count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
    sim_disk_set_size(bench.sim, (uint64_t)1 << 32);
    logstore_maintain(bench.store);
    EXPECT_INT(1, bench.events[LOGSTORE_EVENT_DISK_FULL]);
    EXPECT_INT(1, bench.events[LOGSTORE_EVENT_DISK_HAS_ROOM]);
    EXPECT_INT(201, put(&bench, LOGSTORE_INDEX, "2", "{\"a\":3}").status);
    EXPECT_INT(2, count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
    bench_end(&bench);
}

static void a_policy_with_rollover_drops_old_segments(void)
{
    static const struct row {
        const char *rollover;
        int64_t left; /* of three segments, two of 2020 and one of 2200 */
    } rows[] = {
        { "\"max_size\":\"1gb\"", 3 },
        { "\"max_size\":\"1b\"", 2 }, /* the second was full with the third, which is to come */
        { "\"max_primary_shard_size\":\"2B\"", 2 },
        { "\"max_docs\":1", 2 },
        { "\"max_docs\":2", 3 },
        { "\"max_age\":\"1h\"", 1 },
        { "\"max_age\":\"100000d\"", 3 },
        { "\"max_age\":\"1h\",\"max_size\":\"1gb\"", 1 },
        { "\"max_age\":\"100000d\",\"max_size\":\"1b\"", 2 },
        { "", 3 },
    };
    static const char *const times[] = { "2020-01-01", "2020-02-01", "2200-01-01" };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct bench bench;
        struct error error = { 0 };
        char text[256];
        test_context(rows[i].rollover);
        bench_begin(&bench, 4 + i);
        REQUIRE(bench_open(&bench, 0) == 0);
        (void)snprintf(text, sizeof(text),
                       "{\"policy\":{\"phases\":{\"hot\":{\"actions\":{\"rollover\":{%s}}},"
                       "\"delete\":{\"min_age\":\"1d\",\"actions\":{\"delete\":{}}}}}}",
                       rows[i].rollover);
        EXPECT_INT(
            0, logstore_object_put(bench.store, LOGSTORE_POLICY, STR("p"), str_from(text), &error));
        struct str body = STR("{\"settings\":{\"index\":{\"lifecycle\":{\"name\":\"p\"}}}}");
        EXPECT_INT(0, logstore_index_create(bench.store, STR("logs"), body, &error));
        for (size_t k = 0; k < ARRAY_LENGTH(times); k++) {
            (void)snprintf(text, sizeof(text), "{\"@timestamp\":\"%sT00:00:00Z\"}", times[k]);
            (void)put(&bench, LOGSTORE_INDEX, times[k], text);
            EXPECT_INT(0, logstore_flush(bench.store, &error));
        }
        logstore_maintain(bench.store);
        EXPECT_INT(rows[i].left,
                   count(&bench, &(struct logstore_filter){ .kind = LOGSTORE_FILTER_ALL }));
        EXPECT_INT(3 - rows[i].left, bench.events[LOGSTORE_EVENT_SEGMENT_EXPIRED]);
        bench_end(&bench);
    }
    test_context(NULL);
}

int main(void)
{
    static const struct test tests[] = {
        TEST(documents_come_back),
        TEST(filters_follow_the_rules),
        TEST(nothing_acknowledged_is_lost_in_a_crash),
        TEST(a_full_disk_refuses_and_recovers),
        TEST(a_policy_with_rollover_drops_old_segments),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
