/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "qemu-system-x86_64"
#define ICOUNT_TSC_KHZ 1000000 /* one tick an instruction */
/* The child's descriptors: fixed, above the standard ones. */
enum { CHILD_INITRD = 3, CHILD_LOG, CHILD_RESULT };

/* A word of /proc/cpuinfo's flags. */
static bool has_flag(const char *flags, size_t n, const char *flag)
{
	size_t len = strlen(flag);

	for (size_t i = 0; i + len <= n; i++)
		if (!memcmp(flags + i, flag, len) && (i == 0 || flags[i - 1] == ' ') &&
		    (i + len == n || flags[i + len] == ' '))
			return true;
	return false;
}

bool lab_cpu_virtualizes(const char *cpuinfo)
{
	const char *flags = strstr(cpuinfo, "\nflags\t");
	size_t n;

	flags = flags ? strchr(flags, ':') : NULL;
	if (!flags)
		return false;
	flags++;
	n = strcspn(flags, "\n");
	return has_flag(flags, n, "vmx") || has_flag(flags, n, "svm");
}

bool lab_qemu_kvm(void)
{
	KM_AUTOFREE uint8_t *cpuinfo = NULL;
	km_error *err;
	size_t n;
	int fd;

	err = km_file_read("/proc/cpuinfo", &cpuinfo, &n);
	if (err) {
		km_error_free(err);
		return false;
	}
	if (!lab_cpu_virtualizes((const char *)cpuinfo))
		return false;
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool lab_qemu_stale(const char *version)
{
	unsigned major, minor;

	version = strstr(version, "version ");
	if (!version || sscanf(version, "version %u.%u", &major, &minor) != 2)
		return true;
	return major < 8 || (major == 8 && minor < 1);
}

/* Asked of the program each time that it runs: the answer costs a fiftieth of a boot. */
static bool may_be_stale(void)
{
	char *const argv[] = {(char *)PROGRAM, (char *)"--version", NULL};
	struct km_cmd cmd = {.argv = argv, .timeout = 30};
	struct km_done done;
	km_error *err = km_run(&cmd, &done);
	bool stale;

	if (err) { /* whoever starts it next says why */
		km_error_free(err);
		return true;
	}
	stale = lab_qemu_stale(done.out);
	km_done_free(&done);
	return stale;
}

/* What each word is for, as measured under emulation: no_timer_check and tsc=reliable keep checks that a busy host
 * fails out of the boot; tsc_early_khz: see tsc.c; an oops ends the guest because nothing that it says after one
 * proves anything. */
static char *command_line(const struct lab_qemu_spec *spec)
{
	km_str line = {0};

	km_str_printf(&line, "console=ttyS0,115200 %s panic=-1 oops=panic no_timer_check random.trust_cpu=on",
		      spec->boot_log ? "loglevel=8" : "quiet");
	if (!spec->kvm && spec->tsc_khz)
		km_str_printf(&line, " tsc=reliable tsc_early_khz=%u", spec->tsc_khz);
	if (spec->panic_on_warn)
		km_str_add(&line, " panic_on_warn=1");
	if (spec->append)
		km_str_printf(&line, " %s", spec->append);
	return line.at;
}

/* The clock of the machine's own, which the kernel sets its clock by at boot. */
static void date_args(int64_t date, km_strv *ret)
{
	char text[64];
	time_t t = date;
	struct tm tm;

	strftime(text, sizeof(text), "base=%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &tm));
	km_strv_push(ret, "-rtc");
	km_strv_push(ret, text);
}

void lab_qemu_args(const struct lab_qemu_spec *spec, km_strv *ret)
{
	static const char *const fixed[] = {PROGRAM, "-nodefaults", "-no-user-config", "-display",
					    "none",  "-no-reboot",  "-machine",	       "pc"};
	KM_AUTOFREE char *line = command_line(spec);

	for (size_t i = 0; i < KM_COUNT(fixed); i++)
		km_strv_push(ret, fixed[i]);
	km_strv_push(ret, "-accel");
	km_strv_push(ret, spec->kvm ? "kvm" : spec->icount || spec->one_thread ? "tcg,thread=single" : "tcg,thread=multi");
	if (spec->icount) {
		km_strv_push(ret, "-icount");
		km_strv_push(ret, "shift=0,sleep=off");
	}
	km_strv_push(ret, "-cpu");
	km_strv_push(ret, spec->kvm ? "host" : "max");
	km_strv_push(ret, "-smp");
	km_strv_printf(ret, "%u", spec->smp);
	km_strv_push(ret, "-m");
	km_strv_printf(ret, "%uM", spec->memory);
	km_strv_push(ret, "-kernel");
	km_strv_push(ret, spec->vmlinuz);
	km_strv_push(ret, "-initrd");
	km_strv_printf(ret, "/proc/self/fd/%d", spec->initrd);
	km_strv_push(ret, "-chardev");
	km_strv_printf(ret, "socket,id=log,fd=%d", spec->log);
	km_strv_push(ret, "-serial");
	km_strv_push(ret, "chardev:log");
	km_strv_push(ret, "-chardev");
	km_strv_printf(ret, "socket,id=result,fd=%d", spec->result);
	km_strv_push(ret, "-serial");
	km_strv_push(ret, "chardev:result");
	if (spec->date)
		date_args(spec->date, ret);
	if (spec->devices)
		lab_devices_args(spec->devices, ret);
	km_strv_push(ret, "-append");
	km_strv_push(ret, line);
}

/* In the child, with the parent's descriptors still there: copies above all targets first, since they may overlap. */
static void arrange(int initrd, int log, int result, int err)
{
	int high[] = {fcntl(initrd, F_DUPFD, 64), fcntl(log, F_DUPFD, 64), fcntl(result, F_DUPFD, 64),
		      fcntl(err, F_DUPFD, 64)};
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(high[3], STDOUT_FILENO);
	dup2(high[3], STDERR_FILENO);
	dup2(high[0], CHILD_INITRD);
	dup2(high[1], CHILD_LOG);
	dup2(high[2], CHILD_RESULT);
	close_range(CHILD_RESULT + 1, ~0u, 0);
}

static void become(char *const *argv, pid_t parent, int initrd, int log, int result, int err)
{
	sigset_t none;

	/* Asked for before the parent is looked at: it may have died in between. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0); /* ^C at the terminal is for us; we end it */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	arrange(initrd, log, result, err);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s\n", strerror(errno));
	_exit(127);
}

/* A pair of descriptors, [0] ours, [1] the child's. */
struct ends {
	int log[2], result[2], err[2];
};

static void ends_close(struct ends *e)
{
	for (int i = 0; i < 2; i++) {
		km_closep(&e->log[i]);
		km_closep(&e->result[i]);
		km_closep(&e->err[i]);
	}
}

static km_error *ends_open(struct ends *e)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC;

	*e = (struct ends){{-1, -1}, {-1, -1}, {-1, -1}};
	if (socketpair(AF_UNIX, type, 0, e->log) || socketpair(AF_UNIX, type, 0, e->result) ||
	    pipe2(e->err, O_CLOEXEC)) {
		km_error *err = km_error_sys(errno, "cannot make the guest's serial lines");

		ends_close(e);
		return err;
	}
	return NULL;
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");

	for (const char *p = path ? path : "/usr/bin:/bin"; *p; p += strspn(p, ":")) {
		size_t n = strcspn(p, ":");
		KM_AUTOFREE char *file = km_printf("%.*s/%s", (int)n, p, program);

		if (!access(file, X_OK))
			return true;
		p += n;
	}
	return false;
}

km_error *lab_qemu_start(const char *vmlinuz, int initrd, const struct lab_devices *devices, const struct km_lab_options *o,
			 struct lab_qemu *ret)
{
	struct lab_qemu_spec spec = {
		.vmlinuz = vmlinuz,
		.initrd = CHILD_INITRD,
		.log = CHILD_LOG,
		.result = CHILD_RESULT,
		.smp = o->smp ? o->smp : o->icount ? 1 : 2,
		.memory = o->memory ? o->memory : 512,
		.append = o->append,
		.kvm = !o->icount && !o->one_thread && lab_qemu_kvm(),
		.one_thread = o->one_thread,
		.icount = o->icount,
		.tsc_khz = o->icount ? ICOUNT_TSC_KHZ : lab_tsc_khz(),
		.panic_on_warn = o->panic_on_warn,
		.boot_log = o->boot_log,
		.date = o->date,
		.devices = devices,
	};
	pid_t parent = getpid(), pid;
	km_strv words = {0};
	struct ends e;

	if (!in_path(PROGRAM))
		return km_error_hint(km_error_new(KM_ENV, "the lab needs " PROGRAM), "apt install qemu-system-x86");
	/* What is tried here changes code while it runs. */
	if (!spec.kvm && spec.smp > 1)
		spec.one_thread = spec.one_thread || may_be_stale();
	KM_TRY(ends_open(&e));
	lab_qemu_args(&spec, &words);
	pid = fork();
	if (pid == 0)
		become(km_strv_argv(&words), parent, initrd, e.log[1], e.result[1], e.err[1]);
	km_strv_free(&words);
	if (pid < 0) {
		km_error *err = km_error_sys(errno, "cannot start " PROGRAM);

		ends_close(&e);
		return err;
	}
	*ret = (struct lab_qemu){.pid = pid, .log = e.log[0], .result = e.result[0], .err = e.err[0], .kvm = spec.kvm};
	e.log[0] = e.result[0] = e.err[0] = -1;
	ends_close(&e);
	return NULL;
}

void lab_qemu_end(struct lab_qemu *q)
{
	if (q->pid <= 0)
		return;
	kill(q->pid, SIGKILL);
	while (waitpid(q->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(q->log);
	close(q->result);
	close(q->err);
	q->pid = 0;
}
