/* pairs.h - the preprocessor's half of structlog.h: "key", value pairs into arrays.
 *
 * Nothing here is for callers. The macros count the arguments (the event is always there, so no
 * variadic list is ever empty and no compiler extension is needed), cut them into pairs, and make
 * of the keys a static table and of each value a variable. An odd one out ends in the
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

/* The keys, as entries of an array; the event is the entry at index 0. */
#define SL_KEYS_(...)   SL_CAT_(SL_EVENT_KEYS_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))(__VA_ARGS__)
/* Each value a variable of its own, in the order of the call: sl_v3_, sl_v2_, sl_v1_. */
#define SL_MAKE_(...)   SL_CAT_(SL_MAKE_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))(__VA_ARGS__)
/* Of these variables: the list for an array, the bytes of their cells, the statements that put them
 * into a record. */
#define SL_LIST_(...)   SL_CAT_(SL_LIST_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))
#define SL_SIZE_(...)   SL_CAT_(SL_SIZE_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))
#define SL_PUT_(...)    SL_CAT_(SL_PUT_, SL_COUNT_AFTER_EVENT_(__VA_ARGS__))
/* Keys and values in turn, all as values. */
#define SL_BOTH_(...)   SL_CAT_(SL_PAIRS_, SL_COUNT_PAIRS_(__VA_ARGS__))(__VA_ARGS__)
#define SL_COUNT_(...)  SL_COUNT_AFTER_EVENT_(__VA_ARGS__)

#define SL_EVENT_KEYS_0(e)   SL_KEY_(e)
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

#define SL_MAKE_0(e)
#define SL_MAKE_1(e, ...) SL_M1_(__VA_ARGS__)
#define SL_MAKE_2(e, ...) SL_M2_(__VA_ARGS__)
#define SL_MAKE_3(e, ...) SL_M3_(__VA_ARGS__)
#define SL_MAKE_4(e, ...) SL_M4_(__VA_ARGS__)
#define SL_MAKE_5(e, ...) SL_M5_(__VA_ARGS__)
#define SL_MAKE_6(e, ...) SL_M6_(__VA_ARGS__)
#define SL_MAKE_7(e, ...) SL_M7_(__VA_ARGS__)
#define SL_MAKE_8(e, ...) SL_M8_(__VA_ARGS__)
#define SL_MAKE_9(e, ...) SL_M9_(__VA_ARGS__)
#define SL_MAKE_10(e, ...) SL_M10_(__VA_ARGS__)
#define SL_MAKE_11(e, ...) SL_M11_(__VA_ARGS__)
#define SL_MAKE_12(e, ...) SL_M12_(__VA_ARGS__)
#define SL_MAKE_13(e, ...) SL_M13_(__VA_ARGS__)
#define SL_MAKE_14(e, ...) SL_M14_(__VA_ARGS__)
#define SL_MAKE_15(e, ...) SL_M15_(__VA_ARGS__)
#define SL_MAKE_16(e, ...) SL_M16_(__VA_ARGS__)
#define SL_MAKE_17(e, ...) SL_M17_(__VA_ARGS__)
#define SL_MAKE_18(e, ...) SL_M18_(__VA_ARGS__)
#define SL_MAKE_19(e, ...) SL_M19_(__VA_ARGS__)
#define SL_MAKE_20(e, ...) SL_M20_(__VA_ARGS__)
#define SL_MAKE_21(e, ...) SL_M21_(__VA_ARGS__)
#define SL_MAKE_22(e, ...) SL_M22_(__VA_ARGS__)
#define SL_MAKE_23(e, ...) SL_M23_(__VA_ARGS__)
#define SL_MAKE_24(e, ...) SL_M24_(__VA_ARGS__)

#define SL_M1_(k, v)      const struct sl_value sl_v1_ = SL_VALUE(v);
#define SL_M2_(k, v, ...) const struct sl_value sl_v2_ = SL_VALUE(v); SL_M1_(__VA_ARGS__)
#define SL_M3_(k, v, ...) const struct sl_value sl_v3_ = SL_VALUE(v); SL_M2_(__VA_ARGS__)
#define SL_M4_(k, v, ...) const struct sl_value sl_v4_ = SL_VALUE(v); SL_M3_(__VA_ARGS__)
#define SL_M5_(k, v, ...) const struct sl_value sl_v5_ = SL_VALUE(v); SL_M4_(__VA_ARGS__)
#define SL_M6_(k, v, ...) const struct sl_value sl_v6_ = SL_VALUE(v); SL_M5_(__VA_ARGS__)
#define SL_M7_(k, v, ...) const struct sl_value sl_v7_ = SL_VALUE(v); SL_M6_(__VA_ARGS__)
#define SL_M8_(k, v, ...) const struct sl_value sl_v8_ = SL_VALUE(v); SL_M7_(__VA_ARGS__)
#define SL_M9_(k, v, ...) const struct sl_value sl_v9_ = SL_VALUE(v); SL_M8_(__VA_ARGS__)
#define SL_M10_(k, v, ...) const struct sl_value sl_v10_ = SL_VALUE(v); SL_M9_(__VA_ARGS__)
#define SL_M11_(k, v, ...) const struct sl_value sl_v11_ = SL_VALUE(v); SL_M10_(__VA_ARGS__)
#define SL_M12_(k, v, ...) const struct sl_value sl_v12_ = SL_VALUE(v); SL_M11_(__VA_ARGS__)
#define SL_M13_(k, v, ...) const struct sl_value sl_v13_ = SL_VALUE(v); SL_M12_(__VA_ARGS__)
#define SL_M14_(k, v, ...) const struct sl_value sl_v14_ = SL_VALUE(v); SL_M13_(__VA_ARGS__)
#define SL_M15_(k, v, ...) const struct sl_value sl_v15_ = SL_VALUE(v); SL_M14_(__VA_ARGS__)
#define SL_M16_(k, v, ...) const struct sl_value sl_v16_ = SL_VALUE(v); SL_M15_(__VA_ARGS__)
#define SL_M17_(k, v, ...) const struct sl_value sl_v17_ = SL_VALUE(v); SL_M16_(__VA_ARGS__)
#define SL_M18_(k, v, ...) const struct sl_value sl_v18_ = SL_VALUE(v); SL_M17_(__VA_ARGS__)
#define SL_M19_(k, v, ...) const struct sl_value sl_v19_ = SL_VALUE(v); SL_M18_(__VA_ARGS__)
#define SL_M20_(k, v, ...) const struct sl_value sl_v20_ = SL_VALUE(v); SL_M19_(__VA_ARGS__)
#define SL_M21_(k, v, ...) const struct sl_value sl_v21_ = SL_VALUE(v); SL_M20_(__VA_ARGS__)
#define SL_M22_(k, v, ...) const struct sl_value sl_v22_ = SL_VALUE(v); SL_M21_(__VA_ARGS__)
#define SL_M23_(k, v, ...) const struct sl_value sl_v23_ = SL_VALUE(v); SL_M22_(__VA_ARGS__)
#define SL_M24_(k, v, ...) const struct sl_value sl_v24_ = SL_VALUE(v); SL_M23_(__VA_ARGS__)

#define SL_LIST_0 sl_value_none_()
#define SL_LIST_1 sl_value_none_(), SL_L1_
#define SL_LIST_2 sl_value_none_(), SL_L2_
#define SL_LIST_3 sl_value_none_(), SL_L3_
#define SL_LIST_4 sl_value_none_(), SL_L4_
#define SL_LIST_5 sl_value_none_(), SL_L5_
#define SL_LIST_6 sl_value_none_(), SL_L6_
#define SL_LIST_7 sl_value_none_(), SL_L7_
#define SL_LIST_8 sl_value_none_(), SL_L8_
#define SL_LIST_9 sl_value_none_(), SL_L9_
#define SL_LIST_10 sl_value_none_(), SL_L10_
#define SL_LIST_11 sl_value_none_(), SL_L11_
#define SL_LIST_12 sl_value_none_(), SL_L12_
#define SL_LIST_13 sl_value_none_(), SL_L13_
#define SL_LIST_14 sl_value_none_(), SL_L14_
#define SL_LIST_15 sl_value_none_(), SL_L15_
#define SL_LIST_16 sl_value_none_(), SL_L16_
#define SL_LIST_17 sl_value_none_(), SL_L17_
#define SL_LIST_18 sl_value_none_(), SL_L18_
#define SL_LIST_19 sl_value_none_(), SL_L19_
#define SL_LIST_20 sl_value_none_(), SL_L20_
#define SL_LIST_21 sl_value_none_(), SL_L21_
#define SL_LIST_22 sl_value_none_(), SL_L22_
#define SL_LIST_23 sl_value_none_(), SL_L23_
#define SL_LIST_24 sl_value_none_(), SL_L24_
#define SL_L1_ sl_v1_
#define SL_L2_ sl_v2_, SL_L1_
#define SL_L3_ sl_v3_, SL_L2_
#define SL_L4_ sl_v4_, SL_L3_
#define SL_L5_ sl_v5_, SL_L4_
#define SL_L6_ sl_v6_, SL_L5_
#define SL_L7_ sl_v7_, SL_L6_
#define SL_L8_ sl_v8_, SL_L7_
#define SL_L9_ sl_v9_, SL_L8_
#define SL_L10_ sl_v10_, SL_L9_
#define SL_L11_ sl_v11_, SL_L10_
#define SL_L12_ sl_v12_, SL_L11_
#define SL_L13_ sl_v13_, SL_L12_
#define SL_L14_ sl_v14_, SL_L13_
#define SL_L15_ sl_v15_, SL_L14_
#define SL_L16_ sl_v16_, SL_L15_
#define SL_L17_ sl_v17_, SL_L16_
#define SL_L18_ sl_v18_, SL_L17_
#define SL_L19_ sl_v19_, SL_L18_
#define SL_L20_ sl_v20_, SL_L19_
#define SL_L21_ sl_v21_, SL_L20_
#define SL_L22_ sl_v22_, SL_L21_
#define SL_L23_ sl_v23_, SL_L22_
#define SL_L24_ sl_v24_, SL_L23_

#define SL_SIZE_0 0
#define SL_SIZE_1 sl_cells_size_(sl_v1_)
#define SL_SIZE_2 sl_cells_size_(sl_v2_) + SL_SIZE_1
#define SL_SIZE_3 sl_cells_size_(sl_v3_) + SL_SIZE_2
#define SL_SIZE_4 sl_cells_size_(sl_v4_) + SL_SIZE_3
#define SL_SIZE_5 sl_cells_size_(sl_v5_) + SL_SIZE_4
#define SL_SIZE_6 sl_cells_size_(sl_v6_) + SL_SIZE_5
#define SL_SIZE_7 sl_cells_size_(sl_v7_) + SL_SIZE_6
#define SL_SIZE_8 sl_cells_size_(sl_v8_) + SL_SIZE_7
#define SL_SIZE_9 sl_cells_size_(sl_v9_) + SL_SIZE_8
#define SL_SIZE_10 sl_cells_size_(sl_v10_) + SL_SIZE_9
#define SL_SIZE_11 sl_cells_size_(sl_v11_) + SL_SIZE_10
#define SL_SIZE_12 sl_cells_size_(sl_v12_) + SL_SIZE_11
#define SL_SIZE_13 sl_cells_size_(sl_v13_) + SL_SIZE_12
#define SL_SIZE_14 sl_cells_size_(sl_v14_) + SL_SIZE_13
#define SL_SIZE_15 sl_cells_size_(sl_v15_) + SL_SIZE_14
#define SL_SIZE_16 sl_cells_size_(sl_v16_) + SL_SIZE_15
#define SL_SIZE_17 sl_cells_size_(sl_v17_) + SL_SIZE_16
#define SL_SIZE_18 sl_cells_size_(sl_v18_) + SL_SIZE_17
#define SL_SIZE_19 sl_cells_size_(sl_v19_) + SL_SIZE_18
#define SL_SIZE_20 sl_cells_size_(sl_v20_) + SL_SIZE_19
#define SL_SIZE_21 sl_cells_size_(sl_v21_) + SL_SIZE_20
#define SL_SIZE_22 sl_cells_size_(sl_v22_) + SL_SIZE_21
#define SL_SIZE_23 sl_cells_size_(sl_v23_) + SL_SIZE_22
#define SL_SIZE_24 sl_cells_size_(sl_v24_) + SL_SIZE_23

#define SL_PUT_0
#define SL_PUT_1 sl_to_ = sl_put_value_(sl_to_, sl_v1_);
#define SL_PUT_2 sl_to_ = sl_put_value_(sl_to_, sl_v2_); SL_PUT_1
#define SL_PUT_3 sl_to_ = sl_put_value_(sl_to_, sl_v3_); SL_PUT_2
#define SL_PUT_4 sl_to_ = sl_put_value_(sl_to_, sl_v4_); SL_PUT_3
#define SL_PUT_5 sl_to_ = sl_put_value_(sl_to_, sl_v5_); SL_PUT_4
#define SL_PUT_6 sl_to_ = sl_put_value_(sl_to_, sl_v6_); SL_PUT_5
#define SL_PUT_7 sl_to_ = sl_put_value_(sl_to_, sl_v7_); SL_PUT_6
#define SL_PUT_8 sl_to_ = sl_put_value_(sl_to_, sl_v8_); SL_PUT_7
#define SL_PUT_9 sl_to_ = sl_put_value_(sl_to_, sl_v9_); SL_PUT_8
#define SL_PUT_10 sl_to_ = sl_put_value_(sl_to_, sl_v10_); SL_PUT_9
#define SL_PUT_11 sl_to_ = sl_put_value_(sl_to_, sl_v11_); SL_PUT_10
#define SL_PUT_12 sl_to_ = sl_put_value_(sl_to_, sl_v12_); SL_PUT_11
#define SL_PUT_13 sl_to_ = sl_put_value_(sl_to_, sl_v13_); SL_PUT_12
#define SL_PUT_14 sl_to_ = sl_put_value_(sl_to_, sl_v14_); SL_PUT_13
#define SL_PUT_15 sl_to_ = sl_put_value_(sl_to_, sl_v15_); SL_PUT_14
#define SL_PUT_16 sl_to_ = sl_put_value_(sl_to_, sl_v16_); SL_PUT_15
#define SL_PUT_17 sl_to_ = sl_put_value_(sl_to_, sl_v17_); SL_PUT_16
#define SL_PUT_18 sl_to_ = sl_put_value_(sl_to_, sl_v18_); SL_PUT_17
#define SL_PUT_19 sl_to_ = sl_put_value_(sl_to_, sl_v19_); SL_PUT_18
#define SL_PUT_20 sl_to_ = sl_put_value_(sl_to_, sl_v20_); SL_PUT_19
#define SL_PUT_21 sl_to_ = sl_put_value_(sl_to_, sl_v21_); SL_PUT_20
#define SL_PUT_22 sl_to_ = sl_put_value_(sl_to_, sl_v22_); SL_PUT_21
#define SL_PUT_23 sl_to_ = sl_put_value_(sl_to_, sl_v23_); SL_PUT_22
#define SL_PUT_24 sl_to_ = sl_put_value_(sl_to_, sl_v24_); SL_PUT_23

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
