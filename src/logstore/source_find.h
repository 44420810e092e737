/* source_find.h - the values at a dotted path of a document, without the rest of it being parsed.
 *
 * Stored documents are valid JSON, so what is not on the way can be passed over by its brackets and
 * quotes. What this cannot tell is for the parser: keys with escapes, and what is not JSON.
 */
#ifndef LOGSTORE_SOURCE_FIND_H
#define LOGSTORE_SOURCE_FIND_H

#include "base/compiler.h"
#include "base/str.h"
#include "base/vec.h"
#include "logstore/source_block.h"

VEC_TYPE(source_value_vec, struct source_value);

/*
 * Appends what stands at the path, in order: as visit_path of values.c has it, keys may hold dots
 * themselves, and arrays are gone through. `document` of each value is left 0.
 *
 * Returns 0, ERROR_UNSUPPORTED (the document must be parsed) or -ENOMEM.
 */
int source_find(struct str document, struct str path, struct source_value_vec *values) MUST_CHECK;

#endif
