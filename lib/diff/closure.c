/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * closure.c - what must travel: the functions to be replaced and everything new that they need.
 *
 * State that exists is never copied: existing data and unchanged functions stay references.
 */
#include "part.h"

/* ---- which functions must be replaced -------------------------------------------------------- */

static bool mark(struct km_part *p, enum km_why why, const char *detail)
{
	if (p->differs || !p->twin)
		return false;
	p->differs = true;
	p->why = why;
	p->detail = detail;
	return true;
}

/* A fragment and its parent jump into each other: they are one function. */
static bool mark_family(km_arena *arena, struct km_part *p)
{
	if (p->parent && p->differs)
		return mark(p->parent, KM_WHY_CLONE,
			    km_arena_printf(arena, "its out-of-line part %s changed", km_part_name(p)));
	if (p->cold && p->differs)
		return mark(p->cold, KM_WHY_CLONE, km_arena_printf(arena, "it belongs to %s", km_part_name(p)));
	return false;
}

static bool mark_data_users(km_arena *arena, struct km_part *p)
{
	bool any = false;

	for (size_t i = 0; p->renewed && i < p->users.n; i++) {
		struct km_part *user = p->users.at[i].part;

		if (user->kind == KM_PART_FUNC && !user->init)
			any |= mark(user, KM_WHY_DATA,
				    km_arena_printf(arena, "it uses %s, which changed", km_part_name(p)));
	}
	return any;
}

/* A function that ftrace cannot redirect is replaced by way of all its callers, when they are known. */
static bool mark_callers(km_arena *arena, struct km_part *p)
{
	bool any = false;

	if (p->kind != KM_PART_FUNC || !p->differs || p->init || p->parent || p->twin->fentry ||
	    !km_callers_stand_in(p))
		return false;
	for (size_t i = 0; i < p->users.n; i++)
		any |= mark(
			p->users.at[i].part, KM_WHY_CLONE,
			km_arena_printf(arena, "it calls %s, which cannot be redirected by itself", km_part_name(p)));
	return any;
}

void km_select_changed(struct km_work *w)
{
	km_arena *arena = w->d->arena;

	for (bool any = true; any;) {
		any = false;
		for (size_t i = 0; i < w->patched.parts.n; i++) {
			struct km_part *p = w->patched.parts.at[i];

			any |= mark_family(arena, p);
			any |= mark_data_users(arena, p);
			any |= mark_callers(arena, p);
		}
	}
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		p->replaces = p->kind == KM_PART_FUNC && p->differs && !p->init && !p->parent && p->twin->fentry;
	}
}

/* ---- what travels with them ------------------------------------------------------------------ */

typedef km_vec(struct km_part *) part_list;

static void include(part_list *todo, struct km_part *p, enum km_why why, const char *detail)
{
	if (p->included)
		return;
	p->included = true;
	if (!p->differs) {
		p->why = why;
		p->detail = detail;
	}
	km_vec_push(todo, p);
}

static bool may_travel(struct km_work *w, struct km_part *t, const struct km_part *user)
{
	enum km_class class = km_info_of(&w->patched, t->sec)->class;
	const struct km_special *s = km_info_of(&w->patched, t->sec)->special;

	if (class == KM_CLASS_DROPPED)
		km_judge_part(
			w, KM_REFUSE, "registration", t,
			km_arena_printf(w->d->arena, "%s uses it, and it is new: %s", km_part_name(user), s->note),
			"use an existing one, or leave it out of the patch");
	else if (class == KM_CLASS_UNKNOWN)
		km_judge_part(
			w, KM_REFUSE, "unknown-section", t,
			km_arena_printf(w->d->arena,
					"%s needs what is in section %s, and the purpose of that section is not known",
					km_part_name(user), t->sec->name),
			"keep the patch from adding to this section");
	else if (t->init)
		km_judge_part(w, KM_REFUSE, "init-reference", t,
			      km_arena_printf(w->d->arena, "%s uses it, and it lives in %s, which is gone after boot",
					      km_part_name(user), t->sec->name),
			      "remove the __init or __exit mark from it");
	else if (t->percpu && t->n_refs)
		km_judge_part(
			w, KM_REFUSE, "percpu-address", t,
			km_arena_printf(w->d->arena,
					"%s uses it, its initial value holds addresses, and the kernel's loader leaves "
					"those out of per-CPU data",
					km_part_name(user)),
			"initialise it at run time, or in a pre-patch callback");
	else if (t->kind == KM_PART_ANON && t->writable)
		km_judge_part(
			w, KM_REFUSE, "unnamed-data", t,
			km_arena_printf(w->d->arena,
					"%s uses writable data without a symbol in %s; a copy would split its state",
					km_part_name(user), t->sec->name),
			"give the data a name");
	else
		return true;
	return false;
}

static void close_target(struct km_work *w, part_list *todo, struct km_part *from, struct km_part *t)
{
	bool shared = t && t->twin && !t->by_content && !t->renewed;

	if (!t || t->included || shared || t == from)
		return;
	/* A fragment's parent brings it along; one that refers to a foreign fragment takes the whole function. */
	if (!may_travel(w, t, from))
		return;
	enum km_why why = t->never_same ? KM_WHY_NEVER_SAME : t->renewed ? KM_WHY_DATA : KM_WHY_NEW;

	include(todo, t, why,
		*km_part_name(from) ? km_arena_printf(w->d->arena, "used by %s", km_part_name(from)) : NULL);
}

static const struct km_part *part_before(const struct km_side *side, const struct km_part *p)
{
	const struct km_secinfo *info = km_info_of(side, p->sec);

	for (size_t i = 1; i < info->parts.n; i++)
		if (info->parts.at[i] == p)
			return info->parts.at[i - 1];
	return NULL;
}

/* The assembler wrote section and offset. Where a new datum begins just behind an existing one, that may still mean the
 * end of the existing one, as in a loop over an array, if the original function refers to that end. */
static bool may_mean_end(const struct km_work *w, const struct km_part *p, const struct km_ref *ref)
{
	const struct km_part *t = ref->to.part, *before;

	if (!p->twin || !t || t->kind != KM_PART_DATA || t->twin || ref->to.offset || ref->to.sym->type != STT_SECTION)
		return false;
	before = part_before(&w->patched, t);
	if (!before || !before->twin || before->end != t->start)
		return false;
	for (size_t i = 0; i < p->twin->n_refs; i++) {
		const struct km_target *o = &p->twin->refs[i].to;

		if (o->part == before->twin && o->offset == (int64_t)(before->twin->end - before->twin->start))
			return true;
	}
	return false;
}

static void close_part(struct km_work *w, part_list *todo, struct km_part *p)
{
	for (size_t i = 0; i < p->n_refs; i++) {
		if (may_mean_end(w, p, &p->refs[i]))
			km_judge_part(
				w, KM_REFUSE, "ambiguous-address", p->refs[i].to.part,
				km_arena_printf(w->d->arena,
						"it lies just behind %s, and %s may refer to it or to the end of that",
						km_part_name(part_before(&w->patched, p->refs[i].to.part)),
						km_part_name(p)),
				"leave out the section mark (__read_mostly and the like), or put it elsewhere in the "
				"file");
		close_target(w, todo, p, p->refs[i].to.part);
	}
	for (size_t i = 0; i < p->entries.n; i++) {
		const struct km_entry *e = p->entries.at[i];

		for (size_t r = 0; r < e->n_rels; r++)
			close_target(w, todo, p, km_target_of(&w->patched, e->sec, &e->rels[r]).part);
	}
	/* Code may walk from one unnamed constant into the next: the whole section comes. */
	const struct km_secinfo *info = km_info_of(&w->patched, p->sec);

	for (size_t i = 0; p->kind == KM_PART_ANON && i < info->parts.n; i++)
		if (info->parts.at[i]->kind == KM_PART_ANON)
			include(todo, info->parts.at[i], p->why, p->detail);
	if (p->cold)
		include(todo, p->cold, KM_WHY_CLONE, km_arena_printf(w->d->arena, "it belongs to %s", km_part_name(p)));
	if (p->parent)
		include(todo, p->parent, KM_WHY_CLONE,
			km_arena_printf(w->d->arena, "%s belongs to it", km_part_name(p)));
}

/* Another unit of the patch may use a new global that this one does not, be it only because the compiler inlined it
 * here. */
static bool is_new_global(struct km_work *w, const struct km_part *p)
{
	enum km_class class = km_info_of(&w->patched, p->sec)->class;

	return (class == KM_CLASS_CODE || class == KM_CLASS_DATA) &&
	       (p->kind == KM_PART_FUNC || p->kind == KM_PART_DATA) && p->sym && p->sym->bind == STB_GLOBAL &&
	       !p->twin && !p->init && !p->tracing && !p->never_same;
}

void km_close(struct km_work *w)
{
	part_list todo = {0};

	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		if (p->kind == KM_PART_FUNC && p->differs && !p->init && !p->tracing)
			include(&todo, p, p->why, p->detail);
		else if (is_new_global(w, p))
			include(&todo, p, KM_WHY_NEW, "other units may use it");
	}
	while (todo.n)
		close_part(w, &todo, todo.at[--todo.n]);
	km_vec_free(&todo);
}

bool km_ref_to_existing(const struct km_part *from, const struct km_ref *ref)
{
	const struct km_part *t = ref->to.part;

	/* An address may be stored and called after the patch is gone: give the function that stays, which is
	 * redirected meanwhile. */
	return t && t->kind == KM_PART_FUNC && t->replaces && ref->to.offset == 0 && !km_ref_is_direct(from, ref);
}
