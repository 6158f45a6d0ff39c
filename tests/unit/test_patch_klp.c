// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link.h"
#include "toy_kernel.h"

/* A module as Kbuild leaves it: carried code with intermediate names, the glue's table, DWARF, symbols of files. */
struct state {
	km_elf *ko;
	struct km_sec *text, *table;
	struct km_klp_sym klps[2];
	struct km_link link;
};

static int setup(void **state)
{
	struct state *s = km_calloc(1, sizeof(*s));
	km_elf *ko = s->ko = km_elf_create(EM_X86_64);
	static const uint8_t zero[16];
	struct km_sec *debug;

	s->text = toy_text(ko, ".text.fixed", 32);
	toy_func(ko, s->text, "fixed", STB_LOCAL, 0, 32, 0x90);
	s->table = km_elf_add_sec(ko, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
	km_sec_append(ko, s->table, zero, sizeof(zero));
	km_sec_add_rel(s->table, 8, R_X86_64_64,
		       km_elf_add_sym(ko, KM_TEMP_FUNC "0", STB_GLOBAL, STT_FUNC, s->text, 0, 32), 0);
	toy_call(s->text, 0, toy_undef(ko, KM_TEMP_KLP "0"));
	toy_call(s->text, 5, toy_undef(ko, KM_TEMP_KLP "1"));
	toy_call(s->text, 10, toy_undef(ko, "printk"));
	toy_undef(ko, "unused");
	s->text->data[6] = 0x55; /* what the linker may have left in a field */
	debug = km_elf_add_sec(ko, ".debug_info", SHT_PROGBITS, 0, 1);
	km_sec_append(ko, debug, zero, 8);
	km_sec_add_rel(debug, 0, R_X86_64_64, km_elf_secsym(ko, s->text), 0);
	km_elf_secsym(ko, debug);
	km_elf_add_sym(ko, "glue.c", STB_LOCAL, STT_FILE, NULL, 0, 0)->shndx = SHN_ABS;
	s->klps[0] = (struct km_klp_sym){KM_TEMP_KLP "0", "vmlinux", "vmlinux", "helper", 2};
	s->klps[1] = (struct km_klp_sym){KM_TEMP_KLP "1", "ext4", "ext4", "ext4_do", 0};
	km_vec_push(&s->link.klps, &s->klps[0]);
	km_vec_push(&s->link.klps, &s->klps[1]);
	km_vec_push(&s->link.funcs, (struct km_link_func){.temp = KM_TEMP_FUNC "0", .name = "fixed", .object = "vmlinux"});
	toy_export("printk", "vmlinux", NULL);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	km_elf_destroy(s->ko);
	km_vec_free(&s->link.klps);
	km_vec_free(&s->link.funcs);
	toy_reset();
	free(s);
	return 0;
}

static const struct km_rela_extra *extra_named(const km_elf *ko, const char *name)
{
	for (size_t i = 0; i < ko->extras.n; i++)
		if (!strcmp(ko->extras.at[i]->name, name))
			return ko->extras.at[i];
	return NULL;
}

static void relocations_are_split_by_object(void **state)
{
	struct state *s = *state;
	const struct km_rela_extra *now, *later;

	assert_null(km_klp_finish(&s->link, s->ko));
	now = extra_named(s->ko, ".klp.rela.vmlinux..text.fixed");
	later = extra_named(s->ko, ".klp.rela.ext4..text.fixed");
	assert_non_null(now);
	assert_non_null(later);
	assert_int_equal(now->rels.n, 1);
	assert_string_equal(now->rels.at[0].sym->name, ".klp.sym.vmlinux.helper,2");
	assert_int_equal(now->rels.at[0].sym->shndx, KM_SHN_LIVEPATCH);
	assert_int_equal(later->rels.at[0].offset, 6);
	assert_string_equal(later->rels.at[0].sym->name, ".klp.sym.ext4.ext4_do,0");
	assert_true(now->flags & SHF_ALLOC);
	assert_true(now->flags & KM_SHF_RELA_LIVEPATCH);
	assert_int_equal(s->text->rels.n, 1);
	assert_int_equal(s->text->data[6], 0);
	assert_null(km_check_module(s->ko, NULL, KM_FLAVOUR_KLP));
}

static void nothing_of_the_making_stays(void **state)
{
	struct state *s = *state;

	assert_null(km_klp_finish(&s->link, s->ko));
	assert_string_equal(s->table->rels.at[0].sym->name, "fixed");
	assert_null(km_elf_sec(s->ko, ".debug_info"));
	assert_null(km_elf_sym(s->ko, "glue.c"));
	assert_null(km_elf_sym(s->ko, "unused"));
	for (size_t i = 1; i < s->ko->syms.n; i++)
		assert_false(km_starts(s->ko->syms.at[i]->name, "kmend_"));
}

static void flawed(struct state *s, const char *expected)
{
	km_error *err = km_check_module(s->ko, NULL, KM_FLAVOUR_KLP);

	assert_non_null(err);
	if (!strstr(err->message, expected))
		fail_msg("\"%s\" does not say \"%s\"", err->message, expected);
	km_error_free(err);
}

static void what_the_loader_would_refuse_is_found(void **state)
{
	struct state *s = *state;
	struct km_rel *rel;

	assert_null(km_klp_finish(&s->link, s->ko));
	rel = &s->ko->extras.at[0]->rels.at[0];
	s->text->data[rel->offset] = 1;
	flawed(s, "is not zero");
	s->text->data[rel->offset] = 0;
	rel->type = R_X86_64_GOTPCREL;
	flawed(s, "does not know relocation type 9");
	rel->type = R_X86_64_PLT32;
	rel->offset = 1000;
	flawed(s, "outside of its section");
	rel->offset = 1;
	rel->sym->name = ".klp.sym.ext4.helper,2";
	flawed(s, "cannot be looked up from there");
	rel->sym->name = ".klp.sym.vmlinux.helper,2";
	assert_null(km_check_module(s->ko, NULL, KM_FLAVOUR_KLP));
	toy_undef(s->ko, "not_exported");
	flawed(s, "not_exported");
}

/* ---- the same module for kmend.ko ---- */

static uint64_t get(const struct km_sec *sec, uint64_t at, unsigned size)
{
	uint64_t value = 0;

	assert_true(at + size <= sec->size);
	memcpy(&value, sec->data + at, size);
	return value;
}

/* The text that the pointer field at `at` is relocated to. */
static const char *name_at(const struct km_sec *sec, uint64_t at)
{
	for (size_t i = 0; i < sec->rels.n; i++)
		if (sec->rels.at[i].offset == at)
			return (const char *)sec->rels.at[i].sym->sec->data + sec->rels.at[i].addend;
	return NULL;
}

static struct km_sec *for_core(struct state *s)
{
	struct km_diff diff = {.carry = s->ko};
	struct km_patch_unit unit = {.diff = &diff};
	struct km_link_unit u = {.unit = &unit};

	s->link.flavour = KM_FLAVOUR_CORE;
	/* What the glue would have made of the objects. */
	toy_undef(s->ko, KM_TEMP_RELOCS "0");
	toy_undef(s->ko, KM_TEMP_RELOCS "1");
	toy_undef(s->ko, KM_CORE_ENABLE);
	km_sec_add_rel(s->table, 0, R_X86_64_64, km_elf_sym(s->ko, KM_TEMP_RELOCS "1"), 0);
	toy_call(s->text, 15, km_elf_sym(s->ko, KM_CORE_ENABLE));
	km_core_mark(&s->link, &u, 1);
	assert_null(km_core_finish(&s->link, s->ko));
	return km_elf_sec(s->ko, ".rodata.kmend_relocs");
}

static void relocations_become_tables_by_object(void **state)
{
	struct state *s = *state;
	struct km_sec *relocs = for_core(s);
	static const uint8_t end[32];

	assert_non_null(relocs);
	assert_int_equal(relocs->size, 4 * 32); /* vmlinux: one and the end; ext4: the same */
	assert_string_equal(name_at(relocs, 8), "helper");
	assert_int_equal(get(relocs, 16, 4), 2);
	assert_int_equal(get(relocs, 20, 4), R_X86_64_PLT32);
	assert_int_equal((int64_t)get(relocs, 24, 8), -4);
	assert_ptr_equal(relocs->rels.at[0].sym, s->text->secsym);
	assert_int_equal(relocs->rels.at[0].addend, 1);
	assert_memory_equal(relocs->data + 32, end, 32);
	assert_string_equal(name_at(relocs, 64 + 8), "ext4_do");
	assert_int_equal(relocs->rels.at[2].addend, 6);
	assert_memory_equal(relocs->data + 96, end, 32);
	assert_ptr_equal(s->table->rels.at[0].sym->sec, relocs);
	assert_int_equal(s->table->rels.at[0].sym->value, 64);
	/* The loader is left with what is exported. */
	assert_int_equal(s->text->rels.n, 2);
	assert_int_equal(s->text->data[6], 0);
	assert_int_equal(s->ko->extras.n, 0);
	assert_null(km_elf_sym(s->ko, KM_TEMP_KLP "0"));
	assert_null(km_check_module(s->ko, NULL, KM_FLAVOUR_CORE));
	flawed(s, KM_CORE_ENABLE); /* which no module of the other flavour may call */
}

static void a_jump_table_with_late_keys_is_hidden(void **state)
{
	struct state *s = *state;
	struct km_sec *table = km_elf_add_sec(s->ko, "__jump_table", SHT_PROGBITS, SHF_ALLOC, 8), *relocs;
	static const uint8_t entry[16];

	km_sec_append(s->ko, table, entry, sizeof(entry));
	km_sec_add_rel(table, 8, R_X86_64_PC64, km_elf_sym(s->ko, KM_TEMP_KLP "0"), 2);
	toy_undef(s->ko, KM_TEMP_JUMPS);
	toy_undef(s->ko, KM_TEMP_JUMPS_END);
	km_sec_add_rel(s->table, 0, R_X86_64_64, km_elf_sym(s->ko, KM_TEMP_JUMPS_END), 0);
	relocs = for_core(s);
	assert_string_equal(table->name, ".data.kmend_jump_table");
	assert_true(table->flags & SHF_WRITE);
	assert_int_equal(table->rels.n, 0);
	assert_ptr_equal(s->table->rels.at[0].sym->sec, table);
	assert_int_equal(s->table->rels.at[0].sym->value, 16);
	assert_int_equal(relocs->size, 5 * 32);
	assert_int_equal(get(relocs, 32 + 20, 4), R_X86_64_PC64);
	assert_int_equal(get(relocs, 32 + 24, 8), 2);
}

static void objects_of_the_core_are_those_with_functions_or_relocations(void **state)
{
	struct state *s = *state;
	km_strv names = {0};

	s->klps[1].object = "crc16";
	s->link.funcs.at[0].object = "ext4";
	for_core(s);
	km_core_objects(&s->link, &names);
	assert_int_equal(names.n, 3);
	assert_string_equal(names.at[0], "vmlinux");
	assert_string_equal(names.at[1], "crc16");
	assert_string_equal(names.at[2], "ext4");
	assert_true(km_core_has_relocs(&s->link, "crc16"));
	assert_false(km_core_has_relocs(&s->link, "ext4"));
	km_strv_free(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(relocations_are_split_by_object, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_of_the_making_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_loader_would_refuse_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(relocations_become_tables_by_object, setup, teardown),
		cmocka_unit_test_setup_teardown(a_jump_table_with_late_keys_is_hidden, setup, teardown),
		cmocka_unit_test_setup_teardown(objects_of_the_core_are_those_with_functions_or_relocations, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
