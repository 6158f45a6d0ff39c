/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Working copies: the pristine tree never changes, and a copy is whole again whatever happened to its last owner. */
#include <unistd.h>

#include "check.h"

#include "prepared.h"

static char *make_kernel(void)
{
	char *dir = check_dir(), *sub = km_path(dir, "tree/fs"), *a = km_path(sub, "a.c"), *b = km_path(sub, "b.c");

	check_ok(km_mkdirs(sub));
	check_ok(km_file_write(a, "old a", 5));
	check_ok(km_file_write(b, "old b", 5));
	free(sub);
	free(a);
	free(b);
	return dir;
}

static void assert_text(const char *tree, const char *path, const char *text)
{
	char *full = km_path(tree, path);
	uint8_t *bytes;
	size_t size;

	if (!text) {
		assert_false(km_exists(full));
	} else {
		check_ok(km_file_read(full, &bytes, &size));
		assert_string_equal((char *)bytes, text);
		free(bytes);
	}
	free(full);
}

static void changes_do_not_reach_the_pristine_tree(void **state)
{
	char *dir = make_kernel(), *tree = km_path(dir, "tree");
	struct copy c;

	(void)state;
	check_ok(copy_open(dir, "", &c));
	check_ok(copy_replace(&c, "fs/a.c", "new a", 5));
	check_ok(copy_replace(&c, "fs/b.c", NULL, 0));
	check_ok(copy_replace(&c, "new/c.c", "new c", 5));
	assert_text(c.tree, "fs/a.c", "new a");
	assert_text(c.tree, "fs/b.c", NULL);
	assert_text(tree, "fs/a.c", "old a");
	assert_text(tree, "fs/b.c", "old b");
	assert_text(tree, "new/c.c", NULL);
	check_ok(copy_restore(&c, tree));
	assert_text(c.tree, "fs/a.c", "old a");
	assert_text(c.tree, "fs/b.c", "old b");
	assert_text(c.tree, "new/c.c", NULL);
	assert_false(km_exists(c.journal));
	copy_close(&c);
	free(tree);
	check_dir_end(dir);
}

/* As after kill -9: the lock goes, the journal and the changes stay. */
static void the_next_owner_restores(void **state)
{
	char *dir = make_kernel(), *first;
	struct copy c;

	(void)state;
	check_ok(copy_open(dir, "", &c));
	first = km_strdup(c.tree);
	check_ok(copy_replace(&c, "fs/a.c", "new a", 5));
	copy_close(&c);
	assert_text(first, "fs/a.c", "new a");
	check_ok(copy_open(dir, "", &c));
	assert_string_equal(c.tree, first);
	assert_text(c.tree, "fs/a.c", "old a");
	copy_close(&c);
	free(first);
	check_dir_end(dir);
}

static void a_torn_journal_line_is_no_path(void **state)
{
	char *dir = make_kernel(), *journal = km_path(dir, "work/0.journal");
	struct copy c;

	(void)state;
	check_ok(copy_open(dir, "", &c));
	check_ok(copy_replace(&c, "fs/a.c", "new a", 5));
	copy_close(&c);
	check_ok(km_file_write(journal, "fs/a.c\nfs/b", 11));
	check_ok(copy_open(dir, "", &c));
	assert_text(c.tree, "fs/a.c", "old a");
	assert_text(c.tree, "fs/b.c", "old b");
	copy_close(&c);
	check_ok(km_file_write(journal, "../../x\n", 8));
	check_error(copy_open(dir, "", &c), KM_INPUT, "no file of the tree");
	free(journal);
	check_dir_end(dir);
}

static void a_taken_copy_is_left_alone(void **state)
{
	char *dir = make_kernel();
	struct copy a, b, o;

	(void)state;
	check_ok(copy_open(dir, "", &a));
	check_ok(copy_replace(&a, "fs/a.c", "new a", 5));
	check_ok(copy_open(dir, "", &b));
	check_ok(copy_open(dir, "original-", &o));
	assert_string_not_equal(a.tree, b.tree);
	assert_text(a.tree, "fs/a.c", "new a");
	assert_text(b.tree, "fs/a.c", "old a");
	assert_text(o.tree, "fs/a.c", "old a");
	copy_close(&a);
	copy_close(&b);
	copy_close(&o);
	check_dir_end(dir);
}

static void paths_stay_inside(void **state)
{
	char *dir = make_kernel();
	struct copy c;

	(void)state;
	check_ok(copy_open(dir, "", &c));
	check_error(copy_replace(&c, "../x", "x", 1), KM_INPUT, "leads out");
	check_error(copy_replace(&c, "fs/../../x", "x", 1), KM_INPUT, "leads out");
	check_error(copy_replace(&c, "/etc/x", "x", 1), KM_INPUT, "leads out");
	copy_close(&c);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_do_not_reach_the_pristine_tree),
		cmocka_unit_test(the_next_owner_restores),
		cmocka_unit_test(a_torn_journal_line_is_no_path),
		cmocka_unit_test(a_taken_copy_is_left_alone),
		cmocka_unit_test(paths_stay_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
