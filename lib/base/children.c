/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every child has a process group of its own, so that a time limit ends all that it started. The price: Ctrl-C on the
 * terminal does not reach it. So the signals that end this process are caught once, passed on, and taken again.
 */
#include <kmend/base.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "children.h"

enum { MOST_CHILDREN = 1024 };

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
/* Lock-free: the signal handler reads it. 0 is a free place. */
static _Atomic pid_t running[MOST_CHILDREN];
static pthread_once_t once = PTHREAD_ONCE_INIT;

void km_kill_children(int sig)
{
	for (size_t i = 0; i < MOST_CHILDREN; i++) {
		pid_t pid = atomic_load(&running[i]);

		if (pid > 0)
			kill(-pid, sig);
	}
}

static void on_ending(int sig)
{
	km_kill_children(SIGTERM);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_ending(void)
{
	for (size_t i = 0; i < KM_COUNT(ending); i++) {
		struct sigaction old, new = {.sa_handler = on_ending};

		/* A program with a handler of its own calls km_kill_children(); one under nohup goes on. */
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(ending[i], &new, NULL);
	}
}

void km_children_begin(sigset_t *saved)
{
	sigset_t block;

	pthread_once(&once, catch_ending);
	sigemptyset(&block);
	for (size_t i = 0; i < KM_COUNT(ending); i++)
		sigaddset(&block, ending[i]);
	pthread_sigmask(SIG_BLOCK, &block, saved);
}

void km_children_enter(pid_t pid, const sigset_t *saved)
{
	for (size_t i = 0; pid > 0 && i < MOST_CHILDREN; i++) {
		pid_t none = 0;

		if (atomic_compare_exchange_strong(&running[i], &none, pid))
			break;
	}
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

void km_children_leave(pid_t pid)
{
	for (size_t i = 0; i < MOST_CHILDREN; i++) {
		pid_t same = pid;

		if (atomic_compare_exchange_strong(&running[i], &same, 0))
			break;
	}
}
