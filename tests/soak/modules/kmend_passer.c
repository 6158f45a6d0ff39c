// SPDX-License-Identifier: GPL-2.0-or-later
/* Comes and goes: the module loader's share of the load. */
#include <linux/module.h>

static int __init passer_init(void)
{
	return 0;
}

static void __exit passer_exit(void)
{
}

module_init(passer_init);
module_exit(passer_exit);
MODULE_DESCRIPTION("a module that does nothing");
MODULE_LICENSE("GPL");
