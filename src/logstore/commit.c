/* commit.c - writes: parse outside every lock, then in groups: decide, log, sync, apply.
 *
 * The first caller that finds nobody committing becomes the leader: it takes all that wait, and
 * carries them out with one append and one sync. So the more callers wait, the fewer syncs a
 * document costs; no timer is needed.
 */
#include "base/check.h"
#include "logstore/bytes.h"
#include "logstore/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PARSE_MEMORY_MAX  ((size_t)4 << 30)
#define RECORDS_KEPT_MAX  ((size_t)4 << 20)
#define LEAVES_KEPT_MAX   ((size_t)256 << 10)
#define CUT_ATTEMPTS      3
#define FIELD_WEIGHT      256                /* bytes; see store_buffered */
#define COMMIT_GROUP_SIZE ((size_t)64 << 20) /* source bytes that one leader carries out together */

/* A document that was read: by its shape, or by the parser; neither for deletes and broken ones. */
struct parsed {
    const struct json *root;
    struct known_document known; /* shape not NULL */
};

struct commit {
    struct commit *next;
    struct logstore_operation *operations;
    struct parsed *parsed; /* one an operation */
    struct store_parser *parser;
    struct arena *memory; /* of what is parsed */
    size_t count;
    size_t source_size;
    struct arena *arena;
    int code;
    struct error *error;
    bool is_done;
};

/* What the leader has decided about one operation and will apply after the sync. */
struct decision {
    struct store_index *index;
    struct logstore_operation *operation;
    const struct known_document *known; /* whose values are mapped when they are applied; or NULL */
    size_t leaf_start, leaf_count;
    bool is_applied; /* changes something */
    bool may_replace;
};

struct group {
    struct logstore *store;
    struct arena arena; /* leaves' texts and keys of `pending` */
    struct document_leaf_vec leaves;
    struct document_leaf_vec scratch; /* of one document */
    VEC(struct decision) decisions;
    struct map pending; /* "uuid id" to the last decision about it, plus one */
    struct buf records;
    struct str name; /* of name_index, in name_arena */
    const struct store_index *name_index;
    const struct arena *name_arena;
    struct store_index *record_index; /* that the record speaks of; NULL: there is no record yet */
    bool is_in_doubt; /* the log holds records that were neither synced nor cut off */
};

void store_parser_free(struct store_parser *parser)
{
    if (parser == NULL) return;
    known_release(&parser->known);
    json_parser_free(parser->json);
    free(parser);
}

struct store_parser *store_parser_take(struct logstore *store)
{
    struct store_parser *parser = NULL;
    mutex_lock(&store->queue);
    if (store->parser_count > 0) parser = store->parsers[--store->parser_count];
    mutex_unlock(&store->queue);
    if (parser != NULL) {
        known_trim(&parser->known);
        return parser;
    }
    parser = calloc(1, sizeof(*parser));
    if (parser == NULL) return NULL;
    known_init(&parser->known);
    if (json_parser_new(&parser->json, NULL) == 0) return parser;
    store_parser_free(parser);
    return NULL;
}

void store_parser_give(struct logstore *store, struct store_parser *parser)
{
    mutex_lock(&store->queue);
    if (store->parser_count < STORE_PARSERS_MAX) {
        store->parsers[store->parser_count++] = parser;
        parser = NULL;
    }
    mutex_unlock(&store->queue);
    store_parser_free(parser);
}

static void fail(struct logstore_operation *operation, int status, const char *type,
                 struct str reason)
{
    operation->outcome = LOGSTORE_FAILED;
    operation->status = status;
    operation->error_type = type;
    operation->reason = reason;
}

static void refuse_source(struct logstore_operation *operation, struct arena *arena,
                          const char *cause)
{
    fail(operation, 400, "mapper_parsing_exception", STR("failed to parse"));
    operation->cause_type = STR("json_parse_exception");
    operation->cause_reason = arena_copy(arena, str_from(cause));
}

/* Parses one document; a broken one is refused. */
static void parse_one(struct commit *commit, struct logstore_operation *operation,
                      struct parsed *parsed)
{
    struct known_shapes *known = &commit->parser->known;
    if (known_read(known, operation->source, commit->memory, &parsed->known)) return;
    struct error error = { 0 };
    const struct json *root = NULL;
    if (json_parse_line(commit->parser->json, commit->memory, operation->source, operation->behind,
                        &root, &error) < 0) {
        refuse_source(operation, commit->arena, error.text);
    } else if (!json_is(root, JSON_OBJECT)) {
        refuse_source(operation, commit->arena, "document must be an object");
    } else {
        parsed->root = root;
        known_learn(known, operation->source);
    }
}

/* Parses the documents of a commit. */
static void parse_all(struct logstore *store, struct commit *commit)
{
    for (size_t i = 0; i < commit->count; i++) {
        struct logstore_operation *operation = &commit->operations[i];
        operation->status = 0;
        operation->error_type = NULL;
        operation->result_id = operation->id;
        operation->result_index = operation->index;
        if (operation->action == LOGSTORE_DELETE) continue;
        commit->source_size += operation->source.size;
        if (operation->source.size > store->options.document_size_max) {
            fail(operation, 413, "illegal_argument_exception", STR("document is too large"));
            continue;
        }
        parse_one(commit, operation, &commit->parsed[i]);
    }
}

static struct str make_id(struct logstore *store, struct arena *arena)
{
    struct str id = arena_copy(arena, (struct str){ store->id_next, sizeof(store->id_next) });
    (void)id_step(store->id_next);
    return id;
}

static struct str pending_key(struct group *group, const struct store_index *index, struct str id)
{
    return arena_printf(&group->arena, STR_FMT " " STR_FMT, STR_ARG(index->uuid), STR_ARG(id));
}

/* What is there under the operation's id now, with what the group has decided before. */
static struct store_place current_place(struct group *group, const struct store_index *index,
                                        struct str key, struct str id)
{
    uintptr_t number = (uintptr_t)map_get(&group->pending, key);
    if (number == 0) return store_index_lookup(index, id);
    const struct logstore_operation *before = group->decisions.items[number - 1].operation;
    return (struct store_place){
        .is_found = before->outcome == LOGSTORE_CREATED || before->outcome == LOGSTORE_UPDATED,
        .version = before->version,
        .seq_no = before->seq_no,
    };
}

static void conflict(struct logstore_operation *operation, struct arena *arena,
                     const struct store_place *place)
{
    struct str reason;
    if (operation->action == LOGSTORE_CREATE) {
        reason = arena_printf(arena,
                              "[" STR_FMT "]: version conflict, document already exists "
                              "(current version [%lld])",
                              STR_ARG(operation->id), (long long)place->version);
    } else if (operation->has_version) {
        reason = arena_printf(
            arena, "[" STR_FMT "]: version conflict, current version [%lld] is %s [%lld]",
            STR_ARG(operation->id), (long long)place->version,
            operation->allows_same_version ? "higher than the one provided"
                                           : "higher or equal to the one provided",
            (long long)operation->given_version);
    } else {
        reason = arena_printf(arena,
                              "[" STR_FMT "]: version conflict, required seqNo [%lld], "
                              "primary term [1]. current document has seqNo [%lld] and primary "
                              "term [1]",
                              STR_ARG(operation->id), (long long)operation->if_seq_no,
                              (long long)place->seq_no);
    }
    fail(operation, 409, "version_conflict_engine_exception", reason);
}

/* The index the operation goes to, made when it is not there; NULL with the operation failed. */
static struct store_index *target_index(struct group *group, struct logstore_operation *operation,
                                        struct arena *arena)
{
    struct logstore *store = group->store;
    bool is_stream = false;
    struct store_index *index = store_write_index(store, operation->index, &is_stream);
    if (index == NULL && operation->action == LOGSTORE_DELETE) {
        fail(operation, 404, "index_not_found_exception",
             arena_printf(arena, "no such index [" STR_FMT "]", STR_ARG(operation->index)));
        return NULL;
    }
    if (index == NULL) {
        struct error error = { 0 };
        int code = store_auto_create(store, operation->index, &index, &error);
        if (code < 0) {
            bool is_name = code == ERROR_INVALID;
            bool is_alias = str_starts_with(str_from(error.text), STR("no write index"));
            fail(operation, is_name ? 400 : 429,
                 is_alias  ? "illegal_argument_exception"
                 : is_name ? "invalid_index_name_exception"
                           : "es_rejected_execution_exception",
                 arena_copy(arena, str_from(error.text)));
            return NULL;
        }
        is_stream = index->data_stream.size > 0;
    }
    if (is_stream && operation->action != LOGSTORE_CREATE) {
        fail(operation, 400, "illegal_argument_exception",
             STR("only write ops with an op_type of create are allowed in data streams"));
        return NULL;
    }
    return index;
}

static bool is_valid_id(struct logstore_operation *operation, struct arena *arena)
{
    if (operation->id.size <= 512) return true;
    fail(operation, 400, "illegal_argument_exception",
         arena_printf(arena, "id [...] is too long, must be no longer than 512 bytes but was: %zu",
                      operation->id.size));
    return false;
}

/* A group is one record, so that it is there or not as a whole. */
static void append_record(struct group *group, const struct decision *decision)
{
    const struct logstore_operation *operation = decision->operation;
    if (group->record_index != decision->index) {
        if (group->record_index == NULL) {
            log_record_begin(&group->records);
        } else {
            buf_append_char(&group->records, LOG_INDEX);
        }
        group->record_index = decision->index;
        bytes_put_text(&group->records, decision->index->uuid);
    }
    bool is_delete = operation->action == LOGSTORE_DELETE;
    buf_append_char(&group->records, is_delete ? LOG_DELETE : LOG_DOCUMENT);
    bytes_put_varint(&group->records, (uint64_t)operation->seq_no);
    bytes_put_varint(&group->records, (uint64_t)operation->version);
    bytes_put_text(&group->records, operation->result_id);
    if (!is_delete) bytes_put_text(&group->records, operation->source);
}

/* By its shape when all its fields are known, which changes nothing in the mapping; else parsed. */
static int map_parsed(struct group *group, struct commit *commit, struct decision *decision,
                      struct parsed *parsed, struct document_refusal *refusal)
{
    struct logstore *store = group->store;
    struct store_index *index = decision->index;
    struct str id = decision->operation->result_id;
    struct document_options options = { index->is_strict, store->options.field_count_max };
    uint64_t *ignored = &store->stats.ignored_values_total;
    int code = 1;
    if (parsed->root == NULL) {
        code = document_map_known(&parsed->known, id, index->mapping, &options, &group->arena,
                                  &group->leaves, ignored, refusal);
    }
    if (code != 1) return code;
    if (parsed->root == NULL) {
        /* Its values were checked, so this can only run out of memory. */
        code = json_parse_line(commit->parser->json, commit->memory, decision->operation->source,
                               decision->operation->behind, &parsed->root, NULL);
        if (code < 0) return code;
    }
    /* Readers copy the pointer under the state lock and count themselves in; one that has done so
     * makes the next change a copy. */
    code = store_index_own_mapping(index, NULL);
    if (code < 0) return code;
    return document_map(parsed->root, id, index->mapping, &options, &group->arena, &group->leaves,
                        ignored, refusal);
}

static int map_document(struct group *group, struct commit *commit, struct decision *decision,
                        struct parsed *parsed)
{
    struct logstore_operation *operation = decision->operation;
    struct document_refusal refusal = { 0 };
    /* A document that cannot be refused and brings no field waits until it is applied, when its
     * leaves go straight from one cache line into the buffer. */
    bool can_wait = parsed->root == NULL && !decision->index->is_strict &&
                    known_plan(parsed->known.shape, decision->index->mapping);
    if (can_wait) {
        decision->known = &parsed->known;
        return 0;
    }
    mutex_lock(&group->store->state);
    int code = map_parsed(group, commit, decision, parsed, &refusal);
    mutex_unlock(&group->store->state);
    if (code != ERROR_INVALID) return code;
    fail(operation, 400, refusal.type, arena_copy(commit->arena, refusal.reason));
    operation->cause_type = arena_copy(commit->arena, refusal.cause_type);
    operation->cause_reason = arena_copy(commit->arena, refusal.cause_reason);
    return code;
}

static void decide_outcome(struct decision *decision, const struct store_place *place)
{
    struct logstore_operation *operation = decision->operation;
    decision->is_applied = true;
    decision->may_replace = place->is_found;
    operation->seq_no = decision->index->seq_no_next++;
    operation->version = place->is_found ? place->version + 1 : 1;
    if (operation->has_version) operation->version = operation->given_version;
    if (operation->action == LOGSTORE_DELETE) {
        operation->outcome = place->is_found ? LOGSTORE_DELETED : LOGSTORE_NOT_FOUND;
        operation->status = place->is_found ? 200 : 404;
        decision->is_applied = place->is_found;
        return;
    }
    operation->outcome = place->is_found ? LOGSTORE_UPDATED : LOGSTORE_CREATED;
    operation->status = place->is_found ? 200 : 201;
}

/* The name of an index in the memory of the caller, once for operations that follow each other. */
static struct str name_for(struct group *group, const struct commit *commit,
                           const struct store_index *index)
{
    if (group->name_index != index || group->name_arena != commit->arena) {
        group->name = arena_copy(commit->arena, index->name);
        group->name_index = index;
        group->name_arena = commit->arena;
    }
    return group->name;
}

static int decide(struct group *group, struct commit *commit, size_t at)
{
    struct logstore_operation *operation = &commit->operations[at];
    struct arena *arena = commit->arena;
    if (operation->status != 0) return 0; /* refused while it was parsed */
    struct decision decision = { .operation = operation, .leaf_start = group->leaves.count };
    decision.index = target_index(group, operation, arena);
    if (decision.index == NULL || !is_valid_id(operation, arena)) return 0;
    operation->result_index = name_for(group, commit, decision.index);
    struct store_place place = { 0 };
    struct str key = { NULL, 0 };
    if (operation->id.size > 0) {
        key = pending_key(group, decision.index, operation->id);
        if (key.data == NULL) return -ENOMEM;
        place = current_place(group, decision.index, key, operation->id);
        bool is_taken = operation->action == LOGSTORE_CREATE && place.is_found;
        bool is_other =
            operation->has_if_seq_no && (!place.is_found || place.seq_no != operation->if_seq_no);
        int64_t least = place.version + (operation->allows_same_version ? 0 : 1);
        bool is_old = operation->has_version && place.is_found && operation->given_version < least;
        if (is_taken || is_other || is_old) {
            conflict(operation, arena, &place);
            return 0;
        }
    } else {
        operation->result_id = make_id(group->store, arena);
        if (operation->result_id.data == NULL) return -ENOMEM;
    }
    if (operation->action != LOGSTORE_DELETE) {
        int code = map_document(group, commit, &decision, &commit->parsed[at]);
        if (code < 0) return code == ERROR_INVALID ? 0 : code;
        decision.leaf_count = group->leaves.count - decision.leaf_start;
    }
    decide_outcome(&decision, &place);
    if (decision.is_applied) append_record(group, &decision);
    if (!VEC_PUSH(&group->decisions, decision)) return -ENOMEM;
    uintptr_t number = group->decisions.count;
    return key.size > 0 ? map_put(&group->pending, key, (void *)number) : 0;
}

/* Puts one document where searches find it. State held. */
static int apply_document(struct logstore *store, struct store_index *index,
                          const struct logstore_operation *operation, struct error *error)
{
    struct builder *builder = store_index_builder(store, index, error);
    if (builder == NULL) return -ENOMEM;
    store->stats.buffer_size += operation->source.size;
    return builder_add_document(builder, operation->result_id, operation->source, operation->seq_no,
                                operation->version, error);
}

/* Its fields, too. */
static int apply_fields(struct group *group, const struct decision *decision)
{
    struct logstore *store = group->store;
    struct store_index *index = decision->index;
    if (decision->known == NULL) {
        document_index(group->leaves.items + decision->leaf_start, decision->leaf_count,
                       index->mapping, index->builder);
        return 0;
    }
    struct document_options options = { false, store->options.field_count_max };
    return document_index_known(decision->known, index->mapping, &options, &group->arena,
                                &group->scratch, &store->stats.ignored_values_total,
                                index->builder);
}

static int apply(struct group *group, const struct decision *decision, struct error *error)
{
    struct store_index *index = decision->index;
    const struct logstore_operation *operation = decision->operation;
    if (decision->may_replace) {
        struct store_place place = store_index_lookup(index, operation->result_id);
        int code = store_index_kill(index, &place, error);
        if (code < 0) return code;
    }
    if (operation->action == LOGSTORE_DELETE) return 0;
    int code = apply_document(group->store, index, operation, error);
    if (code == 0) code = apply_fields(group, decision);
    return code < 0 ? error_wrap(error, code, "buffer a document") : 0;
}

static void refuse_all(struct commit *commits, int code, const struct error *error)
{
    for (struct commit *commit = commits; commit != NULL; commit = commit->next) {
        commit->code = error_set(commit->error, code, "%s", error->text);
    }
}

/* The log's number stands in the checksums, so a new file means new records. */
static int log_again(struct group *group, struct error *error)
{
    struct logstore *store = group->store;
    int code = log_begin(&store->log, store->log.number + 1, error);
    if (code < 0) return code;
    buf_reset(&group->records);
    group->record_index = NULL;
    VEC_FOR_EACH (&group->decisions, decision) {
        if (decision->is_applied) append_record(group, decision);
    }
    if (group->record_index == NULL) return 0;
    log_record_end(&group->records, store->log.number);
    if (group->records.has_failed) return error_set(error, -ENOMEM, "log: out of memory");
    return log_append(&store->log, buf_str(&group->records), error);
}

/* What failed is cut off again before it is answered, so that a refused write never comes back.
 * A disk that refuses that as well leaves the write in doubt. */
static int withdraw(struct group *group, int code, struct error *error)
{
    struct error cause = { 0 };
    for (int i = 0; i < CUT_ATTEMPTS; i++) {
        if (log_settle(&group->store->log, &cause) == 0) return code;
    }
    group->is_in_doubt = true;
    return error_set(error, -EIO,
                     "the log could neither be synced nor cut (%s): after the next start these "
                     "documents may be there or not",
                     cause.text);
}

static int log_group(struct group *group, struct error *error)
{
    struct logstore *store = group->store;
    if (group->record_index == NULL) return 0;
    int code = log_settle(&store->log, error);
    if (code < 0) return code;
    log_record_end(&group->records, store->log.number);
    if (group->records.has_failed) return error_set(error, -ENOMEM, "log: out of memory");
    code = store->log.is_broken ? -EIO : log_append(&store->log, buf_str(&group->records), error);
    if (code == 0) return 0;
    if (code != -ENOSPC && code != -EDQUOT) {
        code = log_again(group, error);
        if (code == 0) {
            /* What the file before holds of these records is acknowledged now. */
            if (log_settle(&store->log, NULL) < 0) log_forget_cuts(&store->log, UINT64_MAX);
            return 0;
        }
    }
    return withdraw(group, code, error);
}

static int decide_all(struct group *group, struct commit *commits)
{
    for (struct commit *commit = commits; commit != NULL; commit = commit->next) {
        for (size_t i = 0; i < commit->count; i++) {
            int code = decide(group, commit, i);
            if (code < 0) return code;
        }
    }
    return 0;
}

static void count_all(struct logstore *store, const struct commit *commits)
{
    for (const struct commit *commit = commits; commit != NULL; commit = commit->next) {
        for (size_t i = 0; i < commit->count; i++) {
            enum logstore_outcome outcome = commit->operations[i].outcome;
            bool is_taken = outcome == LOGSTORE_CREATED || outcome == LOGSTORE_UPDATED;
            store->stats.indexed_total += is_taken;
            store->stats.rejected_total += outcome == LOGSTORE_FAILED;
        }
    }
}

static int commit_group_locked(struct group *group, struct commit *commits, struct error *error)
{
    struct logstore *store = group->store;
    if (store->stats.is_read_only) {
        return error_set(error, ERROR_REFUSED,
                         "disk of '%s' has less than its reserve of %" PRIu64 " bytes free",
                         store->folder, store->options.disk_reserve);
    }
    if (store_catalog_settle(store, error) < 0) return ERROR_REFUSED;
    int code = decide_all(group, commits);
    if (code < 0) return error_set(error, code, "write: out of memory");
    code = log_group(group, error);
    if (code < 0) {
        store_check_space(store);
        (void)error_wrap(error, code, "write to the log");
        return group->is_in_doubt ? -EIO : ERROR_REFUSED;
    }
    mutex_lock(&store->state);
    VEC_FOR_EACH (&group->decisions, decision) {
        if (code == 0 && decision->is_applied) code = apply(group, decision, error);
    }
    count_all(store, commits);
    const struct builder *builder =
        group->record_index == NULL ? NULL : group->record_index->builder;
    store->fields_size = builder == NULL ? 0 : builder->fields.count * FIELD_WEIGHT;
    store->stats.log_size = store->log.size;
    mutex_unlock(&store->state);
    return code;
}

static void commit_group(struct logstore *store, struct commit *commits)
{
    struct group group = { .store = store };
    struct error error = { 0 };
    arena_init(&group.arena, PARSE_MEMORY_MAX);
    mutex_lock(&store->writer);
    /* The buffers are kept from group to group, unless large ones were needed. */
    group.records = store->records;
    group.leaves = store->leaves;
    group.leaves.count = 0;
    buf_reset(&group.records);
    int code = commit_group_locked(&group, commits, &error);
    bool is_full = store_buffered(store) > store->options.buffer_size_max;
    if (group.records.capacity > RECORDS_KEPT_MAX) {
        buf_release(&group.records);
        buf_init(&group.records, LOG_RECORD_SIZE_MAX);
    }
    if (group.leaves.capacity > LEAVES_KEPT_MAX) VEC_RELEASE(&group.leaves);
    store->records = group.records;
    store->leaves = group.leaves;
    mutex_unlock(&store->writer);
    if (code < 0) refuse_all(commits, code, &error);
    if (is_full && !store->options.manual) {
        mutex_lock(&store->queue);
        store->wants_maintenance = true;
        condition_signal(&store->maintenance_wanted);
        mutex_unlock(&store->queue);
    }
    arena_release(&group.arena);
    VEC_RELEASE(&group.scratch);
    VEC_RELEASE(&group.decisions);
    map_release(&group.pending);
}

/* Takes as many of the waiting commits as make a group. Queue held. */
static struct commit *take_group(struct logstore *store)
{
    struct commit *first = store->commits;
    struct commit *last = first;
    size_t size = first->source_size;
    while (last->next != NULL && size + last->next->source_size <= COMMIT_GROUP_SIZE) {
        last = last->next;
        size += last->source_size;
    }
    store->commits = last->next;
    if (store->commits == NULL) store->commits_end = &store->commits;
    last->next = NULL;
    return first;
}

static void run_commit(struct logstore *store, struct commit *commit)
{
    mutex_lock(&store->queue);
    *store->commits_end = commit;
    store->commits_end = &commit->next;
    while (!commit->is_done) {
        if (store->has_leader) {
            condition_wait(&store->queue_changed, &store->queue);
            continue;
        }
        store->has_leader = true;
        struct commit *group = take_group(store);
        mutex_unlock(&store->queue);
        commit_group(store, group);
        mutex_lock(&store->queue);
        while (group != NULL) {
            struct commit *next = group->next;
            group->is_done = true;
            group = next;
        }
        store->has_leader = false;
        condition_broadcast(&store->queue_changed);
    }
    mutex_unlock(&store->queue);
}

/* Whether so much waits for the disk that writers have to wait too. */
static bool is_overfull(struct logstore *store)
{
    mutex_lock(&store->state);
    bool is_over = store_buffered(store) > store->options.buffer_size_max / 4 * 5;
    mutex_unlock(&store->state);
    return is_over && !store->options.manual;
}

int logstore_write(struct logstore *store, struct logstore_operation *operations, size_t count,
                   struct arena *arena, struct error *error)
{
    if (count == 0) return 0;
    if (is_overfull(store)) {
        /* The disk does not keep up: the writer helps instead of filling the memory. */
        int code = logstore_flush(store, error);
        if (code < 0) return ERROR_REFUSED;
    }
    struct arena memory;
    arena_init(&memory, PARSE_MEMORY_MAX);
    struct commit commit = {
        .operations = operations,
        .count = count,
        .parsed = calloc(count, sizeof(struct parsed)),
        .parser = store_parser_take(store),
        .memory = &memory,
        .arena = arena,
        .error = error,
    };
    if (commit.parsed == NULL || commit.parser == NULL) {
        commit.code = error_set(error, -ENOMEM, "write: out of memory");
    } else {
        parse_all(store, &commit);
        run_commit(store, &commit);
    }
    /* The parser's shapes were in use until now. */
    if (commit.parser != NULL) store_parser_give(store, commit.parser);
    free(commit.parsed);
    arena_release(&memory);
    return commit.code;
}

/* Recovery ------------------------------------------------------------------------------------ */

static int replay_operation(struct logstore *store, struct store_index *index, struct str *rest,
                            struct json_parser *parser, struct error *error)
{
    struct str kind;
    uint64_t seq_no;
    uint64_t version;
    struct logstore_operation operation = { 0 };
    if (!bytes_take(rest, 1, &kind) || !bytes_take_varint(rest, &seq_no) ||
        !bytes_take_varint(rest, &version) || !bytes_take_text(rest, &operation.result_id) ||
        (kind.data[0] == LOG_DOCUMENT && !bytes_take_text(rest, &operation.source))) {
        return error_set(error, ERROR_CORRUPT, "log holds a broken operation");
    }
    if (index == NULL) return 0; /* deleted since */
    operation.seq_no = (int64_t)seq_no;
    operation.version = (int64_t)version;
    struct store_place place = store_index_lookup(index, operation.result_id);
    if (place.is_found && place.seq_no >= operation.seq_no) return 0; /* is there already */
    int code = store_index_kill(index, &place, error);
    if (code < 0) return code;
    if (operation.seq_no >= index->seq_no_next) index->seq_no_next = operation.seq_no + 1;
    if (kind.data[0] != LOG_DOCUMENT) return 0;
    struct arena memory;
    struct document_leaf_vec leaves = { 0 };
    struct document_options options = { false, store->options.field_count_max };
    struct document_refusal refusal = { 0 };
    uint64_t ignored = 0;
    const struct json *root;
    arena_init(&memory, PARSE_MEMORY_MAX);
    code = json_parse(parser, &memory, operation.source, &root, error);
    if (code == 0) {
        code = document_map(root, operation.result_id, index->mapping, &options, &memory, &leaves,
                            &ignored, &refusal);
    }
    if (code == 0 || code == ERROR_INVALID) {
        code = apply_document(store, index, &operation, error);
        if (code == 0) document_index(leaves.items, leaves.count, index->mapping, index->builder);
    }
    VEC_RELEASE(&leaves);
    arena_release(&memory);
    return code;
}

/* The index that the operations behind are for; NULL when it is there no more. */
static int replay_index(const struct logstore *store, struct str *payload,
                        struct store_index **index, struct error *error)
{
    struct str uuid;
    if (!bytes_take_text(payload, &uuid)) {
        return error_set(error, ERROR_CORRUPT, "log record names no index");
    }
    *index = store_index_find_uuid(store, uuid);
    return 0;
}

int store_replay_record(void *argument, struct str payload, struct error *error)
{
    struct logstore *store = argument;
    struct store_index *index = NULL;
    struct store_parser *parser = store_parser_take(store);
    int code = parser == NULL ? error_set(error, -ENOMEM, "replay the log: out of memory")
                              : replay_index(store, &payload, &index, error);
    while (code == 0 && payload.size > 0) {
        if (payload.data[0] == LOG_INDEX) {
            payload = str_skip(payload, 1);
            code = replay_index(store, &payload, &index, error);
        } else {
            code = replay_operation(store, index, &payload, parser->json, error);
        }
    }
    if (parser != NULL) store_parser_give(store, parser);
    if (code < 0) return code;
    /* A long log must not fill the memory: what was read so far is packed. */
    if (store->stats.buffer_size > store->options.buffer_size_max * 2 && index != NULL) {
        code = store_index_refresh(store, index, error);
        store->stats.buffer_size = 0;
    }
    return code;
}
