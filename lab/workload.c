/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend-workload: a machine that is steadily busy, and a heart that beats every millisecond. It measures; whoever
 * runs it judges.
 *
 *   kmend-workload [--seconds S] [--limit MS] [--pause US] [--quiet]
 *
 * Ends on SIGTERM or SIGINT, or after S seconds, with one line:
 *   ops=N errors=N beats=N longest_gap_ms=X missed=N seconds=X
 * missed: beats that came more than the limit (default 500 ms) after the one before. Exit status: 0, or 1 when a job
 * had an error or a thread could not be begun.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

static atomic_bool ending;
static atomic_ulong ops, errors;
static long pause_us = 200; /* between rounds of a job: a busy machine, not a stuck one */

static struct {
	unsigned long beats, missed;
	double longest, limit; /* ms */
} heart = {.limit = 500};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void *work(void *arg)
{
	const struct job *job = arg;
	void *state = NULL;

	if (job->begin && !job->begin(&state)) {
		fprintf(stderr, "kmend-workload: %s: cannot begin: %s\n", job->name, strerror(errno));
		errors++;
		return NULL;
	}
	while (!ending) {
		if (!job->round(state)) {
			if (errors++ < 10)
				fprintf(stderr, "kmend-workload: %s: %s\n", job->name, strerror(errno));
		}
		ops++;
		usleep(pause_us);
	}
	if (job->end)
		job->end(state);
	return NULL;
}

static void *beat(void *arg)
{
	double last = now();

	(void)arg;
	while (!ending) {
		struct timespec ms = {.tv_nsec = 1000000};
		double at, gap;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &ms, NULL);
		at = now();
		gap = 1e3 * (at - last);
		last = at;
		heart.beats++;
		heart.missed += gap > heart.limit;
		if (gap > heart.longest)
			heart.longest = gap;
	}
	return NULL;
}

/* Waits for a signal or the end of the time. */
static void wait_end(const sigset_t *signals, double seconds)
{
	struct timespec t = {.tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9};

	if (seconds > 0)
		sigtimedwait(signals, NULL, &t);
	else
		while (sigwaitinfo(signals, NULL) < 0 && errno == EINTR)
			;
}

static double number(const char *option, const char *value)
{
	char *end;
	double n = value ? strtod(value, &end) : -1;

	if (!value || end == value || *end || n < 0) {
		fprintf(stderr, "kmend-workload: %s takes a number\n", option);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv, double *seconds, int *quiet)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quiet")) {
			*quiet = 1;
		} else if (!strcmp(argv[i], "--seconds")) {
			*seconds = number(argv[i], argv[i + 1]);
			i++;
		} else if (!strcmp(argv[i], "--limit")) {
			heart.limit = number(argv[i], argv[i + 1]);
			i++;
		} else if (!strcmp(argv[i], "--pause")) {
			pause_us = number(argv[i], argv[i + 1]);
			i++;
		} else {
			fprintf(stderr, "usage: kmend-workload [--seconds S] [--limit MS] [--pause US] [--quiet]\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	double seconds = 0, begin;
	pthread_t threads[16];
	unsigned n = 0;
	sigset_t signals;
	int quiet = 0;

	parse(argc, argv, &seconds, &quiet);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL); /* for all threads to come: wait_end() takes them */
	signal(SIGPIPE, SIG_IGN);
	begin = now();
	if (!pthread_create(&threads[n], NULL, beat, NULL))
		n++;
	for (unsigned i = 0; i < job_count && n < 16; i++)
		if (!pthread_create(&threads[n], NULL, work, (void *)&jobs[i]))
			n++;
	if (n != job_count + 1)
		errors++;
	wait_end(&signals, seconds);
	ending = true;
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (!quiet || errors)
		printf("ops=%lu errors=%lu beats=%lu longest_gap_ms=%.1f missed=%lu seconds=%.1f\n", ops, errors,
		       heart.beats, heart.longest, heart.missed, now() - begin);
	return errors ? 1 : 0;
}
