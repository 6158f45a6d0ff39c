/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the time stamp counter of this machine runs. An emulated guest reads the very same counter, and
 * calibrates it at boot against an emulated timer: on a busy host the result is off by a factor of two, and the
 * guest's clock with it. So it is told.
 */
#include "qemu.h"

#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>

struct sample {
	uint64_t ticks;
	double seconds;
};

/* Both clocks at one moment: of several tries the one in which least time passed between the two readings around. */
static struct sample take(void)
{
	struct sample best = {0};
	double width = 1;

	for (int i = 0; i < 16; i++) {
		double before = km_now(), after;
		uint64_t ticks = __rdtsc();

		after = km_now();
		if (after - before < width) {
			width = after - before;
			best = (struct sample){ticks, (before + after) / 2};
		}
	}
	return best;
}

unsigned lab_tsc_khz(void)
{
	struct timespec pause = {.tv_nsec = 20000000};
	struct sample a = take(), b;
	double khz;

	nanosleep(&pause, NULL);
	b = take();
	khz = (double)(b.ticks - a.ticks) / (b.seconds - a.seconds) / 1e3;
	return khz > 1e5 && khz < 2e7 ? (unsigned)(khz + 0.5) : 0;
}
#else
unsigned lab_tsc_khz(void)
{
	return 0;
}
#endif
