// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is rewritten in a function after it was linked. Each table of the kernel tells the places that it rewrites; how
 * many bytes there, either a field of the entry or the instruction at the place says. Sources:
 * arch/x86/kernel/{alternative,jump_label,static_call}.c.
 */
#include "mask.h"

enum length_rule { FIXED, FIELD, BRANCH, INDIRECT };

struct rewriter {
	const char *section;
	unsigned rels; /* relocations in an entry; the first tells the place */
	enum length_rule rule;
	unsigned length; /* FIXED: bytes; FIELD: distance of the length byte from the entry's end */
	bool at_load;	 /* the module loader does it when a patch is loaded, not later */
};

static const struct rewriter rewriters[] = {
	{".altinstructions", 2, FIELD, 2, true},
	{".parainstructions", 1, FIELD, 7, true}, /* u8 *instr; u8 type; u8 len; 6 bytes of padding */
	{"__jump_table", 3, BRANCH, 0, false},
	{".static_call_sites", 2, FIXED, 5, true},
	{".smp_locks", 1, FIXED, 1, false},
	{".retpoline_sites", 1, INDIRECT, 0, true},
	{".return_sites", 1, FIXED, 5, true},
	{".call_sites", 1, FIXED, 5, true},
	{"__mcount_loc", 1, FIXED, 5, false},
	{".ibt_endbr_seal", 1, FIXED, 4, true},
};

static uint8_t byte_at(const struct km_sec *sec, uint64_t offset)
{
	return sec->data && offset < sec->size ? sec->data[offset] : 0;
}

/* A branch that jump labels own is two bytes (jmp rel8 or its NOP) or five. */
static unsigned branch_length(const struct km_sec *text, uint64_t at)
{
	uint8_t op = byte_at(text, at);

	return op == 0xeb || op == 0x66 ? 2 : 5;
}

/* call/jmp rel32 to a thunk, with the CS prefix that -mindirect-branch-cs-prefix puts before it, or a conditional jump.
 */
static unsigned indirect_length(const struct km_sec *text, uint64_t at)
{
	uint8_t op = byte_at(text, at);

	return op == 0x2e || op == 0x0f ? 6 : 5;
}

static unsigned entry_length(const struct rewriter *w, const struct km_sec *table, size_t rel, uint64_t entry,
			     const struct km_sec *text, uint64_t at)
{
	switch (w->rule) {
	case FIXED: return w->length;
	case BRANCH: return branch_length(text, at);
	case INDIRECT: return indirect_length(text, at);
	case FIELD: return byte_at(table, table->rels.at[rel].offset + entry - w->length);
	}
	return 0;
}

/* Calls each() for every place in `text` that the tables rewrite. */
static void for_each_rewrite(const km_elf *elf, const struct km_sec *text,
			     void (*each)(void *ctx, const struct rewriter *w, uint64_t at, unsigned length), void *ctx)
{
	for (size_t t = 0; t < KM_COUNT(rewriters); t++) {
		const struct rewriter *w = &rewriters[t];
		const struct km_sec *table = km_elf_sec(elf, w->section);
		uint64_t entry;

		if (!table || !table->data || table->rels.n < w->rels)
			continue;
		entry = table->size / (table->rels.n / w->rels);
		for (size_t i = 0; i + w->rels <= table->rels.n; i += w->rels) {
			const struct km_rel *rel = &table->rels.at[i];
			uint64_t at = rel->sym->value + (uint64_t)rel->addend;

			if (rel->sym->sec == text)
				each(ctx, w, at, entry_length(w, table, i, entry, text, at));
		}
	}
}

struct collect {
	uint64_t from, to;
	km_ranges *ranges;
};

static void collect(struct collect *c, uint64_t at, uint64_t length)
{
	uint64_t end = at + length;

	if (end < at || end <= c->from || at >= c->to)
		return;
	if (at < c->from)
		at = c->from;
	if (end > c->to)
		end = c->to;
	km_vec_push(c->ranges, (struct km_range){at - c->from, end - at});
}

static void collect_rewrite(void *ctx, const struct rewriter *w, uint64_t at, unsigned length)
{
	(void)w;
	collect(ctx, at, length);
}

static int by_offset(const void *a, const void *b)
{
	const struct km_range *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void join(km_ranges *r)
{
	size_t n = 0;

	if (!r->n)
		return;
	qsort(r->at, r->n, sizeof(r->at[0]), by_offset);
	for (size_t i = 1; i < r->n; i++) {
		struct km_range *last = &r->at[n], *next = &r->at[i];

		if (next->offset > last->offset + last->length)
			r->at[++n] = *next;
		else if (next->offset + next->length > last->offset + last->length)
			last->length = next->offset + next->length - last->offset;
	}
	r->n = n + 1;
}

/*
 * Branches whose opcode is rewritten together with their field. Where objtool runs on the whole of vmlinux or a module (kernels with
 * CONFIG_X86_KERNEL_IBT) the unit has no tables of them.
 */
static bool is_rewritten_branch(const char *target)
{
	return !strcmp(target, "__fentry__") || !strcmp(target, "__x86_return_thunk") ||
	       km_starts(target, "__x86_indirect_") || km_starts(target, "__SCT__");
}

/* Bytes of the instruction before its field: the opcode, and a CS prefix that keeps room. */
static unsigned opcode_length(const struct km_sec *text, uint64_t field)
{
	const uint8_t *end = text->data + field;
	unsigned n = 0;

	if (field >= 1 && (end[-1] == 0xe8 || end[-1] == 0xe9))
		n = 1;
	else if (field >= 2 && end[-2] == 0x0f && (end[-1] & 0xf0) == 0x80)
		n = 2;
	if (n && field > n && end[-(int)n - 1] == 0x2e)
		n++;
	return n;
}

/* The kernel takes the landing instruction away where nobody calls the function by a pointer; what tells is not in the unit. */
static bool lands(const struct km_sec *text, uint64_t at)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

	return text->size >= sizeof(endbr64) && at <= text->size - sizeof(endbr64) &&
	       !memcmp(text->data + at, endbr64, sizeof(endbr64));
}

void km_mask_of(const km_elf *plain, const struct km_sym *func, km_ranges *ret)
{
	struct collect c = {func->value, func->value + func->size, ret};

	if (lands(func->sec, func->value))
		collect(&c, func->value, 4);
	for (size_t i = 0; i < func->sec->rels.n; i++) {
		const struct km_rel *rel = &func->sec->rels.at[i];
		const struct km_rel_type *type = km_rel_type(plain->machine, rel->type);
		unsigned before;

		if (!type || !type->size)
			continue;
		before = is_rewritten_branch(rel->sym->name) ? opcode_length(func->sec, rel->offset) : 0;
		collect(&c, rel->offset - before, type->size + before);
	}
	for_each_rewrite(plain, func->sec, collect_rewrite, &c);
	join(ret);
}

void km_mask_hash(const uint8_t *bytes, size_t n, const km_ranges *mask, uint8_t out[static KM_SHA256_LEN])
{
	uint8_t *copy = km_calloc(n ? n : 1, 1);

	memcpy(copy, bytes, n);
	for (size_t i = 0; i < mask->n; i++)
		if (mask->at[i].offset < n)
			memset(copy + mask->at[i].offset, 0,
			       mask->at[i].length < n - mask->at[i].offset ? mask->at[i].length
									   : n - mask->at[i].offset);
	km_sha256_of(copy, n, out);
	free(copy);
}

struct covered {
	uint64_t from, to;
	const char *by;
};

static void find_cover(void *ctx, const struct rewriter *w, uint64_t at, unsigned length)
{
	struct covered *c = ctx;

	if (w->at_load && at < c->to && c->from < at + length)
		c->by = w->section;
}

/* Is the field in a replacement that an alternative copies? A replacement of no bytes points at where the next one
 * begins, which may belong to nobody here. */
static bool is_copied(const km_elf *elf, const struct km_sec *replacement, const struct covered *c)
{
	const struct km_sec *table = km_elf_sec(elf, ".altinstructions");
	uint64_t entry = table && table->rels.n >= 2 ? table->size / (table->rels.n / 2) : 0;

	for (size_t i = 0; entry && i + 1 < table->rels.n; i += 2) {
		const struct km_rel *rel = &table->rels.at[i + 1];
		uint64_t at = rel->sym->value + (uint64_t)rel->addend;
		uint8_t length = byte_at(table, table->rels.at[i].offset + entry - 1);

		if (rel->sym->sec == replacement && at < c->to && c->from < at + length)
			return true;
	}
	return false;
}

const char *km_mask_rewritten(const km_elf *elf, const struct km_sec *sec, uint64_t offset, unsigned size)
{
	struct covered c = {offset, offset + size, NULL};

	if (!strcmp(sec->name, ".altinstr_replacement"))
		return is_copied(elf, sec, &c) ? sec->name : NULL;
	if (km_sec_is_text(sec))
		for_each_rewrite(elf, sec, find_cover, &c);
	return c.by;
}
