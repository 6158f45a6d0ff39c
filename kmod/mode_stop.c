// SPDX-License-Identifier: GPL-2.0-only
/*
 * stop: all tasks at one instant. Every CPU is stopped, all stacks are looked at, and if none holds a function that is left, the sides
 * change. Else everything runs on as it was, and after a while it is tried again, `stop_attempts` times.
 */
#include "internal.h"

const struct km_mode km_mode_stop = {
	.name = "stop",
	.id = KMEND_MODE_STOP,
	.stops = true,
};
