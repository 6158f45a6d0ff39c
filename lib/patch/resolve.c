// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Homes for undefined symbols. In the order of preference: a new symbol of another unit of the patch, an export of
 * vmlinux (a normal relocation: the loader checks its CRC), and else a livepatch relocation by object, name and
 * position.
 */
#include "link.h"
#include "match.h"

const char *km_link_user(const km_elf *carry, const struct km_sec *sec, uint64_t offset)
{
	const struct km_sym *found = km_elf_sym_at(carry, sec, offset);

	/* The alias that the glue uses lies over the function itself. */
	for (size_t i = 1; found && km_starts(found->name, KM_TEMP_FUNC) && i < carry->syms.n; i++) {
		const struct km_sym *s = carry->syms.at[i];

		if (s->sec == found->sec && s->value == found->value && s->type == STT_FUNC && !km_starts(s->name, KM_TEMP_FUNC))
			found = s;
	}
	return found ? found->name : NULL;
}

/* What refers to an undefined symbol of that name first; NULL for nobody. */
static const char *user_of(const km_elf *carry, const char *name)
{
	for (size_t i = 0; i < carry->secs.n; i++) {
		const struct km_sec *sec = carry->secs.at[i];

		for (size_t j = 0; km_sec_is_alloc(sec) && j < sec->rels.n; j++) {
			const struct km_sym *s = sec->rels.at[j].sym;
			const char *user;

			if (s->sec || strcmp(s->name, name))
				continue;
			user = km_link_user(carry, sec, sec->rels.at[j].offset);
			if (user)
				return user;
		}
	}
	return NULL;
}

static const struct km_change_item *item_with_line(const km_diff *diff, const char *name)
{
	for (size_t i = 0; name && i < diff->items.n; i++)
		if (diff->items.at[i].line && !strcmp(diff->items.at[i].name, name))
			return &diff->items.at[i];
	return NULL;
}

/* Where the subject is declared, as far as the diff knows, else what uses it. */
static void locate(const struct km_link_unit *u, const char *subject, km_arena *arena, struct km_judgement *j)
{
	const km_diff *diff = u->unit->diff;
	const struct km_change_item *it = item_with_line(diff, subject);

	if (!it && diff->carry)
		it = item_with_line(diff, user_of(diff->carry, subject));
	j->file = km_arena_strdup(arena, it && it->file ? it->file : u->unit->source);
	j->line = it ? it->line : 0;
}

void km_link_judge(struct km_link *link, enum km_weight severity, const char *code, const struct km_link_unit *u,
		   const char *subject, const char *reason, const char *next)
{
	struct km_judgement j = {.severity = severity, .code = code, .reason = reason, .next = next};

	for (size_t i = 0; i < link->result->judgements.n; i++) {
		const struct km_judgement *old = &link->result->judgements.at[i];

		if (!strcmp(old->code, code) && !strcmp(old->subject, subject) && !strcmp(old->reason, reason))
			return;
	}
	j.subject = km_arena_strdup(link->arena, subject);
	locate(u, subject, link->arena, &j);
	km_vec_push(&link->result->judgements, j);
}

bool km_link_refused(const struct km_link *link)
{
	for (size_t i = 0; i < link->result->judgements.n; i++)
		if (link->result->judgements.at[i].severity == KM_REFUSE)
			return true;
	return false;
}

struct km_klp_sym *km_klp_symbol(struct km_link *link, const char *patched, const char *object, const char *name,
				 unsigned sympos)
{
	/* The kernel refuses symbols of vmlinux in a module's relocation section; they can be had at once. */
	const char *relas = strcmp(object, "vmlinux") ? patched : object;
	char *key KM_AUTOFREE = km_printf("%s\n%s\n%s\n%u", relas, object, name, sympos);
	struct km_klp_sym *klp = km_map_get(link->klp_by_key, key);

	if (klp)
		return klp;
	klp = km_arena_new(link->arena, struct km_klp_sym);
	*klp = (struct km_klp_sym){
		.temp = km_arena_printf(link->arena, KM_TEMP_KLP "%zu", link->klps.n),
		.relas = km_arena_strdup(link->arena, relas),
		.object = km_arena_strdup(link->arena, object),
		.name = km_arena_strdup(link->arena, name),
		.sympos = sympos,
	};
	km_vec_push(&link->klps, klp);
	km_map_put(link->klp_by_key, key, klp);
	return klp;
}

bool km_sympos_of(const struct km_ksym *sym, unsigned *ret)
{
	/* Unique once .init is gone, and before that the first of its name: position 1 is right in both states. */
	if (sym->sympos != sym->sympos_coming && !(sym->sympos == 0 && sym->sympos_coming == 1))
		return false;
	*ret = sym->sympos_coming;
	return true;
}

void km_resolve_news(struct km_link *link, struct km_link_unit *u)
{
	km_elf *carry = u->unit->diff->carry;

	for (size_t i = 1; i < u->n; i++) {
		struct km_sym *s = carry->syms.at[i];
		char *key KM_AUTOFREE = NULL;
		struct km_new_sym *new;

		if (!s->sec || s->bind == STB_LOCAL || s->type == STT_SECTION || u->unit->diff->origin[i])
			continue;
		key = km_printf("%s\n%s", u->unit->object, s->name);
		if (km_map_has(link->new_by_key, key)) {
			/* Weak and inline copies may be in several units; each uses its own. */
			if (s->bind != STB_WEAK)
				km_link_judge(link, KM_REFUSE, "duplicate-symbol", u, s->name,
					      "two units of the patch define it",
					      "make one of them static or rename it");
			continue;
		}
		new = km_arena_new(link->arena, struct km_new_sym);
		*new = (struct km_new_sym){
			.temp = km_arena_printf(link->arena, KM_TEMP_NEW "%zu", link->news.n),
			.name = km_arena_strdup(link->arena, s->name),
			.object = u->unit->object,
		};
		km_vec_push(&link->news, new);
		km_map_put(link->new_by_key, key, new);
		s->name = km_arena_strdup(carry->arena, new->temp);
		s->bind = STB_GLOBAL;
	}
}

static void refuse_unresolved(struct km_link *link, struct km_link_unit *u, const char *name, const char *reason)
{
	km_link_judge(link, KM_REFUSE, "unresolved-symbol", u, name, reason,
		      "call something that this kernel has, or carry a copy of it in the patch under another name");
}

/* An export of vmlinux under this name. */
static const struct km_export *vmlinux_export(const struct km_link *link, const char *name)
{
	const struct km_export *e = km_export_find(link->k->exports, name);

	return e && !strcmp(e->owner, "vmlinux") ? e : NULL;
}

static void use_export(struct km_link *link, const struct km_export *e)
{
	if (e->ns && *e->ns && !km_strv_has(&link->namespaces, e->ns))
		km_strv_push(&link->namespaces, e->ns);
}

/* In a module kallsyms does not tell global from local, its symbol table does. */
static bool is_global(const km_object *obj, const struct km_ksym *ks)
{
	if (obj->is_vmlinux)
		return ks->type >= 'A' && ks->type <= 'Z';
	for (size_t i = 1; i < obj->elf->syms.n; i++) {
		const struct km_sym *s = obj->elf->syms.at[i];

		if (s->sec == ks->sec && s->value == ks->addr && s->bind != STB_LOCAL && !strcmp(s->name, ks->name))
			return true;
	}
	return false;
}

static const struct km_ksym *global_of(const km_object *obj, const char *name)
{
	size_t n;
	const struct km_ksym *const *all = km_ksyms_named(obj, name, &n), *found = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!is_global(obj, all[i]))
			continue;
		if (found && found->addr != all[i]->addr)
			return NULL;
		found = all[i];
	}
	return found;
}

static struct km_klp_sym *klp_of(struct km_link *link, struct km_link_unit *u, const km_object *obj,
				 const struct km_ksym *ks)
{
	unsigned sympos;

	if (strlen(obj->name) > KM_KLP_OBJECT_MAX || strchr(ks->name, ',')) {
		refuse_unresolved(link, u, ks->name, "the kernel's livepatch code cannot read a name of this form");
		return NULL;
	}
	if (!km_sympos_of(ks, &sympos)) {
		refuse_unresolved(link, u, ks->name,
				  "its position among symbols of that name changes once the module is initialised");
		return NULL;
	}
	return km_klp_symbol(link, u->unit->object, obj->name, ks->name, sympos);
}

/* The unit's own symbol, through the place that the match gives it. */
static struct km_klp_sym *resolve_own(struct km_link *link, struct km_link_unit *u, const char *name, int64_t *delta)
{
	struct km_match_result r;
	size_t n;
	const struct km_ksym *const *all;

	km_match_symbol(u->unit->match, name, &r);
	if (r.state == KM_MATCH_OK && r.place.sym) {
		*delta = (int64_t)(r.place.addr - r.place.sym->addr);
		return klp_of(link, u, u->shipped, r.place.sym);
	}
	all = km_ksyms_named(u->shipped, name, &n);
	if (n == 1) {
		*delta = 0;
		return klp_of(link, u, u->shipped, all[0]);
	}
	refuse_unresolved(link, u, name,
			  r.why ? km_arena_strdup(link->arena, r.why) : "its place in the kernel has no name");
	return NULL;
}

/* Is the owner sure to be loaded whenever this module is? */
static bool depends_on(const struct km_link *link, const km_object *module, const char *owner)
{
	if (!strcmp(module->name, owner))
		return true;
	for (size_t i = 1; i < module->elf->syms.n; i++) {
		const struct km_sym *s = module->elf->syms.at[i];
		const struct km_export *e =
			s->sec || s->bind == STB_WEAK ? NULL : km_export_find(link->k->exports, s->name);

		if (e && !strcmp(e->owner, owner))
			return true;
	}
	return false;
}

/* What another module exports, or the patched one itself: always by livepatch relocation, else loading the patch would
 * load it. */
static km_error *resolve_module_export(struct km_link *link, struct km_link_unit *u, const struct km_export *e,
				       struct km_klp_sym **ret)
{
	const struct km_ksym *ks;
	km_object *owner;

	KM_TRY(km_kernel_module(link->k, e->owner, &owner));
	if (!depends_on(link, u->shipped, e->owner))
		km_link_judge(link, KM_REFUSE, "module-dependency", u, e->name,
			      km_arena_printf(link->arena,
					      "module %s exports it, which %s does not need so far: where it is not "
					      "loaded, the kernel would refuse to load %s",
					      e->owner, u->unit->object, u->unit->object),
			      "do without it, or look it up at run time (symbol_get)");
	ks = global_of(owner, e->name);
	*ret = ks ? klp_of(link, u, owner, ks) : NULL;
	if (!ks)
		refuse_unresolved(link, u, e->name, "the module that exports it does not have it");
	return NULL;
}

static void resolve_by_name(struct km_link *link, struct km_link_unit *u, const struct km_sym *s,
			    struct km_klp_sym **ret)
{
	const km_object *vmlinux = link->k->vmlinux;
	const struct km_ksym *ks;
	struct km_place place;

	*ret = NULL;
	if (km_match_bound(u->unit->match, s->name, &place)) {
		*ret = klp_of(link, u, u->shipped, place.sym);
	} else if ((ks = global_of(u->shipped, s->name))) {
		*ret = klp_of(link, u, u->shipped, ks);
	} else if (!u->shipped->is_vmlinux && (ks = global_of(vmlinux, s->name))) {
		*ret = klp_of(link, u, vmlinux, ks);
	} else if (s->bind != STB_WEAK) {
		refuse_unresolved(
			link, u, s->name,
			km_arena_printf(link->arena, "neither %s%s nor any unit of this patch has a global %s",
					u->unit->object, u->shipped->is_vmlinux ? "" : " nor vmlinux", s->name));
	}
}

static km_error *resolve_external(struct km_link *link, struct km_link_unit *u, struct km_sym *s)
{
	char *key KM_AUTOFREE = km_printf("%s\n%s", u->unit->object, s->name);
	const struct km_new_sym *new = km_map_get(link->new_by_key, key);
	const struct km_export *e = km_export_find(link->k->exports, s->name);

	if (new) {
		s->name = km_arena_strdup(u->unit->diff->carry->arena, new->temp);
		return NULL;
	}
	if (e && !strcmp(e->owner, "vmlinux")) {
		use_export(link, e);
		return NULL;
	}
	if (e && !u->shipped->is_vmlinux)
		return resolve_module_export(link, u, e, &u->klp[s->index]);
	resolve_by_name(link, u, s, &u->klp[s->index]);
	return NULL;
}

/* "__func__.0" for a place that the compiler gave no symbol to refer to: the section's only object. */
static const char *name_of_origin(const struct km_link_unit *u, const struct km_sym *origin)
{
	const struct km_sym *at = origin;

	if (origin->type == STT_SECTION && origin->sec)
		at = km_elf_sym_at(u->unit->original, origin->sec, 0);
	return at ? at->name : origin->name;
}

static void resolve_origin(struct km_link *link, struct km_link_unit *u, struct km_sym *s, const struct km_sym *origin)
{
	const char *name = name_of_origin(u, origin);
	const struct km_export *e =
		u->shipped->is_vmlinux && origin->bind != STB_LOCAL ? vmlinux_export(link, name) : NULL;

	if (e) {
		use_export(link, e);
		s->name = km_arena_strdup(u->unit->diff->carry->arena, name);
		return;
	}
	u->klp[s->index] = resolve_own(link, u, name, &u->delta[s->index]);
}

static void add_delta(const struct km_link_unit *u)
{
	km_elf *carry = u->unit->diff->carry;

	for (size_t i = 0; i < carry->secs.n; i++) {
		struct km_sec *sec = carry->secs.at[i];

		for (size_t j = 0; j < sec->rels.n; j++)
			if (sec->rels.at[j].sym->index < u->n)
				sec->rels.at[j].addend += u->delta[sec->rels.at[j].sym->index];
	}
}

static bool *used_symbols(const struct km_link_unit *u)
{
	const km_elf *carry = u->unit->diff->carry;
	bool *used = km_calloc(u->n ? u->n : 1, sizeof(*used));

	for (size_t i = 0; i < carry->secs.n; i++)
		for (size_t j = 0; j < carry->secs.at[i]->rels.n; j++)
			used[carry->secs.at[i]->rels.at[j].sym->index] = true;
	return used;
}

km_error *km_resolve_unit(struct km_link *link, struct km_link_unit *u)
{
	km_elf *carry = u->unit->diff->carry;
	bool *used KM_AUTOFREE = used_symbols(u);

	for (size_t i = 1; i < u->n; i++) {
		struct km_sym *s = carry->syms.at[i];
		const struct km_sym *origin = u->unit->diff->origin[i];

		/* Two units may have symbols of one name: what other units need not see is hidden from the linker. */
		if (s->sec && s->bind != STB_LOCAL && !km_starts(s->name, KM_TEMP_NEW))
			s->bind = STB_LOCAL;
		if (s->sec || s->shndx != SHN_UNDEF || !used[i])
			continue;
		if (origin && origin->sec)
			resolve_origin(link, u, s, origin);
		else
			KM_TRY(resolve_external(link, u, s));
		if (u->klp[i]) {
			s->name = km_arena_strdup(carry->arena, u->klp[i]->temp);
			s->bind = STB_GLOBAL;
		}
	}
	add_delta(u);
	return NULL;
}

struct km_sym *km_resolve_original(struct km_link *link, struct km_link_unit *u, const struct km_sym *orig,
				   int64_t *delta)
{
	km_elf *carry = u->unit->diff->carry;
	const struct km_export *e =
		u->shipped->is_vmlinux && orig->bind != STB_LOCAL ? vmlinux_export(link, orig->name) : NULL;
	const struct km_klp_sym *klp;
	const char *name;

	*delta = 0;
	if (e) {
		use_export(link, e);
		name = e->name;
	} else {
		klp = resolve_own(link, u, orig->name, delta);
		if (!klp)
			return NULL;
		name = klp->temp;
	}
	for (size_t i = 1; i < carry->syms.n; i++)
		if (!carry->syms.at[i]->sec && !strcmp(carry->syms.at[i]->name, name))
			return carry->syms.at[i];
	return km_elf_add_sym(carry, name, STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}
