/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tasks.h - the table of who has switched, as far as the redirect handler reads it: each call of a function in transition asks it, so the
 * answer is a multiplication, three loads and two comparisons, inline.
 */
#ifndef KMEND_TASKS_H
#define KMEND_TASKS_H

#include <linux/hash.h>
#include <linux/sched.h>

struct km_ranges;
struct km_mode;

struct km_tasks_entry {
	struct task_struct *task; /* referenced */
	unsigned long blocked_at; /* what held it last; 0: unknown */
	struct km_border_work *work; /* queued for it, or NULL; under km_tasks_lock */
	u8 uses_new;		  /* written under km_tasks_lock */
	u8 gone;		  /* it never runs again: not waited for, whatever side it was on; likewise */
};

struct km_tasks_slot {
	struct task_struct *task; /* NULL: an empty slot */
	struct km_tasks_entry *entry;
};

struct km_tasks {
	struct km_tasks *prev; /* an older table of the same transition */
	u64 since;	       /* ktime_get_ns() right before it was made */
	bool newborn;	       /* side of tasks that are not in it */
	bool before;	       /* side of those that had left the list of tasks already; only where prev is NULL */
	bool target;
	bool frozen;	/* nobody switches any more: its bits are being copied */
	size_t pending; /* entries that are not at target; under km_tasks_lock */
	const struct km_mode *mode;
	struct km_ranges *avoid;
	struct km_tasks_entry *entries; /* dense */
	size_t n;
	struct km_tasks_slot *end;
	unsigned int shift; /* of the hash */
	struct km_tasks_slot slots[]; /* open addressing, at most an eighth full */
};

/* Of a task that was released before the newest table was made; the slow part of km_tasks_side(). */
bool notrace km_tasks_side_of_released(const struct km_tasks *t, const struct task_struct *task);

/* Released before or after the table was made? Only in the first case it may be absent although it is older. */
static __always_inline bool km_tasks_is_released(const struct task_struct *task)
{
	return unlikely(!READ_ONCE(task->sighand));
}

static __always_inline size_t km_tasks_hash(const struct km_tasks *t, const struct task_struct *task)
{
	return (u64)task * GOLDEN_RATIO_64 >> t->shift;
}

/* Its entry, or NULL. */
static __always_inline struct km_tasks_entry *km_tasks_find(const struct km_tasks *t, const struct task_struct *task)
{
	const struct km_tasks_slot *slot = &t->slots[km_tasks_hash(t, task)];

	while (unlikely(slot->task != task)) {
		if (!slot->task)
			return NULL;
		if (++slot == t->end)
			slot = t->slots;
	}
	return slot->entry;
}

/* The side of current, or of any task that cannot go away meanwhile. NMI-safe. */
static __always_inline bool km_tasks_side(const struct km_tasks *t, const struct task_struct *task)
{
	const struct km_tasks_entry *e = km_tasks_find(t, task);

	if (likely(e))
		return READ_ONCE(e->uses_new);
	return km_tasks_is_released(task) ? km_tasks_side_of_released(t, task) : t->newborn;
}

#endif
