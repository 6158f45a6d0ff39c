/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "prepared.h"

#define HUNK "@@ -1,2 +1,2 @@ int f(void)\n a\n-b\n+c\n"
#define BARE "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"

static void diffs_are_split_by_file(void **state)
{
	static const struct {
		const char *text, *old_path, *new_path, *hunks;
		bool rename;
	} cases[] = {
		{"--- a/fs/x.c\n+++ b/fs/x.c\n" HUNK, "fs/x.c", "fs/x.c", BARE, false},
		{"From: me\n\n---\n fs/x.c | 2 +-\n\ndiff --git a/fs/x.c b/fs/x.c\nindex 1..2 100644\n--- "
		 "a/fs/x.c\n+++ b/fs/x.c\n" HUNK "-- \n2.39\n",
		 "fs/x.c", "fs/x.c", BARE, false},
		{"--- fs/x.c\t2026-01-01 00:00:00\n+++ fs/x.c\t2026-01-02 00:00:00\n" HUNK, "fs/x.c", "fs/x.c", BARE,
		 false},
		{"--- linux.orig/fs/x.c\n+++ linux/fs/x.c\n" HUNK, "linux.orig/fs/x.c", "linux/fs/x.c", BARE, false},
		{"--- /dev/null\n+++ b/fs/new.c\n@@ -0,0 +1 @@\n+a\n", NULL, "fs/new.c", "@@ -0,0 +1 @@\n+a\n", false},
		{"--- a/fs/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "fs/old.c", NULL, "@@ -1 +0,0 @@\n-a\n", false},
		{"diff --git a/x.c b/y.c\nsimilarity index 90%\nrename from x.c\nrename to y.c\n--- a/x.c\n+++ "
		 "b/y.c\n" HUNK,
		 "x.c", "y.c", BARE, true},
		{"diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n", "x.c", "y.c", "",
		 true},
		{"--- a/x.c\n+++ b/x.c\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", "x.c", "x.c",
		 "@@ -1,3 +1,3 @@\n a\n \n-b\n+c\n", false},
		{"--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n", "x.c", "x.c",
		 "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n", false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		file_diff_list l = {0};

		check_ok(diff_parse(cases[i].text, &l));
		assert_int_equal(l.n, 1);
		assert_string_equal(l.at[0].old_path ? l.at[0].old_path : "-",
				    cases[i].old_path ? cases[i].old_path : "-");
		assert_string_equal(l.at[0].new_path ? l.at[0].new_path : "-",
				    cases[i].new_path ? cases[i].new_path : "-");
		assert_string_equal(l.at[0].text, cases[i].hunks);
		assert_int_equal(l.at[0].rename, cases[i].rename);
		file_diff_list_free(&l);
	}
}

static void damaged_diffs_are_named(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"hello\n", "no unified diff"},
		{"", "no unified diff"},
		{"--- a/x.c\n+++ b/x.c\n@@ -1,5 +1,5 @@\n a\n-b\n+c\n", "shorter than its header says"},
		{"--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2\n a\n", "header is damaged"},
		{"--- a/x.c\n+++ b/x.c\n@@ -1 +1x @@\n-a\n+b\n", "header is damaged"},
		{"--- a/x.c\n+++ b/x.c\n@@ -1,1 +1,1; @@\n-a\n+b\n", "header is damaged"},
		{"--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n", "line 3: a file without a name"},
		{"diff --git a/x b/x\nGIT binary patch\n", "binary"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		file_diff_list l = {0};

		check_error(diff_parse(cases[i].text, &l), KM_INPUT, cases[i].message);
		file_diff_list_free(&l);
	}
}

static void hash_of(const char *dir, const char *name, const char *text, char *hex)
{
	char *path = km_path(dir, name);
	km_strv patches = {0};

	check_ok(km_file_write(path, text, strlen(text)));
	km_strv_push(&patches, path);
	check_ok(km_patches_hash(&patches, hex));
	km_strv_free(&patches);
	free(path);
}

static void the_hash_is_of_the_change_alone(void **state)
{
	char *dir = check_dir(), a[KM_SHA256_HEX], b[KM_SHA256_HEX], c[KM_SHA256_HEX];

	(void)state;
	hash_of(dir, "1.patch", "--- a/x.c\t2026-01-01\n+++ b/x.c\t2026-01-01\n" HUNK, a);
	hash_of(dir, "2.patch", "From me\n\ndiff --git a/x.c b/x.c\nindex 1..2\n--- a/x.c\n+++ b/x.c\n" BARE, b);
	hash_of(dir, "3.patch", "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,2 @@\n a\n-b\n+d\n", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	check_dir_end(dir);
}

/* What `kmend build` keeps beside the module is found again by its hash. */
static void diffs_in_one_file_have_the_hash_of_many(void **state)
{
	static const char first[] = "--- a/x.c\n+++ b/x.c\n" HUNK, second[] = "About y.\n\n--- a/y.c\n+++ b/y.c\n" HUNK;
	char *dir = check_dir(), both[KM_SHA256_HEX], one[KM_SHA256_HEX];
	char *text = km_printf("%s%s", first, second);
	km_strv patches = {0};

	(void)state;
	km_strv_printf(&patches, "%s/1", dir);
	km_strv_printf(&patches, "%s/2", dir);
	check_ok(km_file_write(patches.at[0], first, strlen(first)));
	check_ok(km_file_write(patches.at[1], second, strlen(second)));
	check_ok(km_patches_hash(&patches, both));
	hash_of(dir, "all", text, one);
	assert_string_equal(both, one);
	km_strv_free(&patches);
	free(text);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diffs_are_split_by_file),
		cmocka_unit_test(damaged_diffs_are_named),
		cmocka_unit_test(the_hash_is_of_the_change_alone),
		cmocka_unit_test(diffs_in_one_file_have_the_hash_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
