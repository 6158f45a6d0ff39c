/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A patch whose parameters say what is in it; kmt_a, kmt_b and kmt_c are the same but for NUMBER. Each letter of `what` is a function:
 *	v version_proc_show, l loadavg_proc_show of vmlinux; o kmt_one, t the second kmt_twin, h kmt_read_hidden (with a late relocation),
 *	w kmt_wait_here of the module kmt_target; d dummy_xmit of the module dummy
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/netdevice.h>
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
static bool hold; /* who comes to kmt_wait_here stays there while it is set */
module_param(hold, bool, 0600);
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
	while (READ_ONCE(hold))
		msleep(5);
	return KBUILD_MODNAME;
}

static netdev_tx_t xmit_new(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

enum { VMLINUX, TARGET, DUMMY };
static const struct {
	char letter;
	int object;
	struct kmend_func func;
} known[] = {
	{'v', VMLINUX, {.old_name = "version_proc_show", .new_func = version_new}},
	{'l', VMLINUX, {.old_name = "loadavg_proc_show", .new_func = loadavg_new}},
	{'o', TARGET, {.old_name = "kmt_one", .new_func = one_new}},
	{'t', TARGET, {.old_name = "kmt_twin", .new_func = twin_new, .old_sympos = 2}},
	{'h', TARGET, {.old_name = "kmt_read_hidden", .new_func = hidden_new}},
	{'w', TARGET, {.old_name = "kmt_wait_here", .new_func = wait_new}},
	{'d', DUMMY, {.old_name = "dummy_xmit", .new_func = xmit_new}},
};

static struct kmend_func funcs[3][ARRAY_SIZE(known) + 1];
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
	{.funcs = funcs[VMLINUX], .callbacks = CALLBACKS},
	{.name = "kmt_target", .funcs = funcs[TARGET], .callbacks = CALLBACKS},
	{.name = "dummy", .funcs = funcs[DUMMY], .callbacks = CALLBACKS},
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
			add(&known[i].func, funcs[known[i].object]);
	if (strchr(what, 'h'))
		objs[TARGET].relocs = relocs;
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
