/* grouping.c - numbers the groups of an aggregation by their labels.
 *
 * The same label of two series mostly stands at the same place in memory, since stores keep a text
 * once. So a small table remembers where the labels of rows stood and which group they made; it is
 * asked first, and only what it does not know is looked up by its bytes. What is remembered is
 * compared in full, and label texts live as long as the query, so a place never changes its text.
 */
#include "promql/aggregate.h"

#define KEY_SIZE_MAX ((size_t)1 << 24)

int grouping_init(struct grouping *grouping, struct evaluation *evaluation, const struct node *node)
{
    *grouping = (struct grouping){ .evaluation = evaluation, .node = node };
    buf_init(&grouping->key, KEY_SIZE_MAX);
    grouping->seen = QUERY_ARRAY(evaluation->query, struct group_seen, GROUPS_SEEN);
    return grouping->seen == NULL ? out_of_memory(evaluation->query) : 0;
}

void grouping_release(struct grouping *grouping)
{
    map_release(&grouping->numbers);
    buf_release(&grouping->key);
    VEC_RELEASE(&grouping->labels);
    VEC_RELEASE(&grouping->drops_name);
}

static bool is_listed(const struct node *node, struct str name)
{
    for (size_t i = 0; i < node->aggregate.label_count; i++) {
        if (str_equal(node->aggregate.labels[i], name)) return true;
    }
    return false;
}

static bool is_kept(const struct grouping *grouping, struct str name)
{
    const struct node *node = grouping->node;
    if (!node->aggregate.is_without) return is_listed(node, name);
    return !str_equal(name, LABEL_METRIC_NAME) && !is_listed(node, name);
}

static void append_key(struct buf *key, struct str text)
{
    uint32_t size = (uint32_t)text.size;
    buf_append(key, &size, sizeof(size));
    buf_append_str(key, text);
}

static int add_group(struct grouping *grouping, const struct row *row, size_t *number)
{
    struct query *query = grouping->evaluation->query;
    struct label *items = QUERY_ARRAY(query, struct label, row->labels.count);
    if (items == NULL) return out_of_memory(query);
    size_t count = 0;
    for (size_t i = 0; i < row->labels.count; i++) {
        if (is_kept(grouping, row->labels.items[i].name)) items[count++] = row->labels.items[i];
    }
    struct labels labels = { items, count };
    if (!VEC_PUSH(&grouping->labels, labels) || !VEC_PUSH(&grouping->drops_name, row->drops_name)) {
        return out_of_memory(query);
    }
    *number = grouping->labels.count - 1;
    struct str key = arena_copy(query->arena, buf_str(&grouping->key));
    if (key.data == NULL ||
        map_put_borrowed(&grouping->numbers, key, (void *)(uintptr_t)grouping->labels.count) != 0) {
        return out_of_memory(query);
    }
    return 0;
}

/* The labels that make the group, borrowed from the row; their number. */
static size_t kept_labels(const struct grouping *grouping, const struct row *row,
                          struct label *kept)
{
    size_t count = 0;
    for (size_t i = 0; i < row->labels.count; i++) {
        if (is_kept(grouping, row->labels.items[i].name)) kept[count++] = row->labels.items[i];
    }
    return count;
}

/* Where labels at these places in memory are remembered. */
static struct group_seen *seen_slot(struct grouping *grouping, const struct label *kept,
                                    size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ (uintptr_t)kept[i].value.data) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return &grouping->seen[hash % GROUPS_SEEN];
}

static bool is_same_text(struct str a, struct str b)
{
    return a.data == b.data && a.size == b.size;
}

static bool is_seen(const struct group_seen *seen, const struct label *kept, size_t count)
{
    if (seen->number == 0 || seen->count != count) return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_same_text(seen->labels[i].name, kept[i].name) ||
            !is_same_text(seen->labels[i].value, kept[i].value)) {
            return false;
        }
    }
    return true;
}

static int find_by_text(struct grouping *grouping, const struct row *row, size_t *number,
                        bool *is_new)
{
    buf_reset(&grouping->key);
    for (size_t i = 0; i < row->labels.count; i++) {
        const struct label *label = &row->labels.items[i];
        if (!is_kept(grouping, label->name)) continue;
        append_key(&grouping->key, label->name);
        append_key(&grouping->key, label->value);
    }
    if (grouping->key.has_failed) return out_of_memory(grouping->evaluation->query);
    size_t known = (size_t)(uintptr_t)map_get(&grouping->numbers, buf_str(&grouping->key));
    *is_new = known == 0;
    if (known == 0) return add_group(grouping, row, number);
    *number = known - 1;
    return 0;
}

/* Only what came a second time is remembered: groups of one series would fill the arena. */
static int remember(struct grouping *grouping, struct group_seen *slot, const struct label *kept,
                    size_t count, size_t number)
{
    if (slot->capacity < count) {
        slot->labels = QUERY_ARRAY(grouping->evaluation->query, struct label, GROUP_SEEN_LABELS);
        if (slot->labels == NULL) return out_of_memory(grouping->evaluation->query);
        slot->capacity = GROUP_SEEN_LABELS;
    }
    if (count > 0) memcpy(slot->labels, kept, count * sizeof(kept[0]));
    slot->count = count;
    slot->number = number + 1;
    return 0;
}

int grouping_find(struct grouping *grouping, const struct row *row, size_t *number)
{
    const struct node *node = grouping->node;
    if (!node->aggregate.is_without && node->aggregate.label_count == 0 &&
        grouping->labels.count == 1) {
        *number = 0;
        return 0;
    }
    struct label kept[GROUP_SEEN_LABELS];
    bool is_short =
        row->labels.count <= GROUP_SEEN_LABELS ||
        (!node->aggregate.is_without && node->aggregate.label_count <= GROUP_SEEN_LABELS);
    size_t count = is_short ? kept_labels(grouping, row, kept) : 0;
    struct group_seen *slot = is_short ? seen_slot(grouping, kept, count) : NULL;
    if (slot != NULL && is_seen(slot, kept, count)) {
        *number = slot->number - 1;
        return 0;
    }
    bool is_new = false;
    int code = find_by_text(grouping, row, number, &is_new);
    if (code == 0 && slot != NULL && !is_new) {
        code = remember(grouping, slot, kept, count, *number);
    }
    return code;
}
