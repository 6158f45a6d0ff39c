/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What DWARF tells: source lines, owners of static locals, layouts of types. The objects are compiled from text. */
#include "check.h"

#include <kmend/diff.h>

static const char prelude[] = "int printk(const char *, ...);\nvoid *kmalloc(unsigned long);\n";

static char *compile(const char *dir, const char *name, const char *source)
{
	char *c KM_AUTOFREE = km_printf("%s/%s.c", dir, name), *o = km_printf("%s/%s.o", dir, name);
	char *text KM_AUTOFREE = km_printf("%s# 1 \"kernel/file.c\"\n%s", prelude, source);
	char *const argv[] = {"cc",
			      "-g",
			      "-O1",
			      "-c",
			      "-fno-pic",
			      "-fno-inline",
			      "-ffunction-sections",
			      "-fdata-sections",
			      "-pg",
			      "-mfentry",
			      "-mrecord-mcount",
			      "-o",
			      o,
			      c,
			      NULL};
	struct km_cmd cmd = {.argv = argv, .timeout = 60};

	check_ok(km_file_write(c, text, strlen(text)));
	check_ok(km_run_ok(&cmd, NULL));
	return o;
}

struct built {
	char *dir;
	km_elf *orig, *patched;
	km_diff *d;
};

static void build(struct built *b, const char *orig, const char *patched, bool allow_layout)
{
	b->dir = check_dir();
	char *o KM_AUTOFREE = compile(b->dir, "orig", orig), *p KM_AUTOFREE = compile(b->dir, "patched", patched);
	struct km_diff_options opt = {.object = "vmlinux",
				      .unit = "kernel/file.c",
				      .orig_path = o,
				      .patched_path = p,
				      .allow_layout = allow_layout};

	check_ok(km_elf_read_file(o, &b->orig));
	check_ok(km_elf_read_file(p, &b->patched));
	check_ok(km_diff_unit(b->orig, b->patched, &opt, &b->d));
}

static void unbuild(struct built *b)
{
	km_diff_destroy(b->d);
	km_elf_destroy(b->orig);
	km_elf_destroy(b->patched);
	check_ok(km_remove_tree(b->dir));
	free(b->dir);
}

static const struct km_change_item *item(const km_diff *d, const char *name)
{
	for (size_t i = 0; i < d->items.n; i++)
		if (!strcmp(d->items.at[i].name, name))
			return &d->items.at[i];
	fail_msg("no item %s", name);
	return NULL;
}

static void test_lines(void **state)
{
	struct built b;

	(void)state;
	build(&b, "int v = 1;\n\nint f(int a)\n{\n\treturn a + v;\n}\n",
	      "int v = 2;\n\nint f(int a)\n{\n\treturn a - v;\n}\n", false);
	assert_string_equal(item(b.d, "f")->file, "kernel/file.c");
	assert_int_equal(item(b.d, "f")->line, 3);
	assert_true(item(b.d, "f")->replaces);
	assert_int_equal(item(b.d, "v")->line, 1);
	assert_int_equal(b.d->judgements.n, 1);
	assert_string_equal(b.d->judgements.at[0].code, "data-changed");
	assert_string_equal(b.d->judgements.at[0].file, "kernel/file.c");
	assert_int_equal(b.d->judgements.at[0].line, 1);
	unbuild(&b);
}

/* One function's static local goes, another's of the same name comes, both in functions that a third one calls. */
static void test_static_locals(void **state)
{
	struct built b;

	(void)state;
	build(&b, "int one(void) { static int n; return ++n; }\nint two(void) { return 2; }\n",
	      "int one(void) { return 1; }\nint two(void) { static int n; return ++n; }\n", false);
	size_t fresh = 0;

	for (size_t i = 0; i < b.d->items.n; i++)
		fresh += km_starts(b.d->items.at[i].name, "n.") && b.d->items.at[i].change == KM_NEW &&
			 b.d->items.at[i].included;
	assert_int_equal(fresh, 1);
	unbuild(&b);
	build(&b, "int one(void) { static int n; return ++n; }\nint two(void) { static int n; return --n; }\n",
	      "int two(void) { static int n; return --n; }\nint zero(void) { static int n; return n++; }\nint "
	      "one(void) { static int n; return ++n + 1; }\n",
	      false);
	assert_int_equal(b.d->n_changed, 1);
	assert_true(item(b.d, "one")->replaces);
	/* zero() is new, and so is its own n; those of the others exist. */
	for (size_t i = 0; i < b.d->items.n; i++)
		if (km_starts(b.d->items.at[i].name, "n."))
			assert_string_equal(b.d->items.at[i].detail, "used by zero");
	unbuild(&b);
}

static const struct {
	const char *name, *orig, *patched, *use;
	const char *severity, *subject, *reason; /* NULL: no judgement */
} layouts[] = {
	{"a member inside", "struct s { int a; long c; };", "struct s { int a; long b; long c; };",
	 "struct s *p; long f(void) { return p->c + %d; }", "refuse", "struct s",
	 "member b was added at offset 8, its size changed from 16 to 24 bytes"},
	{"a member at the end", "struct s { long a; };", "struct s { long a; long b; };",
	 "struct s *p; long f(void) { return p->a + %d; }", "refuse", "struct s", "member b was added at offset 8"},
	{"in padding", "struct s { int a; long c; };", "struct s { int a; int b; long c; };",
	 "struct s *p; long f(void) { return p->c + %d; }", "risk", "struct s", "former padding"},
	{"a removed member", "struct s { long a; long b; };", "struct s { long b; };",
	 "struct s *p; long f(void) { return p->b + %d; }", "refuse", "struct s", "member a is gone"},
	{"another type", "struct s { long a; unsigned b; };", "struct s { long a; char b; };",
	 "struct s *p; long f(void) { return p->a + %d; }", "refuse", "struct s", "member b has another type"},
	{"moved members", "struct s { int a; int b; };", "struct s { int b; int a; };",
	 "struct s *p; long f(void) { return p->a + %d; }", "refuse", "struct s", "member a moved from offset 0 to 4"},
	{"in an unnamed member", "struct s { long a; struct { int x; }; };",
	 "struct s { long a; struct { int x; int y; }; };", "struct s *p; long f(void) { return p->a + %d; }", "refuse",
	 "struct s", "an unnamed member has another type"},
	{"a bit field", "struct s { unsigned a : 3, b : 4; };", "struct s { unsigned a : 4, b : 4; };",
	 "struct s *p; long f(void) { return p->b + %d; }", "refuse", "struct s", "member"},
	{"a union", "union u { int a; };", "union u { int a; long b; };",
	 "union u *p; long f(void) { return p->a + %d; }", "refuse", "union u", "member b was added at offset 0"},
	{"an array", "struct s { int a[4]; };", "struct s { int a[5]; };",
	 "struct s *p; long f(void) { return p->a[1] + %d; }", "refuse", "struct s", "member a has another type"},
	{"only ever a local variable", "struct s { int a; };", "struct s { int a; int b; };",
	 "void g(struct s *); long f(void) { struct s s = { %d }; g(&s); return s.a; }", "risk", "struct s",
	 "only local variables"},
	{"allocated", "struct s { int a; };", "struct s { int a; int b; };",
	 "void *q; long f(void) { struct s *s = kmalloc(sizeof(*s)); s->a = %d; q = s; return 0; }", "refuse",
	 "struct s", "objects of the old layout"},
	{"another pointer's target", "struct s { int *a; };", "struct s { long *a; };",
	 "struct s *p; long f(void) { return !p->a + %d; }", NULL, NULL, NULL},
	{"a new type", "", "struct s { int b; };", "struct s *p; long f(void) { return %d; }", NULL, NULL, NULL},
};

static void test_layouts(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(layouts); i++) {
		char *use1 KM_AUTOFREE = NULL, *use2 KM_AUTOFREE = NULL;
		const char *number = strstr(layouts[i].use, "%d");

		use1 = km_printf("%.*s1%s", (int)(number - layouts[i].use), layouts[i].use, number + 2);
		use2 = km_printf("%.*s2%s", (int)(number - layouts[i].use), layouts[i].use, number + 2);
		char *orig KM_AUTOFREE = km_printf("%s\n%s\n", layouts[i].orig, use1),
			   *patched KM_AUTOFREE = km_printf("%s\n%s\n", layouts[i].patched, use2);
		struct built b;

		build(&b, orig, patched, false);
		const struct km_judgement *j = b.d->judgements.n ? &b.d->judgements.at[0] : NULL;

		if (!layouts[i].reason) {
			if (j)
				fail_msg("%s: %s: %s", layouts[i].name, j->subject, j->reason);
			unbuild(&b);
			continue;
		}
		if (!j || strcmp(j->code, "type-layout") || strcmp(j->subject, layouts[i].subject) ||
		    !strstr(j->reason, layouts[i].reason) ||
		    j->severity != (*layouts[i].severity == 'r' && layouts[i].severity[1] == 'i' ? KM_RISK : KM_REFUSE))
			fail_msg("%s: %s", layouts[i].name, j ? j->reason : "nothing");
		assert_string_equal(j->file, "kernel/file.c");
		assert_int_equal(j->line, 1);
		unbuild(&b);
	}
}

static void test_enumerators(void **state)
{
	static const struct {
		const char *orig, *patched, *subject;
	} cases[] = {
		{"A, B, C, D", "A, N, B, C, D", "B"},
		{"A, B, C, N_ALL, MAX = N_ALL - 1", "A, B, C, N, N_ALL, MAX = N_ALL - 1", NULL},
		{"A, B, C, D", "A, B, C, D, N", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *orig KM_AUTOFREE =
			km_printf("enum { %s };\nint f(int x)\n{\n\treturn x + 7 * B;\n}\n", cases[i].orig);
		char *patched KM_AUTOFREE =
			km_printf("enum { %s };\nint f(int x)\n{\n\treturn x + 9 * B;\n}\n", cases[i].patched);
		struct built b;

		build(&b, orig, patched, false);
		assert_int_equal(b.d->judgements.n, cases[i].subject ? 1 : 0);
		if (cases[i].subject) {
			assert_string_equal(b.d->judgements.at[0].code, "enum-value");
			assert_string_equal(b.d->judgements.at[0].subject, cases[i].subject);
			assert_string_equal(b.d->judgements.at[0].file, "kernel/file.c");
			assert_int_equal(b.d->judgements.at[0].line, 1);
		}
		unbuild(&b);
	}
}

static void test_allow_layout(void **state)
{
	struct built b;

	(void)state;
	build(&b, "struct s { long a; } *p;\nlong f(void) { return p->a + 1; }\n",
	      "struct s { long b, a; } *p;\nlong f(void) { return p->a + 2; }\n", true);
	assert_int_equal(b.d->judgements.n, 1);
	assert_int_equal(b.d->judgements.at[0].severity, KM_RISK);
	unbuild(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),	    cmocka_unit_test(test_static_locals),
		cmocka_unit_test(test_layouts),	    cmocka_unit_test(test_allow_layout),
		cmocka_unit_test(test_enumerators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
