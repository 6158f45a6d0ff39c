// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/module.h>

#include "bench.h"

#define FUNCTION(n)                        \
	noinline int bench_many_##n(int x);    \
	noinline int bench_many_##n(int x)     \
	{                                      \
		return bench_body(x);          \
	}
BENCH_ALL(FUNCTION)

MODULE_DESCRIPTION("256 functions to be patched");
MODULE_LICENSE("GPL");
