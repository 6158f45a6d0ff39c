/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * enumerators.c - enumeration constants that got another value.
 *
 * The running kernel's objects hold the old values, and so does code that was not compiled anew. One put in the middle
 * shifts all that follow it; only the last ones of a list, which count it, may move when it grows.
 */
#include "debuginfo.h"

#include <dwarf.h>

enum { COUNTERS = 2 }; /* __FOO_MAX, and FOO_MAX = __FOO_MAX - 1 */

struct enumerator {
	Dwarf_Sword value;
	unsigned from_end; /* 0: the last one */
	Dwarf_Die list;
};

static void add_constants(struct km_dwarf *dw, Dwarf_Die *die, km_map *all)
{
	unsigned n = 0, at = 0;
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return;
	do {
		n += dwarf_tag(&child) == DW_TAG_enumerator;
	} while (!dwarf_siblingof(&child, &child));
	if (dwarf_child(die, &child))
		return;
	do {
		const char *name = dwarf_diename(&child);
		Dwarf_Attribute attr;
		Dwarf_Sword value;

		if (dwarf_tag(&child) != DW_TAG_enumerator || !name)
			continue;
		at++;
		if (km_map_has(all, name) || dwarf_formsdata(dwarf_attr(&child, DW_AT_const_value, &attr), &value))
			continue;
		struct enumerator *e = km_arena_new(dw->arena, struct enumerator);

		*e = (struct enumerator){.value = value, .from_end = n - at, .list = *die};
		km_map_put(all, name, e);
	} while (!dwarf_siblingof(&child, &child));
}

static km_map *constants_of(struct km_dwarf *dw)
{
	km_map *all = km_map_create();
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit, die;

	while (!dwarf_get_units(dw->dwarf, cu, &cu, NULL, NULL, &unit, NULL)) {
		if (dwarf_child(&unit, &die))
			continue;
		do {
			if (dwarf_tag(&die) == DW_TAG_enumeration_type)
				add_constants(dw, &die, all);
		} while (!dwarf_siblingof(&die, &die));
	}
	return all;
}

static void judge_moved(struct km_work *w, struct km_dwarf *dw, const char *name, const struct enumerator *was,
			struct enumerator *is)
{
	struct km_decl decl = km_dwarf_decl(dw, &is->list);
	km_arena *arena = w->d->arena;

	km_judge(w, (struct km_judgement){
			    .severity = KM_RISK,
			    .code = "enum-value",
			    .file = decl.file ? km_arena_strdup(arena, decl.file) : NULL,
			    .line = decl.line,
			    .subject = km_arena_strdup(arena, name),
			    .reason = km_arena_printf(arena,
						      "its value changed from %lld to %lld, and objects of the running "
						      "kernel may hold the old one",
						      (long long)was->value, (long long)is->value),
			    .next = "add new constants at the end of the list",
		    });
}

void km_judge_enumerators(struct km_work *w, struct km_dwarf *orig, struct km_dwarf *patched)
{
	km_map *was = constants_of(orig), *is = constants_of(patched);
	void *value;

	for (size_t i = 0; i < km_map_count(was); i++) {
		const char *name = km_map_at(was, i, &value);
		const struct enumerator *a = value;
		struct enumerator *b = km_map_get(is, name);

		if (!b || a->value == b->value || a->from_end < COUNTERS)
			continue;
		judge_moved(w, patched, name, a, b);
		break; /* what follows moved with it */
	}
	km_map_destroy(was);
	km_map_destroy(is);
}
