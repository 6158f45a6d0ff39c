/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"
#include "toy_image.h"

#include <kmend/kernel.h>

static void each_layout_gives_every_symbol(void **state)
{
	(void)state;
	for (enum toy_layout layout = TOY_PLAIN; layout <= TOY_NEW; layout++) {
		struct toy_image t;
		km_object *obj;

		toy_make(&t, layout);
		check_ok(km_vmlinux_parse((uint8_t *)t.bytes.at, t.bytes.n, &obj));
		assert_int_equal(obj->syms.n, TOY_SYMS);
		for (size_t i = 0; i < TOY_SYMS; i++) {
			assert_string_equal(obj->syms.at[i].name, t.syms[i].name + 1);
			assert_int_equal(obj->syms.at[i].type, t.syms[i].name[0]);
			assert_true(obj->syms.at[i].addr == t.syms[i].addr);
		}
		assert_string_equal(km_vmlinux_release(obj), "6.1.0-toy");
		assert_string_equal(km_vmlinux_banner(obj), TOY_BANNER);
		assert_int_equal(obj->build_id_len, 20);
		assert_int_equal(obj->build_id[19], 20);
		km_object_destroy(obj);
		toy_free(&t);
	}
}

static void look_ups_agree(void **state)
{
	const struct km_ksym *const *found;
	struct toy_image t;
	km_object *obj;
	size_t n;

	(void)state;
	toy_make(&t, TOY_NEW);
	check_ok(km_vmlinux_parse((uint8_t *)t.bytes.at, t.bytes.n, &obj));
	found = km_ksyms_named(obj, "dup", &n);
	assert_int_equal(n, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(found[i]->sympos, i + 1);
		assert_true(found[i]->addr == t.syms[100 * (i + 1)].addr);
	}
	found = km_ksyms_named(obj, "sys_50", &n);
	assert_int_equal(n, 1);
	assert_int_equal(found[0]->sympos, 0);
	assert_int_equal(found[0]->size, 16);
	km_ksyms_named(obj, "absent", &n);
	assert_int_equal(n, 0);
	found = km_ksyms_at(obj, t.syms[400].addr, &n);
	assert_int_equal(n, 2);
	assert_string_equal(found[1]->name, "sys_401");
	assert_int_equal(found[0]->size, 32); /* not 0, to its alias */
	km_ksyms_at(obj, t.syms[400].addr + 1, &n);
	assert_int_equal(n, 0);
	assert_string_equal(km_ksym_covering(obj, t.syms[400].addr + 31)->name, "sys_400");
	assert_string_equal(km_ksym_covering(obj, TOY_BASE + 15)->name, "_text");
	assert_null(km_ksym_covering(obj, TOY_BASE - 1));
	assert_null(km_ksym_covering(obj, 4));
	assert_null(km_ksym_covering(obj, UINT64_MAX));
	assert_int_equal(obj->syms.at[1].size, 0); /* per-CPU symbols lie in no segment here */
	km_object_destroy(obj);
	toy_free(&t);
}

static void bytes_end_with_the_file(void **state)
{
	struct toy_image t;
	km_object *obj;
	size_t size;

	(void)state;
	toy_make(&t, TOY_NEW);
	size = t.bytes.n - TOY_SEGMENT;
	check_ok(km_vmlinux_parse((uint8_t *)t.bytes.at, t.bytes.n, &obj));
	assert_memory_equal(km_vmlinux_bytes(obj, TOY_BASE, 4), "text", 4);
	assert_non_null(km_vmlinux_bytes(obj, TOY_BASE, size));
	assert_null(km_vmlinux_bytes(obj, TOY_BASE, size + 1));
	assert_null(km_vmlinux_bytes(obj, TOY_BASE + size, 1)); /* bss */
	assert_null(km_vmlinux_bytes(obj, TOY_BASE - 1, 1));
	assert_null(km_vmlinux_bytes(obj, TOY_BASE + 1, SIZE_MAX));
	km_object_destroy(obj);
	toy_free(&t);
}

#define TABLE(name) offsetof(struct toy_image, name)
static const struct broken {
	enum toy_layout layout;
	size_t table; /* of struct toy_image */
	size_t at;
	uint8_t bytes[8];
	size_t n;
	const char *message;
} broken[] = {
	{TOY_NEW, TABLE(token_index), 4, {0, 0}, 2, "no token_table with a token_index"},
	{TOY_NEW, TABLE(token_table), 9, {0}, 1, "no token_table with a token_index"},
	{TOY_SEQS, TABLE(token_table), 9, {7}, 1, "no token_table with a token_index"},
	{TOY_NEW, TABLE(num_syms), 0, {0xff}, 1, "no num_syms, names and markers"},
	{TOY_NEW, TABLE(num_syms), 0, {3, 0}, 2, "no num_syms, names and markers"},
	{TOY_PLAIN, TABLE(num_syms), 0, {0xff, 0xff, 0xff, 0xff}, 4, "no num_syms, names and markers"},
	{TOY_NEW, TABLE(names), 0, {0}, 1, "no num_syms, names and markers"},
	{TOY_NEW, TABLE(names), 0, {1}, 1, "no num_syms, names and markers"},
	{TOY_NEW, TABLE(markers), 4, {1}, 1, "no num_syms, names and markers"},
	{TOY_NEW, TABLE(markers), 8, {1}, 1, "markers: entry 2 is"},
	{TOY_NEW, TABLE(names), 1, {'7'}, 1, "names: symbol 0 has the type '7'"},
	{TOY_SEQS, TABLE(relative_base), 4, {0, 0, 0, 0}, 4, "relative_base: no kernel address before num_syms"},
	{TOY_NEW, TABLE(relative_base), 4, {0, 0, 0, 0}, 4, "relative_base: no kernel address before num_syms"},
	{TOY_PLAIN, TABLE(relative_base), 4, {0, 0, 0, 0}, 4, "relative_base: no kernel address before num_syms"},
	{TOY_NEW, TABLE(offsets), 40, {0, 0, 0, 0xf0}, 4, "offsets: symbol 11 lies at"},
	{TOY_PLAIN, TABLE(offsets), 40, {1, 0, 0, 0}, 4, "offsets: symbol 10 lies at 0x1, below"},
	{TOY_NEW, TABLE(seqs), 0, {0xff}, 1, "seqs_of_names: entry 0 is"},
	{TOY_SEQS, TABLE(seqs), 3, {0, 0, 200}, 3, "seqs_of_names: entry 1 has dup out of turn"},
};

static void broken_tables_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(broken); i++) {
		const struct broken *b = &broken[i];
		struct toy_image t;
		km_object *obj;

		toy_make(&t, b->layout);
		toy_put(&t, *(size_t *)((char *)&t + b->table) + b->at, b->bytes, b->n);
		check_error(km_vmlinux_parse((uint8_t *)t.bytes.at, t.bytes.n, &obj), KM_INPUT, b->message);
		toy_free(&t);
	}
}

/* Cut at any place, with headers that know it: always an error, never a read past the end. */
static void cut_images_are_refused(void **state)
{
	(void)state;
	for (enum toy_layout layout = TOY_PLAIN; layout <= TOY_NEW; layout++) {
		struct toy_image t;
		size_t end;

		toy_make(&t, layout);
		end = layout == TOY_NEW ? t.seqs + 3 * TOY_SYMS : t.token_index + 512;
		for (size_t size = TOY_SEGMENT; size < end; size += 61) {
			uint64_t file_size = size - TOY_SEGMENT;
			km_object *obj;

			toy_put(&t, sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz), &file_size, 8);
			toy_put(&t, sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr), &(uint32_t){PT_NULL}, 4);
			check_error(km_vmlinux_parse((uint8_t *)t.bytes.at, size, &obj), KM_INPUT, "");
		}
		toy_free(&t);
	}
}

static void headers_are_checked(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *message;
	} cases[] = {
		{EI_CLASS, ELFCLASS32, "not a 64-bit little-endian ELF"},
		{offsetof(Elf64_Ehdr, e_type), ET_REL, "is not a linked kernel"},
		{offsetof(Elf64_Ehdr, e_phnum), 200, "program headers"},
		{offsetof(Elf64_Ehdr, e_phoff) + 5, 1, "program headers lie past the end"},
		{sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz) + 4, 1, "segment 0 ends past the end"},
		{sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_memsz) + 7, 0xff, "segment 0 has an impossible size"},
		{sizeof(Elf64_Ehdr), PT_NULL, "no segment to load"},
		{TOY_SEGMENT + 512, 'l', "no \"Linux version\" banner"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct toy_image t;
		km_object *obj;

		toy_make(&t, TOY_NEW);
		toy_put(&t, cases[i].at, &cases[i].value, 1);
		check_error(km_vmlinux_parse((uint8_t *)t.bytes.at, t.bytes.n, &obj), KM_INPUT, cases[i].message);
		toy_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_layout_gives_every_symbol), cmocka_unit_test(look_ups_agree),
		cmocka_unit_test(bytes_end_with_the_file),        cmocka_unit_test(broken_tables_are_named),
		cmocka_unit_test(cut_images_are_refused),         cmocka_unit_test(headers_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
