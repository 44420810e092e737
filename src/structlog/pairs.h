/* pairs.h - the preprocessor's half of structlog.h: "key", value pairs into arrays.
 *
 * Nothing here is for callers. The macros count the arguments (the event is always there, so no
 * variadic list is ever empty and no compiler extension is needed), cut them into pairs, and make
 * of the keys a static table and of the values an array on the stack. An odd one out ends in the
 * undefined name SL_PAIRS_KEY_WITHOUT_VALUE.
 */
#ifndef STRUCTLOG_PAIRS_H
#define STRUCTLOG_PAIRS_H

/* clang-format off */
#define SL_CAT_(a, b)   SL_CAT2_(a, b)
#define SL_CAT2_(a, b)  a##b
#define SL_FIRST_(...)  SL_FIRST2_(__VA_ARGS__, 0)
#define SL_FIRST2_(a, ...) a

/* How many pairs follow the event, and how many pairs there are without an event. */
#define SL_PICK_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17,      \
    a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35,     \
    a36, a37, a38, a39, a40, a41, a42, a43, a44, a45, a46, a47, a48, a49, n, ...) n
#define SL_COUNT_AFTER_EVENT_(...) SL_PICK_(__VA_ARGS__, 24, KEY_WITHOUT_VALUE, 23,               \
    KEY_WITHOUT_VALUE, 22, KEY_WITHOUT_VALUE, 21, KEY_WITHOUT_VALUE, 20, KEY_WITHOUT_VALUE,       \
    19, KEY_WITHOUT_VALUE, 18, KEY_WITHOUT_VALUE, 17, KEY_WITHOUT_VALUE, 16,                      \
    KEY_WITHOUT_VALUE, 15, KEY_WITHOUT_VALUE, 14, KEY_WITHOUT_VALUE, 13, KEY_WITHOUT_VALUE,       \
    12, KEY_WITHOUT_VALUE, 11, KEY_WITHOUT_VALUE, 10, KEY_WITHOUT_VALUE, 9,                       \
    KEY_WITHOUT_VALUE, 8, KEY_WITHOUT_VALUE, 7, KEY_WITHOUT_VALUE, 6, KEY_WITHOUT_VALUE, 5,       \
    KEY_WITHOUT_VALUE, 4, KEY_WITHOUT_VALUE, 3, KEY_WITHOUT_VALUE, 2, KEY_WITHOUT_VALUE, 1,       \
    KEY_WITHOUT_VALUE, 0, 0)
#define SL_COUNT_PAIRS_(...) SL_PICK_(__VA_ARGS__, KEY_WITHOUT_VALUE, 24, KEY_WITHOUT_VALUE,      \
    23, KEY_WITHOUT_VALUE, 22, KEY_WITHOUT_VALUE, 21, KEY_WITHOUT_VALUE, 20,                      \
    KEY_WITHOUT_VALUE, 19, KEY_WITHOUT_VALUE, 18, KEY_WITHOUT_VALUE, 17, KEY_WITHOUT_VALUE,       \
    16, KEY_WITHOUT_VALUE, 15, KEY_WITHOUT_VALUE, 14, KEY_WITHOUT_VALUE, 13,                      \
    KEY_WITHOUT_VALUE, 12, KEY_WITHOUT_VALUE, 11, KEY_WITHOUT_VALUE, 10, KEY_WITHOUT_VALUE,       \
    9, KEY_WITHOUT_VALUE, 8, KEY_WITHOUT_VALUE, 7, KEY_WITHOUT_VALUE, 6, KEY_WITHOUT_VALUE,       \
    5, KEY_WITHOUT_VALUE, 4, KEY_WITHOUT_VALUE, 3, KEY_WITHOUT_VALUE, 2, KEY_WITHOUT_VALUE,       \
    1, KEY_WITHOUT_VALUE, 0)

/* K: makes one entry of a key, V: of a value; the event is the entry at index 0. */
#define SL_KEYS_(...)   SL_CAT_(SL_EVENT_KEYS_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))(__VA_ARGS__)
#define SL_VALUES_(...) SL_CAT_(SL_EVENT_VALUES_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))(__VA_ARGS__)
#define SL_BOTH_(...)   SL_CAT_(SL_PAIRS_, SL_COUNT_PAIRS_(__VA_ARGS__))(__VA_ARGS__)
#define SL_COUNT_(...)  SL_COUNT_AFTER_EVENT_(__VA_ARGS__)

#define SL_EVENT_KEYS_0(e)   SL_KEY_(e)
#define SL_EVENT_VALUES_0(e) sl_value_none_()
#define SL_EVENT_KEYS_1(e, ...)   SL_KEY_(e), SL_K1_(__VA_ARGS__)
#define SL_EVENT_KEYS_2(e, ...)   SL_KEY_(e), SL_K2_(__VA_ARGS__)
#define SL_EVENT_KEYS_3(e, ...)   SL_KEY_(e), SL_K3_(__VA_ARGS__)
#define SL_EVENT_KEYS_4(e, ...)   SL_KEY_(e), SL_K4_(__VA_ARGS__)
#define SL_EVENT_KEYS_5(e, ...)   SL_KEY_(e), SL_K5_(__VA_ARGS__)
#define SL_EVENT_KEYS_6(e, ...)   SL_KEY_(e), SL_K6_(__VA_ARGS__)
#define SL_EVENT_KEYS_7(e, ...)   SL_KEY_(e), SL_K7_(__VA_ARGS__)
#define SL_EVENT_KEYS_8(e, ...)   SL_KEY_(e), SL_K8_(__VA_ARGS__)
#define SL_EVENT_KEYS_9(e, ...)   SL_KEY_(e), SL_K9_(__VA_ARGS__)
#define SL_EVENT_KEYS_10(e, ...)   SL_KEY_(e), SL_K10_(__VA_ARGS__)
#define SL_EVENT_KEYS_11(e, ...)   SL_KEY_(e), SL_K11_(__VA_ARGS__)
#define SL_EVENT_KEYS_12(e, ...)   SL_KEY_(e), SL_K12_(__VA_ARGS__)
#define SL_EVENT_KEYS_13(e, ...)   SL_KEY_(e), SL_K13_(__VA_ARGS__)
#define SL_EVENT_KEYS_14(e, ...)   SL_KEY_(e), SL_K14_(__VA_ARGS__)
#define SL_EVENT_KEYS_15(e, ...)   SL_KEY_(e), SL_K15_(__VA_ARGS__)
#define SL_EVENT_KEYS_16(e, ...)   SL_KEY_(e), SL_K16_(__VA_ARGS__)
#define SL_EVENT_KEYS_17(e, ...)   SL_KEY_(e), SL_K17_(__VA_ARGS__)
#define SL_EVENT_KEYS_18(e, ...)   SL_KEY_(e), SL_K18_(__VA_ARGS__)
#define SL_EVENT_KEYS_19(e, ...)   SL_KEY_(e), SL_K19_(__VA_ARGS__)
#define SL_EVENT_KEYS_20(e, ...)   SL_KEY_(e), SL_K20_(__VA_ARGS__)
#define SL_EVENT_KEYS_21(e, ...)   SL_KEY_(e), SL_K21_(__VA_ARGS__)
#define SL_EVENT_KEYS_22(e, ...)   SL_KEY_(e), SL_K22_(__VA_ARGS__)
#define SL_EVENT_KEYS_23(e, ...)   SL_KEY_(e), SL_K23_(__VA_ARGS__)
#define SL_EVENT_KEYS_24(e, ...)   SL_KEY_(e), SL_K24_(__VA_ARGS__)
#define SL_EVENT_VALUES_1(e, ...) sl_value_none_(), SL_V1_(__VA_ARGS__)
#define SL_EVENT_VALUES_2(e, ...) sl_value_none_(), SL_V2_(__VA_ARGS__)
#define SL_EVENT_VALUES_3(e, ...) sl_value_none_(), SL_V3_(__VA_ARGS__)
#define SL_EVENT_VALUES_4(e, ...) sl_value_none_(), SL_V4_(__VA_ARGS__)
#define SL_EVENT_VALUES_5(e, ...) sl_value_none_(), SL_V5_(__VA_ARGS__)
#define SL_EVENT_VALUES_6(e, ...) sl_value_none_(), SL_V6_(__VA_ARGS__)
#define SL_EVENT_VALUES_7(e, ...) sl_value_none_(), SL_V7_(__VA_ARGS__)
#define SL_EVENT_VALUES_8(e, ...) sl_value_none_(), SL_V8_(__VA_ARGS__)
#define SL_EVENT_VALUES_9(e, ...) sl_value_none_(), SL_V9_(__VA_ARGS__)
#define SL_EVENT_VALUES_10(e, ...) sl_value_none_(), SL_V10_(__VA_ARGS__)
#define SL_EVENT_VALUES_11(e, ...) sl_value_none_(), SL_V11_(__VA_ARGS__)
#define SL_EVENT_VALUES_12(e, ...) sl_value_none_(), SL_V12_(__VA_ARGS__)
#define SL_EVENT_VALUES_13(e, ...) sl_value_none_(), SL_V13_(__VA_ARGS__)
#define SL_EVENT_VALUES_14(e, ...) sl_value_none_(), SL_V14_(__VA_ARGS__)
#define SL_EVENT_VALUES_15(e, ...) sl_value_none_(), SL_V15_(__VA_ARGS__)
#define SL_EVENT_VALUES_16(e, ...) sl_value_none_(), SL_V16_(__VA_ARGS__)
#define SL_EVENT_VALUES_17(e, ...) sl_value_none_(), SL_V17_(__VA_ARGS__)
#define SL_EVENT_VALUES_18(e, ...) sl_value_none_(), SL_V18_(__VA_ARGS__)
#define SL_EVENT_VALUES_19(e, ...) sl_value_none_(), SL_V19_(__VA_ARGS__)
#define SL_EVENT_VALUES_20(e, ...) sl_value_none_(), SL_V20_(__VA_ARGS__)
#define SL_EVENT_VALUES_21(e, ...) sl_value_none_(), SL_V21_(__VA_ARGS__)
#define SL_EVENT_VALUES_22(e, ...) sl_value_none_(), SL_V22_(__VA_ARGS__)
#define SL_EVENT_VALUES_23(e, ...) sl_value_none_(), SL_V23_(__VA_ARGS__)
#define SL_EVENT_VALUES_24(e, ...) sl_value_none_(), SL_V24_(__VA_ARGS__)

#define SL_K1_(k, v)       SL_KEY_(k)
#define SL_K2_(k, v, ...)  SL_KEY_(k), SL_K1_(__VA_ARGS__)
#define SL_K3_(k, v, ...)  SL_KEY_(k), SL_K2_(__VA_ARGS__)
#define SL_K4_(k, v, ...)  SL_KEY_(k), SL_K3_(__VA_ARGS__)
#define SL_K5_(k, v, ...)  SL_KEY_(k), SL_K4_(__VA_ARGS__)
#define SL_K6_(k, v, ...)  SL_KEY_(k), SL_K5_(__VA_ARGS__)
#define SL_K7_(k, v, ...)  SL_KEY_(k), SL_K6_(__VA_ARGS__)
#define SL_K8_(k, v, ...)  SL_KEY_(k), SL_K7_(__VA_ARGS__)
#define SL_K9_(k, v, ...)  SL_KEY_(k), SL_K8_(__VA_ARGS__)
#define SL_K10_(k, v, ...)  SL_KEY_(k), SL_K9_(__VA_ARGS__)
#define SL_K11_(k, v, ...)  SL_KEY_(k), SL_K10_(__VA_ARGS__)
#define SL_K12_(k, v, ...)  SL_KEY_(k), SL_K11_(__VA_ARGS__)
#define SL_K13_(k, v, ...)  SL_KEY_(k), SL_K12_(__VA_ARGS__)
#define SL_K14_(k, v, ...)  SL_KEY_(k), SL_K13_(__VA_ARGS__)
#define SL_K15_(k, v, ...)  SL_KEY_(k), SL_K14_(__VA_ARGS__)
#define SL_K16_(k, v, ...)  SL_KEY_(k), SL_K15_(__VA_ARGS__)
#define SL_K17_(k, v, ...)  SL_KEY_(k), SL_K16_(__VA_ARGS__)
#define SL_K18_(k, v, ...)  SL_KEY_(k), SL_K17_(__VA_ARGS__)
#define SL_K19_(k, v, ...)  SL_KEY_(k), SL_K18_(__VA_ARGS__)
#define SL_K20_(k, v, ...)  SL_KEY_(k), SL_K19_(__VA_ARGS__)
#define SL_K21_(k, v, ...)  SL_KEY_(k), SL_K20_(__VA_ARGS__)
#define SL_K22_(k, v, ...)  SL_KEY_(k), SL_K21_(__VA_ARGS__)
#define SL_K23_(k, v, ...)  SL_KEY_(k), SL_K22_(__VA_ARGS__)
#define SL_K24_(k, v, ...)  SL_KEY_(k), SL_K23_(__VA_ARGS__)

#define SL_V1_(k, v)       SL_VALUE(v)
#define SL_V2_(k, v, ...)  SL_VALUE(v), SL_V1_(__VA_ARGS__)
#define SL_V3_(k, v, ...)  SL_VALUE(v), SL_V2_(__VA_ARGS__)
#define SL_V4_(k, v, ...)  SL_VALUE(v), SL_V3_(__VA_ARGS__)
#define SL_V5_(k, v, ...)  SL_VALUE(v), SL_V4_(__VA_ARGS__)
#define SL_V6_(k, v, ...)  SL_VALUE(v), SL_V5_(__VA_ARGS__)
#define SL_V7_(k, v, ...)  SL_VALUE(v), SL_V6_(__VA_ARGS__)
#define SL_V8_(k, v, ...)  SL_VALUE(v), SL_V7_(__VA_ARGS__)
#define SL_V9_(k, v, ...)  SL_VALUE(v), SL_V8_(__VA_ARGS__)
#define SL_V10_(k, v, ...)  SL_VALUE(v), SL_V9_(__VA_ARGS__)
#define SL_V11_(k, v, ...)  SL_VALUE(v), SL_V10_(__VA_ARGS__)
#define SL_V12_(k, v, ...)  SL_VALUE(v), SL_V11_(__VA_ARGS__)
#define SL_V13_(k, v, ...)  SL_VALUE(v), SL_V12_(__VA_ARGS__)
#define SL_V14_(k, v, ...)  SL_VALUE(v), SL_V13_(__VA_ARGS__)
#define SL_V15_(k, v, ...)  SL_VALUE(v), SL_V14_(__VA_ARGS__)
#define SL_V16_(k, v, ...)  SL_VALUE(v), SL_V15_(__VA_ARGS__)
#define SL_V17_(k, v, ...)  SL_VALUE(v), SL_V16_(__VA_ARGS__)
#define SL_V18_(k, v, ...)  SL_VALUE(v), SL_V17_(__VA_ARGS__)
#define SL_V19_(k, v, ...)  SL_VALUE(v), SL_V18_(__VA_ARGS__)
#define SL_V20_(k, v, ...)  SL_VALUE(v), SL_V19_(__VA_ARGS__)
#define SL_V21_(k, v, ...)  SL_VALUE(v), SL_V20_(__VA_ARGS__)
#define SL_V22_(k, v, ...)  SL_VALUE(v), SL_V21_(__VA_ARGS__)
#define SL_V23_(k, v, ...)  SL_VALUE(v), SL_V22_(__VA_ARGS__)
#define SL_V24_(k, v, ...)  SL_VALUE(v), SL_V23_(__VA_ARGS__)

#define SL_PAIRS_1(k, v)       SL_VALUE(k), SL_VALUE(v)
#define SL_PAIRS_2(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_1(__VA_ARGS__)
#define SL_PAIRS_3(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_2(__VA_ARGS__)
#define SL_PAIRS_4(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_3(__VA_ARGS__)
#define SL_PAIRS_5(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_4(__VA_ARGS__)
#define SL_PAIRS_6(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_5(__VA_ARGS__)
#define SL_PAIRS_7(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_6(__VA_ARGS__)
#define SL_PAIRS_8(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_7(__VA_ARGS__)
#define SL_PAIRS_9(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_8(__VA_ARGS__)
#define SL_PAIRS_10(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_9(__VA_ARGS__)
#define SL_PAIRS_11(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_10(__VA_ARGS__)
#define SL_PAIRS_12(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_11(__VA_ARGS__)
#define SL_PAIRS_13(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_12(__VA_ARGS__)
#define SL_PAIRS_14(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_13(__VA_ARGS__)
#define SL_PAIRS_15(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_14(__VA_ARGS__)
#define SL_PAIRS_16(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_15(__VA_ARGS__)
#define SL_PAIRS_17(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_16(__VA_ARGS__)
#define SL_PAIRS_18(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_17(__VA_ARGS__)
#define SL_PAIRS_19(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_18(__VA_ARGS__)
#define SL_PAIRS_20(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_19(__VA_ARGS__)
#define SL_PAIRS_21(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_20(__VA_ARGS__)
#define SL_PAIRS_22(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_21(__VA_ARGS__)
#define SL_PAIRS_23(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_22(__VA_ARGS__)
#define SL_PAIRS_24(k, v, ...)  SL_VALUE(k), SL_VALUE(v), SL_PAIRS_23(__VA_ARGS__)
/* clang-format on */

#endif
