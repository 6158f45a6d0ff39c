/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model: constructed, asked, pruned, written and read again. */
#include <kmend/elf.h>

#include "check.h"

static km_elf *again(const km_elf *elf)
{
	uint8_t *bytes;
	size_t size;
	km_elf *ret = NULL;

	check_ok(km_elf_write(elf, &bytes, &size));
	check_ok(km_elf_read(bytes, size, &ret));
	free(bytes);
	return ret;
}

/* Each field by value; pointers by the name or index of what they point at. */
static void same_rels(const struct km_rel *a, const struct km_rel *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(a[i].offset == b[i].offset && a[i].addend == b[i].addend);
		assert_int_equal(a[i].type, b[i].type);
		assert_string_equal(a[i].sym->name, b[i].sym->name);
	}
}

static void same_sec(const struct km_sec *a, const struct km_sec *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->type, b->type);
	assert_true(a->flags == b->flags && a->align == b->align && a->entsize == b->entsize && a->size == b->size);
	assert_int_equal(a->info, b->info);
	assert_int_equal(!a->link, !b->link);
	if (a->link)
		assert_int_equal(a->link->index, b->link->index);
	if (a->type != SHT_NOBITS && a->size)
		assert_memory_equal(a->data, b->data, a->size);
	assert_int_equal(a->rels.n, b->rels.n);
	same_rels(a->rels.at, b->rels.at, a->rels.n);
}

static void same(const km_elf *a, const km_elf *b)
{
	assert_int_equal(a->secs.n, b->secs.n);
	assert_int_equal(a->syms.n, b->syms.n);
	assert_int_equal(a->extras.n, b->extras.n);
	for (size_t i = 0; i < a->secs.n; i++)
		same_sec(a->secs.at[i], b->secs.at[i]);
	for (size_t i = 0; i < a->syms.n; i++) {
		const struct km_sym *x = a->syms.at[i], *y = b->syms.at[i];

		assert_string_equal(x->name, y->name);
		assert_true(x->bind == y->bind && x->type == y->type && x->visibility == y->visibility);
		assert_true(x->value == y->value && x->size == y->size && x->shndx == y->shndx);
		assert_int_equal(x->sec ? x->sec->index : UINT32_MAX, y->sec ? y->sec->index : UINT32_MAX);
	}
	for (size_t i = 0; i < a->extras.n; i++) {
		assert_string_equal(a->extras.at[i]->name, b->extras.at[i]->name);
		assert_true(a->extras.at[i]->flags == b->extras.at[i]->flags);
		assert_int_equal(a->extras.at[i]->target->index, b->extras.at[i]->target->index);
		assert_int_equal(a->extras.at[i]->rels.n, b->extras.at[i]->rels.n);
		same_rels(a->extras.at[i]->rels.at, b->extras.at[i]->rels.at, a->extras.at[i]->rels.n);
	}
}

struct parts {
	km_elf *elf;
	struct km_sec *text, *data;
	struct km_sym *f, *g, *object, *outside;
};

static struct parts make(void)
{
	static const uint8_t code[64];
	struct parts p = {.elf = km_elf_create(EM_X86_64)};
	struct km_sec *bss, *orc;
	struct km_rela_extra *extra;
	struct km_sym *common;

	p.text = km_elf_add_sec(p.elf, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16);
	km_sec_set(p.elf, p.text, code, sizeof(code));
	p.data = km_elf_add_sec(p.elf, ".data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
	for (uint8_t i = 0; i < 40; i++)
		km_sec_append(p.elf, p.data, &i, 1);
	bss = km_elf_add_sec(p.elf, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 4096);
	km_sec_append(p.elf, bss, NULL, 100);
	orc = km_elf_add_sec(p.elf, "__patchable", SHT_PROGBITS, SHF_ALLOC | SHF_LINK_ORDER, 1);
	orc->link = p.text;
	orc->entsize = 4;
	orc->info = 7;
	km_elf_secsym(p.elf, p.text);
	km_elf_secsym(p.elf, p.data);
	p.f = km_elf_add_sym(p.elf, "f", STB_LOCAL, STT_FUNC, p.text, 0, 16);
	p.g = km_elf_add_sym(p.elf, "g", STB_LOCAL, STT_FUNC, p.text, 16, 48);
	p.object = km_elf_add_sym(p.elf, "object", STB_LOCAL, STT_OBJECT, p.data, 8, 16);
	p.outside = km_elf_add_sym(p.elf, "outside", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
	p.outside->visibility = STV_HIDDEN;
	common = km_elf_add_sym(p.elf, "common", STB_WEAK, STT_OBJECT, NULL, 8, 24);
	common->shndx = SHN_COMMON;
	/* In another order than that of the offsets; two at one place keep theirs. */
	km_sec_add_rel(p.text, 20, R_X86_64_PLT32, p.outside, -4);
	km_sec_add_rel(p.text, 4, R_X86_64_PC32, p.data->secsym, 8 - 4);
	km_sec_add_rel(p.text, 20, R_X86_64_NONE, p.elf->syms.at[0], 0);
	km_sec_add_rel(p.data, 32, R_X86_64_64, p.f, 0);
	extra = km_elf_add_rela(p.elf, p.text, ".klp.rela.vmlinux..text", 0x00100000 | SHF_ALLOC);
	km_vec_push(&extra->rels, (struct km_rel){30, R_X86_64_PC32, -4, p.outside});
	return p;
}

/* The bytes depend on the file's order alone, so a second pass through the model changes none. */
static void same_when_written_again(const km_elf *elf)
{
	km_elf *read = again(elf);
	uint8_t *one, *two;
	size_t n_one, n_two;

	check_ok(km_elf_write(elf, &one, &n_one));
	check_ok(km_elf_write(read, &two, &n_two));
	assert_int_equal(n_one, n_two);
	assert_memory_equal(one, two, n_one);
	free(one);
	free(two);
	km_elf_destroy(read);
}

static void test_round_trip(void **state)
{
	struct parts p = make();
	km_elf *read = again(p.elf);

	(void)state;
	assert_int_equal(p.text->rels.at[0].offset, 4);
	assert_int_equal(p.text->rels.at[1].type, R_X86_64_PLT32);
	assert_int_equal(p.text->rels.at[2].type, R_X86_64_NONE);
	same(p.elf, read);
	same_when_written_again(p.elf);
	km_elf_destroy(read);
	km_elf_destroy(p.elf);
}

static void test_locals_come_first(void **state)
{
	km_elf *elf = km_elf_create(EM_AARCH64), *read;

	(void)state;
	km_elf_add_sym(elf, "g1", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
	km_elf_add_sym(elf, "l1", STB_LOCAL, STT_FILE, NULL, 0, 0)->shndx = SHN_ABS;
	km_elf_add_sym(elf, "g2", STB_WEAK, STT_NOTYPE, NULL, 0, 0);
	km_elf_add_sym(elf, "l1", STB_LOCAL, STT_FILE, NULL, 0, 0)->shndx = SHN_ABS;
	read = again(elf);
	assert_string_equal(read->syms.at[1]->name, "l1");
	assert_string_equal(read->syms.at[2]->name, "l1");
	assert_string_equal(read->syms.at[3]->name, "g1");
	assert_string_equal(read->syms.at[4]->name, "g2");
	assert_int_equal(read->machine, EM_AARCH64);
	same_when_written_again(elf);
	km_elf_destroy(read);
	km_elf_destroy(elf);
}

/* More sections than 16 bits can number: counts in the null header, and a table of extended indices. */
static void test_many_sections(void **state)
{
	enum { MANY = 66000 };
	km_elf *elf = km_elf_create(EM_X86_64), *read;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		KM_AUTOFREE char *name = km_printf(".text.f%d", i);
		struct km_sec *sec = km_elf_add_sec(elf, name, SHT_PROGBITS, SHF_ALLOC, 1);

		km_sec_append(elf, sec, "12345678", 8);
		if (i % 1000 == 0 || i > MANY - 3)
			km_elf_add_sym(elf, name + 6, STB_GLOBAL, STT_FUNC, sec, 1, 2);
	}
	km_sec_add_rel(elf->secs.at[MANY - 1], 0, R_X86_64_64, elf->syms.at[elf->syms.n - 1], 1);
	read = again(elf);
	same(elf, read);
	assert_string_equal(km_elf_sym(read, "f65999")->sec->name, ".text.f65999");
	km_elf_destroy(read);
	km_elf_destroy(elf);
}

static void test_sym_at(void **state)
{
	km_elf *elf = km_elf_create(EM_X86_64);
	struct km_sec *sec = km_elf_add_sec(elf, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 1);
	static const struct {
		uint64_t offset;
		const char *name;
	} cases[] = {
		{0, "outer"}, {9, "outer"}, {10, "alias"}, {19, "alias"}, {20, "outer"}, {99, "outer"}, {100, "label"},
		{101, NULL}, {150, "typed"}, {200, "wide"}, {250, "wide"}, {300, NULL}, {UINT64_MAX, NULL},
	};

	(void)state;
	km_elf_secsym(elf, sec);
	km_elf_add_sym(elf, "wide", STB_LOCAL, STT_OBJECT, sec, 200, 100);
	km_elf_add_sym(elf, "narrow", STB_LOCAL, STT_OBJECT, sec, 200, 50);
	km_elf_add_sym(elf, "label", STB_LOCAL, STT_NOTYPE, sec, 100, 0);
	km_elf_add_sym(elf, "outer", STB_LOCAL, STT_FUNC, sec, 0, 100);
	km_elf_add_sym(elf, "inner", STB_LOCAL, STT_FUNC, sec, 10, 10);
	km_elf_add_sym(elf, "alias", STB_GLOBAL, STT_FUNC, sec, 10, 10);
	km_elf_add_sym(elf, "untyped", STB_GLOBAL, STT_NOTYPE, sec, 150, 10);
	km_elf_add_sym(elf, "typed", STB_LOCAL, STT_FUNC, sec, 150, 5);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < KM_COUNT(cases); i++) {
			struct km_sym *sym = km_elf_sym_at(elf, sec, cases[i].offset);

			assert_string_equal(sym ? sym->name : "(none)", cases[i].name ? cases[i].name : "(none)");
		}
		km_elf_reindex(elf); /* the index is the same when it is made at once */
	}
	km_elf_destroy(elf);
}

/* Bytes before the field, and how many follow it in the instruction. */
static const struct {
	uint8_t before[5];
	unsigned behind;
	const char *text;
} instructions[] = {
	{{0x90, 0x90, 0x48, 0x8b, 0x05}, 0, "mov x(%rip),%rax"},
	{{0x90, 0x90, 0x90, 0x90, 0xe8}, 0, "call x"},
	{{0x90, 0x90, 0x90, 0x0f, 0x85}, 0, "jne x"},
	{{0x90, 0x90, 0x90, 0xc7, 0x05}, 4, "movl $1,x(%rip)"},
	{{0x90, 0x90, 0x48, 0xc7, 0x05}, 4, "movq $1,x(%rip)"},
	{{0x90, 0x90, 0x66, 0xc7, 0x05}, 2, "movw $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0x80, 0x3d}, 1, "cmpb $1,x(%rip)"},
	{{0x90, 0x90, 0x48, 0x83, 0x3d}, 1, "cmpq $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0x81, 0x25}, 4, "andl $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0xf6, 0x05}, 1, "testb $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0xf7, 0x05}, 4, "testl $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0xf7, 0x1d}, 0, "negl x(%rip)"},
	{{0x90, 0x48, 0x0f, 0xba, 0x2d}, 1, "btsq $1,x(%rip)"},
	{{0x90, 0xf0, 0x0f, 0xc1, 0x05}, 0, "lock xadd %eax,x(%rip)"},
	{{0x90, 0xf0, 0x0f, 0xc7, 0x0d}, 0, "lock cmpxchg8b x(%rip)"},
	{{0x83, 0xf8, 0x0f, 0xc7, 0x05}, 4, "cmp $15,%eax; movl $1,x(%rip)"},
	{{0x83, 0xf8, 0x0f, 0x80, 0x3d}, 1, "cmp $15,%eax; cmpb $1,x(%rip)"},
	{{0x90, 0x90, 0x90, 0x69, 0x05}, 4, "imul $1000,x(%rip),%eax"},
};

static void test_rel_target_in_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(instructions); i++) {
		struct parts p = make();
		struct km_rel rel = {13, R_X86_64_PC32, 8 - 4 - (int64_t)instructions[i].behind, p.data->secsym};
		struct km_sym *sym;
		int64_t offset;

		memcpy(p.text->data + 8, instructions[i].before, 5);
		km_rel_target(p.elf, p.text, &rel, &sym, &offset);
		if (sym != p.object || offset != 0)
			fail_msg("%s: %s%+lld", instructions[i].text, sym->name, (long long)offset);
		km_elf_destroy(p.elf);
	}
}

static void test_rel_target(void **state)
{
	struct parts p = make();
	struct km_sym *sym;
	int64_t offset;

	(void)state;
	const struct {
		struct km_sec *sec;
		struct km_rel rel;
		struct km_sym *sym;
		int64_t offset;
	} cases[] = {
		{p.text, {20, R_X86_64_PLT32, -4, p.outside}, p.outside, 0},
		{p.text, {20, R_X86_64_32S, 12, p.data->secsym}, p.object, 4},
		{p.text, {0, R_X86_64_PC32, 4, p.data->secsym}, p.object, 0},
		{p.text, {0, R_X86_64_PLT32, -4, p.text->secsym}, p.f, 0},
		{p.text, {1ULL << 50, R_X86_64_PLT32, -4, p.text->secsym}, p.f, 0},
		{p.text, {UINT64_MAX, R_X86_64_PLT32, -4, p.text->secsym}, p.f, 0},
		{p.data, {0, R_X86_64_PC32, 16, p.text->secsym}, p.g, 0},
		{p.data, {0, R_X86_64_64, 40, p.text->secsym}, p.g, 24},
		{p.data, {0, R_X86_64_64, 30, p.data->secsym}, p.data->secsym, 30},
		{p.data, {0, R_X86_64_64, -8, p.data->secsym}, p.data->secsym, -8},
		{p.data, {0, R_X86_64_64, 3, p.object}, p.object, 3},
	};

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_rel_target(p.elf, cases[i].sec, &cases[i].rel, &sym, &offset);
		assert_string_equal(sym->name, cases[i].sym->name);
		assert_true(offset == cases[i].offset);
	}
	km_elf_destroy(p.elf);
}

static void test_rel_types(void **state)
{
	static const struct {
		uint16_t machine;
		uint32_t type;
		const char *name;
		uint8_t size;
		bool pcrel, is_signed;
	} cases[] = {
		{EM_X86_64, R_X86_64_64, "R_X86_64_64", 8, false, false},
		{EM_X86_64, R_X86_64_PC32, "R_X86_64_PC32", 4, true, true},
		{EM_X86_64, R_X86_64_32, "R_X86_64_32", 4, false, false},
		{EM_X86_64, R_X86_64_32S, "R_X86_64_32S", 4, false, true},
		{EM_X86_64, R_X86_64_NONE, "R_X86_64_NONE", 0, false, false},
		{EM_AARCH64, R_AARCH64_CALL26, "R_AARCH64_CALL26", 4, true, true},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		const struct km_rel_type *t = km_rel_type(cases[i].machine, cases[i].type);

		assert_string_equal(t->name, cases[i].name);
		assert_int_equal(t->size, cases[i].size);
		assert_int_equal(t->pcrel, cases[i].pcrel);
		assert_int_equal(t->is_signed, cases[i].is_signed);
	}
	assert_null(km_rel_type(EM_X86_64, R_X86_64_RELATIVE)); /* a dynamic linker's */
	assert_null(km_rel_type(EM_X86_64, UINT32_MAX));
	assert_null(km_rel_type(EM_386, 1));
}

struct keep {
	const char *sec, *sym; /* to drop, or NULL */
};

static bool keep_sec(const struct km_sec *sec, void *ctx)
{
	const struct keep *k = ctx;

	return !k->sec || strcmp(sec->name, k->sec);
}

static bool keep_sym(const struct km_sym *sym, void *ctx)
{
	const struct keep *k = ctx;

	return (!k->sym || strcmp(sym->name, k->sym)) && (!k->sec || !sym->sec || strcmp(sym->sec->name, k->sec));
}

static void test_prune(void **state)
{
	struct parts p = make();
	struct keep no_f = {.sym = "f"}, no_data = {.sec = ".data"}, no_g = {.sym = "g"};
	km_elf *read;

	(void)state;
	check_error(km_elf_prune(p.elf, NULL, keep_sym, &no_f), KM_BUG, "at .data+0x20 still names the dropped symbol f");
	check_error(km_elf_prune(p.elf, keep_sec, NULL, &no_data), KM_BUG, "symbol .data still lies in the dropped section");
	check_error(km_elf_prune(p.elf, keep_sec, keep_sym, &no_data), KM_BUG, "at .text+0x4 still names");
	assert_int_equal(p.elf->secs.n, 4); /* refused: nothing has changed */
	check_ok(km_elf_prune(p.elf, NULL, keep_sym, &no_g));
	assert_null(km_elf_sym(p.elf, "g"));
	assert_null(km_elf_sym_at(p.elf, p.text, 20));
	p.text->rels.n = 0;
	check_ok(km_elf_prune(p.elf, keep_sec, keep_sym, &no_data));
	assert_null(km_elf_sec(p.elf, ".data"));
	assert_null(km_elf_sym(p.elf, "object"));
	for (size_t i = 0; i < p.elf->secs.n; i++)
		assert_int_equal(p.elf->secs.at[i]->index, i);
	for (size_t i = 0; i < p.elf->syms.n; i++)
		assert_int_equal(p.elf->syms.at[i]->index, i);
	read = again(p.elf);
	same(p.elf, read);
	km_elf_destroy(read);
	km_elf_destroy(p.elf);
}

static void test_prune_drops_extras_of_dropped(void **state)
{
	struct parts p = make();
	struct keep no_text = {.sec = ".text"};

	(void)state;
	p.data->rels.n = 0;
	check_error(km_elf_prune(p.elf, keep_sec, keep_sym, &no_text), KM_BUG, "__patchable still links to");
	km_elf_sec(p.elf, "__patchable")->link = NULL;
	check_ok(km_elf_prune(p.elf, keep_sec, keep_sym, &no_text));
	assert_int_equal(p.elf->extras.n, 0);
	km_elf_destroy(p.elf);
}

static void test_write_refuses_a_broken_model(void **state)
{
	struct parts p = make(), other = make();
	uint8_t *bytes = NULL;
	size_t size;

	(void)state;
	p.data->rels.at[0].sym = other.f;
	check_error(km_elf_write(p.elf, &bytes, &size), KM_BUG, "at .data+0x20 names a symbol of another object");
	p.data->rels.at[0].sym = p.f;
	p.data->rels.at[0].offset = 33;
	check_error(km_elf_write(p.elf, &bytes, &size), KM_BUG, "at .data+0x21 lies past the section's end");
	p.data->rels.at[0].offset = 32;
	p.data->rels.at[0].type = 250;
	check_error(km_elf_write(p.elf, &bytes, &size), KM_BUG, "unknown type 250");
	p.data->rels.n = 0;
	p.object->sec = other.data;
	check_error(km_elf_write(p.elf, &bytes, &size), KM_BUG, "symbol object lies in a section of another object");
	p.object->sec = p.data;
	p.elf->type = ET_EXEC;
	check_error(km_elf_write(p.elf, &bytes, &size), KM_BUG, "only relocatable");
	assert_null(bytes);
	km_elf_destroy(p.elf);
	km_elf_destroy(other.elf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_locals_come_first),
		cmocka_unit_test(test_many_sections),
		cmocka_unit_test(test_sym_at),
		cmocka_unit_test(test_rel_target_in_code),
		cmocka_unit_test(test_rel_target),
		cmocka_unit_test(test_rel_types),
		cmocka_unit_test(test_prune),
		cmocka_unit_test(test_prune_drops_extras_of_dropped),
		cmocka_unit_test(test_write_refuses_a_broken_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
