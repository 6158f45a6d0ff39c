/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define SH(script) ((char *const[]){(char *)"sh", (char *)"-c", (char *)(script), NULL})

static void test_outputs_apart(void **state)
{
	struct km_cmd cmd = {.argv = SH("echo out; echo err >&2; exit 7")};
	struct km_done done;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_int_equal(done.status, 7);
	assert_string_equal(done.out, "out\n");
	assert_string_equal(done.err, "err\n");
	assert_false(done.timed_out);
	assert_true(done.peak_kb > 100);
	assert_true(done.wall > 0);
	km_done_free(&done);
}

static void test_large_outputs(void **state)
{
	/* More than a pipe holds, on both: reading one to its end before the other would hang. */
	struct km_cmd cmd = {.argv = SH("i=0; while [ $i -lt 4000 ]; do printf %0100d $i; printf %0100d $i >&2; i=$((i+1)); done"),
			     .timeout = 60};
	struct km_done done;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_int_equal(strlen(done.out), 400000);
	assert_int_equal(strlen(done.err), 400000);
	km_done_free(&done);
}

static void test_directory_environment_input(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *in = km_path(dir, "in");
	char *env[] = {(char *)"WORD=from here", NULL};
	struct km_cmd cmd = {.argv = SH("pwd; echo $WORD; cat; env | grep -c HOME"), .dir = dir, .env = env, .stdin_path = in};
	struct km_done done;
	KM_AUTOFREE char *want = km_printf("%s\nfrom here\ninput\n0\n", dir);

	(void)state;
	check_ok(km_file_write(in, "input\n", 6));
	check_ok(km_run(&cmd, &done));
	assert_string_equal(done.out, want);
	km_done_free(&done);
	cmd.stdin_path = NULL;
	check_ok(km_run(&cmd, &done));
	assert_null(strstr(done.out, "input"));
	km_done_free(&done);
	check_dir_end(dir);
}

static void test_log(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *log = km_path(dir, "log");
	struct km_cmd cmd = {.argv = SH("echo out; echo err >&2; exit 3"), .log_path = log};
	struct km_done done;
	uint8_t *bytes;
	size_t size;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_string_equal(done.out, "");
	km_done_free(&done);
	check_ok(km_file_read(log, &bytes, &size));
	assert_string_equal((char *)bytes, "out\nerr\n");
	free(bytes);
	check_error(km_run_ok(&cmd, &done), KM_ENV, "status 3:\nout\nerr");
	check_dir_end(dir);
}

static void test_timeout_kills_the_group(void **state)
{
	struct km_cmd cmd = {.argv = SH("sleep 30 & echo $!; wait"), .timeout = 0.3};
	double started = km_now();
	struct km_done done;
	pid_t sleeper;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_true(done.timed_out);
	assert_int_equal(done.status, 128 + SIGKILL);
	assert_true(km_now() - started < 10);
	sleeper = atoi(done.out);
	assert_true(sleeper > 0);
	/* It is dead, though its new parent may not have collected it yet: give that a moment. */
	for (int i = 0; i < 100 && kill(sleeper, 0) == 0; i++) {
		KM_AUTOFREE char *path = km_printf("/proc/%d/stat", sleeper);
		KM_AUTOFREE uint8_t *stat = NULL;
		size_t size;
		km_error *err = km_file_read(path, &stat, &size);

		if (err || strstr((char *)stat, ") Z ")) {
			km_error_free(err);
			sleeper = 0;
			break;
		}
		usleep(50000);
	}
	assert_true(sleeper == 0 || kill(sleeper, 0) < 0);
	km_done_free(&done);
	check_error(km_run_ok(&cmd, NULL), KM_ENV, "did not end within 0.3 s");
}

static void test_timeout_of_endless_output(void **state)
{
	struct km_cmd cmd = {.argv = SH("exec yes"), .timeout = 0.2};
	struct km_done done;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_true(done.timed_out);
	assert_true(done.wall < 10);
	km_done_free(&done);
}

static void test_daemon_does_not_hold_us(void **state)
{
	struct km_cmd cmd = {.argv = SH("sleep 5 & echo started")};
	double started = km_now();
	struct km_done done;

	(void)state;
	check_ok(km_run(&cmd, &done));
	assert_true(km_now() - started < 4);
	assert_string_equal(done.out, "started\n");
	km_done_free(&done);
}

static void test_signal_status(void **state)
{
	struct km_cmd cmd = {.argv = SH("kill -TERM $$")};

	(void)state;
	check_error(km_run_ok(&cmd, NULL), KM_ENV, "signal 15 (Terminated)");
}

static void test_cannot_start(void **state)
{
	struct km_cmd absent = {.argv = (char *const[]){(char *)"kmend-no-such-program", NULL}};
	struct km_cmd no_dir = {.argv = SH("true"), .dir = "/nonexistent"};
	struct km_cmd no_input = {.argv = SH("true"), .stdin_path = "/nonexistent"};
	struct km_cmd no_log = {.argv = SH("true"), .log_path = "/nonexistent/log"};
	struct km_done done;

	(void)state;
	check_error(km_run(&absent, &done), KM_ENV, "cannot run kmend-no-such-program: No such file");
	check_error(km_run(&no_dir, &done), KM_ENV, "/nonexistent");
	check_error(km_run(&no_input, &done), KM_ENV, "cannot read /nonexistent");
	check_error(km_run(&no_log, &done), KM_ENV, "cannot write /nonexistent/log");
}

static void test_tail_is_quoted(void **state)
{
	struct km_cmd cmd = {.argv = SH("i=0; while [ $i -lt 100 ]; do echo line$i; i=$((i+1)); done >&2; exit 1")};
	km_error *err = km_run_ok(&cmd, NULL);

	(void)state;
	assert_non_null(err);
	assert_null(strstr(err->message, "line84"));
	check_error(err, KM_ENV, "status 1:\nline85\n");
}

struct descriptors {
	int all, inherited; /* of this process; those above the standard ones that a child gets from whoever ran us */
};

static struct descriptors descriptors(void)
{
	struct descriptors d = {0};

	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		d.all += flags >= 0;
		d.inherited += flags >= 0 && fd > STDERR_FILENO && !(flags & FD_CLOEXEC);
	}
	return d;
}

/* Counts the child's own open descriptors: whatever runs beside it, they are the standard ones and the inherited. */
static km_error *run_one(void *ctx, size_t i)
{
	struct km_cmd cmd = {.argv = SH("ls /proc/self/fd | wc -l")};
	struct km_done done;

	(void)i;
	KM_TRY(km_run(&cmd, &done));
	((int *)ctx)[i] = atoi(done.out);
	km_done_free(&done);
	return NULL;
}

static void test_no_descriptor_leaks(void **state)
{
	struct descriptors before = descriptors();
	int seen[32];

	(void)state;
	check_ok(km_parallel(KM_COUNT(seen), 4, run_one, seen));
	for (size_t i = 0; i < KM_COUNT(seen); i++)
		assert_int_equal(seen[i], before.inherited + 4); /* ls opens the directory itself */
	assert_int_equal(descriptors().all, before.all);
}

static void test_interrupt_ends_children(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *alive = km_path(dir, "alive"), *late = km_path(dir, "late");
	KM_AUTOFREE char *script = km_printf("echo >%s; sleep 1; echo >%s", alive, late);
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct km_cmd cmd = {.argv = SH(script)};
		struct km_done done;

		_exit(km_run(&cmd, &done) ? 1 : 0);
	}
	while (!km_exists(alive))
		usleep(10000);
	kill(pid, SIGINT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
	usleep(1300000);
	assert_false(km_exists(late));
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outputs_apart),
		cmocka_unit_test(test_large_outputs),
		cmocka_unit_test(test_directory_environment_input),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_timeout_kills_the_group),
		cmocka_unit_test(test_timeout_of_endless_output),
		cmocka_unit_test(test_daemon_does_not_hold_us),
		cmocka_unit_test(test_signal_status),
		cmocka_unit_test(test_cannot_start),
		cmocka_unit_test(test_tail_is_quoted),
		cmocka_unit_test(test_no_descriptor_leaks),
		cmocka_unit_test(test_interrupt_ends_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
