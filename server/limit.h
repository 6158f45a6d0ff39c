/* SPDX-License-Identifier: GPL-2.0-or-later */
/* limit.h - how many requests a second one caller may make: a bucket for each key, in a table of fixed size. Keys that
 * are busy stay, idle ones make room; so the memory is bounded, and who has been forgotten begins with a full bucket.
 * Any thread. */
#ifndef KMEND_SERVER_LIMIT_H
#define KMEND_SERVER_LIMIT_H

#include <kmend/base.h>

struct limit;

/* rate: takes a second, 0: any number. burst: takes at once. */
struct limit *limit_create(double rate, double burst);
/* NULL is fine. */
void limit_destroy(struct limit *limit);
/* Takes one from the key's bucket at that time (seconds on any clock that does not go back). 0: there was one; else the
 * seconds until there is. */
unsigned limit_take(struct limit *limit, const char *key, double now);
/* Whether there is one, without taking it. */
bool limit_has(struct limit *limit, const char *key, double now);

#endif
