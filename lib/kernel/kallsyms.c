/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The symbol tables that a kernel carries for itself, found by their content (a shipped kernel has no symbols that would
 * name them). Each begins at a multiple of 8. Sources: scripts/kallsyms.c, kernel/kallsyms.c of Linux 6.1 and 6.12.
 *
 *   before 6.4:  offsets  relative_base  num_syms  names  markers  [seqs_of_names]  token_table  token_index
 *   since 6.4:   num_syms  names  markers  token_table  token_index  offsets  relative_base  seqs_of_names
 *
 *   offsets        u32[num_syms], by ascending address. With absolute per-CPU symbols: below 0 it stands for
 *                  relative_base - 1 - offset, else it is the address itself. Without (no value is below 0 then, in a
 *                  kernel of less than 2 GiB): relative_base + offset.
 *   names          per symbol: length (1 byte, or 2 of 7 bits each, the low ones first), then that many token numbers. The
 *                  first character they spell is the type, the rest the name.
 *   markers        u32: where in names each 256th symbol begins
 *   seqs_of_names  u24[num_syms], big-endian: positions of the symbols, in order of (name, address); in 6.2, and in 6.1.y
 *                  by a backport
 *   token_table    256 strings, each with its NUL
 *   token_index    u16[256]: where in token_table each begins
 *
 * Order of the symbols, and livepatch's positions. 6.1 counts equal names in kallsyms_on_each_symbol(): the order of
 * these tables. 6.12 counts in kallsyms_on_each_match_symbol(): the order of seqs_of_names, sorted by name, then address, then
 * position in these tables. As the tables ascend by address, both are the order in which we give the symbols;
 * km_vmlinux_open() checks seqs_of_names against it. What the kernel's build left out of the tables is not counted.
 */
#include "image.h"

enum {
	TOKENS = 256,
	TOKEN_INDEX_SIZE = 2 * TOKENS,
	MARK = 256,           /* symbols from one marker to the next */
	NAME_MAX_LEN = 512,   /* KSYM_NAME_LEN since 6.1: type, name and NUL fit */
	MIN_SYMS = MARK + 1,  /* fewer are no kernel, and too little to know the tables by */
	MAX_SYMS = 1 << 21,
	MAX_WALKS = 32,       /* places that look like num_syms before we give up */
	MAX_STRINGS = 256 << 20,
};

struct token {
	const char *text;
	uint16_t len;
};

/* Positions are offsets in the segment. */
struct tables {
	const uint8_t *at;
	size_t size, base; /* base: the first position that is aligned in memory */
	struct token tokens[TOKENS];
	size_t token_table, token_index;
	size_t num_syms, names, names_size, markers;
	size_t offsets, relative_base, seqs; /* seqs 0: none */
	uint32_t n;
};

static uint32_t get16(const struct tables *t, size_t at)
{
	return t->at[at] | (uint32_t)t->at[at + 1] << 8;
}

static uint32_t get32(const struct tables *t, size_t at)
{
	return get16(t, at) | get16(t, at + 2) << 16;
}

static uint64_t get64(const struct tables *t, size_t at)
{
	return get32(t, at) | (uint64_t)get32(t, at + 4) << 32;
}

static size_t align_up(const struct tables *t, size_t at)
{
	return ((at - t->base + 7) & ~(size_t)7) + t->base;
}

/* ---- token_table, token_index ---- */

static bool index_rises(const struct tables *t, size_t at)
{
	for (size_t i = 1; i < TOKENS; i++)
		if (get16(t, at + 2 * i) <= get16(t, at + 2 * i - 2))
			return false;
	return true;
}

/* The string at `at` if it is printable, ends before `end`, and is as short as a symbol. */
static bool read_token(const struct tables *t, size_t at, size_t end, struct token *ret)
{
	size_t i = at;

	while (i < end && t->at[i] > ' ' && t->at[i] < 0x7f)
		i++;
	if (i >= end || t->at[i] || i - at >= NAME_MAX_LEN)
		return false;
	*ret = (struct token){(const char *)t->at + at, (uint16_t)(i - at)};
	return true;
}

/* Whether 256 strings begin at `table` just as the index says, with nothing but padding behind. */
static bool read_tokens(struct tables *t, size_t table, size_t index)
{
	size_t end = table;

	for (size_t i = 0; i < TOKENS; i++) {
		if (table + get16(t, index + 2 * i) != end || !read_token(t, end, index, &t->tokens[i]))
			return false;
		end += t->tokens[i].len + 1u;
	}
	if (index - end >= 8)
		return false;
	while (end < index)
		if (t->at[end++])
			return false;
	return true;
}

static km_error *find_tokens(struct tables *t)
{
	for (size_t at = t->base; at + TOKEN_INDEX_SIZE <= t->size; at += 8) {
		size_t last;

		if (get16(t, at) || !get16(t, at + 2) || !index_rises(t, at))
			continue;
		last = get16(t, at + TOKEN_INDEX_SIZE - 2);
		/* Where the table begins depends on the length of the last token. */
		for (size_t total = (last + 8) & ~(size_t)7; total <= last + NAME_MAX_LEN + 8; total += 8) {
			if (total > at - t->base || !read_tokens(t, at - total, at))
				continue;
			t->token_table = at - total;
			t->token_index = at;
			return NULL;
		}
	}
	return km_error_new(KM_INPUT, "no token_table with a token_index behind it");
}

/* ---- num_syms, names, markers ---- */

/* The length at *at, which moves behind it. 0 when it does not end before token_table. */
static size_t name_length(const struct tables *t, size_t *at)
{
	size_t len = t->at[(*at)++];

	if (len & 0x80)
		len = (len & 0x7f) | (size_t)t->at[(*at)++] << 7;
	return *at + len <= t->token_table ? len : 0;
}

/* The size of n names from `at` on, and where the 257th begins. 0 when they do not fit. */
static size_t walk_names(const struct tables *t, size_t at, uint32_t n, size_t *second_mark)
{
	size_t from = at;

	for (uint32_t i = 0; i < n; i++) {
		size_t len;

		if (i == MARK)
			*second_mark = at - from;
		if (at + 1 >= t->token_table)
			return 0;
		len = name_length(t, &at);
		if (!len)
			return 0;
		at += len;
	}
	return at - from;
}

/* Whether num_syms is at `at`: as many names follow, and behind them the markers begin as they should. */
static bool is_num_syms(struct tables *t, size_t at, unsigned *walks)
{
	uint32_t n = get32(t, at);
	size_t names = at + 8, size, markers, second_mark = 0;

	if (n < MIN_SYMS || n > MAX_SYMS || get32(t, at + 4) || n > (t->token_table - at) / 2)
		return false;
	++*walks;
	size = walk_names(t, names, n, &second_mark);
	if (!size)
		return false;
	markers = align_up(t, names + size);
	if (markers > t->token_table || (n + MARK - 1) / MARK > (t->token_table - markers) / 4)
		return false;
	if (get32(t, markers) || get32(t, markers + 4) != second_mark)
		return false;
	t->n = n;
	t->num_syms = at;
	t->names = names;
	t->names_size = size;
	t->markers = markers;
	return true;
}

static km_error *find_names(struct tables *t)
{
	unsigned walks = 0;

	for (size_t at = t->token_table; at >= t->base + 8 && walks < MAX_WALKS;) {
		at -= 8;
		if (at + 8 < t->token_table && is_num_syms(t, at, &walks))
			return NULL;
	}
	return km_error_new(KM_INPUT, "no num_syms, names and markers that fit each other before token_table (at 0x%zx)",
			    t->token_table);
}

static km_error *check_markers(const struct tables *t)
{
	size_t at = t->names;

	for (uint32_t i = 0; i < t->n; i++) {
		size_t len;

		if (i % MARK == 0 && get32(t, t->markers + 4 * (size_t)(i / MARK)) != at - t->names)
			return km_error_new(KM_INPUT, "markers: entry %u is %u, but symbol %u begins at byte %zu of names",
					    i / MARK, get32(t, t->markers + 4 * (size_t)(i / MARK)), i, at - t->names);
		len = name_length(t, &at);
		at += len;
	}
	return NULL;
}

/* ---- offsets, relative_base, seqs_of_names ---- */

static bool is_kernel_address(uint64_t addr)
{
	return addr >> 47 == 0x1ffff;
}

static bool any_absolute(const struct tables *t, size_t offsets)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (get32(t, offsets + 4 * (size_t)i) >> 31)
			return true;
	return false;
}

static uint64_t address(const struct tables *t, uint32_t i, bool absolute)
{
	uint32_t raw = get32(t, t->offsets + 4 * (size_t)i);
	uint64_t base = get64(t, t->relative_base);

	if (!absolute)
		return base + raw;
	return raw >> 31 ? base - 1 - (uint64_t)(int64_t)(int32_t)raw : raw;
}

/* Where offsets and relative_base are if they lie before num_syms, and when they lie behind token_index. */
static bool offsets_before(struct tables *t)
{
	size_t need = ((4 * (size_t)t->n + 7) & ~(size_t)7) + 8;

	if (t->num_syms - t->base < need)
		return false;
	t->offsets = t->num_syms - need;
	t->relative_base = t->num_syms - 8;
	return is_kernel_address(get64(t, t->relative_base));
}

static bool offsets_behind(struct tables *t)
{
	size_t from = t->token_index + TOKEN_INDEX_SIZE, need = ((4 * (size_t)t->n + 7) & ~(size_t)7) + 8;

	if (t->size - from < need)
		return false;
	t->offsets = from;
	t->relative_base = from + need - 8;
	return is_kernel_address(get64(t, t->relative_base));
}

/* What lies between markers and token_table tells the two layouts apart, but for early 6.1: there the place of
 * relative_base has to. */
static km_error *find_offsets(struct tables *t)
{
	size_t markers_end = align_up(t, t->markers + 4 * (size_t)((t->n + MARK - 1) / MARK));

	if (markers_end != t->token_table) {
		t->seqs = markers_end;
		if (align_up(t, markers_end + 3 * (size_t)t->n) != t->token_table)
			return km_error_new(KM_INPUT, "markers end at 0x%zx and token_table begins at 0x%zx: neither nothing "
					    "nor a seqs_of_names of %u symbols lies between", markers_end, t->token_table, t->n);
		if (offsets_before(t))
			return NULL;
		return km_error_new(KM_INPUT, "relative_base: no kernel address before num_syms (at 0x%zx)", t->num_syms);
	}
	if (offsets_behind(t)) {
		t->seqs = t->relative_base + 8;
		if (3 * (size_t)t->n > t->size - t->seqs)
			return km_error_new(KM_INPUT, "seqs_of_names: cut off, %u symbols do not fit", t->n);
		return NULL;
	}
	if (offsets_before(t))
		return NULL;
	return km_error_new(KM_INPUT, "relative_base: no kernel address before num_syms (at 0x%zx) nor behind offsets "
			    "(after token_index at 0x%zx)", t->num_syms, t->token_index);
}

static km_error *read_addresses(const struct tables *t, struct km_ksym *syms)
{
	bool absolute = any_absolute(t, t->offsets);

	for (uint32_t i = 0; i < t->n; i++) {
		syms[i].addr = address(t, i, absolute);
		if (i && syms[i].addr < syms[i - 1].addr)
			return km_error_new(KM_INPUT, "offsets: symbol %u lies at 0x%llx, below the one before it (0x%llx)", i,
					    (unsigned long long)syms[i].addr, (unsigned long long)syms[i - 1].addr);
	}
	return NULL;
}

/* ---- names ---- */

/* Checks each name and adds up the bytes they need with their NULs. */
static km_error *measure_names(const struct tables *t, size_t *ret)
{
	size_t at = t->names, total = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		size_t len = name_length(t, &at), chars = 0;
		char type = 0;

		for (size_t k = 0; k < len; k++) {
			const struct token *token = &t->tokens[t->at[at + k]];

			if (!chars && token->len)
				type = token->text[0];
			chars += token->len;
		}
		at += len;
		if (chars < 2 || chars >= NAME_MAX_LEN)
			return km_error_new(KM_INPUT, "names: symbol %u has %zu characters", i, chars);
		if (!((type | 0x20) >= 'a' && (type | 0x20) <= 'z') && type != '?')
			return km_error_new(KM_INPUT, "names: symbol %u has the type '%c'", i, type);
		total += chars;
	}
	if (total > MAX_STRINGS)
		return km_error_new(KM_INPUT, "names: %zu bytes of names are more than any kernel has", total);
	*ret = total;
	return NULL;
}

/* `to` has the room that measure_names() told: type and name without a NUL need what the name with its NUL needs. */
static void read_names(const struct tables *t, struct km_ksym *syms, char *to)
{
	size_t at = t->names;

	for (uint32_t i = 0; i < t->n; i++) {
		size_t len = name_length(t, &at);
		bool typed = false;

		syms[i].name = to;
		for (size_t k = 0; k < len; k++) {
			const struct token *token = &t->tokens[t->at[at + k]];
			size_t skip = !typed && token->len;

			if (skip) {
				syms[i].type = token->text[0];
				typed = true;
			}
			memcpy(to, token->text + skip, token->len - skip);
			to += token->len - skip;
		}
		*to++ = 0;
		at += len;
	}
}

static km_error *find_tables(struct tables *t)
{
	KM_TRY(find_tokens(t));
	KM_TRY(find_names(t));
	KM_TRY(check_markers(t));
	return find_offsets(t);
}

km_error *km_kallsyms_parse(const struct km_segment *segment, struct km_kallsyms *ret)
{
	struct tables t = {.at = segment->bytes, .size = segment->file_size, .base = -segment->addr & 7};
	KM_AUTOFREE struct km_ksym *syms = NULL;
	km_error *err = find_tables(&t);
	size_t strings_size = 0;

	if (!err)
		err = measure_names(&t, &strings_size);
	if (!err) {
		syms = km_calloc(t.n, sizeof(*syms));
		err = read_addresses(&t, syms);
	}
	if (err)
		return km_error_add(err, "kallsyms");
	ret->strings = km_calloc(strings_size, 1);
	read_names(&t, syms, ret->strings);
	ret->syms = syms;
	ret->n = t.n;
	ret->seqs = t.seqs ? t.at + t.seqs : NULL;
	syms = NULL;
	return NULL;
}
