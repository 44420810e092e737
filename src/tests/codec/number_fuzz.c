/* number_fuzz.c - what parses prints in every layout, and reads back as the same double. */
#include "codec/number.h"

#include "base/check.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static size_t (*const printers[])(double, char *) = { number_print_plain, number_print_go,
                                                          number_print_go_plain, number_print_api,
                                                          number_print_java };
    double value = 42;
    if (!number_parse((struct str){ (const char *)data, size }, &value)) {
        CHECK(value == 42);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(printers); i++) {
        char text[NUMBER_SIZE_MAX];
        size_t text_size = printers[i](value, text);
        CHECK(text_size <= sizeof(text));
        double back = 0;
        CHECK(number_parse((struct str){ text, text_size }, &back));
        CHECK(back == value || (isnan(back) && isnan(value)));
    }
    return 0;
}
