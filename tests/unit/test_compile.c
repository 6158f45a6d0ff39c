/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Units compiled through a Kbuild of twenty lines: what is kept, what is compiled again, and how errors are told. */
#include <sys/stat.h>
#include <unistd.h>

#include "toy_tree.h"

/* Records commands the way scripts/Kbuild.include does, with a make-escaped '#', and a step after the compiler's. */
static const char makefile_build[] =
	"include $(obj)/Makefile\n"
	"pound := \\#\n"
	"%.o: %.c\n"
	"\t$(if $(filter broken,$(obj)),$(error this directory is broken))\n"
	"\t@test -e $(obj)/made.h || test ! -e $(obj)/made.h.in || cp $(obj)/made.h.in $(obj)/made.h\n"
	"\t@echo $@ >> $(TOY_LOG)\n"
	"\t@$(CC) $(KBUILD_CFLAGS) -DHASH='\"#\"' -Iinclude -c -o $@ $< && true\n"
	"\t@echo 'cmd_$@ := gcc -Wp,-MMD,$(@D)/.$(@F).d $(KBUILD_CFLAGS) -DHASH='\\''\"$$(pound)\"'\\'' -Iinclude -c -o $@ $<"
	" ; test -s $@' > $(@D)/.$(@F).cmd\n"
	"\t@printf 'deps_$@ := \\\\\\n  $$(wildcard include/config/X) \\\\\\n  $(obj)/made.h \\\\\\n  /usr/include/x.h\\n' "
	">> $(@D)/.$(@F).cmd\n";

static const struct toy_file files[] = {
	{"scripts/Makefile.build", makefile_build},
	{"fs/Makefile", "\n"},
	{"fs/made.h.in", "#define MADE 5\n"},
	{"fs/one.c", "#include <api.h>\n#include \"made.h\"\nint one(void)\n{\n\treturn API + MADE + FLAG + sizeof(HASH);\n}\n"
		     "int other(void)\n{\n\treturn __LINE__;\n}\n"},
	{"fs/two.c", "#include <api.h>\nint two(void)\n{\n\treturn 2;\n}\n"},
	{"fs/bad.c", "#warning careful\nint bad(void)\n{\n\treturn nothing;\n}\n"},
	{"broken/Makefile", "\n"},
	{"broken/x.c", "int x;\n"},
	{"include/api.h", "#define API 1\n#define UNUSED 1\n"},
};

struct toy {
	km_kernel *kernel;
	km_work *work;
	char *out;
	km_unit one, two;
};

static struct toy begin(void)
{
	struct toy t = {.kernel = toy_tree_create(files, KM_COUNT(files)),
			.one = {.source = (char *)"fs/one.c", .object = (char *)"vmlinux"},
			.two = {.source = (char *)"fs/two.c", .object = (char *)"vmlinux"}};
	struct kernel_priv *p = t.kernel->priv;

	km_strv_push(&p->env, "KBUILD_CFLAGS=-O2");
	km_strv_push(&p->env, "MAKEFLAGS=rR");
	km_strv_printf(&p->env, "TOY_LOG=%s/log", t.kernel->dir);
	toy_tree_answer(t.kernel, ".", "below-y fs/ broken/\ncflags -DFLAG=7\n");
	toy_tree_answer(t.kernel, "fs", "builtin fs/one.o fs/two.o fs/bad.o\n");
	toy_tree_answer(t.kernel, "broken", "builtin broken/x.o\n");
	check_ok(km_work_open(t.kernel, &t.work));
	t.out = km_path(t.kernel->dir, "out");
	check_ok(km_mkdirs(t.out));
	return t;
}

static void end(struct toy *t)
{
	km_work_close(t->work);
	free(t->out);
	toy_tree_destroy(t->kernel);
}

static void patch(struct toy *t, const char *diff)
{
	km_touched_list touched = {0};
	km_strv paths = {0};

	toy_file_put(t->kernel->dir, "a.patch", diff);
	km_strv_printf(&paths, "%s/a.patch", t->kernel->dir);
	check_ok(km_work_apply(t->work, &paths, &touched));
	km_touched_free(&touched);
	km_strv_free(&paths);
}

/* How often Kbuild compiled anything. */
static size_t kbuild_runs(const struct toy *t)
{
	char *path = km_path(t->kernel->dir, "log");
	uint8_t *text = NULL;
	size_t size, n = 0;

	if (km_exists(path))
		check_ok(km_file_read(path, &text, &size));
	for (const char *c = (char *)text; c && *c; c++)
		n += *c == '\n';
	free(text);
	free(path);
	return n;
}

static bool has_section(const char *path, const char *name)
{
	km_elf *elf;
	bool has;

	check_ok(km_elf_read_file(path, &elf));
	has = km_elf_sec(elf, name) != NULL;
	km_elf_destroy(elf);
	return has;
}

#define ONE_DIFF "--- a/fs/one.c\n+++ b/fs/one.c\n@@ -4,3 +4,4 @@\n {\n-\treturn API + MADE + FLAG + sizeof(HASH);\n" \
		 "+\tint x = 1;\n+\treturn API + MADE + FLAG + x;\n }\n"

static void a_changed_unit_has_three_objects(void **state)
{
	struct toy t = begin();
	struct km_unit_objects o;

	(void)state;
	patch(&t, ONE_DIFF);
	check_ok(km_unit_compile(t.work, &t.one, t.out, &o));
	assert_false(o.from_cache);
	assert_false(o.same_tokens);
	assert_true(has_section(o.plain, ".text"));
	assert_false(has_section(o.plain, ".text.one"));
	assert_true(has_section(o.original, ".text.one"));
	assert_true(has_section(o.patched, ".text.one"));
	assert_true(km_starts(o.patched, t.out));
	assert_true(o.compile_cpu > 0);
	km_unit_objects_free(&o);
	end(&t);
}

static void originals_are_made_once(void **state)
{
	struct toy t = begin();
	struct km_unit_objects o;
	char *kept = km_path(t.kernel->dir, "generated/fs/made.h");

	(void)state;
	patch(&t, ONE_DIFF);
	check_ok(km_unit_compile(t.work, &t.one, t.out, &o));
	km_unit_objects_free(&o);
	assert_int_equal(kbuild_runs(&t), 1);
	assert_true(km_exists(kept)); /* what Kbuild generated serves the copy with the diff */
	check_ok(km_unit_compile(t.work, &t.one, t.out, &o));
	assert_true(o.from_cache);
	km_unit_objects_free(&o);
	assert_int_equal(kbuild_runs(&t), 1);
	free(kept);
	end(&t);
}

static void a_unit_that_does_not_see_the_change_is_not_compiled(void **state)
{
	static const struct {
		const char *diff;
		bool one_same, two_same;
	} cases[] = {
		{"--- a/include/api.h\n+++ b/include/api.h\n@@ -1,2 +1,2 @@\n #define API 1\n-#define UNUSED 1\n+#define UNUSED 2\n",
		 true, true},
		{"--- a/include/api.h\n+++ b/include/api.h\n@@ -1,2 +1,2 @@\n-#define API 1\n+#define API 2\n #define UNUSED 1\n", false,
		 true},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct toy t = begin();
		struct km_unit_objects one, two;

		patch(&t, cases[i].diff);
		check_ok(km_unit_compile(t.work, &t.one, t.out, &one));
		check_ok(km_unit_compile(t.work, &t.two, t.out, &two));
		assert_int_equal(one.same_tokens, cases[i].one_same);
		assert_int_equal(two.same_tokens, cases[i].two_same);
		assert_int_equal(!one.patched, cases[i].one_same);
		km_unit_objects_free(&one);
		km_unit_objects_free(&two);
		end(&t);
	}
}

/* The numbers are those of the author's file, although the compiler saw #line directives. */
static void errors_are_at_the_author_s_lines(void **state)
{
	static const char diff[] = "--- a/fs/one.c\n+++ b/fs/one.c\n@@ -1,10 +1,12 @@\n #include <api.h>\n+int added1;\n+int added2;\n"
				   " #include \"made.h\"\n int one(void)\n {\n \treturn API + MADE + FLAG + sizeof(HASH);\n }\n"
				   " int other(void)\n {\n-\treturn __LINE__;\n+\treturn missing_name;\n }\n";
	struct toy t = begin();
	struct km_unit_objects o;

	(void)state;
	patch(&t, diff);
	check_error(km_unit_compile(t.work, &t.one, t.out, &o), KM_INPUT, "the patched fs/one.c does not compile:\nfs/one.c:11:");
	check_error(km_unit_compile(t.work, &t.one, t.out, &o), KM_INPUT, "missing_name");
	end(&t);
}

static void an_original_that_fails_is_told(void **state)
{
	struct toy t = begin();
	km_unit bad = {.source = (char *)"fs/bad.c", .object = (char *)"vmlinux"},
		x = {.source = (char *)"broken/x.c", .object = (char *)"vmlinux"},
		absent = {.source = (char *)"fs/absent.c", .object = (char *)"vmlinux"};
	struct km_unit_objects o;
	km_error *err = km_unit_compile(t.work, &bad, t.out, &o);

	(void)state;
	assert_string_equal(err->hint, "is the source that of this kernel, and the compiler?");
	assert_non_null(strstr(err->message, "error: "));
	assert_null(strstr(err->message, "careful")); /* warnings are not the cause */
	check_error(err, KM_INPUT, "the unchanged fs/bad.c does not compile:\nfs/bad.c:4:");
	check_error(km_unit_compile(t.work, &x, t.out, &o), KM_INPUT, "this directory is broken");
	check_error(km_unit_compile(t.work, &absent, t.out, &o), KM_INPUT, "fs/absent.c: not built by this configuration");
	check_error(km_unit_compile(t.work, &t.one, "/nonexistent", &o), KM_ENV, "cannot open /nonexistent");
	end(&t);
}

/* ---- what a directory builds, asked of its Makefile ------------------------------------------------------ */

static const struct toy_file asked[] = {
	{"scripts/Kbuild.include", "\n"},
	{"scripts/Makefile.lib", "real-obj-y := $(addprefix $(obj)/,$(filter %.o,$(obj-y)))\n"
				 "obj-m := $(addprefix $(obj)/,$(filter %.o,$(obj-m)))\n"
				 "lib-y := $(addprefix $(obj)/,$(lib-y))\n"},
	{"include/config/auto.conf", "CONFIG_ON=y\nCONFIG_MOD=m\n"},
	{"fs/Makefile", "obj-$(CONFIG_ON) += on.o deep/\nobj-$(CONFIG_OFF) += off.o\nobj-$(CONFIG_MOD) += two.o later/\n"
			"two-y := a.o b.o\nlib-y := l.o\nsubdir-ccflags-y := -DX\n"},
	{"bad/Makefile", "include /nonexistent/Makefile.more\n"},
	{"fs/text", "no Makefile here\n"},
};

static void makefiles_are_asked(void **state)
{
	km_kernel *k = toy_tree_create(asked, KM_COUNT(asked));
	struct kernel_priv *p = k->priv;
	const struct kbuild_dir *d;
	char *kept = km_path(k->dir, "kbuild/fs.txt"), *all = NULL;

	(void)state;
	km_strv_printf(&p->env, "srctree=.");
	check_ok(kbuild_dir_get(k, "fs", &d));
	for (size_t i = 0; i < d->parts.n; i++) {
		char *more = km_printf("%s%s>%s ", all ? all : "", d->parts.at[i].source, d->parts.at[i].object);

		free(all);
		all = more;
	}
	assert_string_equal(all, "fs/on.c>vmlinux fs/l.c>vmlinux fs/a.c>two fs/b.c>two ");
	assert_string_equal(d->cflags, "-DX");
	assert_string_equal(d->below_y.at[0], "fs/deep");
	assert_string_equal(d->below_m.at[0], "fs/later");
	assert_true(km_exists(kept));
	check_ok(kbuild_dir_get(k, "absent", &d));
	assert_int_equal(d->parts.n, 0);
	check_error(kbuild_dir_get(k, "bad", &d), KM_ENV, "cannot ask Kbuild what it builds in bad:");
	free(all);
	free(kept);
	toy_tree_destroy(k);
}

static void environments_are_joined(void **state)
{
	km_kernel *k = toy_tree_create(NULL, 0);
	struct kernel_priv *p = k->priv;
	km_strv extra = {0}, env = {0};

	(void)state;
	km_strv_push(&p->env, "KBUILD_CFLAGS=-O2");
	km_strv_push(&p->env, "abs_srctree=/old");
	km_strv_push(&extra, "KBUILD_CFLAGS+=-DA -DB");
	km_strv_push(&extra, "CC=clang");
	km_strv_push(&extra, "NEW=1");
	kbuild_env(k, "/tree", &extra, &env);
	assert_true(km_strv_has(&env, "KBUILD_CFLAGS=-O2 -DA -DB"));
	assert_true(km_strv_has(&env, "CC=clang"));
	assert_true(km_strv_has(&env, "NEW=1"));
	assert_true(km_strv_has(&env, "abs_srctree=/tree"));
	assert_true(km_strv_has(&env, "PWD=/tree"));
	assert_false(km_strv_has(&env, "abs_srctree=/old"));
	km_strv_free(&extra);
	km_strv_free(&env);
	toy_tree_destroy(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_unit_has_three_objects),
		cmocka_unit_test(originals_are_made_once),
		cmocka_unit_test(a_unit_that_does_not_see_the_change_is_not_compiled),
		cmocka_unit_test(errors_are_at_the_author_s_lines),
		cmocka_unit_test(an_original_that_fails_is_told),
		cmocka_unit_test(makefiles_are_asked),
		cmocka_unit_test(environments_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
