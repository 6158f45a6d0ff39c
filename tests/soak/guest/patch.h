/* SPDX-License-Identifier: GPL-2.0-or-later */
/* patch.h - modules, patches and the oracle, from user space. Errors are negative errno values; nothing here prints. */
#ifndef SOAK_PATCH_H
#define SOAK_PATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "../modules/oracle.h"

#define MODULES "/modules"	      /* where the *.ko lie */
#define CORE_SYSFS "/sys/kernel/kmend" /* see <uapi/kmend.h> */

double soak_now(void); /* seconds, monotonic */
void soak_sleep_ms(unsigned ms);

/* Inserts MODULES/<name>.ko with the arguments of a printf format. */
int module_insert(const char *name, const char *args, ...) __attribute__((format(printf, 2, 3)));
/* Removes it; tries for up to ms milliseconds while somebody uses it. */
int module_remove(const char *name, unsigned ms);
bool module_present(const char *name);

/* A file's first bytes, without the newline at their end, as a string: their number. */
int file_read(const char *path, char *text, size_t size);
int file_write(const char *path, const char *text);

bool patch_present(const char *patch);
/* An attribute that is a number, of CORE_SYSFS/<patch>. */
int patch_get(const char *patch, const char *attribute);
int patch_set(const char *patch, const char *attribute, const char *value);
/* Waits until no transition of it is under way (or it is gone): milliseconds, or -ETIMEDOUT. */
int patch_settle(const char *patch, unsigned ms);

/* One chain in this task: the version that ran. */
int oracle_call(enum oracle_rest rest, unsigned us);
/* The rest without a patched function on the stack, below ORACLE_FRAMES frames. */
int oracle_below(enum oracle_rest rest, unsigned us);
int oracle_steer(const char *word);
/* us between two chains of each context of the kernel. */
void oracle_pace(unsigned us);

struct oracle_counts {
	const char *context;
	long calls[ORACLE_VERSIONS]; /* [0]: unused */
	long mixes, lost;
};
#define ORACLE_CONTEXTS 6
/* One entry for each context. */
int oracle_read(struct oracle_counts ret[ORACLE_CONTEXTS]);

#endif
