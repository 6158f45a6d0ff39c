/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diffs applied to a working copy: names, hunks, what was touched, and each way in which a diff does not fit. */
#include <sys/stat.h>

#include "toy_tree.h"

#define OPEN_C "int a;\nint b;\nint c;\n\nint open_it(int x)\n{\n\treturn x;\n}\n\nint close_it(int x)\n{\n\treturn -x;\n}\n"
#define OPEN_HUNK "@@ -6,3 +6,3 @@\n {\n-\treturn x;\n+\treturn x + 1;\n }\n"
#define OPEN_DIFF "--- a/fs/open.c\n+++ b/fs/open.c\n" OPEN_HUNK
#define NEW_DIFF(path) "--- /dev/null\n+++ b/" path "\n@@ -0,0 +1 @@\n+int n;\n"

static const struct toy_file files[] = {
	{"fs/open.c", OPEN_C},
	{"fs/read.c", "int r;\n"},
	{"fs/bits.h", "#define ONE 1\n"},
	{"fs/entry.S", "nop /* wait */\n"},
	{"fs/Makefile", "obj-y += open.o\n"},
	{"fs/Kconfig", "config FS\n"},
	{"fs/table", "1\n"},
	{"Documentation/fs.rst", "old\n"},
};

struct toy {
	km_kernel *kernel;
	km_work *work;
	km_touched_list touched;
};

static struct toy begin(void)
{
	struct toy t = {.kernel = toy_tree_create(files, KM_COUNT(files))};

	check_ok(km_work_open(t.kernel, &t.work));
	return t;
}

static void end(struct toy *t)
{
	km_touched_free(&t->touched);
	km_work_close(t->work);
	toy_tree_destroy(t->kernel);
}

/* Applies one patch file for each text (NULL ends them). */
static km_error *apply(struct toy *t, const char *const *texts)
{
	km_strv paths = {0};
	km_error *err;

	for (size_t i = 0; texts[i]; i++) {
		char *name = km_printf("%zu.patch", i + 1);

		toy_file_put(t->kernel->dir, name, texts[i]);
		km_strv_printf(&paths, "%s/%s", t->kernel->dir, name);
		free(name);
	}
	err = km_work_apply(t->work, &paths, &t->touched);
	km_strv_free(&paths);
	return err;
}

static char *text_in(const char *tree, const char *path)
{
	char *full = km_path(tree, path);
	uint8_t *bytes = NULL;
	size_t size;

	if (km_exists(full))
		check_ok(km_file_read(full, &bytes, &size));
	free(full);
	return (char *)bytes;
}

static void names_of_all_kinds_lead_to_the_file(void **state)
{
	static const char *const heads[] = {
		"--- a/fs/open.c\n+++ b/fs/open.c\n",
		"--- fs/open.c\n+++ fs/open.c\n",
		"--- linux-6.1.orig/fs/open.c\t2026-01-01\n+++ linux-6.1/fs/open.c\t2026-01-02\n",
		"diff --git fs/open.c fs/open.c\nindex 1..2 100644\n--- fs/open.c\n+++ fs/open.c\n",
		"--- a/fs/open.c.orig\n+++ b/fs/open.c\n",
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(heads); i++) {
		struct toy t = begin();
		char *diff = km_printf("%s%s", heads[i], OPEN_HUNK), *text;

		check_ok(apply(&t, (const char *const[]){diff, NULL}));
		assert_int_equal(t.touched.n, 1);
		assert_string_equal(t.touched.at[0].path, "fs/open.c");
		text = text_in(km_work_tree(t.work), "fs/open.c");
		assert_non_null(strstr(text, "return x + 1;"));
		free(text);
		text = text_in(t.kernel->tree, "fs/open.c");
		assert_string_equal(text, OPEN_C);
		free(text);
		free(diff);
		end(&t);
	}
}

static void what_was_touched_is_told(void **state)
{
	static const struct {
		const char *diff, *path, *functions;
		enum km_touch kind;
		bool added, removed, same_tokens;
	} cases[] = {
		{OPEN_DIFF, "fs/open.c", "open_it", KM_TOUCH_C},
		{"--- a/fs/open.c\n+++ b/fs/open.c\n@@ -6,3 +6,4 @@\n {\n+\t/* why */\n \treturn x;\n }\n", "fs/open.c", "open_it",
		 KM_TOUCH_C, .same_tokens = true},
		{"--- a/fs/open.c\n+++ b/fs/open.c\n@@ -3,3 +3,4 @@\n int c;\n+\n \n int open_it(int x)\n", "fs/open.c", "", KM_TOUCH_C,
		 .same_tokens = true},
		{"--- a/fs/open.c\n+++ b/fs/open.c\n@@ -1,2 +1,2 @@\n-int a;\n+int z;\n int b;\n", "fs/open.c", "a z", KM_TOUCH_C},
		{"--- a/fs/bits.h\n+++ b/fs/bits.h\n@@ -1 +1 @@\n-#define ONE 1\n+#define ONE 2\n", "fs/bits.h", "ONE",
		 KM_TOUCH_HEADER},
		{"--- a/fs/entry.S\n+++ b/fs/entry.S\n@@ -1 +1 @@\n-nop /* wait */\n+nop\n", "fs/entry.S", "", KM_TOUCH_ASM,
		 .same_tokens = true},
		{"--- a/fs/Makefile\n+++ b/fs/Makefile\n@@ -1 +1 @@\n-obj-y += open.o\n+obj-m += open.o\n", "fs/Makefile", "",
		 KM_TOUCH_BUILD},
		{"--- a/fs/Kconfig\n+++ b/fs/Kconfig\n@@ -1 +1 @@\n-config FS\n+config FZ\n", "fs/Kconfig", "", KM_TOUCH_BUILD},
		{"--- a/Documentation/fs.rst\n+++ b/Documentation/fs.rst\n@@ -1 +1 @@\n-old\n+new\n", "Documentation/fs.rst", "",
		 KM_TOUCH_DOC},
		{"--- a/fs/table\n+++ b/fs/table\n@@ -1 +1 @@\n-1\n+2\n", "fs/table", "", KM_TOUCH_OTHER},
		{NEW_DIFF("fs/new.c"), "fs/new.c", "n", KM_TOUCH_C, .added = true},
		{NEW_DIFF("fs/sub/new.h"), "fs/sub/new.h", "n", KM_TOUCH_HEADER, .added = true},
		{"--- a/fs/read.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int r;\n", "fs/read.c", "r", KM_TOUCH_C, .removed = true},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct toy t = begin();
		const struct km_touched *got;
		km_str names = {0};

		check_ok(apply(&t, (const char *const[]){cases[i].diff, NULL}));
		assert_int_equal(t.touched.n, 1);
		got = &t.touched.at[0];
		assert_string_equal(got->path, cases[i].path);
		for (size_t f = 0; f < got->functions.n; f++)
			km_str_printf(&names, "%s%s", f ? " " : "", got->functions.at[f]);
		assert_string_equal(names.at ? names.at : "", cases[i].functions);
		assert_int_equal(got->kind, cases[i].kind);
		assert_int_equal(got->added, cases[i].added);
		assert_int_equal(got->removed, cases[i].removed);
		assert_int_equal(got->same_tokens, cases[i].same_tokens);
		km_str_free(&names);
		end(&t);
	}
}

static void unchanged_code_keeps_its_lines(void **state)
{
	static const char diff[] = "--- a/fs/open.c\n+++ b/fs/open.c\n@@ -1,2 +1,4 @@\n int a;\n+int new1;\n+int new2;\n int b;\n";
	struct toy t = begin();
	char *text;

	(void)state;
	check_ok(apply(&t, (const char *const[]){diff, NULL}));
	text = text_in(km_work_tree(t.work), "fs/open.c");
	assert_non_null(strstr(text, "int new2;\n#line 2\nint b;\n"));
	free(text);
	end(&t);
}

/* Several diffs are one change: later ones see what earlier ones did, and what cancels out was not touched. */
static void diffs_add_up(void **state)
{
	static const char again[] = "--- a/fs/open.c\n+++ b/fs/open.c\n@@ -6,3 +6,3 @@\n {\n-\treturn x + 1;\n+\treturn x;\n }\n";
	static const char edit_new[] = "--- a/fs/new.c\n+++ b/fs/new.c\n@@ -1 +1 @@\n-int n;\n+int m;\n";
	static const char move[] = "diff --git a/fs/read.c b/fs/write.c\nrename from fs/read.c\nrename to fs/write.c\n"
				   "--- a/fs/read.c\n+++ b/fs/write.c\n@@ -1 +1 @@\n-int r;\n+int w;\n";
	struct toy t = begin();
	char *text;

	(void)state;
	check_ok(apply(&t, (const char *const[]){OPEN_DIFF, again, NEW_DIFF("fs/new.c"), edit_new, move, NULL}));
	assert_int_equal(t.touched.n, 3);
	assert_string_equal(t.touched.at[0].path, "fs/new.c");
	assert_string_equal(t.touched.at[1].path, "fs/read.c");
	assert_true(t.touched.at[1].removed);
	assert_string_equal(t.touched.at[2].path, "fs/write.c");
	text = text_in(km_work_tree(t.work), "fs/new.c");
	assert_string_equal(text, "int m;\n");
	free(text);
	text = text_in(km_work_tree(t.work), "fs/write.c");
	assert_string_equal(text, "int w;\n");
	free(text);
	assert_null(text_in(km_work_tree(t.work), "fs/read.c"));
	end(&t);
}

static void diffs_that_do_not_fit_are_explained(void **state)
{
	static const struct {
		const char *diff, *message, *hint;
	} cases[] = {
		{"--- a/fs/opne.c\n+++ b/fs/opne.c\n" OPEN_HUNK, "1.patch: fs/opne.c: kernel 6.1.0-toy has no such file",
		 "the nearest name there is fs/open.c"},
		{"--- a/zz/zz.c\n+++ b/zz/zz.c\n" OPEN_HUNK, "zz/zz.c: kernel 6.1.0-toy has no such file", "for another version"},
		{"--- a/fs/open.c\n+++ b/fs/open.c\n@@ -1,2 +1,2 @@\n int a;\n-int b;\n+int q;\n"
		 "@@ -6,3 +6,3 @@\n {\n-\treturn y;\n+\treturn z;\n }\n",
		 "1.patch: hunk 2 of fs/open.c does not apply (line 6)", "fit that hunk to the text of this kernel"},
		{"--- a/fs/open.c\n+++ b/fs/open.c\n@@ -6,3 +6,3 @@\n {\n-\treturn x + 1;\n+\treturn x;\n }\n",
		 "fs/open.c already has this change", "the kernel contains the fix"},
		{NEW_DIFF("fs/open.c"), "fs/open.c is to be added, and is there already", NULL},
		{"--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+a\n", "line 3: a file without a name", NULL},
		{"--- a/../x.c\n+++ b/../x.c\n" OPEN_HUNK, "\"../x.c\" leads out of the kernel's tree", NULL},
		{NEW_DIFF("fs/../../x.c"), "leads out of the kernel's tree", NULL},
		{"--- /dev/null\n+++ /etc/cron.d/x\n@@ -0,0 +1 @@\n+int n;\n", "\"/etc/cron.d/x\" leads out", NULL},
		{NEW_DIFF(".git/config"), "leads out of the kernel's tree", NULL},
		{"hello\n", "1.patch: ", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct toy t = begin();
		km_error *err = apply(&t, (const char *const[]){cases[i].diff, NULL});
		char *text;

		assert_non_null(err);
		if (cases[i].hint) {
			assert_non_null(err->hint);
			assert_non_null(strstr(err->hint, cases[i].hint));
		}
		check_error(err, KM_INPUT, cases[i].message);
		assert_int_equal(t.touched.n, 0);
		text = text_in(km_work_tree(t.work), "fs/open.c");
		assert_string_equal(text, OPEN_C);
		free(text);
		end(&t);
	}
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	struct toy t = begin();
	km_strv paths = {0};
	char *file = km_path(km_work_tree(t.work), "fs/read.c");

	(void)state;
	km_strv_printf(&paths, "%s/nul.patch", t.kernel->dir);
	check_ok(km_file_write(paths.at[0], "--- a\0b", 7));
	check_error(km_work_apply(t.work, &paths, &t.touched), KM_INPUT, "nul.patch: not a text file");
	km_strv_push(&paths, "/nonexistent/x.patch");
	check_ok(km_file_write(paths.at[0], OPEN_DIFF, strlen(OPEN_DIFF)));
	check_error(km_work_apply(t.work, &paths, &t.touched), KM_ENV, "/nonexistent/x.patch");
	check_ok(km_file_write(file, "int r;\n\0", 8));
	check_error(apply(&t, (const char *const[]){"--- a/fs/read.c\n+++ b/fs/read.c\n@@ -1 +1 @@\n-int r;\n+int q;\n", NULL}),
		    KM_INPUT, "fs/read.c: not a text file");
	free(file);
	km_strv_free(&paths);
	end(&t);
}

static void hunks_are_those_of_diff(void **state)
{
	static const struct {
		const char *a, *b;
		size_t n;
		struct hunk first;
	} cases[] = {
		{"a\nb\nc\n", "a\nb\nc\n", 0, {0}},
		{"a\nb\nc\n", "a\nX\nc\n", 1, {2, 1, 2, 1}},
		{"a\nb\nc\n", "a\nx\ny\nb\nc\n", 1, {1, 0, 2, 2}},
		{"a\nb\nc\n", "a\n", 1, {2, 2, 1, 0}},
		{"a\nb\nc\n", "x\nb\ny\n", 2, {1, 1, 1, 1}},
		{"", "a\n", 1, {0, 0, 1, 1}},
	};
	char *dir = check_dir();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		hunk_list l = {0};

		check_ok(hunks_between(dir, cases[i].a, cases[i].b, &l));
		assert_int_equal(l.n, cases[i].n);
		if (l.n)
			assert_memory_equal(&l.at[0], &cases[i].first, sizeof(l.at[0]));
		km_vec_free(&l);
	}
	check_dir_end(dir);
}

/* A diff(1) that fails must not pass for "no line differs". */
static void a_failing_diff_is_an_error(void **state)
{
	char *dir = check_dir(), *path = km_strdup(getenv("PATH")), *program = km_path(dir, "diff");
	hunk_list l = {0};

	(void)state;
	toy_file_put(dir, "diff", "#!/bin/sh\necho 'diff: memory exhausted' >&2\nexit 2\n");
	assert_int_equal(chmod(program, 0755), 0);
	setenv("PATH", dir, 1);
	check_error(hunks_between(dir, "a\n", "b\n", &l), KM_ENV, "memory exhausted");
	setenv("PATH", path, 1);
	free(program);
	free(path);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_all_kinds_lead_to_the_file),
		cmocka_unit_test(what_was_touched_is_told),
		cmocka_unit_test(unchanged_code_keeps_its_lines),
		cmocka_unit_test(diffs_add_up),
		cmocka_unit_test(diffs_that_do_not_fit_are_explained),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(hunks_are_those_of_diff),
		cmocka_unit_test(a_failing_diff_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
