/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.c - structures and unions whose layout changed.
 *
 * Objects of the old layout live in the running kernel, so new code must not see them with another one. Each named type
 * is hashed (size, members, their places and types by size); only where hashes differ are members looked at one by one.
 * A member in what was padding keeps all else in place; but existing objects hold rubbish there: a risk. A type of this
 * file that is only ever a local variable has no objects that outlive a call: a risk too, not a refusal.
 */
#include "debuginfo.h"

#include <dwarf.h>

enum { MAX_NESTING = 32 };

struct member {
	const char *name;	 /* "" for anonymous */
	uint64_t bit, bits_wide; /* bits_wide: of a bit field, else 0 */
	uint64_t type;		 /* hash */
	unsigned line;
};
typedef km_vec(struct member) member_list;

struct type {
	Dwarf_Die die;
	uint64_t hash;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v;
	h *= 0x9e3779b97f4a7c15;
	return h ^ h >> 29;
}

static uint64_t mix_text(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return mix(h, 0x5f);
}

static uint64_t number(Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_attr(die, name, &attr) && !dwarf_formudata(&attr, &value) ? value : otherwise;
}

/* ---- types as numbers ------------------------------------------------------------------------ */

static uint64_t hash_members(Dwarf_Die *die, unsigned depth);

static uint64_t hash_array(uint64_t h, Dwarf_Die *die)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return h;
	do {
		if (dwarf_tag(&child) == DW_TAG_subrange_type)
			h = mix(h, number(&child, DW_AT_count, number(&child, DW_AT_upper_bound, UINT64_MAX - 1) + 1));
	} while (!dwarf_siblingof(&child, &child));
	return h;
}

/* By size and kind: a pointer is a pointer, a named structure its name and size (it is compared for itself). */
static uint64_t hash_type_of(Dwarf_Die *die, unsigned depth)
{
	Dwarf_Attribute attr;
	Dwarf_Die type, peeled;

	if (depth > MAX_NESTING || !dwarf_attr(die, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &type) ||
	    dwarf_peel_type(&type, &peeled))
		return 1;
	int tag = dwarf_tag(&peeled);
	uint64_t h = mix(tag, number(&peeled, DW_AT_byte_size, 0));

	switch (tag) {
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
		return dwarf_diename(&peeled) ? mix_text(h, dwarf_diename(&peeled))
					      : mix(h, hash_members(&peeled, depth + 1));
	case DW_TAG_array_type: return mix(hash_array(h, &peeled), hash_type_of(&peeled, depth + 1));
	case DW_TAG_base_type: return mix(h, number(&peeled, DW_AT_encoding, 0));
	default: return h;
	}
}

static struct member member_of(Dwarf_Die *die, unsigned depth)
{
	const char *name = dwarf_diename(die);
	int line = 0;
	struct member m = {.name = name ? name : "", .bits_wide = number(die, DW_AT_bit_size, 0)};

	m.bit = number(die, DW_AT_data_bit_offset, 8 * number(die, DW_AT_data_member_location, 0));
	m.type = hash_type_of(die, depth);
	m.line = dwarf_decl_line(die, &line) ? 0 : line;
	return m;
}

static uint64_t hash_members(Dwarf_Die *die, unsigned depth)
{
	uint64_t h = 0x6b6d;
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return h;
	do {
		if (dwarf_tag(&child) != DW_TAG_member)
			continue;
		struct member m = member_of(&child, depth);

		h = mix(mix(mix(mix_text(h, m.name), m.bit), m.bits_wide), m.type);
	} while (!dwarf_siblingof(&child, &child));
	return h;
}

static void list_members(Dwarf_Die *die, member_list *list)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return;
	do {
		if (dwarf_tag(&child) == DW_TAG_member)
			km_vec_push(list, member_of(&child, 0));
	} while (!dwarf_siblingof(&child, &child));
}

static bool is_aggregate(Dwarf_Die *die)
{
	int tag = dwarf_tag(die);
	Dwarf_Attribute attr;

	return (tag == DW_TAG_structure_type || tag == DW_TAG_union_type) && !dwarf_hasattr(die, DW_AT_declaration) &&
	       dwarf_attr(die, DW_AT_byte_size, &attr) && dwarf_diename(die);
}

static km_map *types_of(struct km_dwarf *dw)
{
	km_map *types = km_map_create();
	Dwarf_CU *cu = NULL;
	Dwarf_Die unit, die;

	while (!dwarf_get_units(dw->dwarf, cu, &cu, NULL, NULL, &unit, NULL)) {
		if (dwarf_child(&unit, &die))
			continue;
		do {
			if (!is_aggregate(&die) || km_map_has(types, dwarf_diename(&die)))
				continue;
			struct type *t = km_arena_new(dw->arena, struct type);

			t->die = die;
			t->hash = mix(mix(dwarf_tag(&die), number(&die, DW_AT_byte_size, 0)), hash_members(&die, 0));
			km_map_put(types, dwarf_diename(&die), t);
		} while (!dwarf_siblingof(&die, &die));
	}
	return types;
}

/* ---- what changed in one type ---------------------------------------------------------------- */

static const struct member *find_member(const member_list *list, const struct member *like, size_t index)
{
	if (!*like->name) /* anonymous: by its place in the list */
		return index < list->n && !*list->at[index].name ? &list->at[index] : NULL;
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->at[i].name, like->name))
			return &list->at[i];
	return NULL;
}

struct finding {
	char *text;
	unsigned line; /* of the member, 0 when it is gone */
	bool only_added;
};

static struct finding compare_members(km_arena *arena, const member_list *was, const member_list *is)
{
	struct finding f = {.only_added = true};

	for (size_t i = 0; i < was->n; i++) {
		const struct member *a = &was->at[i], *b = find_member(is, a, i);
		const char *name = *a->name ? a->name : "an unnamed member";

		if (b && a->bit == b->bit && a->bits_wide == b->bits_wide && a->type == b->type)
			continue;
		f.only_added = false;
		if (f.text)
			continue;
		f.line = b ? b->line : 0;
		f.text = !b ? km_arena_printf(arena, "member %s is gone", name)
			 : a->bit != b->bit
				 ? km_arena_printf(arena, "member %s moved from offset %llu to %llu", name,
						   (unsigned long long)a->bit / 8, (unsigned long long)b->bit / 8)
				 : km_arena_printf(arena, "member %s has another type", name);
	}
	/* An added member is the cause where others moved. */
	for (size_t i = 0; i < is->n; i++) {
		const struct member *b = &is->at[i];

		if (find_member(was, b, i))
			continue;
		f.line = b->line;
		f.text = km_arena_printf(arena, "member %s was added at offset %llu",
					 *b->name ? b->name : "without a name", (unsigned long long)b->bit / 8);
		break;
	}
	return f;
}

/* ---- does anything outlive a call ------------------------------------------------------------ */

struct uses {
	Dwarf_Off type;
	bool local, elsewhere;
};

static bool leads_to(Dwarf_Die *die, Dwarf_Off type, bool through_pointers)
{
	Dwarf_Attribute attr;
	Dwarf_Die at = *die;

	for (unsigned i = 0; i < MAX_NESTING; i++) {
		if (!dwarf_attr_integrate(&at, DW_AT_type, &attr) || !dwarf_formref_die(&attr, &at))
			return false;
		if (dwarf_dieoffset(&at) == type)
			return true;
		if (dwarf_tag(&at) == DW_TAG_pointer_type && !through_pointers)
			return false;
	}
	return false;
}

static void find_uses(Dwarf_Die *parent, struct uses *u, bool in_function, unsigned depth)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	Dwarf_Die die;
	size_t n;

	if (depth > 128 || dwarf_child(parent, &die))
		return;
	do {
		int tag = dwarf_tag(&die);

		if (tag == DW_TAG_member && leads_to(&die, u->type, true))
			u->elsewhere = true;
		if (tag == DW_TAG_variable && leads_to(&die, u->type, false)) {
			bool stays = dwarf_attr_integrate(&die, DW_AT_location, &attr) &&
				     dwarf_whatform(&attr) == DW_FORM_exprloc && !dwarf_getlocation(&attr, &ops, &n) &&
				     n && ops[0].atom == DW_OP_addr;

			*(in_function && !stays ? &u->local : &u->elsewhere) = true;
		}
		find_uses(&die, u, in_function || tag == DW_TAG_subprogram, depth + 1);
	} while (!dwarf_siblingof(&die, &die));
}

static bool is_only_local(struct km_work *w, struct km_dwarf *dw, Dwarf_Die *die, const char *file)
{
	struct uses u = {.type = dwarf_dieoffset(die)};
	Dwarf_Die unit;

	if (!file || !w->opt->unit || strcmp(file, w->opt->unit) || !dwarf_diecu(die, &unit, NULL, NULL))
		return false;
	find_uses(&unit, &u, false, 0);
	(void)dw;
	return u.local && !u.elsewhere;
}

/* ---- judgement ------------------------------------------------------------------------------- */

static void judge_type(struct km_work *w, struct km_dwarf *dw, struct type *was, struct type *is)
{
	km_arena *arena = w->d->arena;
	member_list a = {0}, b = {0};
	uint64_t was_size = number(&was->die, DW_AT_byte_size, 0), is_size = number(&is->die, DW_AT_byte_size, 0);
	struct km_decl decl = km_dwarf_decl(dw, &is->die);
	const char *name = dwarf_diename(&is->die);
	bool local = is_only_local(w, dw, &is->die, decl.file), padding;

	list_members(&was->die, &a);
	list_members(&is->die, &b);
	struct finding f = compare_members(arena, &a, &b);

	padding = f.only_added && was_size == is_size && dwarf_tag(&was->die) == dwarf_tag(&is->die);
	char *size = was_size == is_size ? ""
					 : km_arena_printf(arena, ", its size changed from %llu to %llu bytes",
							   (unsigned long long)was_size, (unsigned long long)is_size);
	const char *why = padding ? "it lies in former padding, and existing objects hold no value there"
			  : local ? "only local variables are of this type, so no object outlives a call"
				  : "objects of the old layout live in the running kernel";

	km_judge(w,
		 (struct km_judgement){
			 .severity = w->opt->allow_layout || padding || local ? KM_RISK : KM_REFUSE,
			 .code = "type-layout",
			 .file = decl.file ? km_arena_strdup(arena, decl.file) : NULL,
			 .line = f.line ? f.line : decl.line,
			 .subject = km_arena_printf(
				 arena, "%s %s", dwarf_tag(&is->die) == DW_TAG_union_type ? "union" : "struct", name),
			 .reason = km_arena_printf(arena, "%s%s: %s", f.text ? f.text : "its kind changed", size, why),
			 .next = "add the member through a shadow variable",
		 });
	km_vec_free(&a);
	km_vec_free(&b);
}

static bool same_bytes(const struct km_work *w, const char *name)
{
	const struct km_sec *a = km_elf_sec(w->orig.elf, name), *b = km_elf_sec(w->patched.elf, name);

	return a && b && a->size == b->size && a->data && b->data && !memcmp(a->data, b->data, a->size);
}

void km_judge_layouts(struct km_work *w)
{
	struct km_dwarf *a, *b;
	void *value;

	if (!w->opt->orig_path || !w->opt->patched_path ||
	    (same_bytes(w, ".debug_info") && same_bytes(w, ".debug_abbrev") && same_bytes(w, ".debug_str")))
		return;
	a = km_dwarf_get(&w->orig);
	b = km_dwarf_get(&w->patched);
	if (!a || !b)
		return;
	km_judge_enumerators(w, a, b);
	km_map *was = types_of(a), *is = types_of(b);

	for (size_t i = 0; i < km_map_count(is); i++) {
		const char *name = km_map_at(is, i, &value);
		struct type *old = km_map_get(was, name), *new = value;

		if (old && old->hash != new->hash)
			judge_type(w, b, old, new);
	}
	km_map_destroy(was);
	km_map_destroy(is);
}
