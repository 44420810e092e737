/* segment_ids.c - ids, sequence numbers and versions of a segment, opened when somebody asks. */
#include "base/check.h"
#include "logstore/bytes.h"
#include "logstore/segment.h"

#define RUN_SIZE     (ID_PACKED_SIZE + 4)
#define BLOOM_PROBES 4

uint64_t segment_id_hash(struct str id)
{
    return str_hash(id, UINT64_C(0x626172656f677261));
}

static bool open_packed(const struct segment_section *section, struct packed *packed,
                        uint32_t count)
{
    struct str rest = section->bytes;
    return segment_section_holds(section) && packed_open(&rest, packed) && packed->count == count;
}

static const char *run_at(const struct logstore_segment *segment, uint32_t run)
{
    return segment->sections[SEGMENT_ID_RUNS].bytes.data + 4 + (size_t)run * RUN_SIZE;
}

static uint32_t run_first(const struct logstore_segment *segment, uint32_t run)
{
    return bytes_get32(run_at(segment, run) + ID_PACKED_SIZE);
}

static uint32_t run_count(const struct logstore_segment *segment)
{
    return bytes_get32(segment->sections[SEGMENT_ID_RUNS].bytes.data);
}

static bool open_runs(struct logstore_segment *segment)
{
    const struct segment_section *section = &segment->sections[SEGMENT_ID_RUNS];
    if (!segment_section_holds(section) || section->bytes.size < 4 + RUN_SIZE) return false;
    uint32_t count = run_count(segment);
    if (count == 0 || count != (section->bytes.size - 4) / RUN_SIZE) return false;
    if (run_first(segment, 0) != 0) return false;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t first = run_first(segment, i);
        if (first <= run_first(segment, i - 1) || first >= segment->document_count) return false;
    }
    return true;
}

static bool open_listed(struct logstore_segment *segment)
{
    uint32_t count = segment->document_count;
    const struct segment_section *ids = &segment->sections[SEGMENT_IDS];
    segment->has_packed_ids = segment->sections[SEGMENT_ID_TABLE].bytes.data == NULL;
    if (!segment_section_holds(ids) ||
        !open_packed(&segment->sections[SEGMENT_ID_ORDER], &segment->id_order, count) ||
        !segment_section_holds(&segment->sections[SEGMENT_ID_BLOOM]) ||
        segment->sections[SEGMENT_ID_BLOOM].bytes.size < 8) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t document = packed_get(&segment->id_order, i);
        if (document < 0 || document >= (int64_t)count) return false;
    }
    if (segment->has_packed_ids) return ids->bytes.size == (size_t)count * ID_PACKED_SIZE;
    if (!open_packed(&segment->sections[SEGMENT_ID_TABLE], &segment->id_table, count + 1)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        int64_t start = packed_get(&segment->id_table, i);
        int64_t end = packed_get(&segment->id_table, i + 1);
        if (start < 0 || end < start || (uint64_t)end > ids->bytes.size) return false;
    }
    return true;
}

static bool open_all(struct logstore_segment *segment)
{
    uint32_t count = segment->document_count;
    segment->has_id_runs = segment->sections[SEGMENT_ID_RUNS].bytes.data != NULL;
    return (segment->has_id_runs ? open_runs(segment) : open_listed(segment)) &&
           open_packed(&segment->sections[SEGMENT_SEQ_NO], &segment->seq_nos, count) &&
           open_packed(&segment->sections[SEGMENT_VERSIONS], &segment->versions, count);
}

int segment_open_ids(const struct logstore_segment *constant, struct error *error)
{
    /* What is opened at first use is guarded by the segment's mutex. */
    struct logstore_segment *segment = (struct logstore_segment *)(uintptr_t)constant;
    mutex_lock(&segment->mutex);
    if (!segment->has_ids) segment->has_ids = open_all(segment);
    bool has_ids = segment->has_ids;
    segment->is_damaged |= !has_ids;
    mutex_unlock(&segment->mutex);
    return has_ids ? 0 : error_set(error, ERROR_CORRUPT, "segment: ids are broken");
}

/* The run that a document is in. */
static uint32_t run_of(const struct logstore_segment *segment, uint32_t document)
{
    uint32_t low = 0;
    uint32_t high = run_count(segment);
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (run_first(segment, middle) <= document)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct str segment_id_at(const struct logstore_segment *segment, uint32_t document, char *buffer)
{
    CHECK(segment->has_ids);
    const char *bytes = segment->sections[SEGMENT_IDS].bytes.data;
    char packed[ID_PACKED_SIZE];
    if (segment->has_id_runs) {
        uint32_t run = run_of(segment, document);
        memcpy(packed, run_at(segment, run), sizeof(packed));
        id_set_counter(packed, id_counter(packed) + (document - run_first(segment, run)));
    } else if (segment->has_packed_ids) {
        memcpy(packed, bytes + (size_t)document * ID_PACKED_SIZE, sizeof(packed));
    } else {
        size_t start = (size_t)packed_get(&segment->id_table, document);
        size_t end = (size_t)packed_get(&segment->id_table, document + 1);
        return (struct str){ bytes + start, end - start };
    }
    id_unpack(packed, buffer);
    return (struct str){ buffer, SEGMENT_ID_BUFFER };
}

static bool bloom_has(const struct logstore_segment *segment, uint64_t hash)
{
    struct str bloom = segment->sections[SEGMENT_ID_BLOOM].bytes;
    uint64_t bits = bloom.size * 8;
    for (unsigned probe = 0; probe < BLOOM_PROBES; probe++) {
        uint64_t bit = hash % bits;
        if (((unsigned char)bloom.data[bit / 8] >> (bit % 8) & 1) == 0) return false;
        hash = (hash >> 17 | hash << 47) * UINT64_C(0x9e3779b97f4a7c15);
    }
    return true;
}

static void find_in_runs(const struct logstore_segment *segment, struct str id,
                         bool (*visit)(void *argument, uint32_t document), void *argument)
{
    char packed[ID_PACKED_SIZE];
    if (!id_pack(id, packed)) return;
    uint64_t counter = id_counter(packed);
    uint32_t count = run_count(segment);
    for (uint32_t i = 0; i < count; i++) {
        const char *run = run_at(segment, i);
        if (memcmp(run, packed, ID_PACKED_SIZE - 6) != 0) continue;
        uint32_t first = run_first(segment, i);
        uint32_t end = i + 1 < count ? run_first(segment, i + 1) : segment->document_count;
        uint64_t step = counter - id_counter(run);
        if (step < end - first && !visit(argument, first + (uint32_t)step)) return;
    }
}

void segment_find_id(const struct logstore_segment *segment, struct str id,
                     bool (*visit)(void *argument, uint32_t document), void *argument)
{
    if (segment_open_ids(segment, NULL) < 0) return;
    if (segment->has_id_runs) {
        find_in_runs(segment, id, visit, argument);
        return;
    }
    uint64_t hash = segment_id_hash(id);
    if (!bloom_has(segment, hash)) return;
    char buffer[SEGMENT_ID_BUFFER];
    uint32_t low = 0;
    uint32_t high = segment->document_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t document = (uint32_t)packed_get(&segment->id_order, middle);
        if (segment_id_hash(segment_id_at(segment, document, buffer)) < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < segment->document_count; low++) {
        uint32_t document = (uint32_t)packed_get(&segment->id_order, low);
        struct str found = segment_id_at(segment, document, buffer);
        if (segment_id_hash(found) != hash) return;
        if (str_equal(found, id) && !visit(argument, document)) return;
    }
}
