/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char *dir;

static int set_up(void **state)
{
	(void)state;
	dir = check_dir();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	check_dir_end(dir);
	return 0;
}

static void expect(const char *path, const char *content)
{
	uint8_t *bytes;
	size_t size;

	check_ok(km_file_read(path, &bytes, &size));
	assert_int_equal(size, strlen(content));
	assert_string_equal((char *)bytes, content);
	free(bytes);
}

static void test_write_replaces(void **state)
{
	KM_AUTOFREE char *path = km_path(dir, "f");
	km_strv names = {0};

	(void)state;
	check_ok(km_file_write(path, "one", 3));
	check_ok(km_file_write(path, "", 0));
	expect(path, "");
	check_ok(km_file_write(path, "three", 5));
	expect(path, "three");
	check_ok(km_listdir(dir, &names));
	assert_int_equal(names.n, 1); /* no temporary file stays */
	km_strv_free(&names);
}

static void test_write_failure_leaves_nothing(void **state)
{
	KM_AUTOFREE char *sub = km_path(dir, "sub"), *path = km_path(sub, "absent/f");
	km_strv names = {0};

	(void)state;
	check_ok(km_mkdirs(sub));
	check_error(km_file_write(path, "x", 1), KM_ENV, "cannot write");
	check_error(km_file_write(sub, "x", 1), KM_ENV, "Is a directory");
	check_ok(km_listdir(sub, &names));
	assert_int_equal(names.n, 0);
}

static void test_write_through_links(void **state)
{
	KM_AUTOFREE char *path = km_path(dir, "target"), *link = km_path(dir, "link"), *fifo = km_path(dir, "fifo");
	struct stat st;
	char got[8] = "";

	(void)state;
	check_ok(km_file_write(path, "old", 3));
	assert_int_equal(symlink("target", link), 0);
	check_ok(km_file_write(link, "new", 3));
	expect(path, "new");
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));

	assert_int_equal(mkfifo(fifo, 0600), 0);
	KM_AUTOCLOSE int fd = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	check_ok(km_file_write(fifo, "pipe", 4));
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	assert_string_equal(got, "pipe");
	assert_int_equal(lstat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

static void test_copy_keeps_mode(void **state)
{
	KM_AUTOFREE char *from = km_path(dir, "from"), *to = km_path(dir, "to");
	struct stat st;

	(void)state;
	check_ok(km_file_write(from, "x", 1));
	assert_int_equal(chmod(from, 0751), 0);
	check_ok(km_file_copy(from, to));
	expect(to, "x");
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0751);
}

static void test_read(void **state)
{
	KM_AUTOFREE char *absent = km_path(dir, "absent");
	uint8_t *bytes = NULL;
	size_t size;

	(void)state;
	check_error(km_file_read(absent, &bytes, &size), KM_ENV, "absent: No such file");
	check_error(km_file_read(dir, &bytes, &size), KM_ENV, "Is a directory");
	assert_null(bytes);
	/* st_size is 0 there */
	check_ok(km_file_read("/proc/self/status", &bytes, &size));
	assert_int_equal(strlen((char *)bytes), size);
	assert_true(size > 100);
	free(bytes);
}

static void test_directories(void **state)
{
	KM_AUTOFREE char *deep = km_path(dir, "a//b/c/"), *a = km_path(dir, "a"), *b = km_path(dir, "a/b");
	KM_AUTOFREE char *file = km_path(dir, "a/b/f"), *under = km_path(dir, "a/b/f/g"), *kept = km_path(dir, "kept");
	KM_AUTOFREE char *link = km_path(dir, "a/link");
	km_strv names = {0};

	(void)state;
	check_ok(km_mkdirs(deep));
	check_ok(km_mkdirs(deep));
	assert_true(km_is_dir(b));
	check_ok(km_file_write(file, "", 0));
	assert_false(km_is_dir(file));
	assert_true(km_exists(file));
	check_error(km_mkdirs(under), KM_ENV, "Not a directory");
	check_ok(km_listdir(b, &names));
	assert_int_equal(names.n, 2);
	assert_string_equal(names.at[0], "c");
	assert_string_equal(names.at[1], "f");
	km_strv_free(&names);
	check_ok(km_file_write(kept, "", 0));
	assert_int_equal(symlink(dir, link), 0);
	check_ok(km_remove_tree(a));
	assert_false(km_exists(a));
	assert_true(km_exists(kept)); /* the symlink was not followed */
	check_ok(km_remove_tree(a));
	check_error(km_listdir(a, &names), KM_ENV, "cannot list");
}

static void test_lock(void **state)
{
	KM_AUTOFREE char *path = km_path(dir, "lock");
	int first, second;
	struct stat st;

	(void)state;
	check_ok(km_lock(path, false, &first));
	assert_true(first >= 0);
	assert_int_equal(fstat(first, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_false(fcntl(first, F_GETFD) & FD_CLOEXEC);
	check_ok(km_lock(path, false, &second));
	assert_int_equal(second, -1);
	close(first);
	check_ok(km_lock(path, true, &second));
	assert_true(second >= 0);
	close(second);
	check_error(km_lock("/nonexistent/lock", false, &first), KM_ENV, "cannot open the lock");
}

static void test_cache_dir(void **state)
{
	KM_AUTOFREE char *own = km_path(dir, "cache/deep"), *xdg = km_path(dir, "cache/kmend");
	KM_AUTOFREE char *base = km_path(dir, "cache"), *file = km_path(dir, "file"), *got = NULL, *got2 = NULL;
	km_error *err;

	(void)state;
	setenv("KMEND_CACHE", own, 1);
	check_ok(km_cache_dir(&got));
	assert_string_equal(got, own);
	assert_true(km_is_dir(own));
	unsetenv("KMEND_CACHE");
	setenv("XDG_CACHE_HOME", base, 1);
	check_ok(km_cache_dir(&got2));
	assert_string_equal(got2, xdg);
	unsetenv("XDG_CACHE_HOME");
	check_ok(km_file_write(file, "", 0));
	setenv("KMEND_CACHE", file, 1);
	err = km_cache_dir(&got2);
	assert_non_null(err);
	assert_non_null(strstr(err->hint, "KMEND_CACHE"));
	check_error(err, KM_ENV, "cannot use the cache");
	unsetenv("KMEND_CACHE");
}

static void test_sha256_file(void **state)
{
	KM_AUTOFREE char *path = km_path(dir, "f");
	char hex[KM_SHA256_HEX];

	(void)state;
	check_ok(km_file_write(path, "abc", 3));
	check_ok(km_sha256_file(path, hex));
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_error(km_sha256_file(dir, hex), KM_ENV, "Is a directory");
	check_error(km_sha256_file("/nonexistent", hex), KM_ENV, "cannot open");
}

/* What a killed process left running may still write below the lock. */
static void a_lock_outlives_its_process_in_the_programs_it_ran(void **state)
{
	char *path = km_path(dir, "lock");
	int first, second;

	(void)state;
	check_ok(km_lock(path, false, &first));
	assert_int_equal(system("sleep 0.4 </dev/null >/dev/null 2>&1 &"), 0);
	close(first);
	check_ok(km_lock(path, false, &second));
	assert_int_equal(second, -1);
	check_ok(km_lock(path, true, &second));
	close(second);
	free(path);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_write_replaces), CASE(test_write_failure_leaves_nothing),
		CASE(test_write_through_links), CASE(test_copy_keeps_mode),
		CASE(test_read), CASE(test_directories),
		CASE(test_lock),
		CASE(a_lock_outlives_its_process_in_the_programs_it_ran), CASE(test_cache_dir),
		CASE(test_sha256_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
