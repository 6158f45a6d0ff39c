// SPDX-License-Identifier: GPL-2.0
/* A cumulative live patch written by hand: /proc/cmdline says "replaced", and all patches before it go. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int show_replaced(struct seq_file *m, void *v)
{
	seq_puts(m, "replaced\n");
	return 0;
}

static struct klp_func funcs[] = {{.old_name = "cmdline_proc_show", .new_func = show_replaced}, {}};
static struct klp_object objs[] = {{.funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs, .replace = true};

static int __init replace_patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit replace_patch_exit(void)
{
}

module_init(replace_patch_init);
module_exit(replace_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
