// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmend-bench: what the bench of kmend.ko does inside a guest. One verb each:
 *	sleepers N		N tasks that sleep; prints "ready", ends when it is killed
 *	nappers N MS		N tasks that are inside bench_nap() of kmend_bench.ko for MS milliseconds, and there again
 *	load DIR FILE [PARAMS]	inserts a patch and waits for its transition; DIR is its directory in sysfs
 *	disable DIR		takes it back
 *	memory			what the kernel holds now
 * load and disable print "ns=N missed=0|1 gone=0|1": from the system call to the moment when `transition` is 0 (or the
 * directory is gone); missed: the transition went on when the system call had returned; gone: there is no directory.
 * Or "ns=N errno=N".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_PER_PROCESS 50
#define POLL_NS 100000 /* what a time is exact to when a transition goes on after the system call, or 1/POLL_PART of it */
#define POLL_PART 200
#define LIMIT_NS 120000000000ull
#define NAP_FILE "/proc/kmend_bench"

static void die(const char *what)
{
	fprintf(stderr, "kmend-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void pause_ns(long ns)
{
	struct timespec t = {.tv_nsec = ns};

	nanosleep(&t, NULL);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */
static void *sleep_for_good(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

/* The process itself is one of the n. */
static void be_sleepers(long n)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (long i = 1; i < n; i++)
		if (pthread_create(&thread, &attr, sleep_for_good, NULL))
			die("pthread_create");
}

static void be_napper(long ms)
{
	char word[32];
	int fd = open(NAP_FILE, O_WRONLY), n = snprintf(word, sizeof(word), "nap %ld", ms);

	if (fd < 0)
		die(NAP_FILE);
	for (;;)
		if (write(fd, word, n) != n)
			die(NAP_FILE);
}

/* A child tells through the pipe that it is as it should be. */
static void child(int ready, long sleepers, long nap_ms)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	be_sleepers(sleepers);
	if (write(ready, "", 1) != 1)
		die("write");
	close(ready);
	if (nap_ms)
		be_napper(nap_ms);
	sleep_for_good(NULL);
}

static void tasks(long n, long per_process, long nap_ms)
{
	int ready[2];
	char byte;

	if (pipe(ready))
		die("pipe");
	for (long left = n; left > 0; left -= per_process) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			child(ready[1], left < per_process ? left : per_process, nap_ms);
		if (read(ready[0], &byte, 1) != 1)
			die("read");
	}
	pause_ns(50000000); /* until all of them sleep */
	puts("ready");
	fflush(stdout);
	sleep_for_good(NULL);
}

/* ---- transitions ------------------------------------------------------------------------------------------------- */
enum seen { SEEN_OVER, SEEN_RUNNING, SEEN_GONE };

static enum seen look(int fd)
{
	char value = 0;

	if (fd < 0 || pread(fd, &value, 1, 0) != 1)
		return SEEN_GONE;
	return value == '1' ? SEEN_RUNNING : SEEN_OVER;
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags);
}

static void wait_and_tell(unsigned long long began, int fd)
{
	enum seen seen = look(fd), first = seen;

	while (seen == SEEN_RUNNING) {
		unsigned long long pause = (now() - began) / POLL_PART;

		if (now() - began > LIMIT_NS) {
			errno = ETIME;
			die("a transition");
		}
		pause_ns(pause > POLL_NS ? pause : POLL_NS);
		seen = look(fd);
	}
	printf("ns=%llu missed=%d gone=%d\n", now() - began, first == SEEN_RUNNING, seen == SEEN_GONE);
}

static void load(const char *dir, const char *file, const char *params)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), transition;
	unsigned long long began;
	int err;

	if (fd < 0)
		die(file);
	began = now();
	err = syscall(SYS_finit_module, fd, params, 0) ? errno : 0;
	if (err) {
		printf("ns=%llu errno=%d\n", now() - began, err);
		return;
	}
	transition = open_in(dir, "transition", O_RDONLY);
	wait_and_tell(began, transition);
}

static void disable(const char *dir)
{
	int transition = open_in(dir, "transition", O_RDONLY), enabled = open_in(dir, "enabled", O_WRONLY);
	unsigned long long began = now();

	if (transition < 0 || enabled < 0)
		die(dir);
	if (write(enabled, "0", 1) != 1) {
		printf("ns=%llu errno=%d\n", now() - began, errno);
		return;
	}
	wait_and_tell(began, transition);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */
static unsigned long long slab_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned long long sum = 0, active, size;
	char line[512];

	if (!f)
		die("/proc/slabinfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %llu %*u %llu", &active, &size) == 2)
			sum += active * size;
	fclose(f);
	return sum;
}

/* Modules and trampolines too. */
static unsigned long long vmalloc_bytes(void)
{
	FILE *f = fopen("/proc/vmallocinfo", "r");
	unsigned long long sum = 0, pages;
	char line[512], *at;

	if (!f)
		die("/proc/vmallocinfo");
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, " pages=");
		if (at && sscanf(at, " pages=%llu", &pages) == 1)
			sum += pages * 4096;
	}
	fclose(f);
	return sum;
}

static unsigned long long percpu_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kb, ret = 0;
	char line[512];

	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Percpu: %llu kB", &kb) == 1)
			ret = kb * 1024;
	fclose(f);
	return ret;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	if (argc == 3 && !strcmp(verb, "sleepers"))
		tasks(atol(argv[2]), THREADS_PER_PROCESS, 0);
	else if (argc == 4 && !strcmp(verb, "nappers"))
		tasks(atol(argv[2]), 1, atol(argv[3]));
	else if (argc >= 4 && !strcmp(verb, "load"))
		load(argv[2], argv[3], argc > 4 ? argv[4] : "");
	else if (argc == 3 && !strcmp(verb, "disable"))
		disable(argv[2]);
	else if (argc == 2 && !strcmp(verb, "memory"))
		printf("slab=%llu vmalloc=%llu percpu=%llu\n", slab_bytes(), vmalloc_bytes(), percpu_bytes());
	else
		die("see the head of its source");
	return 0;
}
