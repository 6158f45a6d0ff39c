// SPDX-License-Identifier: GPL-2.0
/* A live patch that leaves a warning in the log when it is loaded: the lab must see it. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int show_warn(struct seq_file *m, void *v)
{
	seq_puts(m, "warn\n");
	return 0;
}

static struct klp_func funcs[] = {{.old_name = "cmdline_proc_show", .new_func = show_warn}, {}};
static struct klp_object objs[] = {{.funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs};

static int __init warn_patch_init(void)
{
	WARN(1, "warn_patch warns\n");
	return klp_enable_patch(&patch);
}

static void __exit warn_patch_exit(void)
{
}

module_init(warn_patch_init);
module_exit(warn_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
