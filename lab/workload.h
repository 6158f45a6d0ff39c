/* SPDX-License-Identifier: GPL-2.0-or-later */
/* workload.h - the jobs of the workload: each is done over and over by a thread of its own. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>

/* One round; false is an error of the kernel's (what was sent did not come back, a call failed). state belongs to
 * the thread. */
struct job {
	const char *name;
	bool (*begin)(void **state); /* or NULL */
	bool (*round)(void *state);
	void (*end)(void *state); /* or NULL */
};
extern const struct job jobs[];
extern const unsigned job_count;

#endif
