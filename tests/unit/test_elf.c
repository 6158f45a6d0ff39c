/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading: a file made by hand, and the same with one field broken, many times. */
#include <kmend/elf.h>

#include "check.h"

enum { NONE, TEXT, RELA_TEXT, DATA, RELA_DATA, KLP_RELA, BSS, DEBUG_INFO, RELA_DEBUG, SYMTAB, STRTAB, SHSTRTAB, N_SECS };
enum { SYM_NULL, SYM_TEXT, SYM_DATA, SYM_FUNC, SYM_DEBUG, SYM_OTHER, SYM_KLP, N_SYMS };

/* The bytes of an object, by name. */
struct file {
	Elf64_Ehdr eh;
	uint8_t text[32];
	Elf64_Rela rela_text[2];
	uint8_t data[16];
	Elf64_Rela rela_data[1];
	Elf64_Rela klp_rela[1];
	uint8_t debug[8];
	Elf64_Rela rela_debug[1];
	Elf64_Sym syms[N_SYMS];
	char strtab[40];
	char shstrtab[128];
	Elf64_Shdr sh[N_SECS];
};

static Elf64_Word name_in(char *table, size_t room, size_t *used, const char *name)
{
	size_t at = *used;

	assert_true(at + strlen(name) + 1 <= room);
	memcpy(table + at, name, strlen(name) + 1);
	*used += strlen(name) + 1;
	return (Elf64_Word)at;
}

#define PLACE(member) .sh_offset = offsetof(struct file, member), .sh_size = sizeof(((struct file *)0)->member)
#define RELA(member, to)                                                                                        \
	.sh_type = SHT_RELA, PLACE(member), .sh_entsize = sizeof(Elf64_Rela), .sh_link = SYMTAB, .sh_info = (to), \
	.sh_addralign = 8

static void make_sections(struct file *f)
{
	static const char *const names[N_SECS] = {
		"", ".text", ".rela.text", ".data", ".rela.data", ".klp.rela.vmlinux..data", ".bss", ".debug_info",
		".rela.debug_info", ".symtab", ".strtab", ".shstrtab",
	};
	const Elf64_Shdr sh[N_SECS] = {
		[TEXT] = {.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, PLACE(text), .sh_addralign = 16},
		[RELA_TEXT] = {RELA(rela_text, TEXT)},
		[DATA] = {.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_WRITE, PLACE(data), .sh_addralign = 8},
		[RELA_DATA] = {RELA(rela_data, DATA)},
		[KLP_RELA] = {RELA(klp_rela, DATA), .sh_flags = 0x00100000 | SHF_ALLOC},
		/* Larger than any memory: it must not be allocated. */
		[BSS] = {.sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_WRITE, .sh_size = 1ULL << 50, .sh_addralign = 32},
		[DEBUG_INFO] = {.sh_type = SHT_PROGBITS, PLACE(debug), .sh_addralign = 1},
		[RELA_DEBUG] = {RELA(rela_debug, DEBUG_INFO)},
		[SYMTAB] = {.sh_type = SHT_SYMTAB, PLACE(syms), .sh_entsize = sizeof(Elf64_Sym), .sh_link = STRTAB,
			    .sh_info = SYM_OTHER, .sh_addralign = 8},
		[STRTAB] = {.sh_type = SHT_STRTAB, PLACE(strtab), .sh_addralign = 1},
		[SHSTRTAB] = {.sh_type = SHT_STRTAB, PLACE(shstrtab), .sh_addralign = 1},
	};
	size_t used = 1;

	memcpy(f->sh, sh, sizeof(sh));
	for (size_t i = 1; i < N_SECS; i++)
		f->sh[i].sh_name = name_in(f->shstrtab, sizeof(f->shstrtab), &used, names[i]);
}

static void make_symbols(struct file *f)
{
	size_t used = 1;

	f->syms[SYM_TEXT] = (Elf64_Sym){.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION), .st_shndx = TEXT};
	f->syms[SYM_DATA] = (Elf64_Sym){.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION), .st_shndx = DATA};
	f->syms[SYM_FUNC] = (Elf64_Sym){
		.st_name = name_in(f->strtab, sizeof(f->strtab), &used, "func"),
		.st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC), .st_shndx = TEXT, .st_value = 16, .st_size = 16,
	};
	f->syms[SYM_DEBUG] = (Elf64_Sym){.st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION), .st_shndx = DEBUG_INFO};
	f->syms[SYM_OTHER] = (Elf64_Sym){
		.st_name = name_in(f->strtab, sizeof(f->strtab), &used, "other"),
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE),
	};
	f->syms[SYM_KLP] = (Elf64_Sym){
		.st_name = name_in(f->strtab, sizeof(f->strtab), &used, ".klp.sym.vmlinux.x,0"),
		.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), .st_shndx = 0xff20,
	};
}

static void make(struct file *f)
{
	*f = (struct file){
		.eh = {
			.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_REL, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_ehsize = sizeof(Elf64_Ehdr),
			.e_shoff = offsetof(struct file, sh), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = N_SECS,
			.e_shstrndx = SHSTRTAB,
		},
		.text = {[17] = 0xe8},
		/* Out of order: the model sorts. */
		.rela_text = {
			{18, ELF64_R_INFO((uint64_t)SYM_OTHER, R_X86_64_PLT32), -4},
			{2, ELF64_R_INFO((uint64_t)SYM_DATA, R_X86_64_PC32), 4},
		},
		.rela_data = {{8, ELF64_R_INFO((uint64_t)SYM_TEXT, R_X86_64_64), 16}},
		.klp_rela = {{0, ELF64_R_INFO((uint64_t)SYM_KLP, R_X86_64_64), 0}},
		.rela_debug = {{4, ELF64_R_INFO((uint64_t)SYM_DEBUG, R_X86_64_32), 0}},
	};
	make_sections(f);
	make_symbols(f);
}

static km_elf *read_ok(const void *bytes, size_t size, unsigned flags)
{
	km_elf *elf = NULL;

	check_ok(km_elf_read_flags(bytes, size, flags, &elf));
	return elf;
}

static void test_read(void **state)
{
	struct file f;
	km_elf *elf;
	struct km_sec *text, *data;

	(void)state;
	make(&f);
	elf = read_ok(&f, sizeof(f), 0);
	memset(&f, 0xee, sizeof(f)); /* the model keeps nothing of the bytes */
	assert_int_equal(elf->secs.n, 4);
	assert_int_equal(elf->syms.n, N_SYMS);
	text = km_elf_sec(elf, ".text");
	data = km_elf_sec(elf, ".data");
	assert_int_equal(text->file_index, TEXT);
	assert_int_equal(text->data[17], 0xe8);
	assert_int_equal(text->rels.n, 2);
	assert_int_equal(text->rels.at[0].offset, 2);
	assert_ptr_equal(text->rels.at[0].sym, data->secsym);
	assert_int_equal(text->rels.at[1].offset, 18);
	assert_ptr_equal(text->rels.at[1].sym, km_elf_sym(elf, "other"));
	assert_string_equal(text->secsym->name, ".text");
	assert_null(km_elf_sec(elf, ".bss")->data);
	assert_true(km_elf_sec(elf, ".bss")->size == 1ULL << 50);
	assert_ptr_equal(km_elf_sym(elf, "func")->sec, text);
	assert_int_equal(km_elf_sym(elf, "func")->shndx, SHN_XINDEX);
	assert_int_equal(km_elf_sym(elf, ".klp.sym.vmlinux.x,0")->shndx, 0xff20);
	assert_null(km_elf_sym(elf, ".text"));
	assert_null(km_elf_sec(elf, ".symtab"));
	/* The livepatch relocations stay apart from the ordinary ones of the same section. */
	assert_int_equal(data->rels.n, 1);
	assert_int_equal(elf->extras.n, 1);
	assert_string_equal(elf->extras.at[0]->name, ".klp.rela.vmlinux..data");
	assert_ptr_equal(elf->extras.at[0]->target, data);
	assert_int_equal(elf->extras.at[0]->rels.n, 1);
	km_elf_destroy(elf);
}

static void test_no_debug(void **state)
{
	struct file f;
	km_elf *elf;

	(void)state;
	make(&f);
	f.rela_debug[0].r_offset = UINT64_MAX; /* nobody looks */
	elf = read_ok(&f, sizeof(f), KM_ELF_NO_DEBUG);
	assert_null(km_elf_sec(elf, ".debug_info"));
	assert_int_equal(elf->secs.n, 3);
	assert_int_equal(elf->syms.n, N_SYMS - 1);
	km_elf_destroy(elf);
	f.rela_data[0].r_info = ELF64_R_INFO((uint64_t)SYM_DEBUG, R_X86_64_64);
	check_error(km_elf_read_flags(&f, sizeof(f), KM_ELF_NO_DEBUG, &elf), KM_INPUT, "whose section was left out");
}

/* One field overwritten. */
struct corruption {
	size_t at, width;
	uint64_t value;
	const char *message;
};

#define SET(member, v, text) {offsetof(struct file, member), sizeof(((struct file *)0)->member), (v), (text)}

static const struct corruption corruptions[] = {
	SET(eh.e_ident[0], 0, "not an ELF file (byte 0x0)"),
	SET(eh.e_ident[EI_CLASS], ELFCLASS32, "not a 64-bit ELF file (byte 0x4)"),
	SET(eh.e_ident[EI_DATA], ELFDATA2MSB, "not a little-endian"),
	SET(eh.e_ident[EI_VERSION], 9, "unknown ELF version"),
	SET(eh.e_machine, EM_386, "machine 3 is neither"),
	SET(eh.e_type, ET_EXEC, "ELF type 2 is not a relocatable object"),
	SET(eh.e_type, ET_CORE, "ELF type 4"),
	SET(eh.e_shoff, 0, "there are no section headers"),
	SET(eh.e_shoff, 8, "overlap the ELF header"),
	SET(eh.e_shoff, UINT64_MAX, "headers lie past the end"),
	SET(eh.e_shoff, sizeof(struct file) - 63, "headers lie past the end"),
	SET(eh.e_shoff, offsetof(struct file, sh) + 1, "12 section headers lie past the end"),
	SET(eh.e_shentsize, 40, "not 64 bytes long"),
	SET(eh.e_shnum, 0xfeff, "65279 section headers lie past the end"),
	SET(eh.e_shnum, 0, "there are no section headers"),
	SET(eh.e_shstrndx, 0, "index of the section names is out of range"),
	SET(eh.e_shstrndx, N_SECS, "index of the section names is out of range"),
	SET(eh.e_shstrndx, TEXT, "a string table is wanted, and its type is 1"),
	SET(eh.e_shstrndx, SHN_XINDEX, "index of the section names is out of range"),
	SET(sh[TEXT].sh_name, 128, "its name at 0x80 lies past the string table"),
	SET(sh[TEXT].sh_offset, UINT64_MAX, "(.text), whose header"),
	SET(sh[TEXT].sh_offset, UINT64_MAX - 15, "reach past the end of the file"),
	SET(sh[TEXT].sh_size, UINT64_MAX, "reach past the end of the file"),
	SET(sh[TEXT].sh_size, UINT64_MAX - 63, "reach past the end of the file"),
	SET(sh[TEXT].sh_size, 33, "its bytes overlap those of section 1"),
	SET(sh[TEXT].sh_offset, 63, "its bytes overlap the file's headers"),
	SET(sh[SHSTRTAB].sh_size, 129, "its bytes overlap the file's headers"),
	SET(sh[DATA].sh_offset, offsetof(struct file, text), "its bytes overlap those of section 1"),
	SET(sh[TEXT].sh_addralign, 3, "alignment 0x3 is not a power of two"),
	SET(sh[TEXT].sh_flags, SHF_COMPRESSED | SHF_ALLOC, "compressed, and to be loaded or run"),
	SET(sh[TEXT].sh_flags, SHF_COMPRESSED | SHF_EXECINSTR, "compressed, and to be loaded or run"),
	SET(sh[DATA].sh_link, N_SECS, "it links to section 12 of 12"),
	SET(sh[SHSTRTAB].sh_size, 0, "lies past the string table"),
	SET(shstrtab[127], 'x', "does not end with a NUL"),
	SET(strtab[39], 'x', "does not end with a NUL"),
	SET(sh[STRTAB].sh_size, 0, "symbol 3 at byte"),
	SET(sh[RELA_TEXT].sh_type, SHT_REL, "relocations without addends"),
	SET(sh[DEBUG_INFO].sh_type, SHT_SYMTAB, "a second symbol table; the first is section 7"),
	SET(sh[SYMTAB].sh_entsize, 0, "an entry of a symbol table has 24 bytes, not 0"),
	SET(sh[SYMTAB].sh_entsize, 16, "an entry of a symbol table has 24 bytes, not 16"),
	SET(sh[SYMTAB].sh_size, 25, "no multiple of its entries"),
	SET(sh[SYMTAB].sh_size, 0, "without its null symbol"),
	SET(sh[SYMTAB].sh_link, N_SECS, "its string table is section 12 of 12"),
	SET(sh[SYMTAB].sh_link, DATA, "a string table is wanted"),
	SET(sh[SYMTAB].sh_info, N_SYMS + 1, "fewer symbols than local ones (8)"),
	SET(syms[SYM_FUNC].st_name, 40, "its name at 0x28 lies past"),
	SET(syms[SYM_FUNC].st_shndx, N_SECS, "symbol 3 func at byte"),
	SET(syms[SYM_FUNC].st_shndx, N_SECS, "it lies in section 12 of 12"),
	SET(syms[SYM_FUNC].st_shndx, 0xff55, "reserved section index 0xff55 is unknown"),
	SET(syms[SYM_FUNC].st_shndx, SHN_XINDEX, "no table of extended section indices"),
	SET(syms[SYM_FUNC].st_shndx, STRTAB, "it lies in section 10, which holds no data"),
	SET(syms[SYM_FUNC].st_value, 17, "0x10 bytes at 0x11 reach past the end of the section .text (0x20)"),
	SET(syms[SYM_FUNC].st_value, UINT64_MAX - 8, "reach past the end of the section"),
	SET(syms[SYM_FUNC].st_size, UINT64_MAX, "reach past the end of the section"),
	SET(sh[RELA_TEXT].sh_entsize, 0, "an entry of a relocation table has 24 bytes, not 0"),
	SET(sh[RELA_TEXT].sh_size, 47, "no multiple of its entries"),
	SET(sh[RELA_TEXT].sh_link, STRTAB, "its symbol table is section 10, which is none"),
	SET(sh[RELA_TEXT].sh_info, 0, "it applies to section 0 of 12"),
	SET(sh[RELA_TEXT].sh_info, N_SECS, "it applies to section 12 of 12"),
	SET(sh[RELA_TEXT].sh_info, BSS, "it applies to section 6, which holds no data"),
	SET(sh[RELA_TEXT].sh_info, SYMTAB, "it applies to section 9, which holds no data"),
	SET(rela_text[0].r_offset, 29, "relocation 0 of .text at byte"),
	SET(rela_text[0].r_offset, 29, "its field at 0x1d reaches past the end of the section (0x20)"),
	SET(rela_text[0].r_offset, UINT64_MAX - 1, "reaches past the end of the section"),
	SET(rela_data[0].r_offset, 9, "its field at 0x9 reaches past"),
	SET(klp_rela[0].r_offset, 9, "its field at 0x9 reaches past"),
	SET(rela_text[1].r_info, ELF64_R_INFO(1ULL, 255), "the type 255 is unknown"),
	SET(rela_text[1].r_info, ELF64_R_INFO((uint64_t)N_SYMS, R_X86_64_PC32), "it names symbol 7 of 7"),
	SET(rela_text[1].r_info, ELF64_R_INFO(0xffffffffULL, R_X86_64_PC32), "it names symbol 4294967295 of 7"),
};

static void test_corruptions(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(corruptions); i++) {
		const struct corruption *c = &corruptions[i];
		km_elf *elf = NULL;
		struct file f;

		make(&f);
		memcpy((uint8_t *)&f + c->at, &c->value, c->width);
		check_error(km_elf_read(&f, sizeof(f), &elf), KM_INPUT, c->message);
		assert_null(elf);
	}
}

static void test_truncations(void **state)
{
	struct file f;

	(void)state;
	make(&f);
	for (size_t size = 0; size < sizeof(f); size++) {
		/* A copy of that very size, so that a sanitizer sees each byte too many. */
		KM_AUTOFREE uint8_t *cut = km_calloc(size, 1);
		km_elf *elf = NULL;
		km_error *err;

		memcpy(cut, &f, size);
		err = km_elf_read(cut, size, &elf);
		assert_non_null(err);
		assert_null(elf);
		km_error_free(err);
	}
}

static void test_groups(void **state)
{
	km_elf *elf = NULL;
	struct file f;
	uint32_t comdat = GRP_COMDAT;

	(void)state;
	make(&f);
	f.sh[DEBUG_INFO].sh_type = SHT_GROUP;
	f.sh[RELA_DEBUG].sh_type = SHT_PROGBITS;
	f.sh[TEXT].sh_flags |= SHF_GROUP;
	elf = read_ok(&f, sizeof(f), 0);
	assert_false(km_elf_sec(elf, ".text")->flags & SHF_GROUP);
	km_elf_destroy(elf);
	elf = NULL;
	memcpy(f.debug, &comdat, sizeof(comdat));
	check_error(km_elf_read(&f, sizeof(f), &elf), KM_INPUT, "COMDAT groups are not supported");
	f.sh[DEBUG_INFO].sh_size = 3;
	check_error(km_elf_read(&f, sizeof(f), &elf), KM_INPUT, "a section group without its flags");
}

static void test_compressed(void **state)
{
	Elf64_Chdr ch = {.ch_type = 1, .ch_size = 1000};
	km_elf *elf = NULL;
	struct file f;

	(void)state;
	make(&f);
	f.sh[TEXT].sh_flags = SHF_COMPRESSED;
	memcpy(f.text, &ch, sizeof(ch));
	f.rela_text[0].r_offset = 996; /* counts in the uncompressed bytes */
	km_elf_destroy(read_ok(&f, sizeof(f), 0));
	f.rela_text[0].r_offset = 997;
	check_error(km_elf_read(&f, sizeof(f), &elf), KM_INPUT, "past the end of the section (0x3e8)");
	f.sh[DEBUG_INFO].sh_flags = SHF_COMPRESSED;
	f.rela_text[0].r_offset = 0;
	check_error(km_elf_read(&f, sizeof(f), &elf), KM_INPUT, "too short for the header");
}

static void test_linked(void **state)
{
	km_elf *elf = NULL;
	struct file f;

	(void)state;
	make(&f);
	f.eh.e_type = ET_EXEC;
	f.sh[TEXT].sh_addr = 0xffffffff81000000;
	f.syms[SYM_FUNC].st_value = 0xffffffff81000010;
	f.syms[SYM_FUNC].st_size = 400;
	f.syms[SYM_TEXT].st_value = 0xffffffff81000000;
	f.syms[SYM_OTHER].st_shndx = TEXT;
	f.syms[SYM_OTHER].st_value = 0xffffffff82000000;
	f.rela_text[0].r_offset = UINT64_MAX; /* an address: relocations of linked files are not read */
	check_ok(km_elf_read_any(&f, sizeof(f), &elf));
	assert_int_equal(elf->type, ET_EXEC);
	assert_int_equal(km_elf_sym(elf, "func")->value, 16);
	assert_int_equal(km_elf_sym(elf, "func")->size, 16);
	assert_ptr_equal(km_elf_sec(elf, ".text")->secsym, elf->syms.at[SYM_TEXT]);
	assert_null(km_elf_sym(elf, "other")->sec);
	assert_int_equal(km_elf_sym(elf, "other")->shndx, SHN_ABS);
	assert_true(km_elf_sym(elf, "other")->value == 0xffffffff82000000);
	km_elf_destroy(elf);
}

static void test_files(void **state)
{
	char *dir = check_dir();
	KM_AUTOFREE char *path = km_path(dir, "x.o");
	km_elf *elf = NULL;
	struct file f;

	(void)state;
	check_error(km_elf_read_file(path, &elf), KM_ENV, "cannot open");
	check_ok(km_file_write(path, "text", 4));
	check_error(km_elf_read_file(path, &elf), KM_INPUT, "x.o: not an ELF file");
	make(&f);
	check_ok(km_file_write(path, &f, sizeof(f)));
	check_ok(km_elf_read_file(path, &elf));
	check_ok(km_elf_write_file(elf, path));
	km_elf_destroy(elf);
	check_ok(km_elf_read_file(path, &elf));
	km_elf_destroy(elf);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_no_debug),
		cmocka_unit_test(test_corruptions),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_linked),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
