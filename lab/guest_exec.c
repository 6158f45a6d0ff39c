/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs as steps: in the foreground with a time limit, or one in the background. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

static struct {
	pid_t pid; /* 0: none */
	int out;   /* a file that collects what it prints, so that it never waits for us */
} background;

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void nap(double seconds)
{
	struct timespec t = {.tv_sec = seconds, .tv_nsec = (seconds - (long)seconds) * 1e9};

	nanosleep(&t, NULL);
}

/* In the child. A script without "#!" is the shell's, as everywhere. */
static void become(char **argv, int argc, int out)
{
	char *sh[64] = {"sh"};

	setpgid(0, 0);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	execvp(argv[0], argv);
	if (errno == ENOEXEC) {
		for (int i = 0; i < argc && i < 62; i++)
			sh[i + 1] = argv[i];
		execv("/bin/sh", sh);
	}
	dprintf(STDERR_FILENO, "%s: %s%s\n", argv[0], strerror(errno),
		errno == ENOENT ? " (it, or the interpreter it names, is not in the guest)" : "");
	_exit(errno == ENOENT ? LAB_STATUS_NOTFOUND : LAB_STATUS_NOEXEC);
}

static pid_t spawn(struct step *s, int out)
{
	pid_t pid = fork();

	if (pid == 0)
		become(s->argv, s->argc, out);
	if (pid > 0)
		setpgid(pid, pid); /* here too: whoever is first, a kill of the group finds it */
	return pid;
}

static int status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

/* Copies what is there to the host. False at the end of the pipe. */
static bool pass_on(struct step *s, int fd)
{
	char bytes[LAB_FRAME_MAX];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n > 0)
		report("out", s->number, bytes, n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* A daemon that a step leaves behind may hold the pipe open: the child's end is the step's end, and what is in the
 * pipe by then is its output. */
static int follow(struct step *s, pid_t pid, int fd)
{
	double end = now() + s->timeout;
	bool killed = false, open = true;
	int wstatus;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd p = {.fd = open ? fd : -1, .events = POLLIN};
		pid_t done = waitpid(pid, &wstatus, WNOHANG);

		if (done == pid)
			break;
		if (poll(&p, 1, 20) > 0)
			open = pass_on(s, fd);
		report_beat();
		if (!killed && now() >= end) {
			kill(-pid, SIGKILL);
			killed = true;
		}
	}
	for (struct pollfd p = {.fd = fd, .events = POLLIN}; open && poll(&p, 1, 0) > 0;)
		open = pass_on(s, fd);
	kill(-pid, SIGKILL);
	if (killed)
		report_text("out", s->number, "killed after %.0f s\n", s->timeout);
	return killed ? LAB_STATUS_TIMEOUT : status_of(wstatus);
}

int exec_run(struct step *s)
{
	int fds[2], status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		report_text("out", s->number, "pipe: %s\n", strerror(errno));
		return LAB_STATUS_NOEXEC;
	}
	pid = spawn(s, fds[1]);
	close(fds[1]);
	if (pid < 0) {
		report_text("out", s->number, "fork: %s\n", strerror(errno));
		status = LAB_STATUS_NOEXEC;
	} else {
		status = follow(s, pid, fds[0]);
	}
	close(fds[0]);
	return status;
}

int exec_start(struct step *s)
{
	int fd;

	if (background.pid) {
		report_text("out", s->number, "another program runs in the background\n");
		return LAB_STATUS_NOEXEC;
	}
	fd = open("/kmend/background", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	background.pid = fd < 0 ? -1 : spawn(s, fd);
	if (background.pid < 0) {
		report_text("out", s->number, "cannot start: %s\n", strerror(errno));
		background.pid = 0;
		close(fd);
		return LAB_STATUS_NOEXEC;
	}
	background.out = fd;
	return 0;
}

int exec_stop(struct step *s)
{
	double end = now() + s->timeout;
	int wstatus = 0;
	bool killed = false;

	if (!background.pid) {
		report_text("out", s->number, "nothing runs in the background\n");
		return LAB_STATUS_NOTFOUND;
	}
	kill(background.pid, SIGTERM);
	while (waitpid(background.pid, &wstatus, WNOHANG) == 0) {
		if (!killed && now() >= end) {
			kill(-background.pid, SIGKILL);
			killed = true;
		}
		report_beat();
		nap(0.01);
	}
	kill(-background.pid, SIGKILL);
	lseek(background.out, 0, SEEK_SET);
	while (pass_on(s, background.out))
		;
	close(background.out);
	background.pid = 0;
	return killed ? LAB_STATUS_TIMEOUT : status_of(wstatus);
}
