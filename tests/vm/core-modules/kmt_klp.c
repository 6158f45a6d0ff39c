// SPDX-License-Identifier: GPL-2.0-or-later
/* A patch of version_proc_show for the kernel's own livepatch. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int version_new(struct seq_file *m, void *v)
{
	seq_puts(m, "version by livepatch\n");
	return 0;
}

static struct klp_func funcs[] = {
	{.old_name = "version_proc_show", .new_func = version_new},
	{},
};
static struct klp_object objs[] = {{.funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs};

static int __init klp_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit klp_exit(void)
{
}

module_init(klp_init);
module_exit(klp_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
