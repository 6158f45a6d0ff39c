// SPDX-License-Identifier: GPL-2.0-only
/*
 * hybrid: as lazy, and any task may switch wherever its whole stack is known and holds none of the functions: by itself as it leaves a CPU,
 * or while it sleeps, looked at from outside.
 */
#include "internal.h"

#define FIRST_NUDGE_MS 5000
#define NUDGE_EVERY_MS 10000

static unsigned long hybrid_tick(struct km_transition *t)
{
	if (km_transition_elapsed() >= FIRST_NUDGE_MS + t->nudges * NUDGE_EVERY_MS)
		km_transition_nudge();
	return 0;
}

const struct km_mode km_mode_hybrid = {
	.name = "hybrid",
	.id = KMEND_MODE_HYBRID,
	.sleepers = true,
	.in_kernel = true,
	.tick = hybrid_tick,
};
