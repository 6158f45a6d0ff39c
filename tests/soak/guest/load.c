/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load_jobs.h"
#include "patch.h"

static volatile sig_atomic_t ending;
static struct shared { /* with the processes */
	atomic_ulong rounds[LOAD_JOBS], errors[LOAD_JOBS];
} *shared;
static pid_t pids[LOAD_JOBS];
static unsigned pause_percent = 100;

static const struct {
	const char *name;
	bool (*round)(void);
	unsigned pause_ms; /* between rounds: a busy machine, not one where nothing else gets on */
} jobs[LOAD_JOBS] = {
	[LOAD_SLEEP] = {"sleep", job_sleep, 3},
	[LOAD_SPIN] = {"spin", job_spin, 3},
	[LOAD_YIELD] = {"yield", job_yield, 3},
	[LOAD_DEEP] = {"deep", job_deep, 3},
	[LOAD_INTERRUPTIBLE] = {"interruptible", job_interruptible, 3},
	[LOAD_BORN] = {"born", job_born, 10},
	[LOAD_SCHED] = {"sched", job_sched, 10},
	[LOAD_FORK] = {"fork", job_fork, 40},
	[LOAD_FILES] = {"files", job_files, 5},
	[LOAD_NET] = {"net", job_net, 5},
	[LOAD_TIMERS] = {"timers", job_timers, 3},
	[LOAD_MODULES] = {"modules", job_modules, 100},
	[LOAD_HOTPLUG] = {"hotplug", job_hotplug, 400},
	[LOAD_TARGET] = {"target", job_target, 10},
};

static void on_term(int signal)
{
	(void)signal;
	ending = 1;
}

static void work(enum load_job job, pid_t parent)
{
	/* No SA_RESTART: what sleeps shall see the end. */
	struct sigaction act = {.sa_handler = on_term};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, jobs[job].name);
	sigaction(SIGTERM, &act, NULL);
	while (!ending) {
		if (!jobs[job].round() && !ending && shared->errors[job]++ < 3)
			fprintf(stderr, "# load %s: %s\n", jobs[job].name, strerror(errno));
		shared->rounds[job]++;
		soak_sleep_ms(jobs[job].pause_ms * pause_percent / 100);
	}
	_exit(0);
}

bool load_start(unsigned mask)
{
	pid_t parent = getpid();

	if (!shared) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (shared == MAP_FAILED) {
			shared = NULL;
			return false;
		}
	}
	for (int i = 0; i < LOAD_JOBS; i++) {
		if (!(mask & LOAD_BIT(i)) || pids[i])
			continue;
		pids[i] = fork();
		if (!pids[i])
			work(i, parent);
		if (pids[i] < 0) {
			pids[i] = 0;
			return false;
		}
	}
	return true;
}

/* A process that is asked to end and still lives after 20 s is no bug of a job's: its signal waits in the kernel. */
static void reap(enum load_job job)
{
	double end = soak_now() + 20;

	while (waitpid(pids[job], NULL, WNOHANG) == 0) {
		if (soak_now() > end) {
			fprintf(stderr, "# load %s: does not end\n", jobs[job].name);
			shared->errors[job]++;
			kill(pids[job], SIGKILL);
			waitpid(pids[job], NULL, 0);
			break;
		}
		kill(pids[job], SIGTERM);
		soak_sleep_ms(2);
	}
	pids[job] = 0;
}

void load_stop(void)
{
	bool cpus = pids[LOAD_HOTPLUG];

	for (int i = 0; i < LOAD_JOBS; i++)
		if (pids[i])
			kill(pids[i], SIGTERM);
	for (int i = 0; i < LOAD_JOBS; i++)
		if (pids[i])
			reap(i);
	if (cpus)
		all_cpus_online();
}

unsigned long load_rounds(enum load_job job)
{
	return shared ? shared->rounds[job] : 0;
}

unsigned long load_errors(enum load_job job)
{
	return shared ? shared->errors[job] : 0;
}

void load_forget(void)
{
	for (int i = 0; shared && i < LOAD_JOBS; i++)
		shared->errors[i] = 0;
}

const char *load_name(enum load_job job)
{
	return jobs[job].name;
}

void load_set_pause(unsigned percent)
{
	pause_percent = percent;
}
