/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that a patch redirects, proved against a toy kernel, and the C source that lists them. */
#include "check.h"
#include "toy_kernel.h"

#include "link.h"

/* Two units with a local `helper` each; the second one is under patch: `two` and its helper are replaced. */
struct scene {
	km_elf *first, *unit, *carry;
	km_object *vmlinux;
	km_kernel kernel;
	km_match *match;
	km_diff diff;
	struct km_patch_unit patch_unit;
	struct km_patch_spec spec;
	struct km_patch_result result;
	struct km_link link;
	struct km_link_unit u;
};

static km_elf *make_unit(const char *global, uint8_t fill)
{
	km_elf *elf = km_elf_create(EM_X86_64);
	struct km_sec *text = toy_text(elf, ".text", 64);

	toy_func(elf, text, global, STB_GLOBAL, 0, 32, fill);
	toy_func(elf, text, "helper", STB_LOCAL, 32, 32, (uint8_t)(fill + 1));
	return elf;
}

static void replace(struct scene *s, const char *name)
{
	char *section = km_printf(".text.%s", name);
	struct km_sec *sec = toy_text(s->carry, km_arena_strdup(s->carry->arena, section), 48);

	km_vec_push(&s->diff.items, (struct km_change_item){.name = name,
							    .kind = "function",
							    .change = KM_CHANGED,
							    .included = true,
							    .replaces = true,
							    .orig = km_elf_sym(s->unit, name),
							    .carried = toy_func(s->carry, sec, name, STB_GLOBAL, 0, 48, 0x90)});
	free(section);
}

static struct scene *make(void)
{
	struct scene *s = km_calloc(1, sizeof(*s));

	s->first = make_unit("one", 0x20);
	s->unit = make_unit("two", 0x30);
	s->vmlinux = toy_link((km_elf *[]){s->first, s->unit}, 2);
	check_ok(km_match_create(s->unit, s->vmlinux, NULL, &s->match));
	s->carry = km_elf_create(EM_X86_64);
	s->kernel = (km_kernel){.vmlinux = s->vmlinux, .release = (char *)"6.1.0-toy"};
	s->diff.arena = km_arena_create();
	s->diff.carry = s->carry;
	s->patch_unit = (struct km_patch_unit){"toy/two.c", "vmlinux", s->unit, &s->diff, s->match};
	s->spec = (struct km_patch_spec){.name = "kmend_toy", .version = "1"};
	s->result.arena = km_arena_create();
	s->link = (struct km_link){.arena = s->result.arena,
				   .k = &s->kernel,
				   .spec = &s->spec,
				   .result = &s->result,
				   .klp_by_key = km_map_create(),
				   .new_by_key = km_map_create()};
	s->u = (struct km_link_unit){.unit = &s->patch_unit, .shipped = s->vmlinux};
	return s;
}

static void unmake(struct scene *s)
{
	for (size_t i = 0; i < s->link.funcs.n; i++)
		km_vec_free(&s->link.funcs.at[i].mask);
	km_vec_free(&s->link.funcs);
	km_strv_free(&s->link.namespaces);
	km_map_destroy(s->link.klp_by_key);
	km_map_destroy(s->link.new_by_key);
	km_vec_free(&s->diff.items);
	km_match_destroy(s->match);
	toy_destroy(s->vmlinux);
	km_elf_destroy(s->first);
	km_elf_destroy(s->unit);
	km_elf_destroy(s->carry);
	km_arena_destroy(s->diff.arena);
	km_patch_result_free(&s->result);
	free(s);
}

static uint64_t address_of(const struct scene *s, const char *name, size_t which)
{
	size_t n;
	const struct km_ksym *const *all = km_ksyms_named(s->vmlinux, name, &n);

	assert_true(which < n);
	return all[which]->addr;
}

static void functions_are_proved_and_placed(void **state)
{
	struct scene *s = make();
	static const uint8_t none[KM_SHA256_LEN];
	uint8_t plain[32], sum[KM_SHA256_LEN];

	(void)state;
	replace(s, "two");
	replace(s, "helper");
	km_vec_push(&s->diff.items, (struct km_change_item){.name = "fresh", .kind = "function", .change = KM_NEW});
	km_link_functions(&s->link, &s->u);
	assert_int_equal(s->result.judgements.n, 0);
	assert_int_equal(s->link.funcs.n, 2);
	assert_string_equal(s->link.funcs.at[0].name, "two");
	assert_string_equal(s->link.funcs.at[0].object, "vmlinux");
	assert_string_equal(s->link.funcs.at[0].unit, "toy/two.c");
	assert_int_equal(s->link.funcs.at[0].sympos, 0);
	assert_true(s->link.funcs.at[0].matched);
	assert_int_equal(s->link.funcs.at[0].size, 32);
	assert_true(s->link.funcs.at[0].addr == address_of(s, "two", 0));
	assert_memory_not_equal(s->link.funcs.at[0].expected, none, sizeof(none));
	/* Nothing is masked in bytes without a relocation: the fingerprint is that of the shipped bytes. */
	memcpy(plain, toy_bytes(s->vmlinux, address_of(s, "helper", 1)), sizeof(plain));
	km_sha256_of(plain, sizeof(plain), sum);
	assert_int_equal(s->link.funcs.at[1].sympos, 2);
	assert_true(s->link.funcs.at[1].addr == address_of(s, "helper", 1));
	assert_int_equal(s->link.funcs.at[1].mask.n, 0);
	/* The glue reaches a local function through its alias. */
	assert_ptr_equal(km_elf_sym(s->carry, s->link.funcs.at[1].temp)->sec, s->diff.items.at[1].carried->sec);
	unmake(s);
}

static void functions_that_differ_are_refused_unless_allowed(void **state)
{
	static const struct {
		bool allow;
		enum km_weight severity;
		size_t functions;
	} cases[] = {{false, KM_REFUSE, 0}, {true, KM_RISK, 1}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct scene *s = make();

		replace(s, "two");
		toy_bytes(s->vmlinux, address_of(s, "two", 0))[7] ^= 1;
		s->spec.allow_mismatch = cases[i].allow;
		km_link_functions(&s->link, &s->u);
		assert_int_equal(s->result.judgements.n, 1);
		assert_string_equal(s->result.judgements.at[0].code, "mismatch");
		assert_string_equal(s->result.judgements.at[0].subject, "two");
		assert_int_equal(s->result.judgements.at[0].severity, cases[i].severity);
		assert_non_null(strstr(s->result.judgements.at[0].next, "--allow-mismatch"));
		assert_int_equal(s->link.funcs.n, cases[i].functions);
		assert_int_equal(km_link_refused(&s->link), !cases[i].functions);
		if (cases[i].functions)
			assert_false(s->link.funcs.at[0].matched);
		unmake(s);
	}
}

/* Refused whatever was allowed: there is nothing to redirect. In the first case the layout has the place of `two`, but it
 * is another function that stands there. */
static void functions_that_the_kernel_lacks_are_refused(void **state)
{
	static const struct {
		const char *rename_helper, *code;
	} cases[] = {{NULL, "mismatch"}, {"other", "function-absent"}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct scene *s = make();

		replace(s, "two");
		km_match_destroy(s->match);
		toy_destroy(s->vmlinux);
		if (cases[i].rename_helper)
			km_elf_sym(s->first, "helper")->name = cases[i].rename_helper;
		s->vmlinux = toy_link((km_elf *[]){s->first}, 1);
		s->u.shipped = s->kernel.vmlinux = s->vmlinux;
		check_ok(km_match_create(s->unit, s->vmlinux, NULL, &s->match));
		s->patch_unit.match = s->match;
		s->spec.allow_mismatch = true;
		km_link_functions(&s->link, &s->u);
		assert_int_equal(s->link.funcs.n, 0);
		assert_int_equal(s->result.judgements.n, 1);
		assert_string_equal(s->result.judgements.at[0].code, cases[i].code);
		assert_int_equal(s->result.judgements.at[0].severity, KM_REFUSE);
		unmake(s);
	}
}

static void positions_must_hold_before_and_after_init(void **state)
{
	static const struct {
		unsigned live, coming;
		bool ok;
		unsigned pos;
	} cases[] = {{0, 0, true, 0}, {2, 2, true, 2}, {1, 2, false, 0}, {0, 1, true, 1}, {0, 2, false, 0}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		const struct km_ksym sym = {.name = "f", .sympos = cases[i].live, .sympos_coming = cases[i].coming};
		unsigned pos = 0;

		if (km_sympos_of(&sym, &pos) != cases[i].ok || (cases[i].ok && pos != cases[i].pos))
			fail_msg("%u live, %u coming: %u", cases[i].live, cases[i].coming, pos);
	}
}

/* A new global is known to all units of its object; a second one of that name would be another variable. */
static void new_globals_belong_to_one_unit(void **state)
{
	static const struct {
		uint8_t bind;
		bool refused;
	} cases[] = {{STB_GLOBAL, true}, {STB_WEAK, false}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct scene *s = make();
		struct km_sym *origin[8] = {0}, *sym;
		km_elf *other = km_elf_create(EM_X86_64);

		s->diff.origin = origin;
		sym = toy_func(s->carry, toy_text(s->carry, ".text.fresh", 16), "fresh", STB_GLOBAL, 0, 16, 0x90);
		s->u.n = s->carry->syms.n;
		km_resolve_news(&s->link, &s->u);
		assert_int_equal(s->link.news.n, 1);
		assert_string_equal(s->link.news.at[0]->name, "fresh");
		assert_string_equal(sym->name, s->link.news.at[0]->temp);
		sym = toy_func(other, toy_text(other, ".text.fresh", 16), "fresh", cases[i].bind, 0, 16, 0x91);
		s->diff.carry = other;
		s->u.n = other->syms.n;
		km_resolve_news(&s->link, &s->u);
		assert_int_equal(s->link.news.n, 1);
		assert_string_equal(sym->name, "fresh");
		assert_int_equal(km_link_refused(&s->link), cases[i].refused);
		if (cases[i].refused)
			assert_string_equal(s->result.judgements.at[0].code, "duplicate-symbol");
		km_vec_free(&s->link.news);
		km_elf_destroy(other);
		unmake(s);
	}
}

/* ---- the glue -------------------------------------------------------------------------------------------- */

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("%s\n", text);
	assert_non_null(strstr(text, part));
}

static void the_glue_lists_objects_and_functions(void **state)
{
	struct scene *s = make();
	char *text, *kbuild;

	(void)state;
	km_vec_push(&s->link.funcs, (struct km_link_func){.temp = "kmend_func_0", .name = "a", .object = "vmlinux"});
	km_vec_push(&s->link.funcs, (struct km_link_func){.temp = "kmend_func_1", .name = "b", .object = "vmlinux", .sympos = 2});
	km_vec_push(&s->link.funcs, (struct km_link_func){.temp = "kmend_func_2", .name = "c", .object = "nf_tables"});
	km_strv_push(&s->link.namespaces, "TOYSPACE");
	s->spec.replace = true;
	s->spec.description = "a \"quoted\\\" text?"
				"?)\nof two lines";
	text = km_glue_source(&s->link);
	assert_has(text, "static struct klp_func funcs_0[] = {\n"
			 "\t{ .old_name = \"a\", .new_func = kmend_func_0, .old_sympos = 0 },\n"
			 "\t{ .old_name = \"b\", .new_func = kmend_func_1, .old_sympos = 2 },\n\t{ }\n};\n");
	assert_has(text, "static struct klp_object objects[] = {\n\t{ .funcs = funcs_0 },\n"
			 "\t{ .name = \"nf_tables\", .funcs = funcs_1 },\n\t{ }\n};\n");
	assert_has(text, ".replace = true };");
	assert_has(text, "MODULE_IMPORT_NS(TOYSPACE);\n");
	assert_has(text, "MODULE_INFO(kmend_release, \"6.1.0-toy\");\n");
	/* No quote ends the literal, no trigraph and no newline gets in. */
	assert_has(text, "MODULE_INFO(description, \"a \\\"quoted\\\\\\\" text\\077\\077)\\012of two lines\");\n");
	kbuild = km_glue_kbuild(&s->link, 2);
	assert_string_equal(kbuild, "obj-m := kmend_toy.o\nkmend_toy-y := glue.o unit0.o unit1.o\n");
	free(kbuild);
	free(text);
	unmake(s);
}

static void the_glue_of_the_core_has_hashes_and_masks(void **state)
{
	struct scene *s = make();
	struct km_link_func masked = {.temp = "kmend_func_0", .name = "a", .object = "vmlinux", .size = 48, .matched = true};
	struct km_klp_sym klp = {"kmend_klp_0", "ext4", "crc16", "crc", 0, true};
	char *text;

	(void)state;
	km_vec_push(&masked.mask, (struct km_range){0, 5});
	km_vec_push(&masked.mask, (struct km_range){9, 4});
	memset(masked.expected, 0xab, sizeof(masked.expected));
	km_vec_push(&s->link.funcs, masked);
	km_vec_push(&s->link.funcs,
		    (struct km_link_func){.temp = "kmend_func_1", .name = "b", .object = "vmlinux", .sympos = 2, .size = 8});
	km_vec_push(&s->link.funcs,
		    (struct km_link_func){.temp = "kmend_func_2", .name = "c", .object = "nf_tables", .size = 8, .matched = true});
	km_vec_push(&s->link.klps, &klp);
	s->link.flavour = KM_FLAVOUR_CORE;
	s->spec.replace = true;
	text = km_glue_core_source(&s->link);
	assert_has(text, "static const struct kmend_range masks_0[] = {\n\t{ 0, 5 },\n\t{ 9, 4 },\n};\n");
	assert_has(text, ".size = 48, .n_masks = 2, .masks = masks_0, .sha256 = {\n\t\t0xab, 0xab,");
	assert_has(text, "{ .old_name = \"a\", .new_func = kmend_func_0, .old_sympos = 0, .expect = &expect_0 },\n");
	/* One that was allowed to differ is not checked. */
	assert_has(text, "{ .old_name = \"b\", .new_func = kmend_func_1, .old_sympos = 2 },\n");
	assert_has(text, ".size = 8, .sha256 = {");
	assert_has(text, "static struct kmend_object objects[] = {\n\t{ .funcs = funcs_0 },\n"
			 "\t{ .name = \"crc16\", .funcs = funcs_1, .relocs = kmend_relocs_1 },\n"
			 "\t{ .name = \"nf_tables\", .funcs = funcs_2 },\n\t{ }\n};\n");
	assert_has(text, "KMEND_PATCH_INIT,\n\t.objs = objects,\n\t.replace = true,\n");
	assert_has(text, "MODULE_INFO(kmend_flavour, \"core\");\n");
	assert_null(strstr(text, "livepatch"));
	free(text);
	km_vec_free(&s->link.klps);
	unmake(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_proved_and_placed),
		cmocka_unit_test(functions_that_differ_are_refused_unless_allowed),
		cmocka_unit_test(functions_that_the_kernel_lacks_are_refused),
		cmocka_unit_test(positions_must_hold_before_and_after_init),
		cmocka_unit_test(new_globals_belong_to_one_unit),
		cmocka_unit_test(the_glue_lists_objects_and_functions),
		cmocka_unit_test(the_glue_of_the_core_has_hashes_and_masks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
