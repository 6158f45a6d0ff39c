/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The finished module as the loader would see it: each thing that it would refuse, or take and be wrong. */
#include "check.h"
#include "toy_kernel.h"

#include "link.h"

#define OBJECT_56 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffff"

struct scene {
	km_elf *ko;
	struct km_sec *text;
	struct km_sym *func, *klp;
	struct km_rela_extra *late;
};

/* A module that passes: a versioned export, a call, and a late relocation of a zero field. */
static struct scene make(void)
{
	struct scene s = {.ko = km_elf_create(EM_X86_64)};
	static const uint8_t zero[64];
	uint8_t version[64] = {0};

	toy_reset();
	toy_export("printk", "vmlinux", NULL);
	toy_export("nf_register", "nf_tables", NULL);
	strcpy((char *)version + 8, "printk");
	s.text = km_elf_add_sec(s.ko, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16);
	km_sec_set(s.ko, s.text, zero, sizeof(zero));
	km_sec_set(s.ko, km_elf_add_sec(s.ko, "__versions", SHT_PROGBITS, SHF_ALLOC, 8), version, sizeof(version));
	s.func = km_elf_add_sym(s.ko, "f", STB_GLOBAL, STT_FUNC, s.text, 0, 32);
	km_sec_add_rel(s.text, 4, R_X86_64_PLT32, km_elf_add_sym(s.ko, "printk", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0), -4);
	s.klp = km_elf_add_sym(s.ko, ".klp.sym.vmlinux.do_it,1", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
	s.klp->shndx = KM_SHN_LIVEPATCH;
	s.late = km_elf_add_rela(s.ko, s.text, ".klp.rela.vmlinux..text", SHF_ALLOC | KM_SHF_RELA_LIVEPATCH);
	km_vec_push(&s.late->rels, (struct km_rel){.offset = 16, .type = R_X86_64_PC32, .sym = s.klp, .addend = -4});
	return s;
}

static void of_no_export(struct scene *s)
{
	km_elf_add_sym(s->ko, "hidden", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}

static void of_a_module(struct scene *s)
{
	km_elf_add_sym(s->ko, "nf_register", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}

static void of_no_version(struct scene *s)
{
	toy_export("kfree", "vmlinux", NULL);
	km_elf_add_sym(s->ko, "kfree", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}

static void of_a_torn_table(struct scene *s)
{
	km_sec_set(s->ko, km_elf_add_sec(s->ko, "__bug_table", SHT_PROGBITS, SHF_ALLOC, 1), "123456789abcd", 13);
}

static void of_an_odd_type(struct scene *s)
{
	km_sec_add_rel(s->text, 40, R_X86_64_GOTPCREL, s->func, 0);
}

static void of_an_early_klp(struct scene *s)
{
	km_sec_add_rel(s->text, 40, R_X86_64_64, s->klp, 0);
}

static void of_odd_percpu(struct scene *s)
{
	km_elf_add_sec(s->ko, ".data..percpu..aligned", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
}

static void of_late_percpu(struct scene *s)
{
	s->late->target = km_elf_add_sec(s->ko, ".data..percpu", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
}

static void of_a_plain_late_symbol(struct scene *s)
{
	s->late->rels.at[0].sym = s->func;
}

static void of_another_object(struct scene *s)
{
	s->klp->name = ".klp.sym.ext4.do_it,1";
}

static void of_no_object(struct scene *s)
{
	s->klp->name = ".klp.sym.do_it,1";
}

static void of_a_long_object(struct scene *s)
{
	s->late->name = ".klp.rela." OBJECT_56 "..text";
}

static void of_no_rela_name(struct scene *s)
{
	s->late->name = ".rela.klp.text";
}

static void of_a_late_odd_type(struct scene *s)
{
	s->late->rels.at[0].type = R_X86_64_GOTPCREL;
}

static void of_a_place_outside(struct scene *s)
{
	s->late->rels.at[0].offset = 61;
}

static void of_a_far_place(struct scene *s)
{
	s->late->rels.at[0].offset = UINT64_MAX - 1;
}

static void of_a_used_field(struct scene *s)
{
	uint8_t bytes[64] = {[19] = 1};

	km_sec_set(s->ko, s->text, bytes, sizeof(bytes));
}

static void what_the_loader_would_refuse_is_found(void **state)
{
	static const struct {
		void (*spoil)(struct scene *s);
		const char *message;
	} cases[] = {
		{of_no_export, "the module needs hidden, which the kernel does not export"},
		{of_a_module, "the module needs nf_register, and so module nf_tables to be loaded first"},
		{of_no_version, "the module has no version of kfree"},
		{of_a_torn_table, "section __bug_table has 13 bytes, not a multiple of its entries'"},
		{of_an_odd_type, "section .text: the loader does not know relocation type 9"},
		{of_an_early_klp, "section .text: .klp.sym.vmlinux.do_it,1 is used by an ordinary relocation"},
		{of_odd_percpu, "the loader takes section .data..percpu..aligned for plain data"},
		{of_late_percpu, ".klp.rela.vmlinux..text: the loader keeps no place to apply it to"},
		{of_a_plain_late_symbol, ".klp.rela.vmlinux..text: f is no livepatch symbol"},
		{of_another_object, ".klp.sym.ext4.do_it,1 cannot be looked up from there"},
		{of_no_object, "the kernel cannot read the name .klp.sym.do_it,1"},
		{of_a_long_object, "the kernel cannot read the name .klp.rela." OBJECT_56 "..text"},
		{of_no_rela_name, "the kernel cannot read the name .rela.klp.text"},
		{of_a_late_odd_type, ".klp.rela.vmlinux..text: the loader does not know relocation type 9"},
		{of_a_place_outside, "a relocation lies outside of its section"},
		{of_a_far_place, "a relocation lies outside of its section"},
		{of_a_used_field, "the field at 0x10 is not zero"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct scene s = make();

		check_ok(km_check_module(s.ko, NULL, KM_FLAVOUR_KLP));
		cases[i].spoil(&s);
		check_error(km_check_module(s.ko, NULL, KM_FLAVOUR_KLP), KM_BUG, cases[i].message);
		km_elf_destroy(s.ko);
	}
	toy_reset();
}

static void weak_symbols_and_unversioned_kernels_pass(void **state)
{
	struct scene s = make();

	(void)state;
	km_elf_add_sym(s.ko, "perhaps", STB_WEAK, STT_NOTYPE, NULL, 0, 0);
	check_ok(km_check_module(s.ko, NULL, KM_FLAVOUR_KLP));
	km_elf_sec(s.ko, "__versions")->name = "other";
	km_elf_reindex(s.ko);
	of_no_version(&s);
	check_ok(km_check_module(s.ko, NULL, KM_FLAVOUR_KLP));
	km_elf_destroy(s.ko);
	toy_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_loader_would_refuse_is_found),
		cmocka_unit_test(weak_symbols_and_unversioned_kernels_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
