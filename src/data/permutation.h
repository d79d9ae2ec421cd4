/*
 * Millrace's own order: a permutation in constant memory, of any length.
 *
 * A position is written as two digits, of bases `left` x `right`, which are near the square root of the length. Eight rounds
 * add to one digit, modulo its base, a number that hangs on the other digit and on a key. So each round can be taken back,
 * and all of them together give each number below left * right once. Numbers that are not below the length (at most one
 * in `left`) are put through it again until they are: what is left is a permutation of the length. Up to
 * MR__TABLE numbers are shuffled in a table instead: so few digits are not mixed well by rounds.
 */
#ifndef MILLRACE_DATA_PERMUTATION_H
#define MILLRACE_DATA_PERMUTATION_H

#include <millrace/samplers.h>

enum { MR__ROUNDS = 8, MR__TABLE = 128 };

struct mr_permutation {
    int64_t length, epoch;
    uint64_t seed;
    uint64_t left, right; /* the bases */
    uint64_t key[MR__ROUNDS];
    uint8_t number[MR__TABLE], place[MR__TABLE]; /* of a short one: what is at each place, and the inverse */
};

mr_status mr__permutation_init(mr_permutation *p, const char *call, int64_t length, uint64_t seed);

/* What is at `count` positions from one on: several at a time, whose rounds do not wait for each other. */
void mr__permutation_take(const mr_permutation *p, int64_t position, int64_t *number, int64_t count);

/* What is at a position, and where a number is; both below the length. */
int64_t mr__permutation_at(const mr_permutation *p, int64_t position);
int64_t mr__permutation_find(const mr_permutation *p, int64_t number);

#endif
