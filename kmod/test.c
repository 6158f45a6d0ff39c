// SPDX-License-Identifier: GPL-2.0-only
/*
 * Failures on demand. Not in a kmend.ko that is meant for use.
 */
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "internal.h"

/* "STEP", or "STEP:N" for the Nth time that it is reached. */
static char fail_at[64];
static DEFINE_SPINLOCK(fail_lock);
module_param_string(fail_at, fail_at, sizeof(fail_at), 0600);
MODULE_PARM_DESC(fail_at, "step that fails once: STEP or STEP:N for its Nth time");

bool km_unsafe_flip;
module_param_named(unsafe_flip, km_unsafe_flip, bool, 0600);
MODULE_PARM_DESC(unsafe_flip, "transitions end at once, consistent or not");

static bool is_named(const char *step, size_t *name_length)
{
	*name_length = strcspn(fail_at, ":\n");
	return *name_length && strlen(step) == *name_length && !strncmp(fail_at, step, *name_length);
}

/* Counts this time; true when it is the one. */
static bool is_due(size_t name_length)
{
	unsigned int n = 1;

	if (fail_at[name_length] == ':' && sscanf(fail_at + name_length + 1, "%u", &n) != 1)
		n = 1;
	if (n > 1) {
		scnprintf(fail_at + name_length, sizeof(fail_at) - name_length, ":%u", n - 1);
		return false;
	}
	fail_at[0] = '\0';
	return true;
}

bool km_fails(const char *step)
{
	unsigned long flags;
	size_t name_length;
	bool fails;

	spin_lock_irqsave(&fail_lock, flags);
	fails = is_named(step, &name_length) && is_due(name_length);
	spin_unlock_irqrestore(&fail_lock, flags);
	return fails;
}
