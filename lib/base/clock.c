/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time and processors. */
#include <kmend/base.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>

unsigned km_cpus(void)
{
	cpu_set_t set;

	/* What this process may use, which in a container is less than what the machine has. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	return 1;
}

double km_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(int who)
{
	struct rusage u;

	if (getrusage(who, &u) < 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void km_cpu_used(double *own, double *children)
{
	if (own)
		*own = seconds(RUSAGE_SELF);
	if (children)
		*children = seconds(RUSAGE_CHILDREN);
}
