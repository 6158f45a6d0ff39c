/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The patch whose memory is looked at: 256 functions of kmend_bench_many.ko. */
#include "bench.h"
#include "bench_flavour.h"

static noinline int new_many(int x)
{
	return bench_body(x);
}

#define FUNCTION(n) {.old_name = "bench_many_" #n, .new_func = new_many},
static bench_func functions[] = {BENCH_ALL(FUNCTION) {}};
static bench_object objects[] = {{.name = "kmend_bench_many", .funcs = functions}, {}};

BENCH_MODULE(objects);
