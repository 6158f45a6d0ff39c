// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "link.h"
#include "toy_kernel.h"

/* Two units of vmlinux with a local `helper` each, the second one under patch; a module `toymod` with symbols of its
 * own. */
struct state {
	km_elf *first, *unit, *lib, *ko, *module_plain;
	km_object *vmlinux, *module;
	km_kernel kernel;
	km_match *match, *module_match;
	km_diff diff;
	struct km_sym *origin[32];
	struct km_patch_unit patch_unit;
	struct km_patch_spec spec;
	struct km_patch_result result;
	struct km_link link;
	struct km_link_unit u;
	struct km_klp_sym *klp[32];
	int64_t delta[32];
};

static km_elf *make_unit(const char *global, uint8_t fill)
{
	km_elf *elf = km_elf_create(EM_X86_64);
	struct km_sec *text = toy_text(elf, ".text", 64);

	toy_func(elf, text, global, STB_GLOBAL, 0, 32, fill);
	toy_func(elf, text, "helper", STB_LOCAL, 32, 32, (uint8_t)(fill + 1));
	return elf;
}

static int setup(void **state)
{
	struct state *s = km_calloc(1, sizeof(*s));

	s->first = make_unit("one", 0x20);
	s->unit = make_unit("two", 0x30);
	s->lib = make_unit("secret", 0x40);
	s->vmlinux = toy_link((km_elf *[]){s->first, s->unit, s->lib}, 3);
	s->ko = make_unit("mod_global", 0x50);
	s->module = toy_module("toymod", s->ko);
	s->module_plain = make_unit("mod_global", 0x50);
	km_elf_add_sym(s->ko, "__tracepoint_event", STB_GLOBAL, STT_OBJECT,
		       km_elf_add_sec(s->ko, ".data", SHT_NOBITS, SHF_ALLOC | SHF_WRITE, 8), 0, 8);
	toy_destroy(s->module);
	s->module = toy_module("toymod", s->ko);
	toy_offer_module(s->module);
	toy_export("printk", "vmlinux", NULL);
	toy_export("spaced", "vmlinux", "TOYSPACE");
	toy_export("mod_global", "toymod", NULL);
	assert_null(km_match_create(s->unit, s->vmlinux, NULL, &s->match));
	assert_null(km_match_create(s->module_plain, s->module, NULL, &s->module_match));
	s->kernel.vmlinux = s->vmlinux;
	s->diff.arena = km_arena_create();
	s->diff.carry = km_elf_create(EM_X86_64);
	s->diff.origin = s->origin;
	s->patch_unit = (struct km_patch_unit){"toy/two.c", "vmlinux", s->unit, &s->diff, s->match};
	s->result.arena = km_arena_create();
	s->link = (struct km_link){.arena = s->result.arena,
				   .k = &s->kernel,
				   .spec = &s->spec,
				   .result = &s->result,
				   .klp_by_key = km_map_create(),
				   .new_by_key = km_map_create()};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	km_elf *elves[] = {s->first, s->unit, s->lib, s->ko, s->module_plain, s->diff.carry};

	km_match_destroy(s->match);
	km_match_destroy(s->module_match);
	toy_destroy(s->vmlinux);
	toy_destroy(s->module);
	for (size_t i = 0; i < KM_COUNT(elves); i++)
		km_elf_destroy(elves[i]);
	km_arena_destroy(s->diff.arena);
	km_vec_free(&s->diff.items);
	for (size_t i = 0; i < s->link.funcs.n; i++)
		km_vec_free(&s->link.funcs.at[i].mask);
	km_vec_free(&s->link.funcs);
	km_vec_free(&s->link.klps);
	km_vec_free(&s->link.news);
	km_strv_free(&s->link.namespaces);
	km_map_destroy(s->link.klp_by_key);
	km_map_destroy(s->link.new_by_key);
	km_patch_result_free(&s->result);
	toy_reset();
	free(s);
	return 0;
}

static void use_module(struct state *s)
{
	s->patch_unit.object = "toymod";
	s->patch_unit.original = s->module_plain;
	s->patch_unit.match = s->module_match;
}

static void resolve(struct state *s)
{
	s->u = (struct km_link_unit){
		.unit = &s->patch_unit, .klp = s->klp, .delta = s->delta, .n = s->diff.carry->syms.n};
	s->u.shipped = strcmp(s->patch_unit.object, "vmlinux") ? s->module : s->vmlinux;
	km_resolve_news(&s->link, &s->u);
	assert_null(km_resolve_unit(&s->link, &s->u));
	km_resolve_pointers(&s->link, &s->u);
	km_resolve_keys(&s->link, &s->u);
}

static const struct km_judgement *judged(const struct state *s, const char *code)
{
	for (size_t i = 0; i < s->result.judgements.n; i++)
		if (!strcmp(s->result.judgements.at[i].code, code))
			return &s->result.judgements.at[i];
	return NULL;
}

struct resolve_case {
	const char *name;
	bool module;	    /* the unit is the module's */
	const char *origin; /* its name in the original unit, NULL: undefined there too */
	uint8_t bind;
	const char *klp; /* "relas object name,sympos", or NULL: links by its name */
	const char *refusal;
};

static const struct resolve_case resolve_cases[] = {
	{"helper", false, "helper", STB_GLOBAL, "vmlinux vmlinux helper,2", NULL},
	{"helper.17", false, "helper", STB_GLOBAL, "vmlinux vmlinux helper,2", NULL},
	{"two", false, "two", STB_GLOBAL, "vmlinux vmlinux two,0", NULL},
	{"printk", false, NULL, STB_GLOBAL, NULL, NULL},
	{"secret", false, NULL, STB_GLOBAL, "vmlinux vmlinux secret,0", NULL},
	{"nowhere", false, NULL, STB_GLOBAL, NULL, "unresolved-symbol"},
	{"nowhere", false, NULL, STB_WEAK, NULL, NULL},
	/* A local of another unit is not to be had by name. */
	{"helper", false, NULL, STB_GLOBAL, NULL, "unresolved-symbol"},
	{"mod_global", true, NULL, STB_GLOBAL, "toymod toymod mod_global,0", NULL},
	{"helper", true, "helper", STB_GLOBAL, "toymod toymod helper,0", NULL},
	{"secret", true, NULL, STB_GLOBAL, "vmlinux vmlinux secret,0", NULL},
	{"printk", true, NULL, STB_GLOBAL, NULL, NULL},
};

static void one_case(const struct resolve_case *c)
{
	void *state;
	struct state *s;
	struct km_sym *sym;
	char *got KM_AUTOFREE = NULL;

	setup(&state);
	s = state;
	if (c->module)
		use_module(s);
	sym = toy_undef(s->diff.carry, c->name);
	sym->bind = c->bind;
	s->origin[sym->index] = c->origin ? km_elf_sym(s->patch_unit.original, c->origin) : NULL;
	toy_call(toy_text(s->diff.carry, ".text.f", 16), 0, sym);
	resolve(s);
	if (s->klp[sym->index])
		got = km_printf("%s %s %s,%u", s->klp[sym->index]->relas, s->klp[sym->index]->object,
				s->klp[sym->index]->name, s->klp[sym->index]->sympos);
	if (c->klp && (!got || strcmp(got, c->klp)))
		fail_msg("%s: %s, not %s", c->name, got ? got : "by name", c->klp);
	if (!c->klp && got)
		fail_msg("%s: %s, not by name", c->name, got);
	if (!c->klp)
		assert_string_equal(sym->name, c->name);
	assert_int_equal(km_link_refused(&s->link), c->refusal != NULL);
	if (c->refusal)
		assert_non_null(judged(s, c->refusal));
	teardown(&state);
}

static void each_symbol_has_its_home(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(resolve_cases); i++)
		one_case(&resolve_cases[i]);
}

static void namespaces_are_remembered(void **state)
{
	struct state *s = *state;

	toy_call(toy_text(s->diff.carry, ".text.f", 16), 0, toy_undef(s->diff.carry, "spaced"));
	resolve(s);
	assert_true(km_strv_has(&s->link.namespaces, "TOYSPACE"));
}

/* two() is replaced, new_one() is new; f calls both and takes the address of one of them. */
static struct km_sec *carry_functions(struct state *s, bool address_of_new)
{
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 32);
	struct km_sym *two = toy_func(carry, toy_text(carry, ".text.two", 32), "two", STB_GLOBAL, 0, 32, 0x90);
	struct km_sym *new = toy_func(carry, toy_text(carry, ".text.new_one", 32), "new_one", STB_LOCAL, 0, 32, 0x90);

	toy_func(carry, text, "f", STB_LOCAL, 0, 32, 0x90);
	s->origin[two->index] = km_elf_sym(s->unit, "two");
	km_vec_push(&s->diff.items, (struct km_change_item){.name = "two",
							    .change = KM_CHANGED,
							    .included = true,
							    .replaces = true,
							    .orig = s->origin[two->index],
							    .patched = two,
							    .carried = two,
							    .line = 7,
							    .file = "toy/two.c"});
	km_vec_push(&s->diff.items,
		    (struct km_change_item){
			    .name = "new_one", .change = KM_NEW, .included = true, .patched = new, .carried = new});
	toy_call(text, 0, two);
	toy_call(text, 5, new);
	memset(text->data + 16, 0, 4);
	km_sec_add_rel(text, 16, R_X86_64_32S, address_of_new ? new : two, 0);
	return text;
}

static void pointers_go_to_the_original(void **state)
{
	struct state *s = *state;
	struct km_sec *text = carry_functions(s, false);

	resolve(s);
	assert_non_null(text->rels.at[0].sym->sec); /* the call goes straight to the new one */
	assert_null(text->rels.at[2].sym->sec);
	assert_true(km_starts(text->rels.at[2].sym->name, KM_TEMP_KLP));
	assert_string_equal(s->link.klps.at[0]->name, "two");
	assert_null(judged(s, "new-pointer"));
}

static void pointers_to_new_functions_are_a_risk(void **state)
{
	struct state *s = *state;
	struct km_sec *text = carry_functions(s, true);

	resolve(s);
	assert_non_null(text->rels.at[2].sym->sec);
	assert_non_null(judged(s, "new-pointer"));
	assert_string_equal(judged(s, "new-pointer")->subject, "new_one");
	assert_false(km_link_refused(&s->link));
}

static struct km_sec *carry_key(struct state *s, const char *key)
{
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16);
	struct km_sec *table = km_elf_add_sec(carry, "__jump_table", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 8);
	static const uint8_t entry[16];

	toy_func(carry, text, "f", STB_LOCAL, 0, 16, 0x90);
	km_sec_append(carry, table, entry, sizeof(entry));
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	km_sec_add_rel(table, 4, R_X86_64_PC32, km_elf_secsym(carry, text), 8);
	km_sec_add_rel(table, 8, R_X86_64_PC64, toy_undef(carry, key), 0);
	return table;
}

static void tracepoints_of_modules_are_dropped(void **state)
{
	struct state *s = *state;
	struct km_sec *table = carry_key(s, "__tracepoint_event");

	use_module(s);
	resolve(s);
	assert_int_equal(table->size, 0);
	assert_int_equal(table->rels.n, 0);
	assert_non_null(judged(s, "module-tracepoint"));
	assert_string_equal(judged(s, "module-tracepoint")->subject, "f");
	assert_false(km_link_refused(&s->link));
}

static void other_keys_of_modules_are_refused(void **state)
{
	struct state *s = *state;

	carry_key(s, "mod_global");
	use_module(s);
	resolve(s);
	assert_non_null(judged(s, "module-static-key"));
	assert_true(km_link_refused(&s->link));
}

/* The call of the trampoline does without its site. */
static void static_calls_of_modules_lose_their_site(void **state)
{
	struct state *s = *state;
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16);
	struct km_sec *table = km_elf_add_sec(carry, ".static_call_sites", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 4);
	static const uint8_t entries[16];

	toy_call(text, 0, toy_undef(carry, "mod_global"));
	km_sec_append(carry, table, entries, sizeof(entries));
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	km_sec_add_rel(table, 4, R_X86_64_PC32, km_elf_sym(carry, "mod_global"), 0);
	km_sec_add_rel(table, 8, R_X86_64_PC32, km_elf_secsym(carry, text), 5);
	km_sec_add_rel(table, 12, R_X86_64_PC32, toy_undef(carry, "printk"), 0);
	use_module(s);
	resolve(s);
	assert_int_equal(table->size, 8);
	assert_int_equal(table->rels.n, 2);
	assert_int_equal(table->rels.at[1].offset, 4);
	assert_string_equal(table->rels.at[1].sym->name, "printk");
	assert_int_equal(s->result.judgements.n, 0);
}

static void keys_of_vmlinux_travel(void **state)
{
	struct state *s = *state;
	struct km_sec *table = carry_key(s, "secret");

	use_module(s);
	resolve(s);
	assert_int_equal(table->size, 16);
	assert_int_equal(s->result.judgements.n, 0);
	/* The core finds them too, in its own time. */
	s->link.flavour = KM_FLAVOUR_CORE;
	km_resolve_keys(&s->link, &s->u);
	assert_int_equal(table->size, 16);
	assert_int_equal(s->result.judgements.n, 0);
	km_core_mark(&s->link, &s->u, 1);
	assert_true(s->link.late_jumps);
}

/* What the loader has read by then is another matter. */
static void static_calls_of_vmlinux_lose_their_site_for_the_core(void **state)
{
	struct state *s = *state;
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16);
	struct km_sec *table = km_elf_add_sec(carry, ".static_call_sites", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 4);
	static const uint8_t entries[8];

	toy_call(text, 0, toy_undef(carry, "secret"));
	km_sec_append(carry, table, entries, sizeof(entries));
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	km_sec_add_rel(table, 4, R_X86_64_PC32, km_elf_sym(carry, "secret"), 0);
	resolve(s);
	assert_int_equal(table->size, 8);
	s->link.flavour = KM_FLAVOUR_CORE;
	km_resolve_keys(&s->link, &s->u);
	assert_int_equal(table->size, 0);
	assert_int_equal(s->result.judgements.n, 0);
}

static void instructions_that_the_loader_rewrites_come_too_early_for_the_core(void **state)
{
	struct state *s = *state;
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16);
	struct km_sec *table = km_elf_add_sec(carry, ".return_sites", SHT_PROGBITS, SHF_ALLOC, 4);
	static const uint8_t entry[4];

	toy_func(carry, text, "f", STB_LOCAL, 0, 16, 0x90);
	toy_call(text, 0, toy_undef(carry, "secret"));
	km_sec_append(carry, table, entry, sizeof(entry));
	km_sec_add_rel(table, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	resolve(s);
	assert_int_equal(s->result.judgements.n, 0);
	s->link.flavour = KM_FLAVOUR_CORE;
	km_elf_add_sym(carry, KM_TEMP_FUNC "0", STB_GLOBAL, STT_FUNC, text, 0, 16);
	assert_string_equal(km_link_user(carry, text, 1), "f");
	km_resolve_keys(&s->link, &s->u);
	assert_non_null(judged(s, "late-relocation"));
	assert_non_null(strstr(judged(s, "late-relocation")->reason, "secret, which is not exported"));
	assert_true(km_link_refused(&s->link));
}

static void exported_keys_travel_with_either_flavour(void **state)
{
	struct state *s = *state;
	struct km_sec *table = carry_key(s, "printk");

	resolve(s);
	s->link.flavour = KM_FLAVOUR_CORE;
	km_resolve_keys(&s->link, &s->u);
	assert_int_equal(table->size, 16);
	assert_int_equal(s->result.judgements.n, 0);
}

/* A call inside an alternative is written by the loader before the module can be there. */
static void late_relocations_in_alternatives_are_refused(void **state)
{
	struct state *s = *state;
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16), *alt;
	static const uint8_t entry[12] = {[10] = 8, [11] = 8};

	toy_call(text, 0, toy_undef(carry, "mod_global"));
	alt = km_elf_add_sec(carry, ".altinstructions", SHT_PROGBITS, SHF_ALLOC, 1);
	km_sec_append(carry, alt, entry, sizeof(entry));
	km_sec_add_rel(alt, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	km_sec_add_rel(alt, 4, R_X86_64_PC32, km_elf_secsym(carry, text), 8);
	use_module(s);
	resolve(s);
	assert_non_null(judged(s, "late-relocation"));
}

/* A call in a replacement counts when the replacement is copied, not when it only lies there. */
static void late_relocation_in_replacement(struct state *s, uint8_t length)
{
	km_elf *carry = s->diff.carry;
	struct km_sec *text = toy_text(carry, ".text.f", 16);
	struct km_sec *replacement = toy_text(carry, ".altinstr_replacement", 16), *alt;
	uint8_t entry[12] = {[10] = 8, [11] = length};

	toy_call(replacement, 4, toy_undef(carry, "mod_global"));
	alt = km_elf_add_sec(carry, ".altinstructions", SHT_PROGBITS, SHF_ALLOC, 1);
	km_sec_append(carry, alt, entry, sizeof(entry));
	km_sec_add_rel(alt, 0, R_X86_64_PC32, km_elf_secsym(carry, text), 0);
	km_sec_add_rel(alt, 4, R_X86_64_PC32, km_elf_secsym(carry, replacement), 4);
	use_module(s);
	resolve(s);
}

static void late_relocations_in_replacements_are_refused(void **state)
{
	late_relocation_in_replacement(*state, 5);
	assert_non_null(judged(*state, "late-relocation"));
}

static void empty_replacements_copy_nothing(void **state)
{
	late_relocation_in_replacement(*state, 0);
	assert_null(judged(*state, "late-relocation"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_symbol_has_its_home),
		cmocka_unit_test_setup_teardown(namespaces_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(pointers_go_to_the_original, setup, teardown),
		cmocka_unit_test_setup_teardown(pointers_to_new_functions_are_a_risk, setup, teardown),
		cmocka_unit_test_setup_teardown(tracepoints_of_modules_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(other_keys_of_modules_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(static_calls_of_modules_lose_their_site, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_of_vmlinux_travel, setup, teardown),
		cmocka_unit_test_setup_teardown(static_calls_of_vmlinux_lose_their_site_for_the_core, setup, teardown),
		cmocka_unit_test_setup_teardown(instructions_that_the_loader_rewrites_come_too_early_for_the_core, setup, teardown),
		cmocka_unit_test_setup_teardown(exported_keys_travel_with_either_flavour, setup, teardown),
		cmocka_unit_test_setup_teardown(late_relocations_in_alternatives_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(late_relocations_in_replacements_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_replacements_copy_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
