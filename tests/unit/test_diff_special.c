/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of special sections: every row has a case. */
#include "check.h"
#include "diff_text.h"

static km_diff *diff(const km_elf *o, const km_elf *p)
{
	static const struct km_diff_options opt = {.object = "vmlinux", .unit = "kernel/file.c"};
	km_diff *d = NULL;

	check_ok(km_diff_unit(o, p, &opt, &d));
	return d;
}

/* Each op is in a changed function and, before and after it, in unchanged ones: one entry of `size` bytes with `rels`
 * relocations travels. */
static const struct {
	const char *op, *section;
	unsigned size, rels;
} entries[] = {
	{"bug:7", "__bug_table", 12, 2},
	{"ex:3", "__ex_table", 12, 2},
	{"jl:key", "__jump_table", 16, 3},
	{"sc:sched", ".static_call_sites", 8, 2},
	{"alt:90*3", ".altinstructions", 12, 2},
	{"alt14:90", ".altinstructions", 14, 2},
	{"site:para", ".parainstructions", 16, 1},
	{"site:lock", ".smp_locks", 4, 1},
	{"site:retpoline", ".retpoline_sites", 4, 1},
	{"site:return", ".return_sites", 4, 1},
	{"site:callsite", ".call_sites", 4, 1},
	{"site:ibt", ".ibt_endbr_seal", 4, 1},
	{"site:cfi", ".cfi_sites", 4, 1},
	{"x:90", "__mcount_loc", 8, 1},
	{"site:pfe", "__patchable_function_entries", 8, 1},
	{"site:kprobe", "_kprobe_blacklist", 8, 1},
	{"site:inject", "_error_injection_whitelist", 16, 1},
	{"orc:5", ".orc_unwind_ip", 4, 1},
};

static km_elf *three(const char *op, const char *code)
{
	char *text KM_AUTOFREE = km_printf("F a : %s\nF b : %s x:%s\nF c : %s", op, op, code, op);

	return object_of(text);
}

static void test_entries_travel(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(entries); i++) {
		km_elf *o KM_AUTOELF = three(entries[i].op, "11"), *p KM_AUTOELF = three(entries[i].op, "22");
		km_diff *d = diff(o, p);
		const struct km_sec *sec = km_elf_sec(d->carry, entries[i].section);

		if (!sec || sec->size != entries[i].size || sec->rels.n != entries[i].rels)
			fail_msg("%s: %s has %d bytes, %d relocations", entries[i].op, entries[i].section,
				 sec ? (int)sec->size : -1, sec ? (int)sec->rels.n : -1);
		assert_string_equal(sec->rels.at[0].sym->name, "b");
		assert_int_equal(d->items.n, 1);
		km_diff_destroy(d);
	}
}

static void test_every_table_has_a_case(void **state)
{
	(void)state;
	for (size_t i = 0; km_special_at(i); i++) {
		const struct km_special *s = km_special_at(i);
		bool found = s->kind != KM_SPECIAL_TABLE;

		for (size_t k = 0; k < KM_COUNT(entries); k++)
			found |= !strcmp(entries[k].section, s->name);
		if (!found)
			fail_msg("no case for %s", s->name);
		assert_true(*s->note);
	}
}

static void test_entry_changes(void **state)
{
	static const struct {
		const char *was, *is, *expected;
	} cases[] = {
		{"bug:7", "bug:8", "b:changed:special:r"},	 {"ex:1", "ex:2", "b:changed:special:r"},
		{"jl:key", "jl:other", "b:changed:special:r"},	 {"alt:90*3", "alt:91*3", "b:changed:special:r"},
		{"alt:90*3", "alt:90*2", "b:changed:special:r"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *was KM_AUTOFREE = km_printf("F a : %s\nF b : %s", cases[i].was, cases[i].was);
		char *is KM_AUTOFREE = km_printf("F a : %s\nF b : %s", cases[i].was, cases[i].is);
		char *got KM_AUTOFREE = difference_of(was, is, NULL);

		assert_string_equal(got, cases[i].expected);
	}
}

/* In a section named like each row that never travels, a datum and a pointer to the changed function. */
static void test_dropped(void **state)
{
	(void)state;
	for (size_t i = 0; km_special_at(i); i++) {
		const struct km_special *s = km_special_at(i);
		const char *star = strchr(s->name, '*');

		if (s->kind != KM_SPECIAL_DROPPED)
			continue;
		char *name KM_AUTOFREE =
			star ? km_printf("%.*sx%s", (int)(star - s->name), s->name, star + 1) : km_strdup(s->name);
		char *was KM_AUTOFREE = km_printf("F a : x:11\nD d @%s : &a", name);
		char *is KM_AUTOFREE = km_printf("F a : x:22\nD d @%s : &a", name);
		km_elf *o KM_AUTOELF = object_of(was), *p KM_AUTOELF = object_of(is);

		assert_ptr_equal(km_special_find(name), s);
		km_diff *d = diff(o, p);

		assert_int_equal(d->n_changed, 1);
		if (km_elf_sec(d->carry, name))
			fail_msg("%s travels", name);
		km_diff_destroy(d);
	}
}

static void test_replacements_are_cut(void **state)
{
	km_elf *o KM_AUTOELF = object_of("F a : alt:aa*3\nF b : alt:bb*2 x:11\nF c : alt:cc*4");
	km_elf *p KM_AUTOELF = object_of("F a : alt:aa*3\nF b : alt:bb*2 x:22\nF c : alt:cc*4");
	km_diff *d = diff(o, p);
	const struct km_sec *code = km_elf_sec(d->carry, ".altinstr_replacement"),
			    *table = km_elf_sec(d->carry, ".altinstructions");

	(void)state;
	assert_int_equal(code->size, 2);
	assert_memory_equal(code->data, "\xbb\xbb", 2);
	assert_ptr_equal(table->rels.at[1].sym->sec, code);
	assert_int_equal(table->rels.at[1].sym->value + table->rels.at[1].addend, 0);
	km_diff_destroy(d);
}

static void test_auxiliary_code_is_cut(void **state)
{
	km_elf *o KM_AUTOELF = object_of("F a : aux:1\nF b : aux:2 x:11"),
		  *p KM_AUTOELF = object_of("F a : aux:1\nF b : aux:2 x:22");
	km_diff *d = diff(o, p);
	const struct km_sec *aux = km_elf_sec(d->carry, ".altinstr_aux");

	(void)state;
	assert_int_equal(aux->size, 12);
	assert_int_equal(aux->data[6], 2);
	assert_int_equal(aux->rels.n, 2);
	assert_string_equal(aux->rels.at[0].sym->name, "boot_cpu_data");
	assert_int_equal(aux->rels.at[0].addend, 24 - 5);
	assert_string_equal(aux->rels.at[1].sym->name, "b");
	assert_int_equal(aux->rels.at[1].addend, 10 - 4);
	km_diff_destroy(d);
}

static void test_unwinder_rows_stay_parallel(void **state)
{
	km_elf *o KM_AUTOELF = object_of("F a : orc:1 x:90 orc:2\nF b : orc:3 x:11 orc:4"),
		  *p KM_AUTOELF = object_of("F a : orc:1 x:90 orc:2\nF b : orc:3 x:22 orc:4");
	km_diff *d = diff(o, p);
	const struct km_sec *ip = km_elf_sec(d->carry, ".orc_unwind_ip"), *orc = km_elf_sec(d->carry, ".orc_unwind");

	(void)state;
	assert_int_equal(ip->rels.n, 2);
	assert_int_equal(orc->size, 12);
	assert_int_equal(orc->data[0], 3);
	assert_int_equal(orc->data[6], 4);
	assert_int_equal(ip->rels.at[1].addend, 6);
	km_diff_destroy(d);
}

/* The assembler aligns before an entry, not after the last one. */
static void test_short_last_entry(void **state)
{
	km_elf *o KM_AUTOELF = object_of("F a : site:para\nF b : site:para x:11"),
		  *p KM_AUTOELF = object_of("F a : site:para\nF b : site:para x:22");

	(void)state;
	km_elf_sec(o, ".parainstructions")->size -= 6;
	km_elf_sec(p, ".parainstructions")->size -= 6;
	km_diff *d = diff(o, p);

	assert_int_equal(km_elf_sec(d->carry, ".parainstructions")->size, 16);
	km_diff_destroy(d);
}

static void test_malformed_tables(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"D x @__bug_table : 0102",
		 "error: cannot compare kernel/file.c: section __bug_table (2 bytes) does not consist of entries of "
		 "12 bytes that begin with a relocation"},
		{"F a : ex:1 ex:2\nD x @__ex_table : 0102",
		 "error: cannot compare kernel/file.c: section __ex_table (26 bytes) does not consist of "
		 "entries of 12 bytes that begin with a relocation"},
		{"F a : orc:1 orc:2\nD x @.orc_unwind : 01",
		 "error: cannot compare kernel/file.c: .orc_unwind does not match the 2 entries of "
		 ".orc_unwind_ip"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *is KM_AUTOFREE = km_printf("%s\nF z : x:90", cases[i].text),
			 *was KM_AUTOFREE = km_printf("%s\nF z : x:91", cases[i].text);
		char *got KM_AUTOFREE = difference_of(was, is, NULL);

		assert_string_equal(got, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_travel),
		cmocka_unit_test(test_every_table_has_a_case),
		cmocka_unit_test(test_entry_changes),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_replacements_are_cut),
		cmocka_unit_test(test_auxiliary_code_is_cut),
		cmocka_unit_test(test_unwinder_rows_stay_parallel),
		cmocka_unit_test(test_short_last_entry),
		cmocka_unit_test(test_malformed_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
