// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "toy_kernel.h"

/* A unit: alpha (its own global name), helper (a name that other units have too), beta which calls both and counts in
 * `hits`. */
static km_elf *make_unit(const char *global, const char *caller, uint8_t fill)
{
	km_elf *elf = km_elf_create(EM_X86_64);
	struct km_sec *text = toy_text(elf, ".text", 96), *bss;
	struct km_sym *alpha, *helper, *hits;

	alpha = toy_func(elf, text, global, STB_GLOBAL, 0, 32, fill);
	helper = toy_func(elf, text, "helper", STB_LOCAL, 32, 32, (uint8_t)(fill + 1));
	toy_func(elf, text, caller, STB_GLOBAL, 64, 32, (uint8_t)(fill + 2));
	bss = km_elf_add_sec(elf, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 8);
	bss->size = 16;
	hits = km_elf_add_sym(elf, "hits", STB_LOCAL, STT_OBJECT, bss, 8, 8);
	toy_call(text, 64, alpha);
	toy_call(text, 69, helper);
	memset(text->data + 80, 0, 4);
	km_sec_add_rel(text, 80, R_X86_64_32S, hits, 0);
	toy_call(text, 88, toy_undef(elf, "printk"));
	return elf;
}

static km_elf *make_library(void)
{
	km_elf *elf = km_elf_create(EM_X86_64);

	toy_func(elf, toy_text(elf, ".text", 32), "printk", STB_GLOBAL, 0, 32, 0x11);
	return elf;
}

struct state {
	km_elf *a, *b, *lib;
	km_object *vmlinux;
};

static int setup(void **state)
{
	struct state *s = km_calloc(1, sizeof(*s));

	s->a = make_unit("alpha_a", "beta_a", 0x40);
	s->b = make_unit("alpha_b", "beta_b", 0x60);
	s->lib = make_library();
	s->vmlinux = toy_link((km_elf *[]){s->a, s->b, s->lib}, 3);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	toy_destroy(s->vmlinux);
	km_elf_destroy(s->a);
	km_elf_destroy(s->b);
	km_elf_destroy(s->lib);
	free(s);
	toy_reset();
	return 0;
}

static void match(const struct state *s, km_elf *plain, const char *name, bool data,
		  void (*check)(const struct km_match_result *))
{
	struct km_match_result r;
	km_match *m;

	assert_null(km_match_create(plain, s->vmlinux, NULL, &m));
	if (data)
		km_match_symbol(m, name, &r);
	else
		km_match_function(m, name, &r);
	check(&r);
	km_match_destroy(m);
}

static void is_first_helper(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_OK);
	assert_string_equal(r->place.sym->name, "helper");
	assert_int_equal(r->place.sym->sympos, 1);
}

static void is_second_helper(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_OK);
	assert_int_equal(r->place.sym->sympos, 2);
	assert_int_equal(r->place.addr, r->place.sym->addr);
}

static void duplicates_are_told_apart(void **state)
{
	struct state *s = *state;

	match(s, s->a, "helper", false, is_first_helper);
	match(s, s->b, "helper", false, is_second_helper);
}

static void is_second_hits(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_OK);
	assert_string_equal(r->place.sym->name, "hits");
	assert_int_equal(r->place.sym->sympos, 2);
}

static void data_is_placed_by_proven_code(void **state)
{
	struct state *s = *state;

	match(s, s->b, "hits", true, is_second_hits);
}

static km_elf *make_numbered(const char *hits)
{
	km_elf *elf = make_unit("alpha", "beta", 0x40);
	struct km_sym *s = km_elf_sym(elf, "hits");

	s->name = km_arena_strdup(elf->arena, hits);
	km_elf_add_sym(elf, "first", STB_LOCAL, STT_OBJECT, s->sec, 0, 4);
	km_elf_add_sym(elf, "second", STB_LOCAL, STT_OBJECT, s->sec, 4, 4);
	return elf;
}

static void is_renumbered(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_OK);
	assert_string_equal(r->place.sym->name, "hits.2");
}

/* Another unit's static local has the name that this compilation gave to ours. */
static void numbers_of_static_locals_mean_nothing(void **state)
{
	km_elf *shipped = make_numbered("hits.2"), *plain = make_numbered("hits.1"), *lib = make_library();
	struct km_sec *bss = km_elf_add_sec(lib, ".bss", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 8);
	struct state s = {0};

	(void)state;
	bss->size = 8;
	km_elf_add_sym(lib, "hits.1", STB_LOCAL, STT_OBJECT, bss, 0, 8);
	s.vmlinux = toy_link((km_elf *[]){shipped, lib}, 2);
	match(&s, plain, "hits.1", true, is_renumbered);
	toy_destroy(s.vmlinux);
	km_elf_destroy(shipped);
	km_elf_destroy(plain);
	km_elf_destroy(lib);
	toy_reset();
}

static void is_proved(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_OK);
}

static void is_mismatch(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_DIFFERS);
	assert_int_equal(r->at, 20);
	assert_non_null(strstr(r->why, "alpha_a differs from the shipped one at offset 0x14"));
}

static void a_changed_byte_is_found(void **state)
{
	struct state *s = *state;

	toy_bytes(s->vmlinux, TOY_BASE + 20)[0] ^= 1;
	match(s, s->a, "alpha_a", false, is_mismatch);
	match(s, s->a, "beta_a", false, is_proved);
}

static void is_other_target(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_DIFFERS);
	assert_non_null(strstr(r->why, "the source refers to printk, the shipped code to helper"));
}

/* beta_a's call of printk leads to helper in this image: same opcode, another target. */
static void another_target_is_found(void **state)
{
	struct state *s = *state;
	int32_t rel = TOY_BASE + 32 - (TOY_BASE + 88 + 5);

	memcpy(toy_bytes(s->vmlinux, TOY_BASE + 89), &rel, sizeof(rel));
	match(s, s->a, "beta_a", false, is_other_target);
}

static void is_absent(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_ABSENT);
	assert_non_null(r->why);
}

static void what_is_not_there_is_absent(void **state)
{
	struct state *s = *state;
	km_elf *other KM_AUTOELF = km_elf_create(EM_X86_64);

	toy_func(other, toy_text(other, ".text", 16), "nowhere", STB_GLOBAL, 0, 16, 0x33);
	match(s, s->a, "no_such_function", false, is_absent);
	match(s, other, "nowhere", false, is_absent);
}

static void names_the_compiler(const struct km_match_result *r)
{
	assert_non_null(strstr(r->why, "toycc (Toy 1.0) 1.0"));
	assert_non_null(strstr(r->why, "(Toy 2.0) 2.0"));
}

static void a_mismatch_names_the_compiler(void **state)
{
	struct state *s = *state;
	static const char comment[] = "\0GCC: (Toy 2.0) 2.0";

	km_sec_append(s->a, km_elf_add_sec(s->a, ".comment", SHT_PROGBITS, 0, 1), comment, sizeof(comment));
	toy_bytes(s->vmlinux, TOY_BASE + 20)[0] ^= 1;
	match(s, s->a, "alpha_a", false, names_the_compiler);
}

static void is_ambiguous(const struct km_match_result *r)
{
	assert_int_equal(r->state, KM_MATCH_AMBIGUOUS);
}

static void twins_are_ambiguous(void **state)
{
	km_elf *one = km_elf_create(EM_X86_64), *two = km_elf_create(EM_X86_64);
	struct state s = {0};

	(void)state;
	toy_func(one, toy_text(one, ".text", 16), "twin", STB_LOCAL, 0, 16, 0x33);
	toy_func(two, toy_text(two, ".text", 16), "twin", STB_LOCAL, 0, 16, 0x33);
	s.vmlinux = toy_link((km_elf *[]){one, two}, 2);
	match(&s, one, "twin", false, is_ambiguous);
	toy_destroy(s.vmlinux);
	km_elf_destroy(one);
	km_elf_destroy(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(duplicates_are_told_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(data_is_placed_by_proven_code, setup, teardown),
		cmocka_unit_test_setup_teardown(a_changed_byte_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(another_target_is_found, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mismatch_names_the_compiler, setup, teardown),
		cmocka_unit_test(numbers_of_static_locals_mean_nothing),
		cmocka_unit_test(twins_are_ambiguous),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
