/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's first process: sets the machine up, runs the steps of its job, powers off. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

static const struct {
	const char *type, *at;
} mounts[] = {
	{"proc", "/proc"},
	{"sysfs", "/sys"},
	{"devtmpfs", "/dev"},
	{"devpts", "/dev/pts"},
	{"tmpfs", "/dev/shm"},
	{"tmpfs", "/tmp"},
	{"tmpfs", "/run"},
	{"debugfs", "/sys/kernel/debug"},
	{"tracefs", "/sys/kernel/tracing"},
	{"cgroup2", "/sys/fs/cgroup"},
};

static const struct {
	const char *kind;
	int min_args;
	int (*run)(struct step *s);
} kinds[] = {
	{"run", 1, exec_run},	      {"start", 1, exec_start},	   {"stop", 0, exec_stop},
	{"insmod", 1, module_insert}, {"rmmod", 1, module_remove}, {"load", 2, klp_load},
	{"patched", 1, klp_patched},  {"unload", 1, klp_unload},
};

struct fields { /* of the job file */
	char *at, *end;
};

static char *next_field(struct fields *f)
{
	char *field = f->at;

	if (f->at >= f->end)
		return NULL;
	f->at += strlen(field) + 1; /* the file was read with a NUL past its end */
	return field;
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].at, 0755);
		mount(mounts[i].type, mounts[i].at, mounts[i].type, 0,
		      NULL); /* a kernel may lack one: what needs it will say so */
	}
	chmod("/tmp", 01777);
}

static void loopback_up(void)
{
	struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
}

static void set_up(void)
{
	int null;

	mount_all();
	report_open("/dev/ttyS1");
	klogctl(8, NULL, 8); /* from now on the whole log goes to the first serial line */
	loopback_up();
	sethostname("kmend-lab", 9);
	setenv("PATH", LAB_HOME ":" LAB_BIN_DIR ":/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", LAB_HOME, 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	if (chdir(LAB_HOME))
		report_text("out", LAB_NO_STEP, "chdir: %s\n", strerror(errno));
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	signal(SIGPIPE, SIG_IGN);
}

static char *read_job(size_t *size)
{
	struct stat st;
	int fd = open(LAB_JOB_PATH, O_RDONLY | O_CLOEXEC);
	char *job;
	size_t n = 0;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	job = calloc(1, st.st_size + 1);
	while (job && n < (size_t)st.st_size) {
		ssize_t got = read(fd, job + n, st.st_size - n);

		if (got <= 0)
			break;
		n += got;
	}
	close(fd);
	*size = n;
	return job;
}

/* False at the end of the job. The arguments point into it. */
static bool next_step(struct fields *f, struct step *s)
{
	unsigned number = s->number + 1;
	const char *field[5];

	free(s->argv);
	s->argv = NULL;
	for (int i = 0; i < 5; i++) {
		field[i] = next_field(f);
		if (!field[i])
			return false;
	}
	*s = (struct step){
		.kind = field[0],
		.number = number,
		.group = atoi(field[1]),
		.always = strchr(field[2], LAB_FLAG_ALWAYS),
		.soft = strchr(field[2], LAB_FLAG_SOFT),
		.fatal = strchr(field[2], LAB_FLAG_FATAL),
		.timeout = atof(field[3]),
		.argc = atoi(field[4]),
		.transition = -1,
	};
	s->argv = calloc(s->argc + 1, sizeof(char *));
	for (int i = 0; s->argv && i < s->argc; i++)
		s->argv[i] = next_field(f);
	return s->argv && (s->argc == 0 || s->argv[s->argc - 1]);
}

static void mark_log(unsigned number)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC), n;
	char line[64];

	if (fd < 0)
		return;
	/* One write: each becomes a line of its own. */
	n = snprintf(line, sizeof(line), "<6>" LAB_MARK "%u\n", number);
	if (write(fd, line, n) != n)
		report_text("out", number, "cannot mark the log: %s\n", strerror(errno));
	close(fd);
}

static int dispatch(struct step *s)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].kind, s->kind) && s->argc >= kinds[i].min_args)
			return kinds[i].run(s);
	report_text("out", s->number, "this guest program does not know the step '%s'\n", s->kind);
	return LAB_STATUS_NOEXEC;
}

static int run_step(struct step *s)
{
	double begin = now();
	int status;

	mark_log(s->number);
	report("begin", s->number, "", 0);
	status = dispatch(s);
	if (s->transition >= 0)
		report_text("end", s->number, "status=%d ms=%.0f transition_ms=%.0f", status, 1e3 * (now() - begin),
			    1e3 * s->transition);
	else
		report_text("end", s->number, "status=%d ms=%.0f", status, 1e3 * (now() - begin));
	return status;
}

static void run_job(char *job, size_t size)
{
	struct fields f = {job, job + size};
	struct step s = {.number = -1u};
	unsigned failed_group = 0;
	bool failed = false, over = false;

	if (!next_field(&f) || !next_field(&f))
		return;
	while (next_step(&f, &s)) {
		if (failed && !over && s.group != failed_group)
			failed = false;
		if (failed && !s.always)
			continue;
		if (run_step(&s) && !s.soft) {
			failed = true;
			failed_group = s.group;
			over |= s.fatal;
		}
	}
}

/* What still runs goes, then disks become read-only: whoever looks into an image finds what the guest wrote. */
static void let_go(void)
{
	char source[64], at[256];
	FILE *f = fopen("/proc/self/mounts", "re");

	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	sync();
	while (f && fscanf(f, "%63s %255s%*[^\n]", source, at) == 2)
		if (!strncmp(source, "/dev/vd", 7))
			mount(NULL, at, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	if (f)
		fclose(f);
}

int main(void)
{
	size_t size = 0;
	char *job;

	if (getpid() != 1) {
		fprintf(stderr, "kmend-lab-init: the first process of a lab's guest; it does nothing elsewhere\n");
		return 1;
	}
	set_up();
	report_text("hello", LAB_NO_STEP, "%.3f", now());
	job = read_job(&size);
	if (job)
		run_job(job, size);
	report("bye", LAB_NO_STEP, "", 0);
	report_drain(); /* what is still on its way when the power goes is lost: a busy host takes its time */
	let_go();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
