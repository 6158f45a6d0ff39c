// SPDX-License-Identifier: GPL-2.0-only
/*
 * lazy: a user task switches on its way to user space and nowhere else, by itself; a kthread when it sleeps or leaves its CPU outside of
 * the functions. Nothing is stopped. Who sleeps in a system call is woken at once; the call is restarted unseen.
 */
#include "internal.h"

#define FIRST_NUDGE_MS 10
#define NUDGE_EVERY_MS 5000

static unsigned long lazy_tick(struct km_transition *t)
{
	if (km_transition_elapsed() >= FIRST_NUDGE_MS + t->nudges * NUDGE_EVERY_MS)
		km_transition_nudge();
	return 0;
}

const struct km_mode km_mode_lazy = {
	.name = "lazy",
	.id = KMEND_MODE_LAZY,
	.tick = lazy_tick,
};
