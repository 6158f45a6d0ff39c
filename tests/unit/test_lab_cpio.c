/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "../../lib/lab/cpio.h"

/* One entry as the kernel's unpacker would see it. */
struct seen {
	char name[64];
	unsigned mode, size, major, minor;
	const char *data;
};

static unsigned field(const char *head, int i)
{
	char hex[9] = "";

	memcpy(hex, head + 6 + 8 * i, 8);
	return strtoul(hex, NULL, 16);
}

/* Reads the entry at *pos and steps over it. */
static struct seen next(const km_str *s, size_t *pos)
{
	const char *head = s->at + *pos;
	struct seen e = {
		.mode = field(head, 1), .size = field(head, 6), .major = field(head, 9), .minor = field(head, 10)};
	unsigned name_size = field(head, 11);

	assert_memory_equal(head, "070701", 6);
	assert_true(name_size <= sizeof(e.name));
	memcpy(e.name, head + 110, name_size);
	assert_int_equal(e.name[name_size - 1], 0);
	*pos = (*pos + 110 + name_size + 3) & ~(size_t)3;
	e.data = s->at + *pos;
	*pos = (*pos + e.size + 3) & ~(size_t)3;
	assert_true(*pos <= s->n);
	return e;
}

static void ok(km_error *err)
{
	if (err)
		fail_msg("%s", err->message);
}

static void test_entries(void **state)
{
	struct lab_cpio c;
	struct seen e;
	size_t pos = 0;

	(void)state;
	lab_cpio_init(&c);
	ok(lab_cpio_file(&c, "/a//b/./c", 0755, "hello", 5));
	ok(lab_cpio_symlink(&c, "a/link", "b/c"));
	ok(lab_cpio_device(&c, "dev/console", 0600, 5, 1));
	lab_cpio_end(&c);
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "a");
	assert_int_equal(e.mode, 040755);
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "a/b");
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "a/b/c");
	assert_int_equal(e.mode, 0100755);
	assert_int_equal(e.size, 5);
	assert_memory_equal(e.data, "hello", 5);
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "a/link");
	assert_int_equal(e.mode, 0120777);
	assert_memory_equal(e.data, "b/c", 3);
	next(&c.bytes, &pos);
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "dev/console");
	assert_int_equal(e.mode, 020600);
	assert_int_equal(e.major, 5);
	assert_int_equal(e.minor, 1);
	e = next(&c.bytes, &pos);
	assert_string_equal(e.name, "TRAILER!!!");
	assert_int_equal(pos, c.bytes.n);
	lab_cpio_deinit(&c);
}

static void test_first_wins(void **state)
{
	struct lab_cpio c;
	size_t n;

	(void)state;
	lab_cpio_init(&c);
	ok(lab_cpio_file(&c, "x", 0644, "1", 1));
	n = c.bytes.n;
	ok(lab_cpio_file(&c, "/x", 0644, "2", 1));
	ok(lab_cpio_dir(&c, "./x"));
	assert_int_equal(c.bytes.n, n);
	assert_true(lab_cpio_has(&c, "//x"));
	assert_false(lab_cpio_has(&c, "y"));
	lab_cpio_deinit(&c);
}

static void test_refused(void **state)
{
	static const char *const paths[] = {"", "/", ".", "..", "a/../b", "/../etc/passwd"};
	struct lab_cpio c;

	(void)state;
	lab_cpio_init(&c);
	for (size_t i = 0; i < KM_COUNT(paths); i++) {
		km_error *err = lab_cpio_file(&c, paths[i], 0644, "x", 1);

		assert_non_null(err);
		assert_int_equal(err->code, KM_USAGE);
		km_error_free(err);
	}
	assert_int_equal(c.bytes.n, 0);
	lab_cpio_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_first_wins),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
