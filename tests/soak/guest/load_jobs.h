/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load_jobs.h - one round of each job of load.h; false is an error of the kernel's, errno tells. Any state is the process' own. */
#ifndef SOAK_LOAD_JOBS_H
#define SOAK_LOAD_JOBS_H

#include <stdbool.h>

bool job_sleep(void);
bool job_spin(void);
bool job_yield(void);
bool job_deep(void);
bool job_interruptible(void);
bool job_born(void);
bool job_sched(void);
bool job_fork(void);
bool job_files(void);
bool job_net(void);
bool job_timers(void);
bool job_modules(void);
bool job_hotplug(void);
bool job_target(void);

/* The CPUs that can go, from 1 on. */
unsigned cpus_possible(void);
int cpu_set_online(unsigned cpu, bool online);
void all_cpus_online(void);

#endif
