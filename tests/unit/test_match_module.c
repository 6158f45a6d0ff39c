/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A unit against a shipped module, which is relocatable itself: relocations and strings are compared, not addresses. */
#include "check.h"
#include "toy_kernel.h"

struct side {
	km_elf *elf;
	struct km_sec *text, *strings;
	struct km_sym *f;
};

/* f calls printk with a string, after an fentry call; the string lies `shift` bytes into its merged section. */
static struct side make_side(const char *callee, const char *string, size_t shift)
{
	struct side s = {.elf = km_elf_create(EM_X86_64)};

	s.text = toy_text(s.elf, ".text", 64);
	s.f = toy_func(s.elf, s.text, "f", STB_GLOBAL, 0, 32, 0x55);
	toy_call(s.text, 0, toy_undef(s.elf, "__fentry__"));
	s.strings = km_elf_add_sec(s.elf, ".rodata.str1.1", SHT_PROGBITS, SHF_ALLOC | SHF_MERGE | SHF_STRINGS, 1);
	s.strings->entsize = 1;
	km_sec_append(s.elf, s.strings, "other string\0", shift);
	km_sec_append(s.elf, s.strings, string, strlen(string) + 1);
	memset(s.text->data + 8, 0, 4);
	km_sec_add_rel(s.text, 8, R_X86_64_32S, km_elf_secsym(s.elf, s.strings), (int64_t)shift);
	toy_call(s.text, 16, toy_undef(s.elf, callee));
	return s;
}

static void as_it_is(struct side *s)
{
	(void)s;
}

static void with_a_nop_for_fentry(struct side *s)
{
	static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

	memcpy(s->text->data, nop5, sizeof(nop5));
	memmove(s->text->rels.at, s->text->rels.at + 1, (s->text->rels.n - 1) * sizeof(*s->text->rels.at));
	s->text->rels.n--;
}

static void with_another_byte(struct side *s)
{
	s->text->data[13] ^= 1;
}

static void with_one_symbol_more(struct side *s)
{
	memset(s->text->data + 24, 0x55, 4);
	km_sec_add_rel(s->text, 24, R_X86_64_32S, s->f, 0);
}

static void with_no_relocation(struct side *s)
{
	s->text->rels.n--;
}

static void with_another_type(struct side *s)
{
	s->text->rels.at[1].type = R_X86_64_32;
}

static void shipped_functions_are_compared(void **state)
{
	static const struct {
		const char *callee, *string;
		size_t shift;
		void (*change)(struct side *s);
		enum km_match_state found;
		const char *why;
	} cases[] = {
		{"printk", "hello", 0, as_it_is, KM_MATCH_OK, NULL},
		{"printk", "hello", 13, as_it_is, KM_MATCH_OK, NULL}, /* merged strings move when they are linked */
		{"printk", "hallo", 0, as_it_is, KM_MATCH_DIFFERS, "the source refers to"},
		{"printk", "hello!", 0, as_it_is, KM_MATCH_DIFFERS, "the source refers to"},
		{"panic", "hello", 0, as_it_is, KM_MATCH_DIFFERS, "the source refers to printk, the shipped code to panic"},
		{"printk", "hello", 0, with_a_nop_for_fentry, KM_MATCH_OK, NULL},
		{"printk", "hello", 0, with_another_byte, KM_MATCH_DIFFERS, ""},
		{"printk", "hello", 0, with_one_symbol_more, KM_MATCH_DIFFERS, "the shipped code refers to more symbols"},
		{"printk", "hello", 0, with_no_relocation, KM_MATCH_DIFFERS, "the source refers to printk here, the shipped code to nothing"},
		{"printk", "hello", 0, with_another_type, KM_MATCH_DIFFERS, "the shipped code to nothing"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct side plain = make_side("printk", "hello", 0), shipped = make_side(cases[i].callee, cases[i].string, cases[i].shift);
		struct km_match_result r;
		km_object *module;
		km_match *m;

		cases[i].change(&shipped);
		module = toy_module("toymod", shipped.elf);
		check_ok(km_match_create(plain.elf, module, NULL, &m));
		km_match_function(m, "f", &r);
		if (r.state != cases[i].found || (cases[i].why && (!r.why || !strstr(r.why, cases[i].why))))
			fail_msg("case %zu: state %d, %s", i, r.state, r.why ? r.why : "no reason");
		km_match_destroy(m);
		toy_destroy(module);
		km_elf_destroy(plain.elf);
		km_elf_destroy(shipped.elf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_functions_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
