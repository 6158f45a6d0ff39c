/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <kmend/kernel.h>
#include <zstd.h>

static const uint8_t note[] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4,
			       5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

/* "twice" is in .text two times; "both" is in .init.text first and then in .text; "late" is in .init.text only; "out" is
 * exported. */
static km_elf *make_module(bool named)
{
	km_elf *elf = km_elf_create(EM_X86_64);
	struct km_sec *text = km_elf_add_sec(elf, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16);
	struct km_sec *init = km_elf_add_sec(elf, ".init.text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16);
	struct km_sec *data = km_elf_add_sec(elf, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
	struct km_sec *ksymtab = km_elf_add_sec(elf, "__ksymtab", SHT_PROGBITS, SHF_ALLOC, 4);
	struct km_sec *info = km_elf_add_sec(elf, ".modinfo", SHT_PROGBITS, SHF_ALLOC, 1);
	struct km_sec *notes = km_elf_add_sec(elf, ".note.gnu.build-id", SHT_NOTE, SHF_ALLOC, 4);
	static const char modinfo[] = "license=GPL\0name=toy_module";

	km_sec_append(elf, text, (uint8_t[64]){0}, 64);
	km_sec_append(elf, init, (uint8_t[64]){0}, 64);
	km_sec_append(elf, data, (uint8_t[8]){0}, 8);
	km_sec_append(elf, ksymtab, (uint8_t[12]){0}, 12);
	km_sec_append(elf, info, modinfo, named ? sizeof(modinfo) : 12);
	km_sec_append(elf, notes, note, sizeof(note));
	km_elf_add_sym(elf, "twice", STB_LOCAL, STT_FUNC, text, 0, 16);
	km_elf_add_sym(elf, "both", STB_LOCAL, STT_FUNC, init, 0, 16);
	km_elf_add_sym(elf, "late", STB_LOCAL, STT_FUNC, init, 16, 16);
	km_elf_add_sym(elf, "both", STB_LOCAL, STT_FUNC, text, 16, 16);
	km_elf_add_sym(elf, "twice", STB_LOCAL, STT_FUNC, text, 32, 16);
	km_elf_add_sym(elf, "__UNIQUE_ID_license1", STB_LOCAL, STT_OBJECT, info, 0, 12);
	km_elf_add_sym(elf, "__ksymtab_out", STB_LOCAL, STT_NOTYPE, ksymtab, 0, 0);
	km_elf_add_sym(elf, "table", STB_LOCAL, STT_OBJECT, data, 0, 8);
	km_elf_add_sym(elf, "out", STB_GLOBAL, STT_FUNC, text, 48, 16);
	km_elf_add_sym(elf, "weak", STB_WEAK, STT_FUNC, text, 48, 16);
	km_elf_add_sym(elf, "kfree", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
	return elf;
}

static km_object *open_module(const char *file, bool named, bool packed)
{
	char *dir = check_dir(), *path = km_path(dir, file);
	km_elf *elf = make_module(named);
	uint8_t *bytes, to[1 << 16];
	km_object *obj;
	size_t size;

	check_ok(km_elf_write(elf, &bytes, &size));
	if (packed)
		check_ok(km_file_write(path, to, ZSTD_compress(to, sizeof(to), bytes, size, 3)));
	else
		check_ok(km_file_write(path, bytes, size));
	check_ok(km_module_open(path, &obj));
	free(bytes);
	km_elf_destroy(elf);
	free(path);
	check_dir_end(dir);
	return obj;
}

static void core_symbols_are_numbered(void **state)
{
	static const struct {
		const char *name;
		unsigned sympos, coming;
		char type;
	} expected[] = {
		{"twice", 1, 1, 't'}, {"both", 0, 2, 't'},  {"twice", 2, 2, 't'}, {"__ksymtab_out", 0, 0, 'r'},
		{"table", 0, 0, 'd'}, {"out", 0, 0, 'T'},   {"weak", 0, 0, 'w'},
	};
	km_object *obj = open_module("toy-module.ko", true, false);
	const struct km_ksym *const *found;
	size_t n;

	(void)state;
	assert_string_equal(obj->name, "toy_module");
	assert_false(obj->is_vmlinux);
	assert_int_equal(obj->build_id_len, 20);
	assert_int_equal(obj->syms.n, KM_COUNT(expected));
	for (size_t i = 0; i < obj->syms.n; i++) {
		assert_string_equal(obj->syms.at[i].name, expected[i].name);
		assert_int_equal(obj->syms.at[i].sympos, expected[i].sympos);
		assert_int_equal(obj->syms.at[i].sympos_coming, expected[i].coming);
		assert_int_equal(obj->syms.at[i].type, expected[i].type);
	}
	found = km_ksyms_named(obj, "twice", &n);
	assert_int_equal(n, 2);
	assert_int_equal(found[1]->addr, 32);
	assert_string_equal(found[1]->sec->name, ".text");
	km_ksyms_named(obj, "late", &n);
	assert_int_equal(n, 0);
	km_ksyms_at(obj, 0, &n);
	assert_int_equal(n, 0);
	assert_null(km_ksym_covering(obj, 1));
	assert_null(km_vmlinux_bytes(obj, 0, 1));
	km_object_destroy(obj);
}

static void packed_and_unnamed(void **state)
{
	km_object *obj = open_module("snd-toy-x.ko.zst", false, true);

	(void)state;
	assert_string_equal(obj->name, "snd_toy_x");
	km_object_destroy(obj);
}

static void broken_files_are_named(void **state)
{
	char *dir = check_dir(), *path = km_path(dir, "x.ko");
	km_object *obj;

	(void)state;
	check_error(km_module_open(path, &obj), KM_ENV, path);
	check_ok(km_file_write(path, "\x28\xb5\x2f\xfd", 4));
	check_error(km_module_open(path, &obj), KM_INPUT, "x.ko: zstd: ");
	check_ok(km_file_write(path, "not ELF", 7));
	check_error(km_module_open(path, &obj), KM_INPUT, "cannot read module ");
	free(path);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(core_symbols_are_numbered),
		cmocka_unit_test(packed_and_unnamed),
		cmocka_unit_test(broken_files_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
