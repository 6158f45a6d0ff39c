// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

int kmt_second_twin(void);

static noinline __noclone int kmt_twin(void)
{
	asm volatile("");
	return 22;
}

int kmt_second_twin(void)
{
	return kmt_twin() + 0 * READ_ONCE(THIS_MODULE->state);
}
