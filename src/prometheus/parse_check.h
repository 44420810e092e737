/* parse_check.h - the rules of an exposition that go over more than one line. */
#ifndef PROMETHEUS_PARSE_CHECK_H
#define PROMETHEUS_PARSE_CHECK_H

#include "prometheus/parse_line.h"

/* A set of 64-bit hashes. 64 bits decide: of a million entries two meet once in 10^7 documents. */
struct parse_set {
    uint64_t *slots; /* 0 = free; half full at most */
    size_t capacity;
    size_t count;
};

/* The group of samples that is open: those of one label set, but for le, quantile and the like. */
struct parse_group {
    bool is_open;
    uint64_t hash;
    bool has_timestamp;
    double timestamp_s;
    bool has_bucket;
    bool has_negative_bucket;
    bool has_sum;
    bool has_count;
    double last_bound;
    double last_count; /* of a bucket */
    double sum;
    double count;
};

/* Owned by: pm_parse(). */
struct parse_check {
    struct parse_cursor *cursor;
    struct parse_set names;
    struct parse_set groups;
    struct parse_set series;
    struct parse_group group;
};

void pm_check_release(struct parse_check *check);

/* All: PM_OK, PM_ERROR_PARSE with the cursor's error filled, or PM_ERROR_MEMORY. */

/* The samples' names that the family takes; an error when another has one of them. Called with the
 * first sample or at the end, when its type is known. */
int pm_check_names(struct parse_check *check, const struct pm_parsed_family *family);
/* Whether a sample of this name is the family's. */
bool pm_check_belongs(const struct parse_check *check, const struct pm_parsed_family *family,
                      struct pm_text name);
int pm_check_sample(struct parse_check *check, const struct pm_parsed_family *family,
                    const struct pm_parsed_sample *sample);
int pm_check_end(struct parse_check *check, const struct pm_parsed_family *family);

#endif
