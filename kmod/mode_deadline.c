// SPDX-License-Identifier: GPL-2.0-only
/*
 * deadline: hybrid in a given time T.
 *	from T/8	blockers are nudged, every T/8
 *	from T/2	stops are tried as well
 *	from 3T/4	the way back, by the same means
 * A task that stays in an old function for good leaves the system as it was before. What cannot be kept is a promise for two tasks of which
 * one stays in the old side and one in the new: this is told at T, and the way back goes on.
 */
#include <linux/jiffies.h>

#include "internal.h"

static bool goes_back(const struct km_transition *t)
{
	return !t->target;
}

static bool stops_now(const struct km_transition *t, unsigned int elapsed)
{
	return elapsed >= t->deadline_ms / 2;
}

static bool gives_up(const struct km_transition *t, unsigned int elapsed)
{
	return !goes_back(t) && elapsed >= t->deadline_ms - t->deadline_ms / 4;
}

static bool is_late(const struct km_transition *t, unsigned int elapsed)
{
	return elapsed >= t->deadline_ms && !t->late;
}

static unsigned long deadline_tick(struct km_transition *t)
{
	unsigned int elapsed = km_transition_elapsed(), eighth = t->deadline_ms / 8;

	if (elapsed >= (t->nudges + 1) * eighth)
		km_transition_nudge();
	if (gives_up(t, elapsed)) {
		km_transition_name_blockers();
		t->patch->last_error = -ETIME;
		km_transition_reverse();
		return 0;
	}
	if (stops_now(t, elapsed) && km_transition_stop_attempt() == 0)
		return 0;
	if (is_late(t, elapsed)) {
		t->late = true;
		pr_err("the deadline of %u ms has passed, and the way back is barred too:\n", t->deadline_ms);
		km_transition_name_blockers();
	}
	if (t->late) /* this may last: not with a stop every few milliseconds */
		return HZ;
	return clamp(msecs_to_jiffies(t->deadline_ms / 32), 1UL, (unsigned long)HZ);
}

const struct km_mode km_mode_deadline = {
	.name = "deadline",
	.id = KMEND_MODE_DEADLINE,
	.sleepers = true,
	.in_kernel = true,
	.tick = deadline_tick,
};
