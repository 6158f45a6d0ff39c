/* SPDX-License-Identifier: GPL-2.0-or-later */
/* soak.h - one boot's cases: what they share, and the table of them. */
#ifndef SOAK_H
#define SOAK_H

#include <stdbool.h>
#include <sys/types.h>

#include "load.h"
#include "patch.h"

#define SETTLE_MS 60000 /* a transition that takes longer under load has failed */
#define MODE_STOP 1u
#define MODE_LAZY 2u
#define MODE_HYBRID 4u
#define MODE_DEADLINE 8u
#define MODES_ALL 15u
#define MODES_GRADUAL (MODES_ALL & ~MODE_STOP) /* those where tasks switch one by one */

struct soak {
	/* the run's */
	unsigned cycles;
	unsigned modes;		/* mask of those asked for */
	const char *load;	/* names of jobs with commas, instead of those of case cycles; or NULL */
	const char *fail_steps; /* of the core's fail_at: names with commas */
	unsigned slow;		/* how many times slower than a usual guest: limits grow with it */
	/* the case's */
	unsigned mode; /* one bit, or 0 for a case that has none */
	char note[512];
};
extern struct soak soak;

const char *mode_name(unsigned mode);
/* Writes the case's note, what was found or why it failed; false, for `return soak_fail(…)`. */
bool soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void soak_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool in_list(const char *list, const char *word); /* a list with commas */

/* ---- steps that cases are made of; false: soak_fail() was called ---- */
/* Inserts a patch of the oracle (kmend_oracle2, 3) in the case's mode and waits; what mode stop refuses and deadline takes back under load is
 * tried again, and counted. */
bool enable(const char *patch, const char *more);
bool disable(const char *patch);
bool settle(const char *patch);
bool remove_module(const char *name);
/* A new chain runs this version. */
bool expect_version(int version);
bool expect_transition(const char *patch, int value);
/* No context has a mix or a lost relocation. */
bool expect_no_mixes(void);
/* Nothing of ours is left: no patch, version 1, no job with an error. */
bool expect_base(void);
struct tries {
	unsigned long refused, reverted;
};
extern struct tries tries; /* of enable() and disable(), since the case began */

/* A child that runs one chain (or, with below, a rest without patched functions) until "release"; "arm" comes first. Its pid, or -1. */
pid_t hold_child(enum oracle_rest rest, bool below);
/* Releases and reaps it; false when its chain was mixed or failed. */
bool release_child(pid_t pid);

/* Puts all right that a failed case may have left; false when the guest is not to be used any more. */
bool clean_up(void);

struct soak_case {
	const char *name, *about;
	unsigned modes; /* once for each of them, or 0: once */
	bool (*run)(void);
	bool last; /* the guest is not clean after it: nothing may follow */
};
extern const struct soak_case soak_cases[];
extern const unsigned soak_case_count;

bool case_cycles(void);
bool case_hot(void);
bool case_storm(void);
bool case_coming(void);
bool case_target(void);
bool case_reverse(void);
bool case_blockers(void);
bool case_hotplug(void);
bool case_deep(void);
bool case_stuck(void);
bool case_sleepers_only(void);
bool case_failures(void);
bool case_refused(void);
bool case_unsafe(void);
bool case_core_reload(void);
bool case_force(void);

#endif
