/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend-agent: sleeps until it is time, then runs kmend-fetch and kmend-apply, which do everything. It stays in memory for
 * years, so it links the C library alone and keeps nothing; it wakes by its timer and by signals only.
 *
 *   SIGHUP    now
 *   SIGTERM   the host goes down in order: kmend-apply goodbye, then the end
 *   SIGINT    the end, nothing else (an update of the package is no goodbye of the host)
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exit.h"

enum {
	FIRST = 10,	      /* seconds from the start to the first check-in: the network comes up */
	WITHOUT_WORD = 900,   /* seconds to the next one when kmend-fetch did not say */
	LONGEST = 86400,      /* and at most */
	ROUNDS = 16,	      /* of fetch and apply in one go; each ends with a patch in or out */
	RUN_LIMIT = 1800,     /* seconds that a program may run */
};

static const char *root = "", *libexec = KMEND_LIBEXECDIR;
static int timer = -1, signals = -1;
static int ending; /* the signal that ends it, once it has come */

static void say(const char *what, const char *about)
{
	dprintf(STDERR_FILENO, "kmend-agent: %s%s%s\n", what, about ? ": " : "", about ? about : "");
}

static int64_t uptime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec;
}

/* ---- the two programs ---------------------------------------------------------------------------------------------- */

static pid_t start(const char *program, const char *verb)
{
	char path[PATH_MAX];
	sigset_t none;
	pid_t pid;

	if (snprintf(path, sizeof(path), "%s/%s", libexec, program) >= (int)sizeof(path))
		return -1;
	pid = fork();
	if (pid)
		return pid;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	execl(path, program, verb, (char *)NULL);
	_exit(127);
}

/* Waits with a limit. Whoever wants us to end does not wait for the network; a load is not disturbed. */
static int wait_for(pid_t pid, bool patient)
{
	int64_t end = uptime() + RUN_LIMIT;
	sigset_t set;
	int status = 0, got;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	while (!(got = waitpid(pid, &status, WNOHANG))) {
		struct timespec left = {end > uptime() ? end - uptime() : 0, 0};
		int sig = sigtimedwait(&set, NULL, &left);

		if (sig == SIGTERM || sig == SIGINT)
			ending = sig;
		if ((sig < 0 && errno == EAGAIN) || (ending && !patient)) {
			say("a program was not waited for", NULL);
			kill(-pid, SIGKILL);
			got = waitpid(pid, &status, 0);
			break;
		}
	}
	return got < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(const char *program, const char *verb)
{
	pid_t pid = start(program, verb);
	int status = pid < 0 ? -1 : wait_for(pid, strcmp(program, "kmend-fetch"));

	if (status != AGENT_EXIT_OK && status != AGENT_EXIT_CHANGED && status != AGENT_EXIT_UNATTACHED &&
	    status != AGENT_EXIT_TOLD)
		say(program, status < 0 ? "cannot be started" : status > 128 ? "was killed" : "failed");
	return status;
}

/* ---- small files ------------------------------------------------------------------------------------------------------ */

/* A number in a file that a stranger may write; -1: none. */
static int64_t number(const char *below)
{
	char path[PATH_MAX], text[32] = "";
	struct stat st;
	char *end;
	long long n;
	int fd;

	snprintf(path, sizeof(path), "%s%s", root, below);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	n = strtoll(text, &end, 10);
	return end == text || n < 0 ? -1 : n;
}

static int64_t clamp(int64_t seconds)
{
	return seconds < 0 ? WITHOUT_WORD : seconds < 1 ? 1 : seconds > LONGEST ? LONGEST : seconds;
}

/* ---- when ------------------------------------------------------------------------------------------------------------- */

static int64_t contact_at; /* seconds since boot of the next check-in */

static int64_t health_done = -1; /* the last moment that was served: one that does not go away is no reason to run for ever */

/* Seconds since boot at which kmend-apply wants to take health; INT64_MAX: it does not. */
static int64_t health_at(void)
{
	int64_t at = number("/run/kmend/agent.next");

	return at < 0 || at == health_done ? INT64_MAX : at;
}

/* One timer for both events; suspended time counts. */
static void set_timer(void)
{
	int64_t at = health_at(), when = at < contact_at ? at : contact_at;
	struct itimerspec spec = {.it_value = {.tv_sec = when > uptime() ? when : uptime() + 1}};

	timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* ---- a round ------------------------------------------------------------------------------------------------------------ */

/* A person's kmend refresh has it: that does our work. */
static int lock(void)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/run/kmend/agent.lock", root);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void round_of(bool contact)
{
	int fd = lock(), changed;

	if (fd < 0) {
		contact_at = contact ? uptime() + 60 : contact_at;
		return;
	}
	changed = contact ? AGENT_EXIT_CHANGED : run("kmend-apply", "cycle");
	/* What is new is told at once, and the server is asked before the next patch. */
	for (int i = 0; i < ROUNDS && changed == AGENT_EXIT_CHANGED && !ending; i++) {
		int told = run("kmend-fetch", "checkin");

		contact_at = uptime() + clamp(number("/var/lib/kmend/spool/next"));
		changed = run("kmend-apply", "cycle");
		if (told == AGENT_EXIT_CHANGED)
			changed = told;
		else if (told != AGENT_EXIT_OK)
			break; /* the server cannot be asked: nothing is gained by trying at once */
	}
	close(fd);
}

static void event(void)
{
	bool contact = uptime() >= contact_at;
	int64_t health = health_at();

	if (contact)
		contact_at = uptime() + WITHOUT_WORD;
	if (health <= uptime())
		health_done = health;
	if (contact || health == health_done)
		round_of(contact);
}

static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		contact_at = 0;
	else
		ending = (int)info.ssi_signo;
}

static void loop(void)
{
	struct pollfd fds[] = {{.fd = timer, .events = POLLIN}, {.fd = signals, .events = POLLIN}};

	while (!ending) {
		uint64_t ticks;

		set_timer();
		if (ppoll(fds, 2, NULL, NULL) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			take_signal();
		if ((fds[0].revents & POLLIN) && read(timer, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
			return;
		if (!ending)
			event();
	}
	if (ending == SIGTERM)
		run("kmend-apply", "goodbye");
}

static bool set_up(void)
{
	sigset_t mask;
	const char *env = getenv("KMEND_ROOT"), *dir = getenv("KMEND_LIBEXECDIR");

	root = env ? env : "";
	libexec = dir && *dir ? dir : libexec;
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	contact_at = uptime() + FIRST;
	return signals >= 0 && timer >= 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("kmend-agent " KMEND_VERSION);
		return 0;
	}
	/* `kmend agent` gives the verb as the first word. */
	if (argc > 2 || (argc == 2 && strcmp(argv[1], "agent"))) {
		say("usage: kmend-agent; see kmend-agent(8)", NULL);
		return 1;
	}
	if (!set_up()) {
		say("cannot start", strerror(errno));
		return 1;
	}
	loop();
	return 0;
}
