/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load_jobs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "patch.h"

/* The oracle's module may be away while its own job runs; an interrupted open is the end's signal. */
static bool chain(enum oracle_rest rest, unsigned us)
{
	int version = oracle_call(rest, us);

	errno = version < 0 ? -version : 0;
	return version > 0 || version == -ENOENT || version == -ENOTTY || version == -EINTR;
}

bool job_sleep(void)
{
	return chain(ORACLE_SLEEP, 300);
}

bool job_spin(void)
{
	return chain(ORACLE_SPIN, 50);
}

bool job_yield(void)
{
	return chain(ORACLE_YIELD, 300);
}

bool job_deep(void)
{
	return chain(ORACLE_DEEP, 200);
}

bool job_interruptible(void)
{
	return chain(ORACLE_INTERRUPTIBLE, 1000);
}

static bool reap(pid_t pid, int want)
{
	int status;

	if (pid < 0)
		return false;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	errno = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == want;
}

bool job_born(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(chain(ORACLE_SLEEP, 100) ? 7 : 1);
	return reap(pid, 7);
}

/* By posix_spawn(): a child of vfork() that becomes another program. */
static pid_t spawn_true(void)
{
	char *argv[] = {"true", NULL};
	pid_t pid;

	return posix_spawn(&pid, "/bin/busybox", NULL, NULL, argv, environ) ? -1 : pid;
}

static pid_t fork_twice(void)
{
	pid_t pid = fork(), inner;

	if (pid)
		return pid;
	inner = fork();
	if (!inner)
		_exit(5);
	_exit(!reap(inner, 5));
}

/* Fourteen processes at a time. */
bool job_fork(void)
{
	pid_t pids[8];
	bool ok = true;

	for (unsigned i = 0; i < 8; i++)
		pids[i] = i % 4 ? fork_twice() : spawn_true();
	for (unsigned i = 0; i < 8; i++)
		ok = reap(pids[i], 0) && ok;
	return ok;
}

static void *pass_on(void *arg)
{
	int *fds = arg;
	char byte;

	for (int i = 0; i < 20; i++)
		while (read(fds[0], &byte, 1) != 1 || write(fds[3], &byte, 1) != 1)
			if (errno != EINTR)
				return arg;
	return NULL;
}

/* A thread comes, passes a byte back and forth, and goes. */
bool job_sched(void)
{
	int fds[4];
	pthread_t thread;
	void *failed = fds;
	char byte = 'k';

	if (pipe2(fds, O_CLOEXEC) || pipe2(fds + 2, O_CLOEXEC))
		return false;
	if (!pthread_create(&thread, NULL, pass_on, fds)) {
		for (int i = 0; i < 20; i++)
			if (write(fds[1], &byte, 1) == 1)
				while (read(fds[2], &byte, 1) < 0 && errno == EINTR)
					;
		pthread_join(thread, &failed);
	}
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	return !failed;
}

bool job_files(void)
{
	char from[64], to[64], sent[512], got[512];
	int fd;
	bool ok;

	snprintf(from, sizeof(from), "/tmp/soak-%d", getpid());
	snprintf(to, sizeof(to), "/tmp/soak-%d.new", getpid());
	memset(sent, 's', sizeof(sent));
	fd = open(from, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EINTR;
	ok = write(fd, sent, sizeof(sent)) == sizeof(sent) && pread(fd, got, sizeof(got), 0) == sizeof(got) &&
	     !memcmp(sent, got, sizeof(sent));
	close(fd);
	ok = ok && !rename(from, to) && !access(to, R_OK) && !unlink(to);
	fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	ok = ok && read(fd, got, sizeof(got)) > 0;
	close(fd);
	return ok;
}

static bool echo(int out, int in)
{
	char sent[64], got[64];

	memset(sent, 'k', sizeof(sent));
	memset(got, 0, sizeof(got));
	return write(out, sent, sizeof(sent)) == sizeof(sent) && read(in, got, sizeof(got)) == sizeof(got) &&
	       !memcmp(sent, got, sizeof(sent));
}

bool job_net(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = -1, other = -1;
	bool ok = listener >= 0 && !bind(listener, (struct sockaddr *)&a, len) && !listen(listener, 1) &&
		  !getsockname(listener, (struct sockaddr *)&a, &len);

	if (ok)
		one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Reset at the end instead of lingering: ports would run out. */
	ok = ok && one >= 0 &&
	     !setsockopt(one, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)) &&
	     !connect(one, (struct sockaddr *)&a, len);
	if (ok)
		other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ok = ok && other >= 0 && echo(one, other) && echo(other, one);
	close(one);
	close(other);
	close(listener);
	return ok || errno == EINTR;
}

bool job_timers(void)
{
	struct itimerspec ms = {.it_value.tv_nsec = 500000};
	struct itimerval again = {.it_interval.tv_usec = 700, .it_value.tv_usec = 700};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t n = 0;
	bool ok;

	ok = fd >= 0 && !timerfd_settime(fd, 0, &ms, NULL) && (read(fd, &n, sizeof(n)) == sizeof(n) || errno == EINTR);
	close(fd);
	ok = ok && !setitimer(ITIMER_VIRTUAL, &again, NULL) && !setitimer(ITIMER_VIRTUAL, &(struct itimerval){0}, NULL);
	nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
	return ok;
}

bool job_modules(void)
{
	int err = module_insert("kmend_passer", "%s", "");

	if (!err)
		err = module_remove("kmend_passer", 5000);
	errno = -err;
	return !err || err == -EINTR || err == -EEXIST;
}

unsigned cpus_possible(void)
{
	return sysconf(_SC_NPROCESSORS_CONF);
}

int cpu_set_online(unsigned cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return file_write(path, online ? "1" : "0");
}

void all_cpus_online(void)
{
	for (unsigned cpu = 1; cpu < cpus_possible(); cpu++)
		cpu_set_online(cpu, true);
}

bool job_hotplug(void)
{
	int err = 0;

	for (unsigned cpu = 1; cpu < cpus_possible() && !err; cpu++) {
		err = cpu_set_online(cpu, false);
		usleep(2000);
		if (!err)
			err = cpu_set_online(cpu, true);
		usleep(20000);
	}
	errno = -err;
	return !err || err == -EINTR;
}

bool job_target(void)
{
	int err = module_remove("kmend_oracle", 5000);

	usleep(1000);
	if (!err)
		err = module_insert("kmend_oracle", "%s", "");
	usleep(3000);
	errno = -err;
	return !err || err == -EINTR;
}
