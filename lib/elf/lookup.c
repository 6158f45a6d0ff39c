/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to the model: by name, by place, by relocation. */
#include "model.h"

struct km_sec *km_elf_sec(const km_elf *elf, const char *name)
{
	return km_map_get(elf->sec_names, name);
}

struct km_sym *km_elf_sym(const km_elf *elf, const char *name)
{
	return km_map_get(elf->sym_names, name);
}

static uint64_t end_of(const struct km_sym *sym)
{
	uint64_t end;

	/* A zero-sized symbol covers its very start. */
	return __builtin_add_overflow(sym->value, sym->size ? sym->size : 1, &end) ? UINT64_MAX : end;
}

static bool placed(const struct km_sym *sym)
{
	return sym->sec && *sym->name && sym->type != STT_SECTION && sym->type != STT_FILE;
}

static void set_reach(struct km_sec *sec, size_t from)
{
	for (size_t i = from; i < sec->spans.n; i++) {
		uint64_t end = end_of(sec->spans.at[i].sym), before = i ? sec->spans.at[i - 1].reach : 0;

		sec->spans.at[i].reach = end > before ? end : before;
	}
}

void km_model_enter(struct km_sym *sym)
{
	if (placed(sym))
		km_vec_push(&sym->sec->spans, (struct km_sym_span){sym, 0});
}

void km_model_span(struct km_sym *sym)
{
	struct km_sec *sec = sym->sec;
	size_t at;

	if (!placed(sym))
		return;
	km_model_enter(sym);
	for (at = sec->spans.n - 1; at > 0 && sec->spans.at[at - 1].sym->value > sym->value; at--)
		sec->spans.at[at] = sec->spans.at[at - 1];
	sec->spans.at[at].sym = sym;
	set_reach(sec, at);
}

static int by_place(const void *a, const void *b)
{
	const struct km_sym *x = ((const struct km_sym_span *)a)->sym, *y = ((const struct km_sym_span *)b)->sym;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

void km_model_sort_spans(struct km_sec *sec)
{
	if (sec->spans.n > 1)
		qsort(sec->spans.at, sec->spans.n, sizeof(*sec->spans.at), by_place);
	set_reach(sec, 0);
}

/* The first of spans whose symbol starts past offset. */
static size_t upper_bound(const struct km_sec *sec, uint64_t offset)
{
	size_t low = 0, high = sec->spans.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sec->spans.at[middle].sym->value <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_typed(const struct km_sym *sym)
{
	return sym->type == STT_FUNC || sym->type == STT_OBJECT;
}

/* Of two symbols at one place, is a the better name for it? Equal ones: the first of the symbol table. */
static bool better(const struct km_sym *a, const struct km_sym *b)
{
	if (is_typed(a) != is_typed(b))
		return is_typed(a);
	if ((a->bind == STB_LOCAL) != (b->bind == STB_LOCAL))
		return a->bind != STB_LOCAL;
	if (a->size != b->size)
		return a->size > b->size;
	return a->index < b->index;
}

struct km_sym *km_elf_sym_at(const km_elf *elf, const struct km_sec *sec, uint64_t offset)
{
	struct km_sym *best = NULL;

	(void)elf;
	for (size_t i = upper_bound(sec, offset); i > 0 && sec->spans.at[i - 1].reach > offset; i--) {
		struct km_sym *sym = sec->spans.at[i - 1].sym;

		if (end_of(sym) > offset && (!best || better(sym, best)))
			best = sym;
	}
	return best;
}

/* Bytes of the immediate behind a ModRM operand, by the opcode before it; two_byte: after 0x0f. */
static unsigned immediate(uint8_t opcode, uint8_t modrm, bool two_byte, bool word)
{
	unsigned reg = modrm >> 3 & 7;

	if (two_byte)
		switch (opcode) {
		case 0x70 ... 0x73: /* shifts and shuffles */
		case 0xa4:          /* shld */
		case 0xac:          /* shrd */
		case 0xba:          /* bt, bts, btr, btc */
		case 0xc2:          /* cmpps */
		case 0xc4 ... 0xc6: /* pinsrw, pextrw, shufps */
			return 1;
		default:
			return 0;
		}
	switch (opcode) {
	case 0x6b: /* imul */
	case 0x80: /* add ... cmp, bytes */
	case 0x83: /* add ... cmp, a byte extended */
	case 0xc0: /* shifts */
	case 0xc1:
	case 0xc6: /* mov, a byte */
		return 1;
	case 0x69: /* imul */
	case 0x81: /* add ... cmp */
	case 0xc7: /* mov */
		return word ? 2 : 4;
	case 0xf6: /* test; the others of the group have no immediate */
		return reg < 2 ? 1 : 0;
	case 0xf7:
		return reg >= 2 ? 0 : word ? 2 : 4;
	default:
		return 0;
	}
}

static uint8_t byte_before(const struct km_sec *sec, uint64_t offset, unsigned distance)
{
	return offset >= distance && offset - distance < sec->size ? sec->data[offset - distance] : 0;
}

/* Can 0x0f, opcode, modrm be one instruction with a memory operand? If not, the 0x0f ends the instruction before. */
static bool is_two_byte(uint8_t opcode, uint8_t modrm)
{
	if (opcode >= 0x80 && opcode <= 0x8f)
		return false; /* jcc has no ModRM */
	return opcode != 0xc7 || (modrm >> 3 & 7) != 0;
}

/*
 * Bytes between a RIP-relative field and the end of its instruction. Read backwards: a ModRM byte with mod 0 and rm 5 stands
 * before the field, the opcode before that, and 0x0f or prefixes before the opcode. A branch has no such ModRM byte.
 */
static unsigned behind_field(const struct km_sec *sec, uint64_t offset)
{
	uint8_t modrm = byte_before(sec, offset, 1), opcode = byte_before(sec, offset, 2);
	uint8_t third = byte_before(sec, offset, 3), fourth = byte_before(sec, offset, 4);
	bool rex = (third & 0xf0) == 0x40;

	if ((modrm & 0xc7) != 0x05)
		return 0;
	if (third == 0x3a && fourth == 0x0f)
		return 1; /* every instruction of the map 0f 3a has one */
	if (third == 0x0f && is_two_byte(opcode, modrm))
		return immediate(opcode, modrm, true, false);
	return immediate(opcode, modrm, false, third == 0x66 || (rex && !(third & 8) && fourth == 0x66));
}

void km_rel_target(const km_elf *elf, const struct km_sec *sec, const struct km_rel *rel, struct km_sym **sym,
		   int64_t *offset)
{
	const struct km_rel_type *type = km_rel_type(elf->machine, rel->type);
	uint64_t place = (uint64_t)rel->addend;
	struct km_sym *at;

	if (elf->machine == EM_X86_64 && type && type->pcrel && km_sec_is_text(sec))
		place += type->size + (type->size == 4 ? behind_field(sec, rel->offset) : 0);
	*sym = rel->sym;
	*offset = (int64_t)place;
	if (rel->sym->type != STT_SECTION || !rel->sym->sec)
		return;
	place += rel->sym->value;
	at = km_elf_sym_at(elf, rel->sym->sec, place);
	if (!at)
		return;
	*sym = at;
	*offset = (int64_t)(place - at->value);
}
