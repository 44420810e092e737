/* ranking.c - the quantile of plain numbers, without sorting them all.
 *
 * Only the two values around the rank are wanted. NaNs stand before everything, as the reference
 * sorts them; the rest is narrowed down by Hoare's selection with the median of three as pivot,
 * and by plain insertion once a part is short. Rounds are counted: input made to defeat the pivot
 * is sorted instead, so the worst case stays n log n.
 */
#include "promql/eval.h"

#include <math.h>
#include <stdlib.h>

#define SHORT_COUNT 16 /* from here on insertion is quicker */
#define ROUNDS_MAX  64

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static void swap(double *values, size_t a, size_t b)
{
    double kept = values[a];
    values[a] = values[b];
    values[b] = kept;
}

static void insert_all(double *values, size_t low, size_t high)
{
    for (size_t i = low + 1; i < high; i++) {
        double value = values[i];
        size_t to = i;
        for (; to > low && values[to - 1] > value; to--) values[to] = values[to - 1];
        values[to] = value;
    }
}

static double median_of_three(const double *values, size_t low, size_t high)
{
    double a = values[low];
    double b = values[low + (high - low) / 2];
    double c = values[high - 1];
    if (a > b) {
        double kept = a;
        a = b;
        b = kept;
    }
    if (b <= c) return b;
    return a > c ? a : c;
}

/* Makes values[rank] what it would be sorted, nothing greater before it, nothing less behind. */
static void place(double *values, size_t count, size_t rank)
{
    size_t low = 0;
    size_t high = count;
    for (int round = 0; high - low > SHORT_COUNT && round < ROUNDS_MAX; round++) {
        double pivot = median_of_three(values, low, high);
        size_t left = low;
        size_t right = high - 1;
        for (;;) {
            while (values[left] < pivot) left++;
            while (values[right] > pivot) right--;
            if (left >= right) break;
            swap(values, left++, right--);
        }
        /* [low, split) is at most the pivot, [split, high) at least. */
        size_t split = left == right ? left + 1 : left;
        if (rank < split) {
            high = split;
        } else {
            low = split;
        }
    }
    if (high - low <= SHORT_COUNT) {
        insert_all(values, low, high);
    } else {
        qsort(values + low, high - low, sizeof(values[0]), compare_numbers);
    }
}

double quantile_of_numbers(double q, double *values, size_t count)
{
    if (count == 0 || isnan(q)) return (double)NAN;
    if (q < 0) return -(double)INFINITY;
    if (q > 1) return (double)INFINITY;
    size_t nans = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) swap(values, i, nans++);
    }
    double rank = q * (double)(count - 1);
    size_t lower = (size_t)fmax(0, floor(rank));
    size_t upper = lower + 1 < count ? lower + 1 : count - 1;
    double weight = rank - floor(rank);
    double *numbers = values + nans;
    size_t number_count = count - nans;
    if (upper >= nans && number_count > 0) {
        place(numbers, number_count, upper - nans);
        if (lower >= nans && lower < upper) {
            /* The greatest of those before, which are none above values[upper]. */
            size_t greatest = 0;
            for (size_t i = 1; i < upper - nans; i++) {
                if (numbers[i] > numbers[greatest]) greatest = i;
            }
            swap(numbers, greatest, upper - nans - 1);
        }
    }
    return values[lower] * (1 - weight) + values[upper] * weight;
}
