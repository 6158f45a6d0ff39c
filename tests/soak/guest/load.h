/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load.h - what keeps the machine busy: each job is a process of its own. */
#ifndef SOAK_LOAD_H
#define SOAK_LOAD_H

#include <stdbool.h>

enum load_job {
	LOAD_SLEEP,	    /* chains of the oracle in user tasks, one job for each way to rest */
	LOAD_SPIN,
	LOAD_YIELD,
	LOAD_DEEP,
	LOAD_INTERRUPTIBLE,
	LOAD_BORN,    /* children that run a chain first thing, and are gone */
	LOAD_SCHED,   /* threads that pass a token through a futex */
	LOAD_FORK,    /* as many processes as can be made */
	LOAD_FILES,   /* create, write, read, rename, unlink */
	LOAD_NET,     /* connections over the loopback */
	LOAD_TIMERS,  /* sleeps, interval timers, timerfds */
	LOAD_MODULES, /* a module comes and goes */
	LOAD_HOTPLUG, /* every CPU but the first goes and comes */
	LOAD_TARGET,  /* the module of the oracle goes and comes */
	LOAD_JOBS,
};
#define LOAD_BIT(job) (1u << (job))
/* All but the last three, which move what others stand on. */
#define LOAD_BASE (LOAD_BIT(LOAD_MODULES) - 1)

/* Begins the jobs of the mask, in addition to those that run. False: a process could not be made. */
bool load_start(unsigned mask);
/* Ends all jobs. What is left of CPUs and modules is put right. */
void load_stop(void);
/* Rounds of a job since the program began; and those that went wrong since load_forget(), which the kernel must not let happen. */
unsigned long load_rounds(enum load_job job);
unsigned long load_errors(enum load_job job);
void load_forget(void);
const char *load_name(enum load_job job);
/* How long the jobs pause between rounds, of what is usual for each: 100. Before load_start(). */
void load_set_pause(unsigned percent);

#endif
