/* agg_many.c - the best of a field's terms when they are too many for buckets. */
#include "logquery/agg_many.h"

#include "base/check.h"
#include "logquery/agg_counts.h"
#include "logquery/tally.h"

#include <errno.h>
#include <stdlib.h>

#define TERMS_MIN 4096 /* below it buckets are few */
#define SHARE_MAX 8    /* terms for each document, from which on the documents' own are few */

/* What was counted of a segment, to be counted again in another pass. */
struct part {
    struct part *next;
    size_t segment;
    size_t count;
    uint64_t *bits; /* NULL: all documents */
};

struct agg_many {
    struct tally *tally;
    struct part *parts;
    struct agg_many_result *result;
};

struct field {
    const struct logstore_column *column;
    bool is_unread;
};

static bool pays(const struct field *field, const struct agg_documents *documents)
{
    if (field->is_unread) return true;
    if (field->column == NULL || logstore_column_kind(field->column) != LOGSTORE_COLUMN_KEYWORD) {
        return false;
    }
    uint32_t terms = logstore_column_term_count(field->column);
    return terms >= TERMS_MIN && terms / SHARE_MAX <= documents->count;
}

/* Counting ------------------------------------------------------------------------------------ */

static int add_value(void *argument, struct str text, uint64_t hash)
{
    return tally_add(argument, text, hash, 1);
}

struct naming {
    struct tally *tally;
    const uint32_t *counts;
};

static int add_term(void *argument, size_t i, struct str term)
{
    const struct naming *naming = argument;
    return tally_add(naming->tally, term, logstore_term_hash(term), naming->counts[i]);
}

static int count_terms(struct search *search, struct agg_many *many, const struct field *field,
                       const struct agg_documents *documents)
{
    const struct logstore_column *column = field->column;
    int code;
    if (field->is_unread) {
        struct logstore_value_visitor visitor = { add_value, many->tally };
        code = logstore_values(column, documents->documents, documents->count, &search->context,
                               &visitor, search->parse.error);
    } else {
        struct agg_ordinals found;
        if (!agg_ordinals_read(&found, column, documents, false)) {
            return parse_out_of_memory(&search->parse);
        }
        struct naming naming = { many->tally, found.counts };
        code = logstore_column_terms(column, found.ordinals, found.count, add_term, &naming,
                                     search->parse.error);
        agg_ordinals_release(&found);
    }
    return code == -ENOMEM ? parse_out_of_memory(&search->parse) : code;
}

static bool note_part(struct search *search, struct agg_many *many,
                      const struct agg_documents *documents)
{
    uint32_t document_count = search->snapshot->segments[documents->segment].document_count;
    struct part *part = ARENA_NEW(search->arena, struct part);
    if (part == NULL) return false;
    part->segment = documents->segment;
    part->count = documents->count;
    if (documents->count < document_count) {
        part->bits = ARENA_ARRAY(search->arena, uint64_t, LOGSTORE_BITS_WORDS(document_count) + 1);
        if (part->bits == NULL) return false;
        for (size_t i = 0; i < documents->count; i++) {
            uint32_t document = documents->documents[i];
            part->bits[document / 64] |= UINT64_C(1) << (document % 64);
        }
    }
    part->next = many->parts;
    many->parts = part;
    return true;
}

static int many_new(struct search *search, const struct agg *agg, struct agg_many **many)
{
    *many = ARENA_NEW(search->arena, struct agg_many);
    if (*many == NULL) return parse_out_of_memory(&search->parse);
    (*many)->tally = tally_new(search->arena, TALLY_SIZE_MAX, agg->is_outermost);
    return (*many)->tally == NULL ? parse_out_of_memory(&search->parse) : 0;
}

int agg_many_add(struct search *search, const struct agg *agg, struct agg_many **many,
                 const struct agg_documents *documents)
{
    struct field field;
    if (documents->count == 0) return 0;
    int code = agg_column_unread(search, agg, documents, &field.column, &field.is_unread);
    if (code < 0 || !pays(&field, documents)) return code;
    if (*many == NULL) code = many_new(search, agg, many);
    if (code == 0 && agg->is_outermost && !note_part(search, *many, documents)) {
        code = parse_out_of_memory(&search->parse);
    }
    if (code == 0) code = count_terms(search, *many, &field, documents);
    return code < 0 ? code : 1;
}

/* The same documents once more. */
static int count_part(struct search *search, const struct agg *agg, struct agg_many *many,
                      const struct part *part)
{
    uint32_t *list = malloc((part->count + 1) * sizeof(*list));
    if (list == NULL) return parse_out_of_memory(&search->parse);
    size_t count = 0;
    for (uint32_t i = 0; count < part->count; i++) {
        bool is_in = part->bits == NULL || (part->bits[i / 64] >> (i % 64) & 1) != 0;
        if (is_in) list[count++] = i;
    }
    struct agg_documents documents = { part->segment, list, count };
    struct field field;
    int code = agg_column_unread(search, agg, &documents, &field.column, &field.is_unread);
    if (code == 0 && field.column != NULL) code = count_terms(search, many, &field, &documents);
    free(list);
    return code;
}

/* The best ------------------------------------------------------------------------------------ */

/* Twice as many as are wanted are kept; when there is no more room the worse half goes. */
struct top {
    struct search *search;
    const struct agg_many_wish *wish;
    struct bucket_table kept;
    struct bucket *spare;    /* as many places */
    struct agg_ranked worst; /* of the best, when there was no room once */
    struct bucket worst_bucket;
    bool has_worst;
    uint64_t total;
};

static int drop_worse(struct top *top)
{
    const struct agg_many_wish *wish = top->wish;
    struct agg_ranking ranking;
    int code = agg_rank(top->search, &top->kept, wish->counts, &wish->ranker, &ranking);
    if (code < 0) return code;
    CHECK(ranking.count >= wish->size);
    for (size_t i = 0; i < wish->size; i++) top->spare[i] = *ranking.items[i].bucket;
    agg_ranking_release(&ranking);
    struct bucket *dropped = top->kept.buckets;
    top->kept.buckets = top->spare;
    top->kept.count = wish->size;
    top->spare = dropped;
    top->worst_bucket = top->kept.buckets[wish->size - 1];
    top->worst.bucket = &top->worst_bucket;
    top->has_worst = true;
    return 0;
}

static bool is_hopeless(const struct top *top, const struct bucket *bucket)
{
    struct agg_ranked ranked = { .bucket = bucket };
    return top->has_worst && agg_ranked_compare(&top->wish->ranker, &ranked, &top->worst) > 0;
}

static int offer(void *argument, struct str term, uint64_t count)
{
    struct top *top = argument;
    const struct agg_many_wish *wish = top->wish;
    if ((int64_t)count < wish->counts.least || (int64_t)count > wish->counts.most ||
        (wish->is_wanted != NULL && !wish->is_wanted(wish->argument, term))) {
        return 0;
    }
    top->total += count;
    struct bucket bucket = { .key = term, .count = count };
    if (is_hopeless(top, &bucket)) return 0;
    if (top->kept.count == 2 * wish->size) {
        int code = drop_worse(top);
        if (code < 0 || is_hopeless(top, &bucket)) return code;
    }
    top->kept.buckets[top->kept.count++] = bucket;
    return 0;
}

/* The terms are the tally's until its next pass. */
static int own_keys(struct top *top)
{
    for (size_t i = 0; i < top->kept.count; i++) {
        struct bucket *bucket = &top->kept.buckets[i];
        bucket->key = arena_copy(top->search->arena, bucket->key);
        if (bucket->key.data == NULL) return parse_out_of_memory(&top->search->parse);
    }
    if (!top->has_worst) return 0;
    top->worst_bucket.key = arena_copy(top->search->arena, top->worst_bucket.key);
    return top->worst_bucket.key.data == NULL ? parse_out_of_memory(&top->search->parse) : 0;
}

static int add_buckets(struct search *search, struct agg_many *many,
                       const struct bucket_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct bucket *bucket = &table->buckets[i];
        uint64_t hash = logstore_term_hash(bucket->key);
        if (tally_add(many->tally, bucket->key, hash, bucket->count) < 0) {
            return parse_out_of_memory(&search->parse);
        }
    }
    return 0;
}

static int run_pass(struct top *top, const struct agg *agg, struct agg_many *many,
                    const struct bucket_table *table, bool is_first)
{
    int code = 0;
    for (const struct part *part = many->parts; code == 0 && !is_first && part != NULL;
         part = part->next) {
        code = count_part(top->search, agg, many, part);
    }
    if (code == 0) code = add_buckets(top->search, many, table);
    if (code < 0) return code;
    code = tally_each(many->tally, offer, top);
    if (code == -ENOMEM) return parse_out_of_memory(&top->search->parse);
    return code < 0 ? code : own_keys(top);
}

int agg_many_finish(struct search *search, const struct agg *agg, struct agg_many *many,
                    const struct bucket_table *table, const struct agg_many_wish *wish)
{
    struct top top = { .search = search, .wish = wish };
    top.kept.buckets = ARENA_ARRAY(search->arena, struct bucket, 2 * wish->size);
    top.spare = ARENA_ARRAY(search->arena, struct bucket, 2 * wish->size);
    many->result = ARENA_NEW(search->arena, struct agg_many_result);
    if (top.kept.buckets == NULL || top.spare == NULL || many->result == NULL) {
        return parse_out_of_memory(&search->parse);
    }
    int code = run_pass(&top, agg, many, table, true);
    while (code == 0 && tally_next_pass(many->tally)) {
        code = run_pass(&top, agg, many, table, false);
    }
    if (code < 0 && code != ERROR_TIMEOUT) return code;
    *many->result = (struct agg_many_result){ top.kept, top.total };
    return code;
}

const struct agg_many_result *agg_many_result(const struct agg_many *many)
{
    return many == NULL ? NULL : many->result;
}
