// SPDX-License-Identifier: GPL-2.0
/* nap_patch.c for kmend.ko: kmend_nap() of napper.ko returns at once. */
#include "kmend.h"

static ssize_t no_nap(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	return 0;
}

static struct kmend_func funcs[] = {{.old_name = "kmend_nap", .new_func = no_nap}, {}};
static struct kmend_object objs[] = {{.name = "napper", .funcs = funcs}, {}};
static struct kmend_patch patch = {KMEND_PATCH_INIT, .objs = objs};

static int __init nap_core_init(void)
{
	return kmend_enable_patch(&patch);
}

static void __exit nap_core_exit(void)
{
}

module_init(nap_core_init);
module_exit(nap_core_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("a live patch for kmend.ko, written by hand");
