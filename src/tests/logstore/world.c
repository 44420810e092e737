/* world.c - opening, writing and what is in doubt (world_check.c compares). */
#include "tests/logstore/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 40
#define START_MS  INT64_C(1707386400000)
#define KEEP_MS   (INT64_C(1000) * 86400000)
#define KIND_VIEW 1

void world_wrong(struct world *world, const char *what, struct str detail)
{
    if (!world->is_quiet) printf("# %s: " STR_FMT "\n", what, STR_ARG(detail));
    world->is_sound = false;
}

/* The open world, for the door in the disk. */
static struct world *open_world;

/* What others do while a segment is written: no lock that writers need is held then. */
static int open_and_meddle(void *state, const char *path, int flags)
{
    struct world *world = open_world;
    int handle = sim_disk_table(world->sim)->open(state, path, flags);
    bool is_segment = str_ends_with(str_from(path), STR(".segment.tmp"));
    if (!is_segment || world->is_meddling || world->store == NULL || handle < 0) return handle;
    world->is_meddling = true;
    for (size_t i = random_below(&world->dice, 3); i > 0; i--) world_write(world);
    if (random_below(&world->dice, 4) == 0) world_view(world);
    if (random_below(&world->dice, 40) == 0) world_delete_index(world);
    world->is_meddling = false;
    return handle;
}

static void hear(void *context, const struct logstore_event *event)
{
    struct world *world = context;
    if (event->kind == LOGSTORE_EVENT_RECOVERED) world->cut_size = event->size;
    if (event->kind != LOGSTORE_EVENT_INDEX_EXPIRED) return;
    if (!world->is_policy_whole || !str_equal(event->subject, STR("other"))) {
        world_wrong(world, "an index without a policy goes", event->subject);
    }
    model_delete_index(&world->model, MODEL_OTHER);
    world->seq_most[MODEL_OTHER] = -1;
}

void world_init(struct world *world, uint64_t seed, bool is_quiet)
{
    static const size_t rare[] = { 1, 1, 8, 256 };
    *world = (struct world){ .sim = sim_disk_new(seed), .is_quiet = is_quiet, .is_sound = true };
    random_init(&world->dice, seed);
    sim_clock_init(&world->clock, START_MS);
    arena_init(&world->arena, (size_t)64 << 20);
    model_init(&world->model);
    world->model.now_ms = START_MS;
    world->disk = *sim_disk_table(world->sim);
    world->disk.open = open_and_meddle;
    world->rare_documents_min = rare[random_below(&world->dice, ARRAY_LENGTH(rare))];
    if (random_below(&world->dice, 4) == 0) world->retention_ms = 1500000;
    if (random_below(&world->dice, 3) == 0) world->policy_ms = 1200000;
    world->is_policy_whole = world->policy_ms > 0 && random_below(&world->dice, 2) == 0;
    for (size_t i = 0; i < MODEL_INDEX_COUNT; i++) world->seq_most[i] = -1;
    open_world = world;
}

static void drop_views(struct world *world)
{
    for (size_t i = 0; i < WORLD_VIEWS; i++) {
        VEC_RELEASE(&world->views[i].documents);
        world->views[i] = (struct world_view){ .missing_count = 0 };
    }
}

void world_release(struct world *world)
{
    drop_views(world);
    sim_disk_free(world->sim);
    model_release(&world->model);
    arena_release(&world->arena);
}

/* Doubts ---------------------------------------------------------------------------------- */

static struct str concrete_name(struct world *world, enum model_index index)
{
    const struct str *names = NULL;
    struct str missing;
    size_t count = 0;
    if (logstore_resolve(world->store, model_index_name(index), &world->arena, &names, &count,
                         &missing) < 0 ||
        count == 0) {
        return model_index_name(index);
    }
    return names[count - 1];
}

int world_get(struct world *world, const struct model_document *document,
              struct logstore_document *found, struct error *error)
{
    struct str name = concrete_name(world, document->index);
    int code = logstore_get(world->store, name, document->id, &world->arena, found, error);
    return code == -ENOENT ? 0 : code;
}

/* What became of an operation that nobody has acknowledged is what the store says now: one of the
 * changes of that id that were tried, or none. */
static void settle(struct world *world, const struct model_change *change)
{
    struct model_document wanted = { .index = change->index, .id = change->id };
    struct logstore_document found = { 0 };
    int code = world_get(world, &wanted, &found, NULL);
    const struct model_document *before = model_find(&world->model, change->index, change->id);
    bool is_before =
        before == NULL ? code != 1 : code == 1 && str_equal(found.source, before->source);
    if (is_before || (code != 1 && before != NULL && world_may_be_gone(world, before))) return;
    VEC_FOR_EACH (&world->model.tried, tried) {
        if (tried->index != change->index || !str_equal(tried->id, change->id)) continue;
        if (tried->is_delete ? code == 1 : code != 1) continue;
        if (code == 1 && !str_equal(tried->source, found.source)) continue;
        tried->version = found.version;
        tried->seq_no = found.seq_no;
        model_apply(&world->model, tried);
        return;
    }
    world_wrong(world, "a document that nobody wrote", change->id);
}

/* Documents under ids that the store made and could not tell any more. */
static void adopt(struct world *world, enum model_index index)
{
    struct logstore_snapshot *snapshot = NULL;
    struct logstore_reader *reader = NULL;
    struct str name = concrete_name(world, index);
    if (logstore_snapshot_take(world->store, &name, 1, &snapshot, NULL) < 0 ||
        logstore_reader_new(&reader) < 0) {
        abort();
    }
    for (size_t i = 0; i < snapshot->segment_count; i++) {
        const struct logstore_segment_view *view = &snapshot->segments[i];
        for (uint32_t k = 0; k < view->document_count; k++) {
            struct logstore_hit hit;
            if (view->live != NULL && (view->live[k / 64] >> (k % 64) & 1) == 0) continue;
            if (logstore_reader_get(reader, view->segment, k, &hit, NULL) < 0) {
                world_wrong(world, "a document cannot be read", name);
                break;
            }
            if (model_find(&world->model, index, hit.id) != NULL) continue;
            VEC_FOR_EACH (&world->model.tried, tried) {
                if (tried->index != index || tried->id.size > 0 ||
                    !str_equal(tried->source, hit.source)) {
                    continue;
                }
                struct model_change change = *tried;
                change.id = hit.id;
                model_apply(&world->model, &change);
                break;
            }
        }
    }
    logstore_reader_free(reader);
    logstore_snapshot_free(snapshot);
}

static bool index_is_there(struct world *world, enum model_index index)
{
    struct logstore_index_info info = { 0 };
    return logstore_index_info(world->store, concrete_name(world, index), false, &world->arena,
                               &info) == 0;
}

/* After a start: what was in doubt is decided. */
static void settle_all(struct world *world)
{
    struct model *model = &world->model;
    bool may_go = world->doubt.kind == DOUBT_INDEX;
    if (may_go) world->doubt.kind = DOUBT_NONE;
    for (int i = 0; i < MODEL_INDEX_COUNT; i++) {
        enum model_index index = (enum model_index)i;
        bool may_expire = index == MODEL_OTHER && world->is_policy_whole;
        if (!(may_go && world->doubt.index == index) && !may_expire) continue;
        if (index_is_there(world, index)) continue;
        model_delete_index(model, index);
        world->seq_most[index] = -1;
    }
    for (int i = 0; model->tried.count > 0 && i < MODEL_INDEX_COUNT; i++) {
        adopt(world, (enum model_index)i);
    }
    for (size_t i = 0; i < model->tried.count && world->is_sound; i++) {
        if (model->tried.items[i].id.size > 0) settle(world, &model->tried.items[i]);
    }
    model->tried.count = 0;
}

/* Opening ------------------------------------------------------------------------------------ */

static void put_templates(struct world *world)
{
    char policy[300];
    (void)snprintf(policy, sizeof(policy),
                   "{\"policy\":{\"phases\":{\"hot\":{\"actions\":{%s}},\"delete\":{\"min_age\":"
                   "\"%llds\",\"actions\":{\"delete\":{}}}}}}",
                   world->is_policy_whole ? ""
                                          : "\"rollover\":{\"max_age\":\"1s\",\"max_docs\":40}",
                   (long long)world->policy_ms / 1000);
    struct str stream = STR("{\"index_patterns\":[\"stream\"],\"data_stream\":{}}");
    struct str other = STR("{\"index_patterns\":[\"other\"],\"settings\":{\"index.lifecycle.name\":"
                           "\"p\"}}");
    int code =
        logstore_object_put(world->store, LOGSTORE_INDEX_TEMPLATE, STR("stream"), stream, NULL);
    if (code == 0 && world->policy_ms > 0) {
        code = logstore_object_put(world->store, LOGSTORE_TEMPLATE, STR("other"), other, NULL);
        if (code == 0) {
            code = logstore_object_put(world->store, LOGSTORE_POLICY, STR("p"), str_from(policy),
                                       NULL);
        }
    }
    if (code < 0 && !sim_disk_has_crashed(world->sim)) {
        world_wrong(world, "templates are refused", str_from(""));
    }
}

int world_open(struct world *world)
{
    struct error error = { 0 };
    struct logstore_options options = {
        .folder = "/data",
        .disk = &world->disk,
        .clock = &world->clock.table,
        .buffer_size_max = 2000 + (size_t)random_below(&world->dice, 20000),
        .merge_size_max = (size_t)40000 << random_below(&world->dice, 4),
        .rare_documents_min = world->rare_documents_min,
        .disk_reserve = 1,
        .retention_ms = world->retention_ms,
        .on_event = hear,
        .event_context = world,
        .manual = true,
    };
    int code = logstore_open(&world->store, &options, &error);
    if (code < 0 && !sim_disk_has_crashed(world->sim)) {
        world_wrong(world, "does not open", str_from(error.text));
    }
    if (code < 0) {
        world->store = NULL;
        return code;
    }
    logstore_stats(world->store, &world->stats);
    world_settle_name(world);
    settle_all(world);
    put_templates(world);
    return 0;
}

void world_close(struct world *world)
{
    if (world->store == NULL) return;
    drop_views(world);
    world->is_meddling = true;
    logstore_close(world->store);
    world->is_meddling = false;
    world->store = NULL;
}

/* Writes ---------------------------------------------------------------------------------- */

static void make_operation(struct world *world, struct model_change *change,
                           struct logstore_operation *operation)
{
    model_make_change(&world->model, &world->dice, change);
    change->batch = world->batch;
    *operation = (struct logstore_operation){
        .action = change->is_delete   ? LOGSTORE_DELETE
                  : change->is_create ? LOGSTORE_CREATE
                                      : LOGSTORE_INDEX,
        .index = model_index_name(change->index),
        .id = change->id,
        .source = change->source,
    };
    const struct model_document *now = model_find(&world->model, change->index, change->id);
    if (now != NULL && !change->is_create && now->version > 0 &&
        random_below(&world->dice, 5) == 0) {
        operation->has_if_seq_no = true;
        operation->if_seq_no = now->seq_no - (int64_t)random_below(&world->dice, 2);
    }
}

/* Whether the model says, too, that the id is taken or the sequence number another. */
static bool is_conflict(struct world *world, const struct model_change *change,
                        const struct logstore_operation *operation)
{
    const struct model_document *now = model_find(&world->model, change->index, change->id);
    if (operation->has_if_seq_no) return now == NULL || now->seq_no != operation->if_seq_no;
    return change->is_create && now != NULL;
}

/* Compares the answer with the model, which has all that came before, and tells it. */
static void take_answer(struct world *world, struct model_change *change,
                        const struct logstore_operation *operation)
{
    const struct model_document *now = model_find(&world->model, change->index, change->id);
    bool is_aged = now != NULL && world_may_be_gone(world, now);
    bool has_no_index = operation->status == 404 && operation->outcome == LOGSTORE_FAILED;
    if (operation->status == 429) return; /* the index could not be made */
    if (has_no_index && change->is_delete && now == NULL) return;
    bool wants_conflict = is_conflict(world, change, operation);
    bool is_refused = operation->outcome == LOGSTORE_FAILED;
    if (is_refused != wants_conflict && !is_aged) {
        world_wrong(world, is_refused ? "a write is refused" : "a conflict is not seen",
                    is_refused ? operation->reason : change->id);
    }
    if (is_refused || operation->outcome == LOGSTORE_NOT_FOUND) {
        if (!is_refused && now != NULL && !is_aged) {
            world_wrong(world, "a deletion finds nothing", change->id);
        }
        return;
    }
    if (operation->seq_no <= world->seq_most[change->index]) {
        world_wrong(world, "a sequence number comes again", change->id);
    }
    world->seq_most[change->index] = operation->seq_no;
    if (now != NULL && now->version > 0 && operation->version != now->version + 1 && !is_aged) {
        world_wrong(world, "a version is not the next", change->id);
    }
    if (change->id.size == 0) change->id = model_keep(&world->model, operation->result_id);
    change->version = operation->version;
    change->seq_no = operation->seq_no;
    model_apply(&world->model, change);
}

void world_write(struct world *world)
{
    struct logstore_operation operations[BATCH_MAX];
    size_t count = 1 + random_below(&world->dice, BATCH_MAX);
    size_t first = world->model.tried.count;
    if (sim_disk_has_crashed(world->sim)) return;
    world->batch++;
    for (size_t i = 0; i < count; i++) {
        struct model_change change;
        make_operation(world, &change, &operations[i]);
        model_try(&world->model, &change);
    }
    int code = logstore_write(world->store, operations, count, &world->arena, NULL);
    if (code < 0 && (sim_disk_has_crashed(world->sim) || code == -EIO)) {
        return; /* in doubt until the next start */
    }
    if (code < 0) {
        if (code != ERROR_REFUSED) world_wrong(world, "a write fails otherwise", str_from(""));
        world->model.tried.count = first;
        return;
    }
    bool is_logged = false;
    for (size_t i = 0; i < count; i++) {
        is_logged |=
            operations[i].outcome != LOGSTORE_NOT_FOUND && operations[i].outcome != LOGSTORE_FAILED;
        take_answer(world, &world->model.tried.items[first + i], &operations[i]);
    }
    /* What was in doubt before was cut off when something was written behind it. */
    world->model.tried.count = is_logged ? 0 : first;
    if (is_logged) world->doubt.kind = DOUBT_NONE;
}

/* A change of the catalog failed: it must not count now, and may count after the next start unless
 * something was acknowledged meanwhile. */
static void doubt(struct world *world, struct world_doubt doubt)
{
    if (!sim_disk_has_crashed(world->sim)) world_check_documents(world);
    world->doubt = doubt;
}

void world_change_name(struct world *world)
{
    struct error error = { 0 };
    size_t i = (size_t)random_below(&world->dice, WORLD_NAMES);
    int wanted = (int)random_below(&world->dice, 4);
    bool is_alias = i == WORLD_NAMES - 1;
    char name[8];
    char json[32];
    (void)snprintf(name, sizeof(name), "c%zu", i);
    (void)snprintf(json, sizeof(json), "{\"n\":%d}", wanted);
    struct str text = is_alias ? STR("front") : str_from(name);
    struct str logs = model_index_name(MODEL_LOGS);
    if (sim_disk_has_crashed(world->sim) || world->doubt.kind != DOUBT_NONE) return;
    if (is_alias && !index_is_there(world, MODEL_LOGS)) return;
    if (is_alias && wanted == 3) wanted = 2;
    struct logstore_alias alias = { .name = text, .index = logs, .is_write_index = wanted == 2 };
    int code = 0;
    if (wanted > 0) {
        code = is_alias ? logstore_alias_put(world->store, &alias, &error)
                        : logstore_object_put(world->store, LOGSTORE_COMPONENT_TEMPLATE, text,
                                              str_from(json), &error);
    } else {
        code = is_alias ? logstore_alias_remove(world->store, text, logs, &error)
                        : logstore_object_delete(world->store, LOGSTORE_COMPONENT_TEMPLATE, text,
                                                 &error);
        if (code == -ENOENT && world->names[i] == 0) code = 0;
    }
    if (code == 0) {
        world->names[i] = wanted;
        world->doubt.kind = DOUBT_NONE;
    }
    if (code < 0) doubt(world, (struct world_doubt){ DOUBT_NAME, MODEL_LOGS, i, wanted });
}

void world_delete_index(struct world *world)
{
    bool is_stream = random_below(&world->dice, 3) == 0;
    enum model_index index = is_stream ? MODEL_STREAM : MODEL_OTHER;
    struct str name = model_index_name(index);
    if (sim_disk_has_crashed(world->sim) || world->doubt.kind != DOUBT_NONE) return;
    int code = is_stream ? logstore_stream_delete(world->store, name, NULL)
                         : logstore_index_delete(world->store, name, NULL);
    if (code == -ENOENT) {
        if (model_live_count(&world->model, index) > 0) world_wrong(world, "is not there", name);
    } else if (code < 0) {
        doubt(world, (struct world_doubt){ DOUBT_INDEX, index, 0, 0 });
    } else {
        model_delete_index(&world->model, index);
        world->seq_most[index] = -1;
        world->doubt.kind = DOUBT_NONE;
    }
}

/* Views --------------------------------------------------------------------------------------- */

static void take_view(struct world *world, struct world_view *view)
{
    struct logstore_snapshot *snapshot = NULL;
    struct logstore_keep_options keep = { .kind = KIND_VIEW, .keep_ms = KEEP_MS };
    struct str names[MODEL_INDEX_COUNT];
    for (int i = 0; i < MODEL_INDEX_COUNT; i++)
        names[i] = concrete_name(world, (enum model_index)i);
    if (logstore_snapshot_take(world->store, names, MODEL_INDEX_COUNT, &snapshot, NULL) < 0 ||
        logstore_snapshot_keep(world->store, snapshot, &keep, view->id, NULL) < 0) {
        abort();
    }
    VEC_FOR_EACH (&world->model.documents, document) {
        struct model_change copy = { .index = document->index,
                                     .id = document->id,
                                     .source = document->source };
        if (!document->is_live) continue;
        view->missing_count += world_may_be_gone(world, document);
        if (!VEC_PUSH(&view->documents, copy)) abort();
    }
}

static void check_view(struct world *world, struct world_view *view)
{
    struct logstore_kept kept;
    struct logstore_reader *reader = NULL;
    size_t found = 0;
    if (logstore_snapshot_borrow(world->store, str_from(view->id), 0, &kept, NULL) < 0) {
        world_wrong(world, "a snapshot is gone", str_from(view->id));
        return;
    }
    if (logstore_reader_new(&reader) < 0) abort();
    for (size_t i = 0; i < kept.snapshot->segment_count && world->is_sound; i++) {
        const struct logstore_segment_view *segment = &kept.snapshot->segments[i];
        for (uint32_t k = 0; k < segment->document_count && world->is_sound; k++) {
            struct logstore_hit hit;
            if (segment->live != NULL && (segment->live[k / 64] >> (k % 64) & 1) == 0) continue;
            if (logstore_reader_get(reader, segment->segment, k, &hit, NULL) < 0) {
                world_wrong(world, "a snapshot cannot be read", str_from(view->id));
                break;
            }
            bool is_there = false;
            VEC_FOR_EACH (&view->documents, document) {
                is_there |=
                    str_equal(document->id, hit.id) && str_equal(document->source, hit.source);
            }
            found += is_there;
            if (!is_there) world_wrong(world, "a snapshot has more", hit.id);
        }
    }
    if (found > view->documents.count || found + view->missing_count < view->documents.count) {
        world_wrong(world, "a snapshot has less, or twice", str_from(view->id));
    }
    logstore_reader_free(reader);
    logstore_snapshot_return(world->store, &kept);
}

void world_view(struct world *world)
{
    struct world_view *view = &world->views[random_below(&world->dice, WORLD_VIEWS)];
    if (view->id[0] == 0) {
        take_view(world, view);
        return;
    }
    check_view(world, view);
    if (random_below(&world->dice, 3) != 0) return;
    (void)logstore_snapshot_drop(world->store, str_from(view->id));
    VEC_RELEASE(&view->documents);
    *view = (struct world_view){ .missing_count = 0 };
}
