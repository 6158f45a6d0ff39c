/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions about an outcome that both reports ask. */
#include "build.h"

void build_each_judgement(const struct build_outcome *out,
			  void (*seen)(void *ctx, const char *unit, const struct km_judgement *j), void *ctx)
{
	for (size_t i = 0; i < out->judgements.n; i++)
		seen(ctx, "", &out->judgements.at[i]);
	for (size_t i = 0; i < out->units.n; i++) {
		const struct build_unit *u = &out->units.at[i];
		for (size_t k = 0; u->diff && k < u->diff->judgements.n; k++)
			seen(ctx, u->unit->source, &u->diff->judgements.at[k]);
	}
	for (size_t i = 0; i < out->patch.judgements.n; i++)
		seen(ctx, "", &out->patch.judgements.at[i]);
}

const struct km_patch_file *build_file(const struct build_outcome *out, enum km_flavour *flavour)
{
	for (*flavour = 0; *flavour < KM_FLAVOURS; ++*flavour)
		if (out->patch.files[*flavour].path)
			return &out->patch.files[*flavour];
	return NULL;
}

struct tally {
	enum km_weight least;
	size_t n;
};

static void count(void *ctx, const char *unit, const struct km_judgement *j)
{
	struct tally *t = ctx;

	(void)unit;
	t->n += j->severity >= t->least;
}

size_t build_count_judgements(const struct build_outcome *out, enum km_weight least)
{
	struct tally t = { .least = least };

	build_each_judgement(out, count, &t);
	return t.n;
}

const struct km_patch_func *build_placed(const struct build_outcome *out, const struct build_unit *u, const char *name)
{
	for (size_t i = 0; i < out->patch.funcs.n; i++) {
		const struct km_patch_func *f = &out->patch.funcs.at[i];
		if (!strcmp(f->name, name) && !strcmp(f->unit, u->unit->source) && !strcmp(f->object, u->unit->object))
			return f;
	}
	return NULL;
}
