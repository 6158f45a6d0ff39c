/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a diff to the units it reaches: who builds a file, who sees a header's change, and why a file reaches none. */
#include "toy_tree.h"

static const struct toy_file files[] = {
	{".config", "# a configuration\nCONFIG_NET=y\nCONFIG_TWO=m\n# CONFIG_OFF is not set\n"},
	{"fs/Makefile", "obj-y += open.o shared.o\nobj-$(CONFIG_OFF) += off.o\nobj-$(CONFIG_OFF) += offdir/\n"
			"obj-$(CONFIG_OFF) += parts.o\nparts-y := parts-main.o \\\n\tparts-more.o\n"
			"old-objs := old-one.o\nobj-$(CONFIG_OLD)+= old.o\n"},
	{"fs/offdir/Makefile", "obj-y += deep.o\n"},
	{"fs/offdir/deep.c", "int deep;\n"},
	{"fs/open.c", "#include <linux/api.h>\n#include \"shared.c\"\nint open_it(void)\n{\n\treturn api_get();\n}\n"},
	{"fs/shared.c", "int shared_one(void)\n{\n\treturn 1;\n}\n"},
	{"fs/off.c", "int off;\n"},
	{"fs/parts-more.c", "int more;\n"},
	{"fs/old-one.c", "int old;\n"},
	{"fs/orphan.c", "int orphan;\n"},
	{"fs/mod/Makefile", "obj-$(CONFIG_TWO) += two.o\n"},
	{"fs/mod/both.c", "#include <linux/api.h>\nint both(void)\n{\n\treturn api_put();\n}\n"},
	{"fs/mod/stray.c", "int stray;\n"},
	{"net/wrap.c", "#include <linux/api.h>\nint w(void)\n{\n\treturn api_wrapped();\n}\n"},
	{"net/paste.c", "#include <linux/api.h>\nint p(void)\n{\n\treturn API_CALL(get);\n}\n"},
	{"net/deaf.c", "#include <linux/api.h>\nint deaf;\n"},
	{"net/typed.c", "#include <linux/api.h>\nstruct api t;\n"},
	{"net/Makefile", "obj-y += wrap.o\n"},
	{"include/linux/api.h",
	 "struct api {\n\tint a;\n};\n"
	 "static inline int api_get(void)\n{\n\treturn 1;\n}\n"
	 "static inline int api_put(void)\n{\n\treturn 2;\n}\n"
	 "static inline int api_wrapped(void)\n{\n\treturn api_get();\n}\n"
	 "#define API_CALL(what) api_##what()\n"},
	{"include/linux/unused.h", "int unused;\n"},
	{"virt/kvm/far.c", "int far;\n"},
	{"arch/x86/kvm/Makefile", "FAR := ../../../virt/kvm\nkvm-y += $(FAR)/far.o\n"},
	{"arch/arm/a.c", "int arm;\n"},
	{"arch/x86/boot/b.c", "int boot;\n"},
	{"lib/vdso/v.c", "int vdso;\n"},
	{"tools/t.c", "int tool;\n"},
	{"samples/s.c", "int sample;\n"},
	{"Documentation/d.rst", "old\n"},
	{"fs/entry.S", "nop\n"},
	{"fs/table", "1\n"},
};

static km_kernel *make_kernel(void)
{
	km_kernel *k = toy_tree_create(files, KM_COUNT(files));

	toy_tree_answer(k, ".", "below-y fs/ net/ arch/x86/kvm/\nbelow-m \n");
	toy_tree_answer(k, "fs", "below-y \nbelow-m mod/\ncflags -DFS\nbuiltin fs/open.o fs/shared.o\n");
	toy_tree_answer(k, "fs/mod", "cflags -DMOD\nbuiltin fs/mod/stray.o\nmodule one.o both.o\nmodule two-x.o both.o\n");
	toy_tree_answer(k, "fs/offdir", "builtin fs/offdir/deep.o\n");
	toy_tree_answer(k, "net", "builtin net/wrap.o net/paste.o net/deaf.o net/typed.o\n");
	toy_tree_answer(k, "arch/x86/kvm", "module kvm.o ../../../virt/kvm/far.o\n");
	return k;
}

/* A diff of one line: the first one that has `old` in it, with `new` in its place; NULL removes the file. */
static char *line_diff(const char *path, const char *old, const char *new)
{
	for (size_t i = 0; i < KM_COUNT(files); i++) {
		const char *at = strcmp(files[i].path, path) ? NULL : strstr(files[i].text, old), *start = at, *p;
		unsigned line = 1;

		if (!at)
			continue;
		for (p = files[i].text; p < at; p++)
			line += *p == '\n';
		while (start > files[i].text && start[-1] != '\n')
			start--;
		return km_printf("--- a/%s\n+++ b/%s\n@@ -%u +%u @@\n-%.*s\n+%.*s%s%.*s\n", path, path, line, line,
				 (int)strcspn(start, "\n"), start, (int)(at - start), start, new,
				 (int)strcspn(at + strlen(old), "\n"), at + strlen(old));
	}
	fail_msg("no line with %s in %s", old, path);
	return NULL;
}

/* "source>object (why) … ! path: reason …" of one diff. */
static char *reached_by(const char *diff)
{
	km_kernel *k = make_kernel();
	km_touched_list touched = {0};
	km_unit_list units = {0};
	km_left_out_list out = {0};
	km_strv patches = {0};
	km_str s = {0};
	km_work *w;

	toy_file_put(k->dir, "a.patch", diff);
	km_strv_printf(&patches, "%s/a.patch", k->dir);
	check_ok(km_work_open(k, &w));
	check_ok(km_work_apply(w, &patches, &touched));
	check_ok(km_units_of(w, &touched, &units, &out));
	for (size_t i = 0; i < units.n; i++)
		km_str_printf(&s, "%s>%s%s (%s)\n", units.at[i].source, units.at[i].object, units.at[i].builtin ? "" : " m",
			      units.at[i].why);
	for (size_t i = 0; i < out.n; i++)
		km_str_printf(&s, "! %s: %s\n", out.at[i].path, out.at[i].reason);
	km_touched_free(&touched);
	km_unit_list_free(&units);
	km_left_out_free(&out);
	km_strv_free(&patches);
	km_work_close(w);
	toy_tree_destroy(k);
	return s.at ? s.at : km_strdup("");
}

struct change {
	const char *path, *old, *new, *reached;
};

static void check_changes(const struct change *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *diff = line_diff(cases[i].path, cases[i].old, cases[i].new), *reached = reached_by(diff);

		if (strcmp(reached, cases[i].reached))
			fail_msg("%s, %s -> %s: expected\n%sgot\n%s", cases[i].path, cases[i].old, cases[i].new,
				 cases[i].reached, reached);
		free(reached);
		free(diff);
	}
}

static void sources_are_units_of_their_objects(void **state)
{
	static const struct change cases[] = {
		{"fs/open.c", "return", "return 1 +", "fs/open.c>vmlinux (changed)\n"},
		{"fs/mod/both.c", "return", "return 1 +", "fs/mod/both.c>one m (changed)\nfs/mod/both.c>two_x m (changed)\n"},
		{"virt/kvm/far.c", "far", "farther", "virt/kvm/far.c>kvm m (changed)\n"},
		{"fs/shared.c", "1;", "2;",
		 "fs/shared.c>vmlinux (changed)\nfs/open.c>vmlinux (includes fs/shared.c)\n"},
	};

	(void)state;
	check_changes(cases, KM_COUNT(cases));
}

/* Only who mentions the changed function or macro, or an inline function or a paste that leads to it. */
static void headers_reach_those_that_see_the_change(void **state)
{
	static const struct change cases[] = {
		{"include/linux/api.h", "return 1", "return 3",
		 "fs/open.c>vmlinux (includes include/linux/api.h)\nnet/paste.c>vmlinux (includes include/linux/api.h)\n"
		 "net/wrap.c>vmlinux (includes include/linux/api.h)\n"},
		{"include/linux/api.h", "return 2", "return 3",
		 "fs/mod/both.c>one m (includes include/linux/api.h)\nfs/mod/both.c>two_x m (includes include/linux/api.h)\n"
		 "net/paste.c>vmlinux (includes include/linux/api.h)\n"},
		{"include/linux/api.h", "return 1", "return 1/**/", "! include/linux/api.h: only comments or white space changed\n"},
		{"include/linux/unused.h", "unused", "used",
		 "! include/linux/unused.h: no unit of this configuration uses what changed in it\n"},
	};

	(void)state;
	check_changes(cases, KM_COUNT(cases));
}

static void a_changed_type_reaches_all_that_include_it(void **state)
{
	static const char *const sources[] = {"fs/open.c", "fs/mod/both.c", "net/wrap.c", "net/paste.c", "net/deaf.c",
					      "net/typed.c"};
	char *diff = line_diff("include/linux/api.h", "int a", "long a"), *reached = reached_by(diff);

	(void)state;
	for (size_t i = 0; i < KM_COUNT(sources); i++)
		if (!strstr(reached, sources[i]))
			fail_msg("%s is not in\n%s", sources[i], reached);
	free(reached);
	free(diff);
}

static void what_reaches_no_unit_has_a_reason(void **state)
{
	static const struct change cases[] = {
		{"fs/off.c", "off", "on", "! fs/off.c: not built by this configuration (CONFIG_OFF is not set)\n"},
		{"fs/offdir/deep.c", "deep", "d", "! fs/offdir/deep.c: not built by this configuration (CONFIG_OFF is not set)\n"},
		{"fs/parts-more.c", "more", "m", "! fs/parts-more.c: not built by this configuration (CONFIG_OFF is not set)\n"},
		{"fs/old-one.c", "old", "o", "! fs/old-one.c: not built by this configuration (CONFIG_OLD is not set)\n"},
		{"fs/orphan.c", "orphan", "o", "! fs/orphan.c: not built by this configuration\n"},
		{"fs/mod/stray.c", "stray", "s",
		 "! fs/mod/stray.c: its directory is built for modules alone, and it is part of none\n"},
		{"arch/arm/a.c", "arm", "a", "! arch/arm/a.c: another architecture\n"},
		{"arch/x86/boot/b.c", "boot", "b", "! arch/x86/boot/b.c: boot code: gone after the start\n"},
		{"lib/vdso/v.c", "vdso", "v", "! lib/vdso/v.c: vdso code: it runs in user space, mapped into every process\n"},
		{"tools/t.c", "tool", "t", "! tools/t.c: a program of user space: the kernel does not run it\n"},
		{"samples/s.c", "sample", "s", "! samples/s.c: sample code: no distribution ships it\n"},
		{"Documentation/d.rst", "old", "new", "! Documentation/d.rst: documentation\n"},
		{"fs/Makefile", "open.o", "opn.o",
		 "! fs/Makefile: build rules: not code; if they change what is compiled, the patch is incomplete\n"},
		{"fs/entry.S", "nop", "hlt", "! fs/entry.S: assembly\n"},
		{"fs/table", "1", "2", "! fs/table: not code that the kernel compiles\n"},
		{"fs/open.c", "int open_it", "int  open_it", "! fs/open.c: only comments or white space changed\n"},
	};

	(void)state;
	check_changes(cases, KM_COUNT(cases));
}

static void files_that_come_and_go_have_a_reason(void **state)
{
	static const struct {
		const char *diff, *reached;
	} cases[] = {
		{"--- /dev/null\n+++ b/fs/new.c\n@@ -0,0 +1 @@\n+int n;\n",
		 "! fs/new.c: a new file: only files that the kernel was built from can be patched; put its code into one of "
		 "them\n"},
		{"--- a/fs/off.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int off;\n",
		 "! fs/off.c: the file is removed: what the kernel runs of it stays\n"},
		{"--- /dev/null\n+++ b/include/linux/new.h\n@@ -0,0 +1 @@\n+int n;\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *reached = reached_by(cases[i].diff);

		assert_string_equal(reached, cases[i].reached);
		free(reached);
	}
}

static void flags_of_the_directories_above_add_up(void **state)
{
	static const struct {
		const char *source, *dir, *cflags;
		bool only_modules;
	} cases[] = {
		{"fs/open.c", "fs", " ", false},
		{"fs/mod/both.c", "fs/mod", "  -DFS", true},
		{"net/wrap.c", "net", " ", false},
	};
	km_kernel *k = make_kernel();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct kbuild_place p;
		char *reason;

		check_ok(kbuild_place_of(k, cases[i].source, &p, &reason));
		assert_null(reason);
		assert_string_equal(p.dir->dir, cases[i].dir);
		assert_string_equal(p.cflags, cases[i].cflags);
		assert_int_equal(p.only_modules, cases[i].only_modules);
		kbuild_place_end(&p);
	}
	toy_tree_destroy(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_units_of_their_objects),
		cmocka_unit_test(headers_reach_those_that_see_the_change),
		cmocka_unit_test(a_changed_type_reaches_all_that_include_it),
		cmocka_unit_test(what_reaches_no_unit_has_a_reason),
		cmocka_unit_test(files_that_come_and_go_have_a_reason),
		cmocka_unit_test(flags_of_the_directories_above_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
