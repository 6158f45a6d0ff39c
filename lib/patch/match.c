// SPDX-License-Identifier: GPL-2.0-or-later
/* The run-pre match: is the shipped function the one that this source, configuration and compiler make? */
#include "match.h"

enum { COMPILER_TEXT_MAX = 256 };

void km_match_destroy(km_match *m)
{
	if (!m)
		return;
	for (size_t i = 0; m->regions && i < m->plain->secs.n; i++)
		km_vec_free(&m->regions[i].votes);
	km_map_destroy(m->names);
	km_map_destroy(m->bound);
	km_arena_destroy(m->arena);
}

km_error *km_match_create(const km_elf *plain, const km_object *obj, const km_kernel *k, km_match **ret)
{
	km_arena *arena;
	km_match *m;

	if (!obj->is_vmlinux && !obj->elf)
		return km_error_new(KM_BUG, "module %s was opened without its sections", obj->name);
	arena = km_arena_create();
	m = km_arena_new(arena, km_match);
	*m = (km_match){
		.arena = arena, .plain = plain, .obj = obj, .k = k, .names = km_map_create(), .bound = km_map_create()};
	m->regions = km_arena_alloc(arena, (plain->secs.n + 1) * sizeof(*m->regions));
	for (size_t i = 0; i < plain->secs.n; i++)
		m->regions[i].sec = plain->secs.at[i];
	for (size_t i = 1; i < plain->syms.n; i++) {
		struct km_sym *s = plain->syms.at[i];

		if (km_sym_is_named(s) && !km_map_has(m->names, s->name))
			km_map_put(m->names, s->name, s);
	}
	km_place_regions(m);
	*ret = m;
	return NULL;
}

const struct km_sym *km_plain_symbol(const struct km_match *m, const char *name)
{
	return km_map_get(m->names, name);
}

/* "(Debian 12.2.0-14+deb12u1) 12.2.0" out of "GCC: (Debian …) 12.2.0", the compiler's own note in the object; "" for
 * none. */
static void compiler_of(const km_elf *plain, char text[static COMPILER_TEXT_MAX])
{
	const struct km_sec *sec = km_elf_sec(plain, ".comment");
	size_t skip = 0;

	text[0] = '\0';
	if (!sec || !sec->data || !sec->size)
		return;
	while (skip < sec->size && !sec->data[skip])
		skip++;
	snprintf(text, COMPILER_TEXT_MAX, "%.*s", (int)(sec->size - skip < 200 ? sec->size - skip : 200),
		 (const char *)sec->data + skip);
	if (km_starts(text, "GCC: "))
		memmove(text, text + 5, strlen(text + 5) + 1);
}

/* The compiler as the banner tells it: what stands in the parentheses before ") #1 SMP". */
static const char *banner_compiler(struct km_match *m, const char *banner)
{
	const char *from = banner ? strstr(banner, ") (") : NULL, *to;

	if (!from)
		return "another compiler";
	from += 3;
	to = strstr(from, ", GNU ld");
	if (!to)
		to = strstr(from, ") #");
	return to ? km_arena_strndup(m->arena, from, (size_t)(to - from)) : km_arena_strdup(m->arena, from);
}

/* The likely cause of a difference, told from what the image says of itself. */
static const char *cause(struct km_match *m)
{
	const km_object *vmlinux = m->k ? m->k->vmlinux : m->obj->is_vmlinux ? m->obj : NULL;
	const char *banner = vmlinux ? km_vmlinux_banner(vmlinux) : NULL;
	char compiler[COMPILER_TEXT_MAX];

	compiler_of(m->plain, compiler);
	if (banner && compiler[0] && !strstr(banner, compiler))
		return km_arena_printf(m->arena, "the kernel was built by %s, this unit by %s",
				       banner_compiler(m, banner), compiler);
	if (m->k && m->k->package_version && m->k->package_version[0] && banner &&
	    !strstr(banner, m->k->package_version))
		return km_arena_printf(m->arena, "the kernel's banner does not name version %s of this source",
				       m->k->package_version);
	return "the same compiler made both, so the source or the configuration is not the kernel's";
}

static struct km_match_result differs(struct km_match *m, const struct km_sym *sym, const struct km_difference *diff)
{
	return (struct km_match_result){
		.state = KM_MATCH_DIFFERS,
		.at = diff->at,
		.why = km_arena_printf(m->arena, "%s differs from the shipped one at offset 0x%llx: %s; %s", sym->name,
				       (unsigned long long)diff->at, diff->what, cause(m)),
	};
}

static struct km_match_result lost(struct km_match *m, const struct km_sym *sym, const char *name)
{
	const struct km_region *r = sym ? &m->regions[sym->sec->index] : NULL;

	if (r && r->ambiguous)
		return (struct km_match_result){
			.state = KM_MATCH_AMBIGUOUS,
			.why = km_arena_printf(m->arena, "several places in %s fit %s", m->obj->name, name),
		};
	return (struct km_match_result){
		.state = KM_MATCH_ABSENT,
		.why = sym ? km_arena_printf(m->arena, "%s as shipped has no %s", m->obj->name, name)
			   : km_arena_printf(m->arena, "the unit as distributed has no %s", name),
	};
}

static struct km_place place_at(struct km_match *m, struct km_spot at, const char *name)
{
	return (struct km_place){.sym = km_shipped_covering(m, at, name), .addr = at.at};
}

/* "count.12" and "count.13": a compiler numbers static locals, and another unit may have one of the very same name. */
static bool same_but_for_number(const char *a, const char *b)
{
	size_t n = 0;

	while (a[n] && a[n] == b[n])
		n++;
	while (n && a[n - 1] >= '0' && a[n - 1] <= '9')
		n--;
	if ((!a[n] && !b[n]) || !n || a[n - 1] != '.')
		return !strcmp(a, b);
	return !a[n + strspn(a + n, "0123456789")] && !b[n + strspn(b + n, "0123456789")];
}

/* Where the unit's own copy is. What the shipped object has under its unique name elsewhere is taken to be there: one
 * longer neighbour does not make all that follow differ, and a reference to a weak definition that lost goes to the
 * strong one. */
static struct km_spot own_place(struct km_match *m, const struct km_sym *sym)
{
	struct km_spot at = km_spot_add(m->regions[sym->sec->index].base, sym->value);
	const struct km_ksym *ks = km_shipped_at(m, at, sym->name);
	const struct km_ksym *const *all;
	size_t n;

	if (ks && same_but_for_number(ks->name, sym->name))
		return at;
	all = km_ksyms_named(m->obj, sym->name, &n);
	return n == 1 ? km_shipped_spot(m, all[0]) : at;
}

static bool compare(struct km_match *m, const struct km_sym *sym, struct km_spot at, bool lenient,
		    struct km_difference *ret)
{
	return km_compare(m, sym->sec, km_spot_add(at, -sym->value), sym->value, sym->value + sym->size, lenient, ret);
}

void km_match_function(km_match *m, const char *name, struct km_match_result *ret)
{
	const struct km_sym *sym = km_plain_symbol(m, name);
	struct km_difference diff;
	struct km_spot at;

	if (!sym || sym->type != STT_FUNC || !m->regions[sym->sec->index].placed) {
		*ret = lost(m, sym && sym->type == STT_FUNC ? sym : NULL, name);
		return;
	}
	at = own_place(m, sym);
	if (sym->bind == STB_WEAK && !km_spot_same(at, km_spot_add(m->regions[sym->sec->index].base, sym->value))) {
		*ret = (struct km_match_result){
			.state = KM_MATCH_ABSENT,
			.why = km_arena_printf(m->arena, "another unit's %s takes the place of this weak one", name),
		};
		return;
	}
	/* What is nowhere yet, because only this function refers to it, would hide the real difference. */
	if (!compare(m, sym, at, true, &diff) || !compare(m, sym, at, false, &diff)) {
		*ret = differs(m, sym, &diff);
		return;
	}
	*ret = (struct km_match_result){.state = KM_MATCH_OK, .place = place_at(m, at, name)};
}

void km_match_symbol(km_match *m, const char *name, struct km_match_result *ret)
{
	const struct km_sym *sym = km_plain_symbol(m, name);

	if (!sym || !m->regions[sym->sec->index].placed) {
		*ret = lost(m, sym, name);
		return;
	}
	*ret = (struct km_match_result){.state = KM_MATCH_OK, .place = place_at(m, own_place(m, sym), name)};
}

bool km_match_bound(const km_match *m, const char *name, struct km_place *ret)
{
	const struct km_spot *at = km_map_get(m->bound, name);
	const struct km_ksym *ks = at ? km_shipped_at(m, *at, name) : NULL;

	if (!ks)
		return false;
	*ret = (struct km_place){.sym = ks, .addr = at->at};
	return true;
}
