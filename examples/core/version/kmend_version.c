// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that a patch can be: one function of the kernel, and what runs instead.
 *
 *	# insmod kmend_version.ko
 *	# cat /proc/version
 *	Linux version 6.1.0-56-cloud-amd64 #1 SMP … (live patched)
 *	# echo 0 > /sys/kernel/kmend/kmend_version/enabled
 *	# rmmod kmend_version
 */
#include <linux/seq_file.h>
#include <linux/utsname.h>

#include "kmend.h"

/* fs/proc/version.c has version_proc_show(); its caller is not changed, so the arguments must be the same. */
static int version_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s version %s %s (live patched)\n", utsname()->sysname, utsname()->release, utsname()->version);
	return 0;
}

static struct kmend_func funcs[] = {
	{.old_name = "version_proc_show", .new_func = version_show},
	{},
};

static struct kmend_object objs[] = {
	{.funcs = funcs}, /* without a name: the kernel itself */
	{},
};

static struct kmend_patch patch = {
	KMEND_PATCH_INIT,
	.objs = objs,
};

static int __init version_init(void)
{
	return kmend_enable_patch(&patch);
}

/* The module can be removed as soon as the patch is disabled: there is nothing left to do. */
static void __exit version_exit(void)
{
}

module_init(version_init);
module_exit(version_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Example: /proc/version says that it is patched");
