// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cumulative patch that changes the system, and passes the change on to its successor.
 *
 * With it the machine starts again 30 seconds after a panic, unless something else is set already. The value from before is kept in the
 * patch's state; the next version of the patch takes it over, and the last one that is disabled restores it. A version that does not know
 * the state, or only an older form of it, is refused. `make STATE_VERSION=2 …` builds the next version.
 */
#include <linux/kernel.h>
#include <linux/panic.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/utsname.h>

#include "kmend.h"

#define STATE_TIMEOUT 1
#define NEW_TIMEOUT 30 /* seconds */

static struct kmend_patch patch;

static int timeout_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s version %s %s (state %d)\n", utsname()->sysname, utsname()->release, utsname()->version, STATE_VERSION);
	return 0;
}

/* What can fail is done here: the memory for the old value. */
static int timeout_pre_patch(struct kmend_object *obj)
{
	struct kmend_state *mine = kmend_get_state(&patch, STATE_TIMEOUT);

	if (kmend_get_prev_state(STATE_TIMEOUT))
		return 0;
	mine->data = kzalloc(sizeof(panic_timeout), GFP_KERNEL);
	return mine->data ? 0 : -ENOMEM;
}

/* The patches that are replaced are still there to be asked. Their callbacks are not called: what they did is this patch's now. */
static void timeout_post_patch(struct kmend_object *obj)
{
	struct kmend_state *mine = kmend_get_state(&patch, STATE_TIMEOUT), *before = kmend_get_prev_state(STATE_TIMEOUT);

	if (before) {
		mine->data = before->data;
		pr_info("version %u takes over from version %u\n", mine->version, before->version);
		return;
	}
	*(int *)mine->data = panic_timeout;
	if (!panic_timeout)
		panic_timeout = NEW_TIMEOUT;
}

static void timeout_pre_unpatch(struct kmend_object *obj)
{
	panic_timeout = *(int *)kmend_get_state(&patch, STATE_TIMEOUT)->data;
}

/* Also when pre_patch was run and the patch was not enabled in the end; then the data may still be the predecessor's. */
static void timeout_post_unpatch(struct kmend_object *obj)
{
	struct kmend_state *mine = kmend_get_state(&patch, STATE_TIMEOUT);

	kfree(mine->data);
	mine->data = NULL;
}

static struct kmend_func funcs[] = {
	{.old_name = "version_proc_show", .new_func = timeout_show},
	{},
};

static struct kmend_object objs[] = {
	{
		.funcs = funcs,
		.callbacks = {
			.pre_patch = timeout_pre_patch,
			.post_patch = timeout_post_patch,
			.pre_unpatch = timeout_pre_unpatch,
			.post_unpatch = timeout_post_unpatch,
		},
	},
	{},
};

static struct kmend_state states[] = {
	{.id = STATE_TIMEOUT, .version = STATE_VERSION},
	{},
};

static struct kmend_patch patch = {
	KMEND_PATCH_INIT,
	.objs = objs,
	.states = states,
	.replace = true,
};

static int __init timeout_init(void)
{
	return kmend_enable_patch(&patch);
}

static void __exit timeout_exit(void)
{
}

module_init(timeout_init);
module_exit(timeout_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Example: starts the machine again after a panic");
