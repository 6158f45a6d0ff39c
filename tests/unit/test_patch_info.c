// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link.h"
#include "toy_kernel.h"

/* ---- names ---- */

static void names_of_patches(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{"fix", true},
		{"kmend_cve_2026_1234", true},
		{"f0", true},
		{"", false},
		{"Fix", false},
		{"a-b", false},
		{"a.b", false},
		{"../x", false},
		{"0fix", false},
		{"vmlinux", false},
		{NULL, false},
		{"a23456789012345678901234567890123456789012345678_", true},
		{"a23456789012345678901234567890123456789012345678__", false},
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		if (km_patch_name_ok(cases[i].name, &why) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].name ? cases[i].name : "NULL");
		assert_int_equal(why == NULL, cases[i].ok);
	}
}

/* ---- metadata: written, and read back ---- */

static char *meta_of(km_object *vmlinux)
{
	km_kernel k = {.release = (char *)"6.1.0-1-toy", .arch = (char *)"x86_64", .vmlinux = vmlinux};
	struct km_patch_spec spec = {
		.name = "fix", .version = "2", .description = "a \"fix\"", .severity = "high", .replace = true};
	struct km_link link = {.k = &k, .spec = &spec};
	struct km_link_func f = {
		.name = "helper", .object = "vmlinux", .unit = "toy/two.c", .sympos = 2, .size = 32, .matched = true};
	char *text;

	km_strv_push(&spec.cves, "CVE-2026-1234");
	km_strv_push(&spec.flags, "allow-data");
	km_vec_push(&f.mask, (struct km_range){1, 4});
	memset(f.expected, 0xab, sizeof(f.expected));
	km_vec_push(&link.funcs, f);
	text = km_meta_text(&link);
	km_vec_free(&f.mask);
	km_vec_free(&link.funcs);
	km_strv_free(&spec.cves);
	km_strv_free(&spec.flags);
	return text;
}

static km_elf *make_module(const char *modinfo, size_t n, const char *meta)
{
	km_elf *ko = km_elf_create(EM_X86_64);
	static const uint8_t zero[64];

	km_sec_append(ko, km_elf_add_sec(ko, ".modinfo", SHT_PROGBITS, SHF_ALLOC, 1), modinfo, n);
	km_sec_append(ko, km_elf_add_sec(ko, ".gnu.linkonce.this_module", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 64),
		      zero, sizeof(zero));
	if (meta)
		km_sec_append(ko, km_elf_add_sec(ko, KM_META_SECTION, SHT_PROGBITS, 0, 1), meta, strlen(meta));
	return ko;
}

static const char tags[] = "livepatch=Y\0name=fix\0vermagic=6.1.0-1-toy SMP";

static km_error *info_of(km_elf *ko, struct km_info **ret)
{
	uint8_t *bytes KM_AUTOFREE = NULL;
	size_t size;

	assert_null(km_elf_write(ko, &bytes, &size));
	km_elf_destroy(ko);
	return km_info_parse(bytes, size, ret);
}

static void metadata_comes_back(void **state)
{
	km_object vmlinux = {.name = "vmlinux", .is_vmlinux = true, .build_id = {0x12, 0x34}, .build_id_len = 2};
	char *text KM_AUTOFREE = meta_of(&vmlinux), *again KM_AUTOFREE = meta_of(&vmlinux);
	struct km_info *info;

	(void)state;
	assert_string_equal(text, again);
	assert_null(info_of(make_module(tags, sizeof(tags), text), &info));
	assert_true(info->ours && info->livepatch && info->replace);
	assert_string_equal(info->name, "fix");
	assert_string_equal(info->version, "2");
	assert_string_equal(info->release, "6.1.0-1-toy");
	assert_string_equal(info->build_id, "1234");
	assert_string_equal(info->description, "a \"fix\"");
	assert_string_equal(info->severity, "high");
	assert_true(km_strv_has(&info->cves, "CVE-2026-1234"));
	assert_true(km_strv_has(&info->flags, "allow-data"));
	assert_int_equal(info->objects.n, 1);
	assert_string_equal(info->objects.at[0].name, "vmlinux");
	assert_string_equal(info->objects.at[0].funcs.at[0].name, "helper");
	assert_int_equal(info->objects.at[0].funcs.at[0].sympos, 2);
	assert_int_equal(info->objects.at[0].funcs.at[0].size, 32);
	assert_true(km_starts(info->objects.at[0].funcs.at[0].expected, "abab"));
	assert_true(info->objects.at[0].funcs.at[0].matched);
	km_info_free(info);
}

static void bad_metadata_is_refused(void **state)
{
	static const struct {
		const char *meta, *says;
	} cases[] = {
		{"{", "is not JSON"},
		{"[]", "no good \"object\""},
		{"{}", "no good \"format\""},
		{"{\"format\":2}", "is of format 2"},
		{"{\"format\":1}", "no good \"name\""},
		{"{\"format\":1,\"name\":\"x\",\"kernel\":{\"release\":\"r\"}}", "no good \"objects\""},
		{"{\"format\":1,\"name\":\"x\",\"kernel\":{\"release\":\"r\"},\"objects\":[{\"name\":\"vmlinux\","
		 "\"functions\":[{}]}]}",
		 "no good \"objects.functions.name\""},
		{"{\"format\":1,\"name\":\"x\",\"kernel\":{\"release\":\"r\"},\"objects\":[{\"name\":\"vmlinux\","
		 "\"functions\":"
		 "[{\"name\":\"f\",\"expected\":\"zz\"}]}]}",
		 "no good \"objects.functions.expected\""},
	};
	struct km_info *info;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_error *err = info_of(make_module(tags, sizeof(tags), cases[i].meta), &info);

		assert_non_null(err);
		if (err->code != KM_INPUT || !strstr(err->message, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err->message, cases[i].says);
		km_error_free(err);
	}
}

/* ---- modules that others made ---- */

static km_elf *foreign_module(void)
{
	km_elf *ko = make_module(tags, sizeof(tags), NULL);
	static const char strings[] = "cmdline_proc_show\0ext4_do\0ext4";
	static const uint8_t zero[256];
	struct km_sec *str = km_elf_add_sec(ko, ".rodata.str1.1", SHT_PROGBITS, SHF_ALLOC | SHF_MERGE | SHF_STRINGS, 1);
	struct km_sec *data = km_elf_add_sec(ko, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
	struct km_sec *text = toy_text(ko, ".text", 64);
	struct km_sym *s = km_elf_secsym(ko, str), *t = km_elf_secsym(ko, text);

	str->entsize = 1;
	km_sec_append(ko, str, strings, sizeof(strings));
	km_sec_append(ko, data, zero, sizeof(zero));
	/* a struct klp_func of vmlinux at 0, one of ext4 with position 3 at 96, struct klp_object at 192 */
	km_sec_add_rel(data, 0, R_X86_64_64, s, 0);
	km_sec_add_rel(data, 8, R_X86_64_64, t, 0);
	km_sec_add_rel(data, 96, R_X86_64_64, s, 18);
	km_sec_add_rel(data, 104, R_X86_64_64, t, 32);
	data->data[112] = 3;
	km_sec_add_rel(data, 192, R_X86_64_64, s, 26);
	km_sec_add_rel(data, 200, R_X86_64_64, km_elf_secsym(ko, data), 96);
	return ko;
}

static const struct km_info_object *object_named(const struct km_info *info, const char *name)
{
	for (size_t i = 0; i < info->objects.n; i++)
		if (!strcmp(info->objects.at[i].name, name))
			return &info->objects.at[i];
	return NULL;
}

static void foreign_modules_are_listed(void **state)
{
	struct km_info *info;

	(void)state;
	assert_null(info_of(foreign_module(), &info));
	assert_false(info->ours);
	assert_true(info->livepatch);
	assert_string_equal(info->release, "6.1.0-1-toy");
	assert_int_equal(info->objects.n, 2);
	assert_string_equal(object_named(info, "vmlinux")->funcs.at[0].name, "cmdline_proc_show");
	assert_string_equal(object_named(info, "ext4")->funcs.at[0].name, "ext4_do");
	assert_int_equal(object_named(info, "ext4")->funcs.at[0].sympos, 3);
	km_info_free(info);
}

static void what_is_no_module_is_refused(void **state)
{
	struct km_info *info;
	km_error *err = info_of(km_elf_create(EM_X86_64), &info);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, KM_INPUT);
	km_error_free(err);
	err = km_info_parse("no ELF", 6, &info);
	assert_non_null(err);
	assert_int_equal(err->code, KM_INPUT);
	km_error_free(err);
}

/* ---- masks ---- */

static void masks_cover_what_is_rewritten(void **state)
{
	km_elf *elf KM_AUTOELF = km_elf_create(EM_X86_64);
	struct km_sec *text = toy_text(elf, ".text", 64), *table;
	struct km_sym *f = toy_func(elf, text, "f", STB_GLOBAL, 16, 32, 0x90);
	static const uint8_t entry[16];
	uint8_t one[KM_SHA256_LEN], two[KM_SHA256_LEN];
	km_ranges ranges = {0};

	(void)state;
	toy_call(text, 16, toy_undef(elf, "__fentry__"));
	toy_call(text, 30, toy_undef(elf, "printk"));
	toy_call(text, 50, toy_undef(elf, "printk")); /* behind f */
	table = km_elf_add_sec(elf, ".return_sites", SHT_PROGBITS, SHF_ALLOC, 1);
	km_sec_append(elf, table, entry, 4);
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(elf, text), 43);
	table = km_elf_add_sec(elf, "__jump_table", SHT_PROGBITS, SHF_ALLOC, 8);
	km_sec_append(elf, table, entry, 16);
	text->data[24] = 0xeb;
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(elf, text), 24);
	km_sec_add_rel(table, 4, R_X86_64_PC32, km_elf_secsym(elf, text), 28);
	km_sec_add_rel(table, 8, R_X86_64_PC64, toy_undef(elf, "key"), 0);
	km_mask_of(elf, f, &ranges);
	assert_int_equal(ranges.n, 4);
	assert_int_equal(ranges.at[0].offset, 0);
	assert_int_equal(ranges.at[0].length, 5);
	assert_int_equal(ranges.at[1].offset, 8);
	assert_int_equal(ranges.at[1].length, 2);
	assert_int_equal(ranges.at[2].offset, 15);
	assert_int_equal(ranges.at[2].length, 4);
	assert_int_equal(ranges.at[3].offset, 27);
	assert_int_equal(ranges.at[3].length, 5);
	km_mask_hash(text->data + 16, 32, &ranges, one);
	text->data[18] ^= 0xff; /* under the mask */
	km_mask_hash(text->data + 16, 32, &ranges, two);
	assert_memory_equal(one, two, sizeof(one));
	text->data[22] ^= 0xff; /* beside it */
	km_mask_hash(text->data + 16, 32, &ranges, two);
	assert_memory_not_equal(one, two, sizeof(one));
	km_vec_free(&ranges);
}

/* Where objtool runs at the end the unit has no tables: the instructions themselves must tell. */
static void masks_need_no_tables(void **state)
{
	static const struct {
		uint8_t opcode[4];
		unsigned n, masked;
		const char *target;
	} cases[] = {
		{{0xe9}, 1, 5, "__x86_return_thunk"},
		{{0xe8}, 1, 5, "__x86_indirect_thunk_rax"},
		{{0x2e, 0xe8}, 2, 6, "__x86_indirect_thunk_r11"},
		{{0x0f, 0x85}, 2, 6, "__x86_indirect_thunk_rcx"},
		{{0x0f, 0x85}, 2, 4, "printk"},
		{{0xe8}, 1, 5, "__SCT__might_resched"},
		{{0xe8}, 1, 4, "printk"},
		{{0x48, 0x8b, 0x05}, 3, 4, "__SCK__might_resched"},
	};
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_elf *elf KM_AUTOELF = km_elf_create(EM_X86_64);
		struct km_sec *text = toy_text(elf, ".text", 64);
		struct km_sym *f = toy_func(elf, text, "f", STB_GLOBAL, 16, 32, 0x90);
		km_ranges ranges = {0};

		memcpy(text->data + 16, endbr64, 4);
		memcpy(text->data + 24, cases[i].opcode, cases[i].n);
		km_sec_add_rel(text, 24 + cases[i].n, R_X86_64_PLT32, toy_undef(elf, cases[i].target), -4);
		km_mask_of(elf, f, &ranges);
		assert_int_equal(ranges.n, 2);
		assert_int_equal(ranges.at[0].offset, 0);
		assert_int_equal(ranges.at[0].length, 4);
		assert_int_equal(ranges.at[1].offset + ranges.at[1].length, 8 + cases[i].n + 4);
		if (ranges.at[1].length != cases[i].masked)
			fail_msg("%s: %u bytes", cases[i].target, (unsigned)ranges.at[1].length);
		km_vec_free(&ranges);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_patches),
		cmocka_unit_test(metadata_comes_back),
		cmocka_unit_test(bad_metadata_is_refused),
		cmocka_unit_test(foreign_modules_are_listed),
		cmocka_unit_test(what_is_no_module_is_refused),
		cmocka_unit_test(masks_cover_what_is_rewritten),
		cmocka_unit_test(masks_need_no_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
