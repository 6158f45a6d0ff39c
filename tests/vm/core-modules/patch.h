/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A patch whose parameters say what is in it; kmt_a, kmt_b and kmt_c are the same but for NUMBER. Each letter of `what` is a function:
 *	v version_proc_show, l loadavg_proc_show of vmlinux; o kmt_one, t the second kmt_twin, h kmt_read_hidden (with a late relocation),
 *	w kmt_wait_here of the module kmt_target
 */
#include <linux/module.h>
#include <linux/seq_file.h>

#include "kmend.h"

static char *what = "v";
module_param(what, charp, 0);
static bool replace;
module_param(replace, bool, 0);
static int mode;
module_param(mode, int, 0);
static uint deadline_ms;
module_param(deadline_ms, uint, 0);
static bool quiet = true;
module_param(quiet, bool, 0);
static int pre_patch_ret, late_pre_patch_ret; /* for vmlinux; for the module */
module_param(pre_patch_ret, int, 0600);
module_param(late_pre_patch_ret, int, 0600);
static uint state_version;
module_param(state_version, uint, 0);

static int version_new(struct seq_file *m, void *v)
{
	seq_printf(m, "version by %s\n", KBUILD_MODNAME);
	return 0;
}

static int loadavg_new(struct seq_file *m, void *v)
{
	seq_printf(m, "loadavg by %s\n", KBUILD_MODNAME);
	return 0;
}

static int one_new(void)
{
	return 100 + NUMBER;
}

static int twin_new(void)
{
	return 200 + NUMBER;
}

static int *hidden; /* filled in when the module comes */
static int hidden_new(void)
{
	return 1000 * NUMBER + *READ_ONCE(hidden);
}

static const char *wait_new(void)
{
	return KBUILD_MODNAME;
}

static const struct {
	char letter;
	bool in_module;
	struct kmend_func func;
} known[] = {
	{'v', false, {.old_name = "version_proc_show", .new_func = version_new}},
	{'l', false, {.old_name = "loadavg_proc_show", .new_func = loadavg_new}},
	{'o', true, {.old_name = "kmt_one", .new_func = one_new}},
	{'t', true, {.old_name = "kmt_twin", .new_func = twin_new, .old_sympos = 2}},
	{'h', true, {.old_name = "kmt_read_hidden", .new_func = hidden_new}},
	{'w', true, {.old_name = "kmt_wait_here", .new_func = wait_new}},
};

static struct kmend_func vmlinux_funcs[ARRAY_SIZE(known) + 1], module_funcs[ARRAY_SIZE(known) + 1];
static const struct kmend_reloc relocs[] = {
	{.place = &hidden, .name = "kmt_hidden", .type = 1 /* R_X86_64_64 */},
	{},
};

static const char *object_name(struct kmend_object *obj)
{
	return obj->name ?: "vmlinux";
}

static int pre_patch(struct kmend_object *obj)
{
	struct kmend_state *before = kmend_get_prev_state(1);

	if (!quiet)
		pr_info("kmt: %s pre_patch %s before %u\n", KBUILD_MODNAME, object_name(obj), before ? before->version : 0);
	return obj->name ? late_pre_patch_ret : pre_patch_ret;
}

static void post_patch(struct kmend_object *obj)
{
	struct kmend_state *before = kmend_get_prev_state(1);

	if (!quiet)
		pr_info("kmt: %s post_patch %s before %u\n", KBUILD_MODNAME, object_name(obj), before ? before->version : 0);
}

static void pre_unpatch(struct kmend_object *obj)
{
	if (!quiet)
		pr_info("kmt: %s pre_unpatch %s\n", KBUILD_MODNAME, object_name(obj));
}

static void post_unpatch(struct kmend_object *obj)
{
	if (!quiet)
		pr_info("kmt: %s post_unpatch %s\n", KBUILD_MODNAME, object_name(obj));
}

#define CALLBACKS {.pre_patch = pre_patch, .post_patch = post_patch, .pre_unpatch = pre_unpatch, .post_unpatch = post_unpatch}
static struct kmend_object objs[] = {
	{.funcs = vmlinux_funcs, .callbacks = CALLBACKS},
	{.name = "kmt_target", .funcs = module_funcs, .callbacks = CALLBACKS},
	{},
};
static struct kmend_state states[2];
static struct kmend_patch patch = {KMEND_PATCH_INIT, .objs = objs};

static void add(const struct kmend_func *func, struct kmend_func *funcs)
{
	while (funcs->old_name)
		funcs++;
	*funcs = *func;
}

static int __init patch_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strchr(what, known[i].letter))
			add(&known[i].func, known[i].in_module ? module_funcs : vmlinux_funcs);
	if (strchr(what, 'h'))
		objs[1].relocs = relocs;
	if (state_version) {
		states[0] = (struct kmend_state){.id = 1, .version = state_version};
		patch.states = states;
	}
	patch.replace = replace;
	patch.mode = mode;
	patch.deadline_ms = deadline_ms;
	return kmend_enable_patch(&patch);
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_LICENSE("GPL");
