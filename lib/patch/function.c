// SPDX-License-Identifier: GPL-2.0-or-later
/* The functions that a patch redirects: each proved to be the shipped one, placed, and fingerprinted. */
#include "link.h"
#include "match.h"

static const char *const next_of[] = {
	[KM_MATCH_OK] = "",
	[KM_MATCH_ABSENT] = "see whether another unit defines it, or whether this kernel has it at all",
	[KM_MATCH_DIFFERS] =
		"use the kernel's own source, configuration and compiler; or --allow-mismatch, if it is harmless",
	[KM_MATCH_AMBIGUOUS] = "patch a caller of it that is unique",
};
static const char *const code_of[] = {
	[KM_MATCH_OK] = "",
	[KM_MATCH_ABSENT] = "function-absent",
	[KM_MATCH_DIFFERS] = "mismatch",
	[KM_MATCH_AMBIGUOUS] = "function-ambiguous",
};

/* With --allow-mismatch the place still has to be known, from the layout or from a unique name; and it must bear the
 * name: what stands at a place of the layout may be another function. */
static bool place_anyway(struct km_link_unit *u, const char *name, struct km_match_result *r)
{
	size_t n;
	const struct km_ksym *const *all = km_ksyms_named(u->shipped, name, &n);

	km_match_symbol(u->unit->match, name, r);
	for (size_t i = 0; i < n && r->state == KM_MATCH_OK && r->place.sym; i++)
		if (all[i]->addr == r->place.addr && all[i]->sec == r->place.sym->sec) {
			r->place.sym = all[i];
			return true;
		}
	if (n != 1)
		return false;
	r->place = (struct km_place){.sym = all[0], .addr = all[0]->addr};
	return true;
}

/* False when the function cannot be redirected. */
static bool prove(struct km_link *link, struct km_link_unit *u, const char *name, struct km_match_result *r,
		  bool *matched)
{
	enum km_weight severity = link->spec->allow_mismatch ? KM_RISK : KM_REFUSE;
	struct km_match_result found;

	km_match_function(u->unit->match, name, r);
	*matched = r->state == KM_MATCH_OK;
	if (*matched && r->place.sym && r->place.sym->addr == r->place.addr)
		return true;
	if (*matched) {
		km_link_judge(link, KM_REFUSE, "function-absent", u, name, "its place in the kernel has no name",
			      "patch its callers");
		return false;
	}
	found = *r;
	if (r->state == KM_MATCH_DIFFERS && link->spec->allow_mismatch && !place_anyway(u, name, r))
		severity = KM_REFUSE;
	if (found.state != KM_MATCH_DIFFERS)
		severity = KM_REFUSE;
	km_link_judge(link, severity, code_of[found.state], u, name, km_arena_strdup(link->arena, found.why),
		      next_of[found.state]);
	return severity != KM_REFUSE;
}

static uint64_t size_in(const struct km_link_unit *u, const struct km_change_item *it, const struct km_place *place,
			bool matched)
{
	const struct km_sym *plain = km_plain_symbol(u->unit->match, it->orig->name);

	return matched && plain ? plain->size : place->sym->size;
}

static void fingerprint(struct km_link_unit *u, const struct km_change_item *it, const struct km_place *place,
			struct km_link_func *f)
{
	const struct km_match *m = u->unit->match;
	const struct km_sym *plain = km_plain_symbol(m, it->orig->name);
	struct km_spot at = {.in = u->shipped->is_vmlinux ? NULL : place->sym->sec, .at = place->addr};
	const uint8_t *bytes = km_shipped_bytes(m, at, f->size);

	if (!bytes)
		return;
	if (f->matched && plain)
		km_mask_of(m->plain, plain, &f->mask);
	km_mask_hash(bytes, f->size, &f->mask, f->expected);
}

static void add_alias(struct km_link_unit *u, const struct km_change_item *it, const char *temp)
{
	km_elf_add_sym(u->unit->diff->carry, temp, STB_GLOBAL, STT_FUNC, it->carried->sec, it->carried->value,
		       it->carried->size);
}

static void link_function(struct km_link *link, struct km_link_unit *u, const struct km_change_item *it)
{
	struct km_match_result r;
	struct km_link_func f = {0};

	if (!prove(link, u, it->orig->name, &r, &f.matched))
		return;
	if (!km_sympos_of(r.place.sym, &f.sympos)) {
		km_link_judge(link, KM_REFUSE, "unstable-position", u, it->name,
			      "its position among symbols of that name changes once the module is initialised",
			      "patch its callers");
		return;
	}
	f.temp = km_arena_printf(link->arena, KM_TEMP_FUNC "%zu", link->funcs.n);
	f.name = km_arena_strdup(link->arena, r.place.sym->name);
	f.object = km_arena_strdup(link->arena, u->unit->object);
	f.unit = km_arena_strdup(link->arena, u->unit->source);
	f.addr = r.place.addr;
	f.size = size_in(u, it, &r.place, f.matched);
	fingerprint(u, it, &r.place, &f);
	add_alias(u, it, f.temp);
	km_vec_push(&link->funcs, f);
}

void km_link_functions(struct km_link *link, struct km_link_unit *u)
{
	const km_diff *diff = u->unit->diff;

	for (size_t i = 0; i < diff->items.n; i++) {
		const struct km_change_item *it = &diff->items.at[i];

		if (it->replaces && it->orig && it->carried && it->carried->sec)
			link_function(link, u, it);
	}
}
