// SPDX-License-Identifier: GPL-2.0
/* A live patch written by hand, for vmlinux: /proc/cmdline says "patched". */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int show_patched(struct seq_file *m, void *v)
{
	seq_puts(m, "patched\n");
	return 0;
}

static struct klp_func funcs[] = {{.old_name = "cmdline_proc_show", .new_func = show_patched}, {}};
static struct klp_object objs[] = {{.funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs};

static int __init cmdline_patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit cmdline_patch_exit(void)
{
}

module_init(cmdline_patch_init);
module_exit(cmdline_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
