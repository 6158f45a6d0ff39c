/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other programs: started in a process group of their own, watched, and measured. */
#include <errno.h>
#include <fcntl.h>
#include <kmend/base.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"

extern char **environ;

struct pipe_end {
	int from, to; /* the child writes into `to`, this process reads `from`; -1 when closed */
	km_str text;
};

struct run {
	const struct km_cmd *cmd;
	struct pipe_end out, err;
	int log;
	pid_t pid;
	int pidfd;
	bool timed_out;
};

static void closed(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void run_end(struct run *r)
{
	closed(&r->out.from);
	closed(&r->out.to);
	closed(&r->err.from);
	closed(&r->err.to);
	closed(&r->log);
	closed(&r->pidfd);
	km_str_free(&r->out.text);
	km_str_free(&r->err.text);
}

/* Above the three standard descriptors, which the child's own set-up overwrites one by one. */
static int lift(int fd)
{
	int high;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return high;
}

static km_error *open_pipe(struct pipe_end *p)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return km_error_sys(errno, "cannot make a pipe");
	p->from = lift(ends[0]);
	p->to = lift(ends[1]);
	if (p->from < 0 || p->to < 0 || fcntl(p->from, F_SETFL, O_NONBLOCK) < 0)
		return km_error_sys(errno, "cannot make a pipe");
	return NULL;
}

static km_error *open_outputs(struct run *r)
{
	const char *log = r->cmd->log_path;

	if (!log) {
		KM_TRY(open_pipe(&r->out));
		return open_pipe(&r->err);
	}
	r->log = lift(open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666));
	return r->log < 0 ? km_error_sys(errno, "cannot write %s", log) : NULL;
}

static int set_actions(const struct run *r, posix_spawn_file_actions_t *actions)
{
	const char *in = r->cmd->stdin_path ? r->cmd->stdin_path : "/dev/null";
	/* Before the working directory changes: the path is this process's. */
	int sys = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, in, O_RDONLY, 0);

	if (!sys)
		sys = posix_spawn_file_actions_adddup2(actions, r->log >= 0 ? r->log : r->out.to, STDOUT_FILENO);
	if (!sys)
		sys = posix_spawn_file_actions_adddup2(actions, r->log >= 0 ? r->log : r->err.to, STDERR_FILENO);
	if (!sys && r->cmd->dir)
		sys = posix_spawn_file_actions_addchdir_np(actions, r->cmd->dir);
	return sys;
}

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, pipe_only;
	int sys;

	sigemptyset(&none);
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sys = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!sys)
		sys = posix_spawnattr_setpgroup(attr, 0);
	if (!sys)
		sys = posix_spawnattr_setsigmask(attr, &none);
	return sys ? sys : posix_spawnattr_setsigdefault(attr, &pipe_only);
}

static int spawn(struct run *r)
{
	const struct km_cmd *cmd = r->cmd;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t saved;
	int sys;

	if (posix_spawn_file_actions_init(&actions) || posix_spawnattr_init(&attr))
		km_oom();
	sys = set_actions(r, &actions);
	if (!sys)
		sys = set_attributes(&attr);
	if (!sys) {
		pid_t pid = 0;

		km_children_begin(&saved);
		sys = posix_spawnp(&pid, cmd->argv[0], &actions, &attr, cmd->argv, cmd->env ? cmd->env : environ);
		r->pid = sys ? 0 : pid;
		km_children_enter(r->pid, &saved);
	}
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return sys;
}

static km_error *start(struct run *r)
{
	int sys;

	/* posix_spawn() gives only an errno: name the likelier culprits here. */
	if (r->cmd->dir && !km_is_dir(r->cmd->dir))
		return km_error_sys(ENOTDIR, "cannot run %s in %s", r->cmd->argv[0], r->cmd->dir);
	if (r->cmd->stdin_path && access(r->cmd->stdin_path, R_OK) < 0)
		return km_error_sys(errno, "cannot read %s for %s", r->cmd->stdin_path, r->cmd->argv[0]);
	KM_TRY(open_outputs(r));
	sys = spawn(r);
	if (sys)
		return km_error_sys(sys, "cannot run %s", r->cmd->argv[0]);
	closed(&r->out.to);
	closed(&r->err.to);
	r->pidfd = pidfd_open(r->pid, 0);
	if (r->pidfd >= 0)
		return NULL;
	sys = errno;
	kill(-r->pid, SIGKILL);
	km_children_leave(r->pid);
	waitpid(r->pid, NULL, 0);
	return km_error_sys(sys, "cannot watch %s", r->cmd->argv[0]);
}

/* What is there now, but no more than a pipe can hold: one that writes for ever must still meet its time limit. */
static void drain(struct pipe_end *p)
{
	enum { CHUNK = 1 << 14, LARGEST_PIPE = 1 << 20 };
	char buffer[CHUNK];

	for (int i = 0; p->from >= 0 && i < LARGEST_PIPE / CHUNK; i++) {
		ssize_t n = read(p->from, buffer, sizeof(buffer));

		if (n > 0)
			km_str_addn(&p->text, buffer, (size_t)n);
		else if (n == 0)
			closed(&p->from);
		else if (errno != EINTR)
			break;
	}
}

/* Milliseconds to the time limit, -1 for none, 0 when it has passed. */
static int left_ms(const struct run *r, double started)
{
	double left = r->cmd->timeout - (km_now() - started);

	if (r->cmd->timeout <= 0 || r->timed_out)
		return -1;
	return left <= 0 ? 0 : left > 1e6 ? 1000000000 : (int)(left * 1000) + 1;
}

/* Until the child itself ends: a daemon that it leaves behind may hold the pipes open for ever. */
static void watch(struct run *r, double started)
{
	for (bool ended = false; !ended;) {
		struct pollfd fds[] = {{r->pidfd, POLLIN, 0}, {r->out.from, POLLIN, 0}, {r->err.from, POLLIN, 0}};
		int limit = left_ms(r, started);

		if (limit == 0) {
			kill(-r->pid, SIGKILL);
			r->timed_out = true;
			limit = -1;
		}
		if (poll(fds, KM_COUNT(fds), limit) < 0)
			continue;
		ended = fds[0].revents != 0;
		drain(&r->out);
		drain(&r->err);
	}
}

static double tv(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static char *text_of(km_str *s)
{
	char *text;

	km_str_addn(s, "", 0);
	text = s->at;
	*s = (km_str){0};
	return text;
}

static void finish(struct run *r, double started, struct km_done *done)
{
	struct rusage usage = {0};
	int status = 0;

	/* Out of the list first: once it is reaped its number may be another's. */
	km_children_leave(r->pid);
	while (wait4(r->pid, &status, 0, &usage) < 0 && errno == EINTR)
		;
	*done = (struct km_done){
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
		.timed_out = r->timed_out,
		.out = text_of(&r->out.text),
		.err = text_of(&r->err.text),
		.wall = km_now() - started,
		.user = tv(usage.ru_utime),
		.sys = tv(usage.ru_stime),
		.peak_kb = usage.ru_maxrss,
	};
}

km_error *km_run(const struct km_cmd *cmd, struct km_done *done)
{
	KM_CLEANUP(run_end) struct run r = {
		.cmd = cmd, .out = {-1, -1}, .err = {-1, -1}, .log = -1, .pidfd = -1,
	};
	double started = km_now();

	KM_TRY(start(&r));
	watch(&r, started);
	finish(&r, started, done);
	return NULL;
}

/* The last lines of text, at most this many, without the newline at the very end. */
static char *tail(const char *text, size_t lines)
{
	const char *end = text + strlen(text), *from;

	while (end > text && end[-1] == '\n')
		end--;
	for (from = end; from > text && (from[-1] != '\n' || --lines > 0); from--)
		;
	return km_strndup(from, (size_t)(end - from));
}

static char *said(const struct km_cmd *cmd, const struct km_done *done)
{
	enum { QUOTED_LINES = 15 };
	KM_AUTOFREE uint8_t *log = NULL;
	size_t size;

	if (cmd->log_path) {
		km_error *err = km_file_read(cmd->log_path, &log, &size);

		km_error_free(err);
	}
	return tail(log ? (char *)log : *done->err ? done->err : done->out, QUOTED_LINES);
}

km_error *km_run_ok(const struct km_cmd *cmd, struct km_done *done)
{
	KM_AUTOFREE char *text = NULL, *how = NULL;
	struct km_done mine;

	KM_TRY(km_run(cmd, &mine));
	if (mine.status == 0 && !mine.timed_out) {
		if (done)
			*done = mine;
		else
			km_done_free(&mine);
		return NULL;
	}
	text = said(cmd, &mine);
	if (mine.timed_out)
		how = km_printf("did not end within %g s", cmd->timeout);
	else if (mine.status > 128)
		how = km_printf("was ended by signal %d (%s)", mine.status - 128, strsignal(mine.status - 128));
	else
		how = km_printf("ended with status %d", mine.status);
	km_done_free(&mine);
	return km_error_new(KM_ENV, "%s %s%s%s", cmd->argv[0], how, *text ? ":\n" : "", text);
}

void km_done_free(struct km_done *done)
{
	free(done->out);
	free(done->err);
	done->out = done->err = NULL;
}
