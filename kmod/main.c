// SPDX-License-Identifier: GPL-2.0-only
/*
 * kmend.ko comes and goes. It cannot go while a patch is in: the patch modules use its symbols.
 */
#include <linux/init.h>

#include "internal.h"

static int __init kmend_init(void)
{
	int err = km_kernel_init();

	if (err)
		return err;
	err = km_transition_init();
	if (err)
		return err;
	err = km_patches_init();
	if (err)
		goto transition;
	err = km_sysfs_init();
	if (err)
		goto patches;
	err = km_objects_init();
	if (err)
		goto sysfs;
	return 0;

sysfs:
	km_sysfs_exit();
patches:
	km_patches_exit();
transition:
	km_transition_exit();
	return err;
}

static void __exit kmend_exit(void)
{
	/* The last patch may just have been let go: its redirections are taken down first, then its files. */
	mutex_lock(&km_mutex);
	km_transition_wait_settled();
	mutex_unlock(&km_mutex);
	km_objects_exit();
	km_patches_exit();
	km_sysfs_exit();
	km_transition_exit();
	km_redirect_exit();
	km_shadow_exit();
}

module_init(kmend_init);
module_exit(kmend_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Live patching with consistency as a policy");
MODULE_VERSION("0.1.0");
