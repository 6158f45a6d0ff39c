// SPDX-License-Identifier: GPL-2.0-only
/* Whether a task's kernel stack holds one of some functions. */
#include <linux/sched/task_stack.h>
#include <linux/sort.h>

#include "internal.h"

static int by_start(const void *a, const void *b)
{
	const struct km_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void km_ranges_sort(struct km_ranges *r)
{
	size_t kept = 0;

	sort(r->at, r->n, sizeof(*r->at), by_start, NULL);
	for (size_t i = 1; i < r->n; i++) {
		if (r->at[i].start <= r->at[kept].end)
			r->at[kept].end = max(r->at[kept].end, r->at[i].end);
		else
			r->at[++kept] = r->at[i];
	}
	if (r->n)
		r->n = kept + 1;
}

bool notrace km_ranges_hit(const struct km_ranges *r, unsigned long addr)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (addr < r->at[mid].start)
			high = mid;
		else if (addr >= r->at[mid].end)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

struct walk {
	const struct km_ranges *avoid;
	unsigned long hit, last;
};

/* There is no buffer, so no stack is too deep. */
static bool look(void *cookie, unsigned long addr)
{
	struct walk *walk = cookie;

	walk->last = addr;
	if (!km_ranges_hit(walk->avoid, addr))
		return true;
	walk->hit = addr;
	return false;
}

/*
 * The unwinder's success is not enough. Before Linux 6.4 the hint at code whose stack is not known is the one that ends a stack, and indirect
 * thunks carry it: a walk through an interrupt that hit a thunk would end there, in the middle (commit fb799447ae29).
 */
static bool is_first(unsigned long addr)
{
	for (size_t i = 0; i < ARRAY_SIZE(km_kernel.firsts); i++)
		if (addr >= km_kernel.firsts[i].start && addr < km_kernel.firsts[i].end)
			return true;
	return false;
}

enum km_stack km_stack_check(struct task_struct *task, const struct km_ranges *avoid, unsigned long *at)
{
	struct walk walk = {.avoid = avoid};
	int err;

	*at = 0;
	/* A dead task gave its stack up with its last switch: it will never run again. */
	if (task != current && !try_get_task_stack(task))
		return KM_STACK_CLEAR;
	err = km_walk_warns(task) ? -EAGAIN : km_kernel.arch_stack_walk_reliable(look, &walk, task);
	if (task != current)
		km_kernel.put_task_stack(task);
	*at = walk.hit;
	if (walk.hit)
		return KM_STACK_HIT;
	return err || !is_first(walk.last) ? KM_STACK_UNRELIABLE : KM_STACK_CLEAR;
}
