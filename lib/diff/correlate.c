/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * correlate.c - which part of the patched object is which part of the original one.
 *
 * Parts with the same key (name without numbers) form a group. One on each side: they are twins, unless they are static
 * locals of different functions. Several: the best matches first, judged by content, by who uses them, by size, by name
 * and by order.
 */
#include "part.h"

struct group {
	km_vec(struct km_part *) orig, patched;
};

struct pair {
	struct km_part *o, *p;
	int score;
	size_t rank; /* keeps the order of equal scores */
};

enum { MAX_PAIRS = 1 << 18 }; /* of one group; beyond it only exact names pair */

static const char *group_key(km_arena *arena, const struct km_part *p)
{
	return km_arena_printf(arena, "%c%c%c%s", p->kind == KM_PART_FUNC ? 'F' : 'D', p->init ? 'i' : '-',
			       p->percpu ? 'p' : '-', p->key);
}

static bool can_pair(const struct km_side *side, const struct km_part *p)
{
	return p->sym && !p->by_content && !p->parent && km_info_of(side, p->sec)->class != KM_CLASS_IGNORED;
}

static void add_to_groups(km_map *groups, struct km_side *side, km_arena *arena, bool patched)
{
	for (size_t i = 0; i < side->parts.n; i++) {
		struct km_part *p = side->parts.at[i];

		if (!can_pair(side, p))
			continue;
		const char *key = group_key(arena, p);
		struct group *g = km_map_get(groups, key);

		if (!g) {
			g = km_arena_new(arena, struct group);
			km_map_put(groups, key, g);
		}
		if (patched)
			km_vec_push(&g->patched, p);
		else
			km_vec_push(&g->orig, p);
	}
}

/* ---- who uses it ----------------------------------------------------------------------------- */

static bool used_by_key(const struct km_part *p, const char *key)
{
	for (size_t i = 0; i < p->users.n; i++)
		if (!strcmp(p->users.at[i].part->key, key))
			return true;
	return false;
}

bool km_users_meet(const struct km_part *o, const struct km_part *p)
{
	for (size_t i = 0; i < o->users.n; i++)
		if (*o->users.at[i].part->key && used_by_key(p, o->users.at[i].part->key))
			return true;
	return false;
}

/* A static local is the same only within the same function; DWARF knows which one, else those who refer to it tell. */
static bool same_scope(struct km_side *os, struct km_part *o, struct km_side *ps, struct km_part *p)
{
	if (o->kind == KM_PART_FUNC || !km_name_static_local(o->sym->name) || !km_name_static_local(p->sym->name))
		return true;
	const char *a = km_decl_of(os, o).scope, *b = km_decl_of(ps, p).scope;

	if (a && b)
		return !strcmp(a, b);
	return !o->users.n || !p->users.n || km_users_meet(o, p);
}

/* ---- several candidates ---------------------------------------------------------------------- */

static int score(const struct km_part *o, const struct km_part *p, size_t distance)
{
	int s = 0;

	if (o->end - o->start == p->end - p->start)
		s += o->hash == p->hash ? 100 : 20;
	if (km_users_meet(o, p))
		s += 40;
	if (!strcmp(o->sym->name, p->sym->name))
		s += 10;
	if (o->writable == p->writable)
		s += 5;
	return s - (int)(distance < 9 ? distance : 9);
}

static int by_score(const void *pa, const void *pb)
{
	const struct pair *a = pa, *b = pb;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static void marry(struct km_part *o, struct km_part *p)
{
	if (o->twin || p->twin)
		return;
	o->twin = p;
	p->twin = o;
}

static void pair_exact(struct group *g)
{
	km_map *by_name = km_map_create();

	for (size_t i = 0; i < g->orig.n; i++)
		km_map_put(by_name, g->orig.at[i]->sym->name, g->orig.at[i]);
	for (size_t i = 0; i < g->patched.n; i++) {
		struct km_part *o = km_map_get(by_name, g->patched.at[i]->sym->name);

		if (o)
			marry(o, g->patched.at[i]);
	}
	km_map_destroy(by_name);
}

static void pair_group(struct group *g, struct km_side *os, struct km_side *ps)
{
	km_vec(struct pair) pairs = {0};

	/* The common case, without a look at DWARF. */
	if (g->orig.n == 1 && g->patched.n == 1 && km_users_meet(g->orig.at[0], g->patched.at[0])) {
		marry(g->orig.at[0], g->patched.at[0]);
		return;
	}
	if (g->orig.n && g->patched.n > MAX_PAIRS / g->orig.n) {
		pair_exact(g);
		return;
	}
	for (size_t i = 0; i < g->orig.n; i++)
		for (size_t j = 0; j < g->patched.n; j++) {
			struct km_part *o = g->orig.at[i], *p = g->patched.at[j];

			if (!same_scope(os, o, ps, p))
				continue;
			km_vec_push(&pairs, (struct pair){o, p, score(o, p, i < j ? j - i : i - j), pairs.n});
		}
	if (pairs.n > 1)
		qsort(pairs.at, pairs.n, sizeof(*pairs.at), by_score);
	for (size_t i = 0; i < pairs.n; i++)
		marry(pairs.at[i].o, pairs.at[i].p);
	km_vec_free(&pairs);
}

static void pair_fragments(struct km_side *patched)
{
	for (size_t i = 0; i < patched->parts.n; i++) {
		struct km_part *p = patched->parts.at[i];

		if (p->cold && p->twin && p->twin->cold)
			marry(p->twin->cold, p->cold);
	}
}

void km_correlate(struct km_side *orig, struct km_side *patched)
{
	km_arena *arena = km_arena_create();
	km_map *groups = km_map_create();
	void *value;

	add_to_groups(groups, orig, arena, false);
	add_to_groups(groups, patched, arena, true);
	for (size_t i = 0; i < km_map_count(groups); i++) {
		km_map_at(groups, i, &value);
		struct group *g = value;

		pair_group(g, orig, patched);
		km_vec_free(&g->orig);
		km_vec_free(&g->patched);
	}
	pair_fragments(patched);
	km_map_destroy(groups);
	km_arena_destroy(arena);
}
