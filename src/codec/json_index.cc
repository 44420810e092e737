/* json_index.cc - simdjson's first stage behind a C face.
 *
 * The kernel (AVX-512, AVX2, SSE 4.2, NEON or plain) is chosen by simdjson when the program runs.
 * Only this stage is used: it costs a fraction of a nanosecond a byte, and a walk of our own over
 * its marks knows the exact place of every value and every mistake. */
extern "C" {
#include "codec/json_index.h"
}

#include <memory>
#include <new>
#include <simdjson.h>

/* Room that an index keeps between documents; what is larger goes after its document. */
static constexpr size_t CAPACITY_KEPT = 1 << 20;
static constexpr size_t CAPACITY_MIN = 1 << 12;

struct json_index {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
};

extern "C" struct json_index *json_index_new(void)
{
    return new (std::nothrow) struct json_index;
}

extern "C" void json_index_free(struct json_index *index)
{
    delete index;
}

/* Room for a document of `size` bytes, not much more than a large one needs. */
static bool make_room(struct json_index *index, size_t size)
{
    bool is_wasteful = index->stage && index->stage->capacity() > CAPACITY_KEPT &&
                       size <= CAPACITY_KEPT;
    if (index->stage && index->stage->capacity() >= size && !is_wasteful) return true;
    size_t capacity = CAPACITY_MIN;
    while (capacity < size && capacity < CAPACITY_KEPT) capacity *= 2;
    if (capacity < size) capacity = size;
    index->stage.reset();
    /* Depth 1: the second stage, which would need more, is never run. */
    return simdjson::get_active_implementation()->create_dom_parser_implementation(
               capacity, 1, index->stage) == simdjson::SUCCESS;
}

extern "C" enum json_index_result json_index_run(struct json_index *index, const char *bytes,
                                                 size_t size, const uint32_t **offsets,
                                                 size_t *count)
{
    if (size == 0) return JSON_INDEX_EMPTY;
    if (!make_room(index, size)) {
        index->stage.reset();
        return JSON_INDEX_NO_MEMORY;
    }
    simdjson::error_code failure = index->stage->stage1(
        reinterpret_cast<const uint8_t *>(bytes), size, simdjson::stage1_mode::regular);
    switch (failure) {
    case simdjson::SUCCESS: break;
    case simdjson::EMPTY: return JSON_INDEX_EMPTY;
    case simdjson::UTF8_ERROR: return JSON_INDEX_NOT_UTF8;
    case simdjson::UNCLOSED_STRING: return JSON_INDEX_OPEN_TEXT;
    case simdjson::UNESCAPED_CHARS: return JSON_INDEX_CONTROL;
    default: return JSON_INDEX_NO_MEMORY;
    }
    *offsets = index->stage->structural_indexes.get();
    *count = index->stage->n_structural_indexes;
    return JSON_INDEX_GOOD;
}
