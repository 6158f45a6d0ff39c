/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The object that travels: its bytes, symbols, relocations and origins. */
#include "check.h"
#include "diff_text.h"

struct fixture {
	km_elf *orig, *patched;
	km_diff *d;
};

static void open_pair(struct fixture *f, const char *orig, const char *patched)
{
	static const struct km_diff_options opt = {.object = "vmlinux", .unit = "kernel/file.c"};

	f->orig = object_of(orig);
	f->patched = object_of(patched);
	check_ok(km_diff_unit(f->orig, f->patched, &opt, &f->d));
}

static void close_pair(struct fixture *f)
{
	km_diff_destroy(f->d);
	km_elf_destroy(f->orig);
	km_elf_destroy(f->patched);
}

/* "offset:symbol+addend" with "=origin" behind the symbol when it stands for something; labels show what they label. */
static char *relocations_of(const km_diff *d, const char *section)
{
	const struct km_sec *sec = km_elf_sec(d->carry, section);
	km_str s = {0};

	km_str_add(&s, "");
	for (size_t i = 0; sec && i < sec->rels.n; i++) {
		const struct km_rel *r = &sec->rels.at[i];
		const struct km_sym *origin = d->origin[r->sym->index];

		km_str_printf(&s, "%s%llx:%s%s", i ? " " : "", (unsigned long long)r->offset,
			      km_starts(r->sym->name, ".L") ? r->sym->sec->name : r->sym->name, r->sym->sec ? "" : "?");
		if (origin)
			km_str_printf(&s, "=%s", origin->name);
		km_str_printf(&s, "%+lld",
			      (long long)(r->addend + (km_starts(r->sym->name, ".L") ? (int64_t)r->sym->value : 0)));
	}
	return s.at;
}

static void test_relocations(void **state)
{
	/* Bytes 0-4 of each function are its call of __fentry__. */
	static const struct {
		const char *name, *orig, *patched, *section, *expected;
	} cases[] = {
		{"what exists is undefined, and told", "F a : call:b x:11\nF b : x:90", "F a : call:b x:22\nF b : x:90",
		 ".text.a", "1:__fentry__?-4 6:b?=b-4"},
		{"what is new is defined", "F a : x:11", "F a : call:n x:22\nF n : x:90", ".text.a",
		 "1:__fentry__?-4 6:n-4"},
		{"a static local keeps the patched name", "F a : ld:n.1 x:11\nB n.1 : 8",
		 "F a : ld:n.27+4 x:22\nB n.27 : 8", ".text.a", "1:__fentry__?-4 8:n.27?=n.1+4"},
		{"in a shared section", "F a : ld:q x:11\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02",
		 "F a : ld:q x:22\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02", ".text.a",
		 "1:__fentry__?-4 8:q?=q+0"},
		{"with an immediate behind the field",
		 "F a : cmpb:q x:11\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02",
		 "F a : cmpb:q x:22\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02", ".text.a",
		 "1:__fentry__?-4 7:q?=q-5"},
		{"calls within the patch stay within it", "F a : call:b x:11\nF b : x:11",
		 "F a : call:b x:22\nF b : x:22", ".text.a", "1:__fentry__?-4 6:b=b-4"},
		{"an address is the existing function's", "F a : ld:b x:11\nF b : x:11", "F a : ld:b x:22\nF b : x:22",
		 ".text.a", "1:__fentry__?-4 8:b?=b+0"},
		{"in new data too", "F a : x:11\nF b : x:11", "F a : ld:o x:22\nF b : x:22\nD o : &b", ".data.o",
		 "0:b?=b+0"},
		{"a function that cannot be redirected is itself", "F a : call:b\nF b nofentry : x:11 ",
		 "F a : call:b\nF b nofentry : x:22", ".text.a", "1:__fentry__?-4 6:b=b-4"},
		{"special entries mean the code that travels", "F a : bug:1 x:11", "F a : bug:1 x:22", "__bug_table",
		 "0:a=a+5 4:.rodata.str1.1+0"},
		{"a key in a descriptor that travels",
		 "F a : jl:descriptor.1+2 x:11\nD descriptor.1 @__dyndbg : 0011223344556677",
		 "F a : jl:descriptor.1+2 x:22\nD descriptor.1 @__dyndbg : 0011223344556677", "__jump_table",
		 "0:a=a+5 4:a=a+5 8:descriptor.1+2"},
		{"a key that exists", "F a : jl:key+2 x:11\nB key : 16", "F a : jl:key+2 x:22\nB key : 16",
		 "__jump_table", "0:a=a+5 4:a=a+5 8:key?=key+2"},
		{"a static call", "F a : sc:x x:11", "F a : sc:x x:22", ".static_call_sites", "0:a=a+5 4:__SCK__x?+0"},
		{"an address behind a displacement that looks like a call", "F a : store:b x:11\nF b : x:11",
		 "F a : store:b x:22\nF b : x:22", ".text.a", "1:__fentry__?-4 9:b?=b+0"},
		{"a renewed table is new", "F a : ld:t\nD t ro : 01", "F a : ld:t\nD t ro : 02", ".text.a",
		 "1:__fentry__?-4 8:t+0"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct fixture f;

		open_pair(&f, cases[i].orig, cases[i].patched);
		char *got KM_AUTOFREE = relocations_of(f.d, cases[i].section);

		if (strcmp(got, cases[i].expected))
			fail_msg("%s:\n     got: %s\nexpected: %s", cases[i].name, got, cases[i].expected);
		close_pair(&f);
	}
}

static void test_sections(void **state)
{
	static const struct {
		const char *name, *orig, *patched, *expected;
	} cases[] = {
		{"only the strings that are needed", "F a : str:one\nF b : str:two x:11",
		 "F a : str:one\nF b : str:two x:22", ".text.b/14/2 .rodata.str1.1/4/0 __mcount_loc/8/1"},
		{"a constant of its own", "F a : cst:1\nF b : cst:2 x:11", "F a : cst:1\nF b : cst:2 x:22",
		 ".text.b/14/2 .rodata.cst8/8/0 __mcount_loc/8/1"},
		{"all pooled blobs, since code may walk on", "F a : blob:1\nF b : blob:2 x:11",
		 "F a : blob:1\nF b : blob:2 x:22", ".text.b/14/2 .rodata/48/0 __mcount_loc/8/1"},
		{"per-CPU data of all kinds in one section", "F b : x:11",
		 "F b : ld:p ld:q\nD p @.data..percpu..read_mostly : 01\nD q @.data..percpu : 02",
		 ".text.b/20/3 .data..percpu/2/0 __mcount_loc/8/1"},
		{"new zeroed data", "F b : x:11", "F b : ld:z\nB z : 24", ".text.b/13/2 .bss.z/24/0 __mcount_loc/8/1"},
		{"one function of a shared section", "F a @.ref.text : x:11\nF b @.ref.text : x:11",
		 "F a @.ref.text : x:11\nF b @.ref.text : x:22", ".ref.text/7/1 __mcount_loc/8/1"},
		{"padding for calls belongs to its function",
		 "F __pfx_a @.text.a nofentry stays : x:90 x:90\nF a @.text.a : x:11",
		 "F __pfx_a @.text.a nofentry stays : x:90 x:90\nF a @.text.a : x:22", ".text.a/9/1 __mcount_loc/8/1"},
		{"nothing", "F a : x:11", "F a : x:11", ""},
		{"nothing that was gone after boot", "F a @.init.text : x:11", "F a @.init.text : x:22", ""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct fixture f;

		open_pair(&f, cases[i].orig, cases[i].patched);
		char *got KM_AUTOFREE = sections_of(f.d);

		if (strcmp(got, cases[i].expected))
			fail_msg("%s:\n     got: %s\nexpected: %s", cases[i].name, got, cases[i].expected);
		close_pair(&f);
	}
}

static void test_alignment(void **state)
{
	struct fixture f;

	(void)state;
	f.orig = object_of("F a : x:11");
	f.patched = object_of("F a : ld:p ld:r\nD o @.data..x : 0000000000000000\nD p @.data..x : 01\nD q @.data..x : "
			      "000000\nD r @.data..x : 02");
	km_elf_sec(f.patched, ".data..x")->align = 4;
	static const struct km_diff_options opt = {.object = "vmlinux"};

	check_ok(km_diff_unit(f.orig, f.patched, &opt, &f.d));
	const struct km_sym *p = km_elf_sym(f.d->carry, "p"), *r = km_elf_sym(f.d->carry, "r");

	assert_int_equal(p->value % 4, 0);
	assert_int_equal(r->value % 4, 0);
	assert_int_equal(p->sec->data[p->value], 1);
	assert_int_equal(r->sec->data[r->value], 2);
	assert_null(km_elf_sym(f.d->carry, "q"));
	assert_int_equal(r->sec->align, 4);
	close_pair(&f);
}

static void test_symbols(void **state)
{
	struct fixture f;

	(void)state;
	open_pair(&f, "F a global : x:11\nF b : x:11", "F a global : x:22 call:b\nF b : x:22 ld:v\nD v : 01");
	const struct km_sym *a = km_elf_sym(f.d->carry, "a"), *b = km_elf_sym(f.d->carry, "b"),
			    *v = km_elf_sym(f.d->carry, "v");

	assert_int_equal(a->bind, STB_GLOBAL);
	assert_int_equal(b->bind, STB_LOCAL);
	assert_int_equal(a->type, STT_FUNC);
	assert_int_equal(a->size, 5 + 1 + 5 + 1);
	assert_int_equal(v->type, STT_OBJECT);
	assert_ptr_equal(f.d->origin[a->index], km_elf_sym(f.orig, "a"));
	assert_null(f.d->origin[v->index]);
	assert_ptr_equal(f.d->items.at[0].carried, a);
	assert_ptr_equal(f.d->items.at[0].orig, km_elf_sym(f.orig, "a"));
	assert_ptr_equal(f.d->items.at[0].patched, km_elf_sym(f.patched, "a"));
	assert_int_equal(f.d->n_changed, 2);
	assert_int_equal(f.d->n_new, 1);
	assert_int_equal(f.d->n_included, 3);
	close_pair(&f);
}

/* Every alias of a function travels with it, and one that exists keeps its own origin. */
static void test_aliases(void **state)
{
	struct fixture f;

	(void)state;
	f.orig = object_of("F a : x:11 call:b\nF b global : x:33");
	f.patched = object_of("F a : x:22 call:b\nF b global : x:33");
	km_elf *both[] = {f.orig, f.patched};

	for (size_t i = 0; i < 2; i++) {
		struct km_sym *a = km_elf_sym(both[i], "a"), *b = km_elf_sym(both[i], "b");
		struct km_sym *alias =
			km_elf_add_sym(both[i], "b_alias", STB_GLOBAL, STT_FUNC, b->sec, b->value, b->size);

		km_elf_add_sym(both[i], "a_alias", STB_GLOBAL, STT_FUNC, a->sec, a->value, a->size);
		a->sec->rels.at[1].sym = alias;
	}
	static const struct km_diff_options opt = {.object = "vmlinux"};

	check_ok(km_diff_unit(f.orig, f.patched, &opt, &f.d));
	const struct km_sym *own = km_elf_sym(f.d->carry, "a_alias"), *other = km_elf_sym(f.d->carry, "b_alias");

	assert_non_null(own->sec);
	assert_ptr_equal(own->sec, km_elf_sym(f.d->carry, "a")->sec);
	assert_null(other->sec);
	assert_ptr_equal(f.d->origin[other->index], km_elf_sym(f.orig, "b_alias"));
	close_pair(&f);
}

/* What travels is a sound object, and the same one on every run. */
static void test_written(void **state)
{
	static const char
		orig[] = "F a : str:one bug:3 alt:90*3 orc:1 jl:key call:b ld:__func__.1 x:11\nF b : x:11\n"
			 "D __func__.1 ro : 6100\nB key : 16",
		patched[] = "F a : str:two bug:3 alt:91*3 orc:1 jl:key call:b ld:__func__.7 ld:n x:22\nF b : x:11\n"
			    "D __func__.7 ro : 6100\nB key : 16\nD n : &b s:new";
	uint8_t *first = NULL, *second = NULL;
	size_t n_first, n_second;
	struct fixture f, g;

	(void)state;
	open_pair(&f, orig, patched);
	open_pair(&g, orig, patched);
	check_ok(km_elf_write(f.d->carry, &first, &n_first));
	check_ok(km_elf_write(g.d->carry, &second, &n_second));
	assert_int_equal(n_first, n_second);
	assert_memory_equal(first, second, n_first);
	km_elf *back KM_AUTOELF = NULL;

	check_ok(km_elf_read(first, n_first, &back));
	assert_non_null(km_elf_sec(back, ".text.a"));
	assert_int_equal(km_elf_sec(back, "__bug_table")->size, 12);
	free(first);
	free(second);
	close_pair(&f);
	close_pair(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relocations), cmocka_unit_test(test_sections), cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_symbols),	    cmocka_unit_test(test_aliases),  cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
