/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The patch of the timed transitions: three functions of kmend_bench.ko, replaced by their like. */
#include <linux/delay.h>

#include "bench.h"
#include "bench_flavour.h"

static noinline int new_target(int x)
{
	return bench_body(x);
}

static noinline int new_hold(int x)
{
	return bench_body(x);
}

static noinline int new_nap(int ms)
{
	msleep(ms);
	return bench_body(ms);
}

static bench_func functions[] = {
	{.old_name = "bench_target", .new_func = new_target},
	{.old_name = "bench_hold", .new_func = new_hold},
	{.old_name = "bench_nap", .new_func = new_nap},
	{},
};
static bench_object objects[] = {{.name = "kmend_bench", .funcs = functions}, {}};

BENCH_MODULE(objects);
