/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropping sections and symbols: first everything is checked, then the model changes. */
#include "model.h"

struct prune {
	km_elf *elf;
	bool *sec, *sym; /* by index: kept */
};

static void prune_end(struct prune *p)
{
	free(p->sec);
	free(p->sym);
}

static km_error *check_rels(const struct prune *p, const char *holder, const struct km_rel *rels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!p->sym[rels[i].sym->index])
			return km_error_new(KM_BUG, "a relocation at %s+0x%llx still names the dropped symbol %s", holder,
					    (unsigned long long)rels[i].offset, rels[i].sym->name);
	return NULL;
}

static km_error *check(const struct prune *p)
{
	const km_elf *elf = p->elf;

	for (size_t i = 0; i < elf->syms.n; i++) {
		const struct km_sym *sym = elf->syms.at[i];

		if (p->sym[i] && sym->sec && !p->sec[sym->sec->index])
			return km_error_new(KM_BUG, "the symbol %s still lies in the dropped section %s", sym->name,
					    sym->sec->name);
	}
	for (size_t i = 0; i < elf->secs.n; i++) {
		const struct km_sec *sec = elf->secs.at[i];

		if (!p->sec[i])
			continue;
		if (sec->link && !p->sec[sec->link->index])
			return km_error_new(KM_BUG, "the section %s still links to the dropped section %s", sec->name,
					    sec->link->name);
		KM_TRY(check_rels(p, sec->name, sec->rels.at, sec->rels.n));
	}
	for (size_t i = 0; i < elf->extras.n; i++) {
		const struct km_rela_extra *extra = elf->extras.at[i];

		if (p->sec[extra->target->index])
			KM_TRY(check_rels(p, extra->name, extra->rels.at, extra->rels.n));
	}
	return NULL;
}

static void drop_extras(struct prune *p)
{
	km_elf *elf = p->elf;
	size_t n = 0;

	for (size_t i = 0; i < elf->extras.n; i++) {
		if (p->sec[elf->extras.at[i]->target->index])
			elf->extras.at[n++] = elf->extras.at[i];
		else
			km_vec_free(&elf->extras.at[i]->rels);
	}
	elf->extras.n = n;
}

static void drop_secs(struct prune *p)
{
	km_elf *elf = p->elf;
	size_t n = 0;

	for (size_t i = 0; i < elf->secs.n; i++) {
		struct km_sec *sec = elf->secs.at[i];

		if (!p->sec[i]) {
			km_vec_free(&sec->rels);
			km_vec_free(&sec->spans);
			continue;
		}
		if (sec->secsym && !p->sym[sec->secsym->index])
			sec->secsym = NULL;
		elf->secs.at[n++] = sec;
	}
	elf->secs.n = n;
}

static void drop_syms(struct prune *p)
{
	km_elf *elf = p->elf;
	size_t n = 0;

	for (size_t i = 0; i < elf->syms.n; i++)
		if (p->sym[i])
			elf->syms.at[n++] = elf->syms.at[i];
	elf->syms.n = n;
}

km_error *km_elf_prune(km_elf *elf, bool (*keep_sec)(const struct km_sec *, void *),
		       bool (*keep_sym)(const struct km_sym *, void *), void *ctx)
{
	KM_CLEANUP(prune_end) struct prune p = {
		.elf = elf,
		.sec = km_calloc(elf->secs.n, sizeof(bool)),
		.sym = km_calloc(elf->syms.n, sizeof(bool)),
	};

	for (size_t i = 0; i < elf->secs.n; i++)
		p.sec[i] = !keep_sec || keep_sec(elf->secs.at[i], ctx);
	for (size_t i = 0; i < elf->syms.n; i++)
		p.sym[i] = i == 0 || !keep_sym || keep_sym(elf->syms.at[i], ctx);
	KM_TRY(check(&p));
	/* The indices stay the old ones until all three are done: they are the key of p. */
	drop_extras(&p);
	drop_secs(&p);
	drop_syms(&p);
	for (size_t i = 0; i < elf->secs.n; i++)
		elf->secs.at[i]->index = (unsigned)i;
	for (size_t i = 0; i < elf->syms.n; i++)
		elf->syms.at[i]->index = (unsigned)i;
	km_elf_reindex(elf);
	return NULL;
}
