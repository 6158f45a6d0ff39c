/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel of files: a tree with /sys, /proc and /run below a directory, and a km_door that does to it what the
 * kernel would do. All its state is in the tree, so that several processes, one after the other, see one kernel. Time
 * is virtual: sleeping costs none.
 *
 * What a test sets, in <root>/sim/:
 *   busy         seconds that a transition takes (absent: 0.5)
 *   back         seconds that a reversed transition takes (absent: 0.05)
 *   load_errno   what loading fails with
 *   deaf         a module that is loaded registers no live patch
 *   replace      a patch that is loaded replaces all others
 *   core         kmend.ko is installed
 *   lag          how often removing fails with EAGAIN after a transition
 * What the simulation writes there: left (seconds to the end of the transition), used (since it began), forced,
 * parameters (of the last module that was loaded).
 */
#ifndef KMEND_TESTS_SIM_H
#define KMEND_TESTS_SIM_H

#include <kmend/host.h>

#define SIM_RELEASE  "6.1.0-50-cloud-amd64"
#define SIM_BUILD_ID "00112233445566778899aabbccddeeff00112233"

struct sim {
	char *root;
	double clock;
};

/* Makes the tree (root must exist) unless it is there. Failures abort: this is a test. */
void sim_open(struct sim *sim, const char *root);
void sim_close(struct sim *sim);
struct km_door sim_door(struct sim *sim);

/* Writes root/<path> with its directories; fmt with text. */
void sim_put(const struct sim *sim, const char *path, const char *fmt, ...) KM_PRINTF(3, 4);
bool sim_has(const struct sim *sim, const char *path);
char *sim_get(const struct sim *sim, const char *path); /* without the last newline; NULL when absent */
/* A task that a transition has to switch. stack: NULL for none. */
void sim_task(const struct sim *sim, int pid, int tid, const char *comm, const char *stack);
/* A module as another tool would have loaded it. */
void sim_foreign(const struct sim *sim, const char *name, bool enabled);

/* A patch file. NULL stands for what fits this kernel; id: the module's build-id, 40 hex digits. */
struct sim_patch {
	const char *name, *release, *build_id, *id, *cve, *version, *severity, *flag; /* flag: an override of the builder */
	const char *source;	    /* file of the diff that it is made of; NULL: none, and a hash of zeros */
	const char *module; /* the name that the kernel sees */
	bool foreign;	    /* without kmend's metadata */
	bool ordinary;	    /* no live patch at all */
	bool core;	    /* for kmend.ko */
};
void sim_write_patch(const char *path, const struct sim_patch *patch);

#endif
