/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "workload.h"

static bool syscalls(void *state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		if (syscall(SYS_getppid) < 0)
			return false;
	return true;
}

static bool files(void *state)
{
	static const char *const paths[] = {"/proc/self/status", "/proc/meminfo", "/proc/stat", "/proc/self/maps"};
	char bytes[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

		if (fd >= 0)
			close(fd);
		if (n <= 0)
			return false;
	}
	return true;
}

/* There and back through two descriptors: a pipe's ends, a stream's. */
static bool echo(int out, int in)
{
	char sent[64], got[64];

	memset(sent, 'k', sizeof(sent));
	memset(got, 0, sizeof(got));
	return write(out, sent, sizeof(sent)) == sizeof(sent) && read(in, got, sizeof(got)) == sizeof(got) &&
	       !memcmp(sent, got, sizeof(sent));
}

static bool pipe_begin(void **state)
{
	int *fds = malloc(2 * sizeof(int));

	*state = fds;
	return fds && !pipe2(fds, O_CLOEXEC);
}

static bool unix_begin(void **state)
{
	int *fds = malloc(2 * sizeof(int));

	*state = fds;
	return fds && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
}

/* A connection to ourselves over the loopback. */
static bool tcp_begin(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int *fds = malloc(2 * sizeof(int)), listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	*state = fds;
	if (!fds || listener < 0)
		return false;
	ok = !bind(listener, (struct sockaddr *)&a, len) && !listen(listener, 1) &&
	     !getsockname(listener, (struct sockaddr *)&a, &len);
	fds[0] = ok ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
	ok = fds[0] >= 0 && !connect(fds[0], (struct sockaddr *)&a, len);
	fds[1] = ok ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	close(listener);
	return fds[1] >= 0;
}

static bool pipe_round(void *state)
{
	int *fds = state;

	return echo(fds[1], fds[0]);
}

static bool pair_round(void *state)
{
	int *fds = state;

	return echo(fds[0], fds[1]) && echo(fds[1], fds[0]);
}

static void pair_end(void *state)
{
	int *fds = state;

	close(fds[0]);
	close(fds[1]);
	free(fds);
}

static bool processes(void *state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(7);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7;
}

const struct job jobs[] = {
	{"syscalls", NULL, syscalls, NULL},	    {"files", NULL, files, NULL},
	{"pipe", pipe_begin, pipe_round, pair_end}, {"unix", unix_begin, pair_round, pair_end},
	{"tcp", tcp_begin, pair_round, pair_end},   {"processes", NULL, processes, NULL},
};
const unsigned job_count = sizeof(jobs) / sizeof(jobs[0]);
