/* lifecycle.c - the delete phase of lifecycle policies (ILM), for indices whose settings name one.
 *
 * Of a policy this is carried out:
 *   no rollover     an index goes as a whole when it is older than delete.min_age; the index that a
 *                   data stream or an alias writes to stays
 *   hot.rollover    nothing rolls over here; segments go delete.min_age after Elasticsearch would
 *                   have rolled over the index they were in, at the latest: rollover.max_age after
 *                   their newest document, or when max_size (max_primary_shard_size) bytes or
 *                   max_docs documents lie in newer segments. With none of these nothing goes.
 * Whatever else a policy says has no effect; log_server/templates.c says so when it is put.
 */
#include "base/check.h"
#include "logstore/settings.h"
#include "logstore/store.h"

#define POLICY_PERIOD_MS  60000
#define POLICY_MEMORY_MAX ((size_t)64 << 20)

/* "30d" in milliseconds; -1 when it is no duration. */
static int64_t read_duration(struct str text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    size_t digits = 0;
    int64_t number;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    if (!str_to_int64(str_first(text, digits), &number)) return -1;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!str_equal(str_skip(text, digits), str_from(units[i].unit))) continue;
        return number > INT64_MAX / units[i].ms ? -1 : number * units[i].ms;
    }
    return -1;
}

static struct str policy_name(const struct json *settings)
{
    return settings_text(settings, STR("index.lifecycle.name"));
}

static const struct json *phase_of(const struct json *policy, const char *name)
{
    return json_get(json_get(json_get(policy, STR("policy")), STR("phases")), str_from(name));
}

/* When something of an index is to go. */
struct expiry {
    bool is_there;
    int64_t age_ms;         /* delete.min_age */
    bool is_by_segment;     /* there is a rollover; then which of these comes first: */
    int64_t rollover_ms;    /* -1: never by age */
    uint64_t rollover_size; /* 0: never by size */
    uint64_t rollover_documents;
};

/* "50gb", "100mb", "7b"; 0 when it is no size. */
static uint64_t read_size(struct str text)
{
    static const struct {
        const char *unit;
        unsigned shift;
    } units[] = {
        { "b", 0 }, { "kb", 10 }, { "mb", 20 }, { "gb", 30 }, { "tb", 40 }, { "pb", 50 }
    };
    size_t digits = 0;
    uint64_t number;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
    if (!str_to_uint64(str_first(text, digits), &number)) return 0;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        if (!str_equal_nocase(str_skip(text, digits), str_from(units[i].unit))) continue;
        return number > UINT64_MAX >> units[i].shift ? 0 : number << units[i].shift;
    }
    return 0;
}

static struct expiry expiry_of(const struct json *policy)
{
    const struct json *phase = phase_of(policy, "delete");
    const struct json *actions = json_get(phase_of(policy, "hot"), STR("actions"));
    const struct json *rollover = json_get(actions, STR("rollover"));
    struct str size = json_text(json_get(rollover, STR("max_size")), STR(""));
    if (size.size == 0)
        size = json_text(json_get(rollover, STR("max_primary_shard_size")), STR(""));
    int64_t documents = json_integer(json_get(rollover, STR("max_docs")), 0);
    struct expiry expiry = {
        .age_ms = read_duration(json_text(json_get(phase, STR("min_age")), STR("0ms"))),
        .is_by_segment = rollover != NULL,
        .rollover_ms = read_duration(json_text(json_get(rollover, STR("max_age")), STR(""))),
        .rollover_size = read_size(size),
        .rollover_documents = documents > 0 ? (uint64_t)documents : 0,
    };
    expiry.is_there =
        json_get(json_get(phase, STR("actions")), STR("delete")) != NULL && expiry.age_ms >= 0;
    return expiry;
}

/* What the policy of an index says. State held. */
static struct expiry index_expiry(struct logstore *store, const struct store_index *index,
                                  struct arena *arena)
{
    struct expiry none = { .is_there = false };
    const struct json *settings = NULL;
    const struct json *policy = NULL;
    if (str_find(index->settings, STR("lifecycle")) == STR_NONE ||
        json_parse(NULL, arena, index->settings, &settings, NULL) < 0) {
        return none;
    }
    struct str name = policy_name(settings);
    for (size_t i = 0; name.size > 0 && i < store->objects.count; i++) {
        const struct store_object *object = &store->objects.items[i];
        if (object->kind != LOGSTORE_POLICY || !str_equal(object->name, name)) continue;
        if (json_parse(NULL, arena, object->json, &policy, NULL) < 0) return none;
        return expiry_of(policy);
    }
    return none;
}

static bool is_written_to(const struct logstore *store, const struct store_index *index)
{
    bool is_stream = false;
    if (index->data_stream.size > 0 &&
        store_write_index(store, index->data_stream, &is_stream) == index) {
        return true;
    }
    for (size_t i = 0; i < store->aliases.count; i++) {
        const struct store_alias *alias = &store->aliases.items[i];
        if (alias->is_write_index && str_equal(alias->index, index->name)) return true;
    }
    return false;
}

struct plan {
    struct store_index *index; /* of which a segment goes; NULL: none */
    size_t segment;
    struct str name; /* of an index that goes as a whole; in the arena; empty: none */
};

/* When enough lay in the segments behind that one, by the times of their documents; INT64_MAX: it
 * does not yet. State held. */
static int64_t time_of_enough(const struct store_index *index, size_t at,
                              const struct expiry *expiry)
{
    uint64_t size = 0;
    uint64_t documents = 0;
    for (size_t i = at + 1; i < index->segments.count; i++) {
        const struct store_segment *segment = &index->segments.items[i];
        const struct logstore_segment *inner = segment->segment;
        size += inner->bytes.size;
        documents += store_segment_live_count(segment);
        bool is_enough =
            (expiry->rollover_size > 0 && size >= expiry->rollover_size) ||
            (expiry->rollover_documents > 0 && documents >= expiry->rollover_documents);
        if (is_enough) return inner->time_least <= inner->time_most ? inner->time_most : INT64_MAX;
    }
    return INT64_MAX;
}

/* State held. */
static bool is_segment_over(const struct store_index *index, size_t at, const struct expiry *expiry,
                            int64_t now_ms)
{
    const struct store_segment *segment = &index->segments.items[at];
    int64_t end_ms = now_ms - expiry->age_ms;
    if (!store_segment_is_older(segment, end_ms)) return false; /* in memory, or too young */
    bool is_by_age = expiry->rollover_ms >= 0 && expiry->rollover_ms < end_ms &&
                     store_segment_is_older(segment, end_ms - expiry->rollover_ms);
    return is_by_age || time_of_enough(index, at, expiry) < end_ms;
}

/* The first index of which something is to go. Writer and state held. */
static bool find_expired(struct logstore *store, struct arena *arena, struct plan *plan)
{
    int64_t now_ms = clock_realtime_ms(store->clock);
    for (size_t i = 0; i < store->indices.count; i++) {
        struct store_index *index = store->indices.items[i];
        struct expiry expiry = index_expiry(store, index, arena);
        if (!expiry.is_there) continue;
        bool is_old = index->created_ms <= now_ms - expiry.age_ms;
        if (!expiry.is_by_segment && is_old && !is_written_to(store, index)) {
            plan->name = arena_copy(arena, index->name);
            return plan->name.data != NULL;
        }
        for (size_t k = 0; expiry.is_by_segment && k < index->segments.count; k++) {
            if (!is_segment_over(index, k, &expiry, now_ms)) continue;
            *plan = (struct plan){ .index = index, .segment = k };
            return true;
        }
    }
    return false;
}

static bool drop_one(struct logstore *store, struct arena *arena)
{
    struct plan plan = { 0 };
    bool is_done = false;
    mutex_lock(&store->writer);
    mutex_lock(&store->state);
    bool is_found = find_expired(store, arena, &plan);
    mutex_unlock(&store->state);
    if (plan.index != NULL) is_done = store_segment_drop(store, plan.index, plan.segment);
    mutex_unlock(&store->writer);
    if (!is_found || plan.name.size == 0) return is_done;
    struct error error = { 0 };
    if (logstore_index_delete(store, plan.name, &error) < 0) return false;
    struct logstore_event event = { .kind = LOGSTORE_EVENT_INDEX_EXPIRED, .subject = plan.name };
    store_tell(store, &event);
    return true;
}

void store_run_policies(struct logstore *store)
{
    int64_t now_ms = clock_monotonic_ns(store->clock) / 1000000;
    if (store->policies_ms != 0 && now_ms - store->policies_ms < POLICY_PERIOD_MS) return;
    store->policies_ms = now_ms;
    for (bool goes_on = true; goes_on;) {
        struct arena arena;
        arena_init(&arena, POLICY_MEMORY_MAX);
        goes_on = drop_one(store, &arena);
        arena_release(&arena);
    }
}
