// SPDX-License-Identifier: GPL-2.0-or-later
/* Comparison of a range of the plain object with the shipped bytes, relocation by relocation. */
#include "match.h"

enum { CALL_LENGTH = 5, MERGED_STRING_MAX = 1 << 20 };

/* A NOP of five bytes: what objtool or the linker leaves of `call __fentry__` on kernels that do not call it at boot.
 */
static const uint8_t nop5[CALL_LENGTH] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

static const char *rel_text(struct km_match *m, const struct km_rel *rel)
{
	const struct km_sym *sym = rel->sym;
	const struct km_sym *at;

	if (sym->type != STT_SECTION)
		return sym->name;
	at = km_elf_sym_at(m->plain, sym->sec, sym->value + (uint64_t)rel->addend);
	return at ? at->name : sym->sec->name;
}

/* Bytes of the string or constant at `offset` of a merged section, its terminator included; 0 when it does not end in
 * the section. */
static size_t merged_length(const struct km_sec *sec, uint64_t offset)
{
	size_t unit = sec->entsize ? sec->entsize : 1;
	static const uint8_t zero[8];

	if (offset > sec->size || !sec->data)
		return 0;
	if (!(sec->flags & SHF_STRINGS))
		return sec->size - offset < unit ? 0 : unit;
	if (unit > sizeof(zero))
		return 0;
	for (size_t n = unit; n <= MERGED_STRING_MAX && n <= sec->size - offset; n += unit)
		if (!memcmp(sec->data + offset + n - unit, zero, unit))
			return n;
	return 0;
}

/* A section symbol in a merged section stands for what its addend points at, any other symbol for its own place. */
static bool merged_equal(const struct km_match *m, const struct km_rel *rel, struct km_spot symbol)
{
	const struct km_sec *sec = rel->sym->sec;
	bool by_section = rel->sym->type == STT_SECTION;
	uint64_t offset = by_section ? (uint64_t)rel->addend : rel->sym->value;
	struct km_spot there = by_section ? km_spot_add(symbol, (uint64_t)rel->addend) : symbol;
	size_t n = merged_length(sec, offset);
	const uint8_t *shipped = n ? km_shipped_bytes(m, there, n) : NULL;

	return shipped && !memcmp(shipped, sec->data + offset, n);
}

/* Does the shipped object have a symbol of that name at this spot, or none of that name at all? */
static bool name_fits(const struct km_match *m, const struct km_sym *sym, struct km_spot symbol)
{
	size_t n;
	const struct km_ksym *const *all = km_ksyms_named(m->obj, sym->name, &n);
	const struct km_spot *bound;

	if (symbol.undef)
		return !symbol.at && !strcmp(symbol.undef, sym->name);
	for (size_t i = 0; i < n; i++)
		if (km_spot_same(km_shipped_spot(m, all[i]), symbol))
			return true;
	if (sym->bind == STB_WEAK && !symbol.in && !symbol.at)
		return true;
	bound = km_map_get(m->bound, sym->name);
	/* The linker's own symbols may be missing from kallsyms: one place for all references is all that can be asked.
	 */
	return !n && (!bound || km_spot_same(*bound, symbol));
}

static bool target_fits(const struct km_match *m, const struct km_rel *rel, struct km_spot symbol, bool lenient)
{
	const struct km_sym *sym = rel->sym;
	const struct km_region *region;

	if (!sym->sec)
		return sym->shndx == SHN_ABS || name_fits(m, sym, symbol);
	if (km_sec_is_merged(sym->sec))
		return merged_equal(m, rel, symbol);
	region = &m->regions[sym->sec->index];
	if (!region->placed)
		return lenient;
	if (km_spot_same(km_spot_add(region->base, sym->value), symbol))
		return true;
	/* A weak definition loses to a strong one of another unit. */
	return sym->bind == STB_WEAK && name_fits(m, sym, symbol);
}

static bool is_fentry_nop(const struct km_match *m, const struct km_rel *rel, struct km_spot field)
{
	const uint8_t *p;

	if (strcmp(rel->sym->name, "__fentry__") || field.at < 1)
		return false;
	p = km_shipped_bytes(m, km_spot_add(field, (uint64_t)-1), CALL_LENGTH);
	return p && !memcmp(p, nop5, CALL_LENGTH);
}

static bool field_fits(struct km_match *m, const struct km_rel *rel, struct km_spot field, bool lenient,
		       const char **what)
{
	struct km_spot symbol;

	if (is_fentry_nop(m, rel, field))
		return true;
	if (!km_shipped_symbol(m, field, rel, &symbol)) {
		*what = km_arena_printf(m->arena, "the source refers to %s here, the shipped code to nothing",
					rel_text(m, rel));
		return false;
	}
	if (target_fits(m, rel, symbol, lenient))
		return true;
	if (rel->sym->type == STT_SECTION)
		symbol = km_spot_add(
			symbol, (uint64_t)rel->addend +
					(uint64_t)(rel->type == R_X86_64_PC32 || rel->type == R_X86_64_PLT32 ? 4 : 0));
	*what = km_arena_printf(m->arena, "the source refers to %s, the shipped code to %s", rel_text(m, rel),
				km_shipped_text(m, symbol));
	return false;
}

static bool bytes_fit(struct km_match *m, const struct km_sec *sec, struct km_spot base, uint64_t from, uint64_t to,
		      uint64_t start, struct km_difference *ret)
{
	const uint8_t *shipped;

	if (from >= to)
		return true;
	shipped = km_shipped_bytes(m, km_spot_add(base, from), to - from);
	if (shipped && !memcmp(shipped, sec->data + from, to - from))
		return true;
	for (; shipped && sec->data[from] == *shipped; shipped++)
		from++;
	*ret = (struct km_difference){from - start,
				      shipped ? "the instructions differ" : "nothing is shipped at this place"};
	return false;
}

static size_t first_rel(const struct km_sec *sec, uint64_t from)
{
	size_t low = 0, high = sec->rels.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (sec->rels.at[mid].offset < from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static unsigned field_size(const struct km_match *m, const struct km_rel *rel)
{
	const struct km_rel_type *type = km_rel_type(m->plain->machine, rel->type);

	return type ? type->size : 0;
}

/* Relocations in [from, to) that change bytes. */
static size_t count_rels(const struct km_match *m, const struct km_sec *sec, uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (size_t i = first_rel(sec, from); i < sec->rels.n && sec->rels.at[i].offset < to; i++)
		n += field_size(m, &sec->rels.at[i]) > 0;
	return n;
}

bool km_compare(struct km_match *m, const struct km_sec *sec, struct km_spot base, uint64_t from, uint64_t to,
		bool lenient, struct km_difference *ret)
{
	uint64_t done = from;
	size_t compared = 0;

	if (!sec->data || to > sec->size || from > to) {
		*ret = (struct km_difference){0, "it has no bytes"};
		return false;
	}
	for (size_t i = first_rel(sec, from); i < sec->rels.n && sec->rels.at[i].offset < to; i++) {
		const struct km_rel *rel = &sec->rels.at[i];
		unsigned size = field_size(m, rel);
		const char *what;

		if (!size) /* R_X86_64_NONE: objtool was here, the bytes count */
			continue;
		if (rel->offset < done || size > to - rel->offset) {
			*ret = (struct km_difference){rel->offset - from, "relocations overlap"};
			return false;
		}
		if (!bytes_fit(m, sec, base, done, rel->offset, from, ret)) {
			/* The NOP over a fentry call also replaces the opcode in front of the field. */
			if (!is_fentry_nop(m, rel, km_spot_add(base, rel->offset)) || ret->at != rel->offset - 1 - from)
				return false;
		}
		if (!field_fits(m, rel, km_spot_add(base, rel->offset), lenient, &what)) {
			*ret = (struct km_difference){rel->offset - from, what};
			return false;
		}
		done = rel->offset + size;
		compared += !is_fentry_nop(m, rel, km_spot_add(base, rel->offset)); /* nothing is left of its relocation */
	}
	if (!bytes_fit(m, sec, base, done, to, from, ret))
		return false;
	if (base.in && count_rels(m, base.in, base.at + from, base.at + to) != compared) {
		*ret = (struct km_difference){0, "the shipped code refers to more symbols"};
		return false;
	}
	return true;
}

static void bind(struct km_match *m, const char *name, struct km_spot symbol)
{
	struct km_spot *copy;

	if (km_map_has(m->bound, name))
		return;
	copy = km_arena_copy(m->arena, &symbol, sizeof(symbol));
	km_map_put(m->bound, name, copy);
}

void km_learn(struct km_match *m, const struct km_sec *sec, struct km_spot base, uint64_t from, uint64_t to)
{
	for (size_t i = first_rel(sec, from); i < sec->rels.n && sec->rels.at[i].offset < to; i++) {
		const struct km_rel *rel = &sec->rels.at[i];
		const struct km_sym *sym = rel->sym;
		struct km_spot field = km_spot_add(base, rel->offset), symbol;

		if (!field_size(m, rel) || is_fentry_nop(m, rel, field) || !km_shipped_symbol(m, field, rel, &symbol))
			continue;
		if (!sym->sec)
			bind(m, sym->name, symbol);
		else if (!km_sec_is_merged(sym->sec) && sym->bind != STB_WEAK && !symbol.undef)
			km_vote_reference(m, sym->sec, km_spot_add(symbol, -sym->value));
	}
}
