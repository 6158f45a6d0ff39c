/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "prepared.h"

static void tokens_are_compared(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"int a;", "int  a ;\n", true},
		{"int a;", "int\n\n/* c */ a; // d", true},
		{"int a;", "int b;", false},
		{"a + +b", "a ++b", false},
		{"a = \"x y\";", "a = \"x  y\";", false},
		{"a = \"/* x */\";", "a = \"\";", false},
		{"'\"' /* x */", "'\"'", true},
		{"#define A 1\nb", "#define A 1 b", false},
		{"#define A \\\n 1\nb", "#define A 1\nb", true},
		{"# 12 \"f.c\" 2\nint a;", "int a;", true},
		{"#line 7\nint a;", "#line 9\nint a;", true},
		{"#if A\nx\n#endif", "#if B\nx\n#endif", false},
		{"don't", "don't // it is", true},
		{"1.5e+3", "1.5e +3", false},
		{"a->b", "a - > b", false},
		{"a", "", false},
		{"/* open", "", true},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (lex_same(cases[i].a, cases[i].b) != cases[i].same)
			fail_msg("case %zu: \"%s\" and \"%s\"", i, cases[i].a, cases[i].b);
}

/* One line a definition: kind, name, lines. */
static char *describe(const char *text)
{
	static const char kinds[] = "FMDO#";
	definition_list l = {0};
	km_str out = {0};

	definitions_of(text, &l);
	for (size_t i = 0; i < l.n; i++)
		km_str_printf(&out, "%c%s %s %u-%u;", kinds[l.at[i].kind], l.at[i].is_inline ? "i" : "", l.at[i].name,
			      l.at[i].first, l.at[i].last);
	definition_list_free(&l);
	return out.at ? out.at : km_strdup("");
}

static void definitions_are_found(void **state)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{"int f(int a)\n{\n\tif (a) {\n\t}\n\treturn g(a);\n}\n", "F f 1-6;"},
		{"static inline void __printf(1, 2)\nf(void)\n{\n}\nint x;\n", "Fi f 1-4;O x 5-5;"},
		{"struct s {\n\tint a;\n} v;\n", "O v 1-3;"},
		{"static const struct ops o = {\n\t.f = g,\n};\n", "O o 1-3;"},
		{"SYSCALL_DEFINE2(open, int, a, int, b)\n{\n}\n", "F open 1-3;"},
		{"#define M(a) \\\n\tf(a)\nint f(int);\n", "M M 1-2;D f 3-3;"},
		{"#ifdef X\nextern int a;\n#endif\nextern int b, c;\n", "#  1-1;D a 2-2;#  3-3;O c 4-4;"},
		{"typedef int (*fn)(void);\n", "O fn 1-1;"},
		{"int f(int a)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (!a) {\n#endif\n\t}\n}\nint g(void)\n{\n}\n",
		 "#  3-3;#  5-5;#  7-7;F f 1-9;F g 10-12;"},
		{"/* int f(void) { */\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *found = describe(cases[i].text);

		assert_string_equal(found, cases[i].found);
		free(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_compared),
		cmocka_unit_test(definitions_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
