/* protobuf_fuzz.c - walking fields of any bytes ends, and never leaves them. */
#include "codec/protobuf.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct str bytes, int depth)
{
    struct protobuf_field field;
    struct str rest = bytes;
    for (;;) {
        size_t before = rest.size;
        int code = protobuf_next(&rest, &field, NULL);
        if (code != 1) {
            CHECK(rest.size == before);
            return;
        }
        CHECK(rest.size < before);
        CHECK(rest.data + rest.size == bytes.data + bytes.size);
        if (field.wire == PROTOBUF_BYTES && depth < 16) walk(field.bytes, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk((struct str){ (const char *)data, size }, 0);
    return 0;
}
