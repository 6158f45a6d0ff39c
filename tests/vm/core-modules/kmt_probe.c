// SPDX-License-Identifier: GPL-2.0-or-later
/* A kprobe at symbol + offset, with a post_handler if `post` says so; `hits` counts. */
#include <linux/kprobes.h>
#include <linux/module.h>

static char *symbol = "version_proc_show";
module_param(symbol, charp, 0);
static uint offset;
module_param(offset, uint, 0);
static bool post;
module_param(post, bool, 0);
static uint hits;
module_param(hits, uint, 0444);

static int before(struct kprobe *p, struct pt_regs *regs)
{
	hits++;
	return 0;
}

static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {.pre_handler = before};

static int __init probe_init(void)
{
	probe.symbol_name = symbol;
	probe.offset = offset;
	if (post)
		probe.post_handler = after;
	return register_kprobe(&probe);
}

static void __exit probe_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(probe_init);
module_exit(probe_exit);
MODULE_LICENSE("GPL");
