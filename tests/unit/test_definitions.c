/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Top-level definitions told from text: kinds, names and lines of what kernel sources look like. */
#include "check.h"

#include "prepared.h"

static const char *const kinds[] = {[DEF_FUNCTION] = "function",
				    [DEF_MACRO] = "macro",
				    [DEF_DECLARATION] = "declaration",
				    [DEF_OTHER] = "other",
				    [DEF_DIRECTIVE] = "directive"};

static char *describe(const char *text)
{
	KM_CLEANUP(definition_list_free) definition_list l = {0};
	km_str s = {0};

	definitions_of(text, &l);
	for (size_t i = 0; i < l.n; i++)
		km_str_printf(&s, "%s%s %s %u-%u%s%s", i ? ", " : "", kinds[l.at[i].kind], l.at[i].name, l.at[i].first,
			      l.at[i].last, l.at[i].is_inline ? " inline" : "", l.at[i].made_by_macro ? " guess" : "");
	return s.at ? s.at : km_strdup("");
}

static void definitions_are_found(void **state)
{
	static const struct {
		const char *text, *found;
	} cases[] = {
		{"", ""},
		{"/* int a(void) { } */\n// more\n", ""},
		{"int a(void)\n{\n\treturn 1;\n}\n", "function a 1-4"},
		{"static inline int a(void) { return 1; }\n", "function a 1-1 inline"},
		{"static __always_inline int a(void)\n{ }\n", "function a 1-2 inline"},
		{"static noinline int a(void)\n{ }\n", "function a 1-2"},
		{"static __attribute__((noinline)) void a(int b)\n{\n}\n", "function a 1-3"},
		{"int a(void) __must_hold(b)\n{\n}\n", "function a 1-3"},
		{"int a(void);\nextern int b;\n", "declaration a 1-1, declaration b 2-2"},
		{"struct s {\n\tint x;\n};\n", "other s 1-3"},
		{"struct s {\n\tint x;\n} one = { 1 };\nint two;\n", "other one 1-3, other two 4-4"},
		{"int a = 1, b(int);\n", "other a 1-1"},
		{"typedef int fn(void);\n", "other fn 1-1"},
		{"static int (*ops[])(void) = {\n\tone,\n\ttwo,\n};\nint x(void)\n{\n}\n", "other ops 1-4, function x 5-7"},
		{"static int (*const ops[2])(void);\nextern void (*hook)(int a, int b);\n", "other ops 1-1, declaration hook 2-2"},
		{"static int (*find(int a))(void)\n{\n\treturn NULL;\n}\nint b;\n", "function find 1-4, other b 5-5"},
		{"#define A 1\n#define B(x) \\\n\t((x) + 1)\n#include <x.h>\n", "macro A 1-1, macro B 2-3, directive  4-4"},
		{"SYSCALL_DEFINE2(open, int, a, int, b)\n{\n\treturn 0;\n}\n", "function open 1-4 guess"},
		{"module_init(start);\n", "declaration module_init 1-1"},
		{"EXPORT_SYMBOL(start);\nint b(void)\n{\n}\n", "other start 1-1 guess, function b 2-4"},
		{"#ifdef X\nint a(void)\n{\n#else\nint a(int b)\n{\n#endif\n\treturn 0;\n}\nint c(void)\n{\n}\n",
		 "directive  1-1, directive  4-4, directive  7-7, function a 2-9, function c 10-12"},
		{"char *s = \"int a(void) { \\\" }\";\nint b;\n", "other s 1-1, other b 2-2"},
		{"int a(void)\n{\n", "other a 1-2"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *found = describe(cases[i].text);

		if (strcmp(found, cases[i].found))
			fail_msg("%s: expected \"%s\", found \"%s\"", cases[i].text, cases[i].found, found);
		free(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(definitions_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
