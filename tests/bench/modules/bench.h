/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench.h - what the functions and what replaces them have in common, so that a call of either costs the same. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/compiler.h>

static __always_inline int bench_body(int x)
{
	return x + 1;
}

/* kmend_bench_many.c has bench_many_0_0 to bench_many_f_f, and kmend_bench_wide_*.c replaces them. */
#define BENCH_ROW(M, r) \
	M(r##_0) M(r##_1) M(r##_2) M(r##_3) M(r##_4) M(r##_5) M(r##_6) M(r##_7) \
	M(r##_8) M(r##_9) M(r##_a) M(r##_b) M(r##_c) M(r##_d) M(r##_e) M(r##_f)
#define BENCH_ALL(M) \
	BENCH_ROW(M, 0) BENCH_ROW(M, 1) BENCH_ROW(M, 2) BENCH_ROW(M, 3) \
	BENCH_ROW(M, 4) BENCH_ROW(M, 5) BENCH_ROW(M, 6) BENCH_ROW(M, 7) \
	BENCH_ROW(M, 8) BENCH_ROW(M, 9) BENCH_ROW(M, a) BENCH_ROW(M, b) \
	BENCH_ROW(M, c) BENCH_ROW(M, d) BENCH_ROW(M, e) BENCH_ROW(M, f)

#endif
