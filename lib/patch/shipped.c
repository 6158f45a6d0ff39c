// SPDX-License-Identifier: GPL-2.0-or-later
/* The shipped object as the match sees it: bytes, relocation fields and symbols at a spot, for the linked image and for
 * modules. */
#include "match.h"

const uint8_t *km_shipped_bytes(const struct km_match *m, struct km_spot at, size_t n)
{
	if (m->obj->is_vmlinux)
		return km_vmlinux_bytes(m->obj, at.at, n);
	if (!at.in || !at.in->data || at.at > at.in->size || n > at.in->size - at.at)
		return NULL;
	return at.in->data + at.at;
}

static uint64_t read_field(const uint8_t *p, const struct km_rel_type *type)
{
	km_cursor c = km_cursor_of(p, type->size);
	uint64_t v = type->size == 8 ? km_get64(&c) : km_get32(&c);

	if (type->size == 4 && (type->is_signed || type->pcrel))
		v = (uint64_t)(int64_t)(int32_t)v;
	return v;
}

/* The image is linked: the field holds symbol + addend, less its own address for PC-relative types. */
static bool image_symbol(const struct km_match *m, struct km_spot field, const struct km_rel *rel,
			 const struct km_rel_type *type, struct km_spot *ret)
{
	const uint8_t *p = km_shipped_bytes(m, field, type->size);

	if (!p)
		return false;
	*ret = (struct km_spot){.at = read_field(p, type) - (uint64_t)rel->addend + (type->pcrel ? field.at : 0)};
	return true;
}

static const struct km_rel *rel_at(const struct km_sec *sec, uint64_t offset)
{
	size_t low = 0, high = sec->rels.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (sec->rels.at[mid].offset < offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < sec->rels.n && sec->rels.at[low].offset == offset ? &sec->rels.at[low] : NULL;
}

/* `ld -r` keeps relocations, but may turn a local symbol into its section and move the difference into the addend. */
static bool module_symbol(struct km_spot field, const struct km_rel *rel, struct km_spot *ret)
{
	const struct km_rel *shipped = field.in ? rel_at(field.in, field.at) : NULL;

	if (!shipped || shipped->type != rel->type)
		return false;
	*ret = (struct km_spot){.at = (uint64_t)shipped->addend - (uint64_t)rel->addend};
	if (shipped->sym->sec) {
		ret->in = shipped->sym->sec;
		ret->at += shipped->sym->value;
	} else {
		ret->undef = shipped->sym->name;
	}
	return true;
}

bool km_shipped_symbol(const struct km_match *m, struct km_spot field, const struct km_rel *rel, struct km_spot *ret)
{
	const struct km_rel_type *type = km_rel_type(m->plain->machine, rel->type);

	if (!m->obj->is_vmlinux)
		return module_symbol(field, rel, ret);
	return type && (type->size == 4 || type->size == 8) && image_symbol(m, field, rel, type, ret);
}

struct km_spot km_shipped_spot(const struct km_match *m, const struct km_ksym *ks)
{
	return (struct km_spot){.in = m->obj->is_vmlinux ? NULL : ks->sec, .at = ks->addr};
}

static bool is_global(const struct km_ksym *ks)
{
	return ks->type >= 'A' && ks->type <= 'Z';
}

/* Is `a` a better name for a place than `b`? */
static bool is_better(const struct km_ksym *a, const struct km_ksym *b, const char *name)
{
	bool named_a = name && !strcmp(a->name, name), named_b = b && name && !strcmp(b->name, name);

	if (!b || named_a != named_b)
		return !b || named_a;
	return is_global(a) && !is_global(b);
}

static const struct km_ksym *module_at(const struct km_match *m, struct km_spot at, const char *name, bool covering)
{
	const struct km_ksym *best = NULL;

	for (size_t i = 0; i < m->obj->syms.n; i++) {
		const struct km_ksym *ks = &m->obj->syms.at[i];

		if (ks->sec != at.in || !*ks->name || ks->addr > at.at)
			continue;
		if (covering ? at.at - ks->addr < ks->size : ks->addr == at.at)
			if (is_better(ks, best, name))
				best = ks;
	}
	return best;
}

const struct km_ksym *km_shipped_at(const struct km_match *m, struct km_spot at, const char *name)
{
	const struct km_ksym *const *all, *best = NULL;
	size_t n;

	if (at.undef)
		return NULL;
	if (!m->obj->is_vmlinux)
		return at.in ? module_at(m, at, name, false) : NULL;
	all = km_ksyms_at(m->obj, at.at, &n);
	for (size_t i = 0; i < n; i++)
		if (is_better(all[i], best, name))
			best = all[i];
	return best;
}

const struct km_ksym *km_shipped_covering(const struct km_match *m, struct km_spot at, const char *name)
{
	const struct km_ksym *ks = km_shipped_at(m, at, name);

	if (ks || at.undef)
		return ks;
	if (m->obj->is_vmlinux)
		return km_ksym_covering(m->obj, at.at);
	return at.in ? module_at(m, at, name, true) : NULL;
}

const char *km_shipped_text(struct km_match *m, struct km_spot at)
{
	const struct km_ksym *ks;

	if (at.undef)
		return at.at ? km_arena_printf(m->arena, "%s+0x%llx", at.undef, (unsigned long long)at.at) : at.undef;
	ks = km_shipped_covering(m, at, NULL);
	if (ks && ks->addr == at.at)
		return ks->name;
	if (ks)
		return km_arena_printf(m->arena, "%s+0x%llx", ks->name, (unsigned long long)(at.at - ks->addr));
	return km_arena_printf(m->arena, "%s%s0x%llx", at.in ? at.in->name : "", at.in ? "+" : "",
			       (unsigned long long)at.at);
}
