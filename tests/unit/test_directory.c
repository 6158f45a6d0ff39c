/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "prepared.h"

static void paths_are_normalised(void **state)
{
	static const struct {
		const char *path, *normal;
	} cases[] = {
		{"a/b", "a/b"},	     {"a/../b", "b"},  {"arch/x86/kvm/../../../virt/kvm/x.o", "virt/kvm/x.o"},
		{"./a//b/.", "a/b"}, {"../a", "../a"}, {"a/../../b", "../b"},
		{"..", ".."},	     {"a/..", ""},     {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *normal = path_normal(cases[i].path);

		assert_string_equal(normal, cases[i].normal);
		free(normal);
	}
}

static void answers_are_read(void **state)
{
	static const char text[] = "below-y nfs_common/ notify/\nbelow-m xfs/\ncflags -DX -DY\naflags \n"
				   "builtin fs/open.o fs/lib.a fs/head.S.o\nmodule binfmt-misc.o binfmt_misc.o\n"
				   "module two.o a.o ../lib/b.o\n";
	static const struct {
		const char *target, *source, *object;
	} parts[] = {
		{"fs/open.o", "fs/open.c", "vmlinux"},
		{"fs/head.S.o", "fs/head.S.c", "vmlinux"},
		{"fs/binfmt_misc.o", "fs/binfmt_misc.c", "binfmt_misc"},
		{"fs/a.o", "fs/a.c", "two"},
		{"fs/../lib/b.o", "lib/b.c", "two"},
	};
	struct kbuild_dir *d = km_calloc(1, sizeof(*d));

	(void)state;
	kbuild_dir_parse("fs", text, d);
	assert_int_equal(d->parts.n, KM_COUNT(parts));
	for (size_t i = 0; i < KM_COUNT(parts); i++) {
		assert_string_equal(d->parts.at[i].target, parts[i].target);
		assert_string_equal(d->parts.at[i].source, parts[i].source);
		assert_string_equal(d->parts.at[i].object, parts[i].object);
		assert_int_equal(d->parts.at[i].builtin, !strcmp(parts[i].object, "vmlinux"));
	}
	assert_string_equal(d->cflags, "-DX -DY");
	assert_string_equal(d->aflags, "");
	assert_int_equal(d->below_y.n, 2);
	assert_string_equal(d->below_m.at[0], "fs/xfs");
	kbuild_dir_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_normalised),
		cmocka_unit_test(answers_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
