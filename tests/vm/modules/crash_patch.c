// SPDX-License-Identifier: GPL-2.0
/* A live patch that takes the kernel down when it is loaded: the lab must survive it, and name it. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int show_crash(struct seq_file *m, void *v)
{
	seq_puts(m, "crash\n");
	return 0;
}

static struct klp_func funcs[] = {{.old_name = "cmdline_proc_show", .new_func = show_crash}, {}};
static struct klp_object objs[] = {{.funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs};

static int __init crash_patch_init(void)
{
	panic("crash_patch panics");
	return klp_enable_patch(&patch);
}

static void __exit crash_patch_exit(void)
{
}

module_init(crash_patch_init);
module_exit(crash_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
