/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "prepared.h"

static void put(const char *dir, const char *name, const char *text)
{
	char *path = km_path(dir, name), *at = km_strdup(path);

	*strrchr(at, '/') = 0;
	check_ok(km_mkdirs(at));
	check_ok(km_file_write(path, text, strlen(text)));
	free(at);
	free(path);
}

static void make_tree(const char *dir)
{
	put(dir, "include/linux/a.h", "#ifndef A\n# include <asm/low.h>\n#endif\n");
	put(dir, "arch/x86/include/asm/low.h", "int low;\n");
	put(dir, "arch/arm/include/asm/low.h", "#include <linux/a.h>\n");
	put(dir, "include/linux/compiler_types.h", "#include \"forced.h\"\n");
	put(dir, "include/linux/forced.h", "");
	put(dir, "fs/one.c", "// no #include <linux/forced.h> here\n#include <linux/a.h>\n#include \"local.h\"\n");
	put(dir, "fs/local.h", "");
	put(dir, "fs/sub/two.c", "#include \"../local.h\"\n");
	put(dir, "drivers/deep/inc/priv.h", "");
	put(dir, "drivers/deep/three.c", "#include \"priv.h\"\n");
	put(dir, "kernel/all.c", "#include \"part.c\"\n");
	put(dir, "kernel/part.c", "");
	put(dir, "tools/four.c", "#include <linux/a.h>\n");
}

static char *reached(const include_graph *g, const char *path)
{
	km_strv files = {0};
	km_str out = {0};

	include_graph_reach(g, path, &files);
	for (size_t i = 0; i < files.n; i++)
		km_str_printf(&out, "%s ", files.at[i]);
	km_strv_free(&files);
	return out.at ? out.at : km_strdup("");
}

static void includers_are_found(void **state)
{
	static const struct {
		const char *path, *reached;
	} cases[] = {
		{"include/linux/a.h", "fs/one.c "},
		{"arch/x86/include/asm/low.h", "fs/one.c include/linux/a.h "},
		{"fs/local.h", "fs/one.c fs/sub/two.c "},
		{"drivers/deep/inc/priv.h", "drivers/deep/three.c "},
		{"kernel/part.c", "kernel/all.c "},
		{"include/linux/forced.h",
		 "drivers/deep/three.c fs/one.c fs/sub/two.c include/linux/compiler_types.h kernel/all.c "
		 "kernel/part.c "},
		{"absent.h", ""},
	};
	char *dir = check_dir(), *text;
	include_graph *g;

	(void)state;
	make_tree(dir);
	check_ok(include_graph_scan(dir, &text));
	g = include_graph_parse(text);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *r = reached(g, cases[i].path);

		assert_string_equal(r, cases[i].reached);
		free(r);
	}
	assert_true(include_graph_included(g, "kernel/part.c"));
	assert_false(include_graph_included(g, "kernel/all.c"));
	include_graph_free(g);
	free(text);
	check_dir_end(dir);
}

/* Which of three files can see a change of f() in the header. */
static void names_narrow_the_includers(void **state)
{
	static const struct {
		const char *what, *old_text, *new_text, *kept;
	} cases[] = {
		{"inline function", "static inline int f(void)\n{\n\treturn 1;\n}\n",
		 "static inline int f(void)\n{\n\treturn 2;\n}\n", "calls.c macro.c "},
		{"macro", "#define f 1\n", "#define f 2\n", "calls.c macro.c "},
		{"declaration", "int f(int);\n", "int f(long);\n", "calls.c macro.c "},
		{"nobody's", "#define unheard 1\n", "#define unheard 2\n", ""},
		{"pasted", "#define long_name 1\n", "#define long_name 2\n", "paste.c "},
		{"type", "struct s { int a; };\n", "struct s { long a; };\n", "calls.c macro.c none.c paste.c "},
		{"condition", "#if A\n#endif\n", "#if B\n#endif\n", "calls.c macro.c none.c paste.c "},
	};
	char *dir = check_dir(), *tree = km_path(dir, "tree"), *text;
	km_kernel kernel = {.tree = tree};
	struct km_work work = {.kernel = &kernel, .scratch = dir};
	include_graph *g;

	(void)state;
	put(tree, "include/h.h", "int f(int);\n");
	put(tree, "include/m.h", "#include <h.h>\n#define USE() f()\n#define P(x) long_##x\n");
	put(tree, "calls.c", "#include <m.h>\nint a(void) { return f(); }\n");
	put(tree, "macro.c", "#include <m.h>\nint b(void) { return USE(); }\n");
	put(tree, "none.c", "#include <m.h>\nint c;\n");
	put(tree, "paste.c", "#include <m.h>\nint d = P(name);\n");
	check_ok(include_graph_scan(tree, &text));
	g = include_graph_parse(text);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct changed_file header = {.path = (char *)"include/h.h",
					      .old_text = (char *)cases[i].old_text,
					      .new_text = (char *)cases[i].new_text};
		km_strv files = {0};
		km_str kept = {0};

		include_graph_reach(g, "include/h.h", &files);
		check_ok(narrow(&work, &header, g, &files));
		for (size_t j = 0; j < files.n; j++)
			if (km_ends(files.at[j], ".c"))
				km_str_printf(&kept, "%s ", files.at[j]);
		if (strcmp(kept.at ? kept.at : "", cases[i].kept))
			fail_msg("%s: kept %s", cases[i].what, kept.at ? kept.at : "nothing");
		km_strv_free(&files);
		km_str_free(&kept);
	}
	include_graph_free(g);
	free(text);
	free(tree);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(includers_are_found),
		cmocka_unit_test(names_narrow_the_includers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
