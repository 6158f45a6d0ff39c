/* SPDX-License-Identifier: GPL-2.0-or-later */
/* #line directives: where they go, and, checked by an independent count, that every line gets the number it should. */
#include "check.h"

#include "prepared.h"

static char *insert(const char *old_text, const char *new_text)
{
	char *dir = check_dir(), *out;
	hunk_list hunks = {0};

	check_ok(hunks_between(dir, old_text, new_text, &hunks));
	out = lines_insert(new_text, hunks.at, hunks.n);
	km_vec_free(&hunks);
	check_dir_end(dir);
	return out;
}

static void directives_go_to_safe_places(void **state)
{
	static const struct {
		const char *what, *old_text, *new_text, *lined; /* lined NULL: none needed */
	} cases[] = {
		{"nothing changed", "a;\nb;\n", "a;\nb;\n", NULL},
		{"as many lines", "a;\nb;\nc;\n", "a;\nB;\nc;\n", NULL},
		{"a line more", "a;\nb;\n", "a;\nx;\nb;\n", "a;\nx;\n#line 2\nb;\n"},
		{"at the top", "a;\nb;\n", "\na;\nb;\n", "\n#line 1\na;\nb;\n"},
		{"a line less", "a;\nx;\nb;\n", "a;\nb;\n", "a;\n#line 3\nb;\n"},
		{"two changes", "a;\nb;\nc;\n", "x;\na;\nb;\ny;\nc;\n",
		 "x;\n#line 1\na;\nb;\n#line 4\ny;\n#line 3\nc;\n"},
		{"inside a call", "f(a,\n b);\nc;\n", "f(a,\n x,\n b);\nc;\n", "f(a,\n x,\n b);\n#line 3\nc;\n"},
		{"inside a comment", "/* a\n b */\nc;\n", "/* a\n x\n b */\nc;\n", "/* a\n x\n b */\n#line 3\nc;\n"},
		{"inside a macro", "#define M \\\n a\nc;\n", "#define M \\\n x \\\n a\nc;\n",
		 "#define M \\\n x \\\n a\n#line 3\nc;\n"},
		{"call on the next line", "F\n(a);\nc;\n", "x;\nF\n(a);\nc;\n", "x;\n#line 1\nF\n(a);\nc;\n"},
		{"before the parenthesis", "F\n(a);\nc;\n", "F\n\n(a);\nc;\n", "F\n\n(a);\n#line 3\nc;\n"},
		{"in a list", "int v[] = {\n 1,\n 2,\n};\n", "int v[] = {\n 0,\n 1,\n 2,\n};\n",
		 "int v[] = {\n 0,\n#line 2\n 1,\n 2,\n};\n"},
		{"a false branch", "#if 0\na;\n#endif\nb;\n", "#if 0\nx;\na;\n#endif\nb;\n",
		 "#if 0\nx;\n#line 2\na;\n#endif\n#line 4\nb;\n"},
		{"both branches", "#if A\na;\n#else\nb;\n#endif\nc;\n", "#if A\nx;\na;\n#else\nb;\n#endif\nc;\n",
		 "#if A\nx;\n#line 2\na;\n#else\n#line 4\nb;\n#endif\n#line 6\nc;\n"},
		{"a call in two branches", "#if A\nf(\n#else\ng(\n#endif\n1);\nc;\n",
		 "x;\n#if A\nf(\n#else\ng(\n#endif\n1);\nc;\n", "x;\n#line 1\n#if A\nf(\n#else\ng(\n#endif\n1);\nc;\n"},
		{"a string over lines", "a = \"x\\\ny\";\nb;\n", "a = \"x\\\nz\\\ny\";\nb;\n",
		 "a = \"x\\\nz\\\ny\";\n#line 3\nb;\n"},
		{"a quote in #error", "#error don't\na;\nb;\n", "#error don't\na;\nx;\nb;\n",
		 "#error don't\na;\nx;\n#line 3\nb;\n"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *lined = insert(cases[i].old_text, cases[i].new_text);

		if (!lined != !cases[i].lined || (lined && strcmp(lined, cases[i].lined)))
			fail_msg("%s: got\n%s", cases[i].what, lined ? lined : "(none)");
		free(lined);
	}
}

/* The number that the compiler gives the line that begins with `word`. */
static unsigned number_of(const char *text, const char *word)
{
	unsigned number = 1;

	for (const char *at = text; *at; at = strchrnul(at, '\n') + 1) {
		if (km_starts(at, word))
			return number;
		if (km_starts(at, "#line "))
			number = (unsigned)strtoul(at + 6, NULL, 10);
		else
			number++;
	}
	return 0;
}

static void unchanged_lines_keep_their_numbers(void **state)
{
	km_str old_text = {0}, new_text = {0};
	char word[32], *lined;

	(void)state;
	for (unsigned i = 1; i <= 400; i++) {
		km_str_printf(&old_text, "line%u;\n", i);
		if (i % 50 == 7)
			km_str_printf(&new_text, "added%u;\nmore%u;\n", i, i);
		if (i % 60 != 9)
			km_str_printf(&new_text, "line%u;\n", i);
	}
	lined = insert(old_text.at, new_text.at);
	for (unsigned i = 1; i <= 400; i++) {
		snprintf(word, sizeof(word), "line%u;", i);
		assert_int_equal(number_of(lined, word), i % 60 != 9 ? i : 0);
		snprintf(word, sizeof(word), "added%u;", i);
		assert_int_equal(number_of(lined, word), number_of(new_text.at, word));
	}
	free(lined);
	km_str_free(&old_text);
	km_str_free(&new_text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directives_go_to_safe_places),
		cmocka_unit_test(unchanged_lines_keep_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
