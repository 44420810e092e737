/* random.h - dice: seeded ones that replay, and the system's for what must not be guessed. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** by Blackman and Vigna. Owned by one thread. The same seed gives the same dice. */
struct random {
    uint64_t state[4];
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t limit); /* 0 .. limit-1; limit > 0 */
double random_unit(struct random *random);                    /* [0, 1) */

/* Fills with bytes nobody can guess, from the kernel. Any thread. */
void random_secret(void *bytes, size_t size);

#endif
