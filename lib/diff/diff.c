/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff.c - from two objects to what changed, what travels and what stands in the way.
 */
#include "part.h"

static const char *const why_texts[] = {
	[KM_WHY_NOT] = "it did not change",
	[KM_WHY_CODE] = "its instructions changed",
	[KM_WHY_REFERENCE] = "it refers to something else than before",
	[KM_WHY_STRING] = "a string or constant it uses changed",
	[KM_WHY_SPECIAL] = "an entry of a special section changed",
	[KM_WHY_CLONE] = "it belongs together with a function that changed",
	[KM_WHY_NEW] = "it is new",
	[KM_WHY_DATA] = "its data changed",
	[KM_WHY_NEVER_SAME] = "it belongs to one place in the code and is not shared",
};

const char *km_why_text(enum km_why why)
{
	return (unsigned)why < KM_COUNT(why_texts) ? why_texts[why] : "unknown";
}

/* ---- items ----------------------------------------------------------------------------------- */

static bool listed(const struct km_side *side, const struct km_part *p)
{
	enum km_class class = km_info_of(side, p->sec)->class;

	if (!p->sym || class == KM_CLASS_IGNORED || class == KM_CLASS_DROPPED)
		return false;
	return p->included || p->differs || (!p->twin && !p->by_content);
}

static const char *in_arena(km_diff *d, const char *s)
{
	return s ? km_arena_strdup(d->arena, s) : NULL;
}

static void add_item(struct km_work *w, struct km_part *p, bool patched)
{
	struct km_decl decl = km_decl_of(patched ? &w->patched : &w->orig, p);
	struct km_change_item item = {
		.name = p->sym->name,
		.kind = p->kind == KM_PART_FUNC ? "function" : "data",
		.file = in_arena(w->d, decl.file),
		.line = decl.line,
		.why = p->why,
		.detail = p->detail,
		.included = p->included,
		.replaces = p->replaces && p->included,
	};

	item.change = !patched ? KM_REMOVED : !p->twin ? KM_NEW : p->differs ? KM_CHANGED : KM_SAME;
	if (item.change == KM_NEW && item.why == KM_WHY_NOT)
		item.why = KM_WHY_NEW;
	item.orig = !patched ? p->sym : p->twin ? p->twin->sym : NULL;
	item.patched = patched ? p->sym : NULL;
	item.carried = p->included ? p->out_sym : NULL;
	w->d->n_changed += item.change == KM_CHANGED;
	w->d->n_new += item.change == KM_NEW && item.included;
	w->d->n_included += item.included;
	km_vec_push(&w->d->items, item);
}

static void add_items(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++)
		if (listed(&w->patched, w->patched.parts.at[i]))
			add_item(w, w->patched.parts.at[i], true);
	for (size_t i = 0; i < w->orig.parts.n; i++)
		if (listed(&w->orig, w->orig.parts.at[i]))
			add_item(w, w->orig.parts.at[i], false);
}

/* ---- the steps ------------------------------------------------------------------------------- */

static bool anything_travels(const struct km_side *side)
{
	for (size_t i = 0; i < side->parts.n; i++)
		if (side->parts.at[i]->included)
			return true;
	return false;
}

static km_error *work(struct km_work *w, const km_elf *orig, const km_elf *patched)
{
	KM_TRY(km_side_init(&w->orig, orig, w->opt->orig_path));
	KM_TRY(km_side_init(&w->patched, patched, w->opt->patched_path));
	km_correlate(&w->orig, &w->patched);
	km_compare_all(&w->orig, &w->patched, w->d->arena);
	km_judge_data(w);
	km_select_changed(w);
	km_close(w);
	km_judge_state(w);
	km_judge_functions(w);
	km_judge_registrations(w);
	km_judge_unknown(w);
	if (anything_travels(&w->patched)) {
		km_judge_layouts(w);
		KM_TRY(km_carry(w));
	}
	add_items(w);
	return NULL;
}

km_error *km_diff_unit(const km_elf *orig, const km_elf *patched, const struct km_diff_options *opt, km_diff **ret)
{
	struct km_work w = {.opt = opt, .d = km_calloc(1, sizeof(km_diff))};

	w.d->arena = km_arena_create();
	km_error *err = work(&w, orig, patched);

	km_side_free(&w.orig);
	km_side_free(&w.patched);
	free(w.out_secs);
	free(w.inside);
	free(w.outside);
	if (err) {
		km_diff_destroy(w.d);
		return km_error_add(err, "cannot compare %s", opt->unit ? opt->unit : "the objects");
	}
	*ret = w.d;
	return NULL;
}

void km_diff_destroy(km_diff *d)
{
	if (!d)
		return;
	km_elf_destroy(d->carry);
	km_vec_free(&d->items);
	km_vec_free(&d->judgements);
	km_arena_destroy(d->arena);
	free(d);
}
