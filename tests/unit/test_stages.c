/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <fnmatch.h>
#include <unistd.h>

#include "check.h"

/* What work() writes to stderr when that is a file. The caller frees it. */
static char *stderr_of(void (*work)(void))
{
	char *dir = check_dir();
	KM_AUTOFREE char *path = km_path(dir, "stderr");
	int saved = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	uint8_t *bytes;
	size_t size;

	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	close(fd);
	work();
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	check_ok(km_file_read(path, &bytes, &size));
	check_dir_end(dir);
	return (char *)bytes;
}

static void three_stages(void)
{
	km_stages *s = km_stages_create(false);

	km_stage(s, "prepare");
	km_stage_unit(s, 1, 2, "units");
	km_warn("%d left", 1);
	km_stage_unit(s, 2, 2, "units");
	km_stage(s, "compile");
	km_stages_end(s);
	km_stages_end(s);
	km_stages_destroy(s);
}

static void test_in_a_pipe(void **state)
{
	KM_AUTOFREE char *text = stderr_of(three_stages);

	(void)state;
	if (fnmatch("warning: 1 left\nprepare: [0-9].[0-9] s\ncompile: [0-9].[0-9] s\n", text, 0))
		fail_msg("it printed: %s", text);
}

static void quiet_stages(void)
{
	km_stages *s = km_stages_create(true);

	km_stage(s, "prepare");
	km_stage_unit(s, 1, 1, "units");
	km_stages_end(s);
	km_stages_destroy(s);
}

static void test_quiet(void **state)
{
	KM_AUTOFREE char *text = stderr_of(quiet_stages);

	(void)state;
	assert_string_equal(text, "");
}

static void one_error(void)
{
	km_error *err = km_error_hint(km_error_new(KM_ENV, "no disk"), "free some\nor buy some");

	km_error_print("kmend", err);
	km_error_free(err);
}

static void test_error_print(void **state)
{
	KM_AUTOFREE char *text = stderr_of(one_error), *red = NULL;

	(void)state;
	assert_string_equal(text, "kmend: error: no disk\n  free some\n  or buy some\n");
	km_colour_setup("always");
	red = stderr_of(one_error);
	km_colour_setup("auto");
	assert_non_null(strstr(red, "\033[31merror:\033[0m no disk"));
}

static void burn(double seconds)
{
	double own, now;

	km_cpu_used(&own, NULL);
	do
		km_cpu_used(&now, NULL);
	while (now - own < seconds);
}

static void test_times(void **state)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done", NULL};
	struct km_cmd cmd = {.argv = argv};
	km_stages *s = km_stages_create(true);
	double wall, own, child;

	(void)state;
	km_stage(s, "mine");
	burn(0.05);
	km_stage(s, "theirs");
	check_ok(km_run_ok(&cmd, NULL));
	km_stages_end(s);
	assert_int_equal(km_stages_count(s), 2);
	assert_string_equal(km_stages_at(s, 0, &wall, &own, &child), "mine");
	assert_true(wall >= 0.049 && own >= 0.049 && child < 0.01);
	assert_string_equal(km_stages_at(s, 1, &wall, &own, &child), "theirs");
	assert_true(child > 0.005 && wall > 0.005);
	km_stages_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_a_pipe),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_error_print),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
