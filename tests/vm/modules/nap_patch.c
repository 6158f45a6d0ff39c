// SPDX-License-Identifier: GPL-2.0
/* A live patch written by hand, as other tools make them: kmend_nap() of napper.ko returns at once. */
#include <linux/livepatch.h>
#include <linux/module.h>

static ssize_t no_nap(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	return 0;
}

static struct klp_func funcs[] = {{.old_name = "kmend_nap", .new_func = no_nap}, {}};
static struct klp_object objs[] = {{.name = "napper", .funcs = funcs}, {}};
static struct klp_patch patch = {.mod = THIS_MODULE, .objs = objs};

static int __init nap_patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit nap_patch_exit(void)
{
}

module_init(nap_patch_init);
module_exit(nap_patch_exit);
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
