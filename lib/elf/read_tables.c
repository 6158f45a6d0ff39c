/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file's two tables that become pointers: symbols and relocations. */
#include "read.h"

typedef unsigned long long ull;

static km_error *bad_sym(const struct reader *r, size_t i, const char *name, const char *fmt, ...) KM_PRINTF(4, 5);
static km_error *bad_sym(const struct reader *r, size_t i, const char *name, const char *fmt, ...)
{
	KM_AUTOFREE char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = km_vprintf(fmt, ap);
	va_end(ap);
	return km_error_new(KM_INPUT, "symbol %zu%s%.200s at byte 0x%zx: %s", i, *name ? " " : "", name,
			    (size_t)r->sh[r->symtab].sh_offset + i * sizeof(Elf64_Sym), what);
}

static km_error *check_table(const struct reader *r, size_t i, size_t entry, const char *what)
{
	const Elf64_Shdr *sh = &r->sh[i];

	if (sh->sh_entsize != entry)
		return km_bad_sec(r, i, "an entry of %s has %zu bytes, not %llu", what, entry, (ull)sh->sh_entsize);
	if (sh->sh_size % entry)
		return km_bad_sec(r, i, "its size 0x%llx is no multiple of its entries'", (ull)sh->sh_size);
	return NULL;
}

static km_error *check_symbol_tables(const struct reader *r)
{
	size_t i = r->symtab, x = r->symtab_shndx;
	const Elf64_Shdr *sh = &r->sh[i];

	KM_TRY(check_table(r, i, sizeof(Elf64_Sym), "a symbol table"));
	if (sh->sh_size == 0)
		return km_bad_sec(r, i, "a symbol table without its null symbol");
	if (sh->sh_link == 0 || sh->sh_link >= r->n)
		return km_bad_sec(r, i, "its string table is section %u of %zu", sh->sh_link, r->n);
	if (sh->sh_info > sh->sh_size / sizeof(Elf64_Sym))
		return km_bad_sec(r, i, "it has fewer symbols than local ones (%u)", sh->sh_info);
	if (!x)
		return NULL;
	KM_TRY(check_table(r, x, sizeof(uint32_t), "a table of extended section indices"));
	if (r->sh[x].sh_link != i || r->sh[x].sh_size / sizeof(uint32_t) != sh->sh_size / sizeof(Elf64_Sym))
		return km_bad_sec(r, x, "it does not belong to the symbol table");
	return NULL;
}

static bool is_reserved_index(uint16_t shndx)
{
	return shndx == SHN_ABS || shndx == SHN_COMMON || shndx == KM_SHN_LIVEPATCH || shndx == KM_SHN_X86_64_LCOMMON;
}

/* The file index of the section that defines es; 0 when none does. */
static km_error *section_of(const struct reader *r, size_t i, const Elf64_Sym *es, const char *name, size_t *ret)
{
	uint32_t index = es->st_shndx;

	*ret = 0;
	if (index == SHN_XINDEX) {
		if (!r->symtab_shndx)
			return bad_sym(r, i, name, "there is no table of extended section indices");
		memcpy(&index, r->bytes + r->sh[r->symtab_shndx].sh_offset + i * sizeof(index), sizeof(index));
	} else if (index >= SHN_LORESERVE) {
		if (is_reserved_index(es->st_shndx))
			return NULL;
		return bad_sym(r, i, name, "the reserved section index 0x%x is unknown", index);
	}
	if (index >= r->n)
		return bad_sym(r, i, name, "it lies in section %u of %zu", index, r->n);
	*ret = index;
	return NULL;
}

/* A linked file's values are addresses, and a linker script may place a symbol anywhere. */
static void place_linked(const struct reader *r, size_t at, struct km_sym *sym)
{
	uint64_t start = r->sh[at].sh_addr;

	if (sym->value < start || sym->value - start > sym->sec->size) {
		sym->sec = NULL;
		sym->shndx = SHN_ABS;
		return;
	}
	sym->value -= start;
	if (sym->size > sym->sec->size - sym->value)
		sym->size = sym->sec->size - sym->value;
}

static km_error *place(const struct reader *r, size_t i, size_t at, struct km_sym *sym)
{
	sym->sec = r->secs[at];
	sym->shndx = SHN_XINDEX;
	if (r->linked)
		place_linked(r, at, sym);
	else if (sym->value > sym->sec->size || sym->size > sym->sec->size - sym->value)
		return bad_sym(r, i, sym->name, "0x%llx bytes at 0x%llx reach past the end of the section %.100s (0x%llx)",
			       (ull)sym->size, (ull)sym->value, sym->sec->name, (ull)sym->sec->size);
	if (sym->type == STT_SECTION && sym->sec && sym->value == 0 && !sym->sec->secsym)
		sym->sec->secsym = sym;
	return NULL;
}

static km_error *read_symbol(struct reader *r, const struct strings *names, size_t i)
{
	uint8_t type;
	const char *name;
	struct km_sym *sym;
	Elf64_Sym es;
	size_t at;

	memcpy(&es, r->bytes + r->sh[r->symtab].sh_offset + i * sizeof(es), sizeof(es));
	type = ELF64_ST_TYPE(es.st_info);
	name = km_strings_at(names, es.st_name);
	if (!name)
		return bad_sym(r, i, "", "its name at 0x%x lies past the string table", es.st_name);
	KM_TRY(section_of(r, i, &es, name, &at));
	if (at && !r->secs[at]) {
		/* Nothing of the model can need the section symbol of a table of the file. */
		if (type == STT_SECTION || r->left_out[at] || r->linked)
			return NULL;
		return bad_sym(r, i, name, "it lies in section %zu, which holds no data", at);
	}
	sym = km_model_sym(r->elf, at && type == STT_SECTION ? r->secs[at]->name : name);
	sym->bind = ELF64_ST_BIND(es.st_info);
	sym->type = type;
	sym->visibility = ELF64_ST_VISIBILITY(es.st_other);
	sym->shndx = es.st_shndx;
	sym->value = es.st_value;
	sym->size = es.st_size;
	if (at)
		KM_TRY(place(r, i, at, sym));
	else if (es.st_shndx == SHN_XINDEX)
		sym->shndx = SHN_UNDEF;
	r->syms[i] = sym;
	return NULL;
}

km_error *km_read_symbols(struct reader *r)
{
	struct strings names;

	if (!r->symtab) {
		r->n_syms = 1;
		r->syms = km_calloc(1, sizeof(struct km_sym *));
		r->syms[0] = r->elf->syms.at[0];
		return NULL;
	}
	KM_TRY(check_symbol_tables(r));
	KM_TRY(km_read_strings(r, r->sh[r->symtab].sh_link, &names));
	r->n_syms = r->sh[r->symtab].sh_size / sizeof(Elf64_Sym);
	r->syms = km_calloc(r->n_syms, sizeof(struct km_sym *));
	r->syms[0] = r->elf->syms.at[0];
	for (size_t i = 1; i < r->n_syms; i++)
		KM_TRY(read_symbol(r, &names, i));
	return NULL;
}

/* Where the relocations of one section of the file go. */
struct batch {
	size_t index; /* of the SHT_RELA section */
	const struct km_sec *target;
	uint64_t limit; /* the offset that a field may reach */
};

static km_error *bad_rel(const struct reader *r, const struct batch *b, size_t i, const char *fmt, ...) KM_PRINTF(4, 5);
static km_error *bad_rel(const struct reader *r, const struct batch *b, size_t i, const char *fmt, ...)
{
	KM_AUTOFREE char *what = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = km_vprintf(fmt, ap);
	va_end(ap);
	return km_error_new(KM_INPUT, "relocation %zu of %.100s at byte 0x%zx: %s", i, b->target->name,
			    (size_t)r->sh[b->index].sh_offset + i * sizeof(Elf64_Rela), what);
}

static km_error *read_relocation(const struct reader *r, const struct batch *b, size_t i, struct km_rel *rel)
{
	const struct km_rel_type *type;
	size_t sym;
	Elf64_Rela er;

	memcpy(&er, r->bytes + r->sh[b->index].sh_offset + i * sizeof(er), sizeof(er));
	type = km_rel_type(r->eh.e_machine, ELF64_R_TYPE(er.r_info));
	sym = ELF64_R_SYM(er.r_info);
	if (!type)
		return bad_rel(r, b, i, "the type %u is unknown", (unsigned)ELF64_R_TYPE(er.r_info));
	if (er.r_offset > b->limit || type->size > b->limit - er.r_offset)
		return bad_rel(r, b, i, "its field at 0x%llx reaches past the end of the section (0x%llx)",
			       (ull)er.r_offset, (ull)b->limit);
	if (sym >= r->n_syms)
		return bad_rel(r, b, i, "it names symbol %zu of %zu", sym, r->n_syms);
	if (!r->syms[sym])
		return bad_rel(r, b, i, "it names symbol %zu, whose section was left out", sym);
	*rel = (struct km_rel){er.r_offset, (uint32_t)ELF64_R_TYPE(er.r_info), er.r_addend, r->syms[sym]};
	return NULL;
}

/* The offsets of a compressed section's relocations count in its uncompressed bytes. */
static km_error *field_limit(const struct reader *r, const struct batch *b, uint64_t *ret)
{
	const struct km_sec *sec = b->target;
	Elf64_Chdr ch;

	*ret = sec->size;
	if (!(sec->flags & SHF_COMPRESSED))
		return NULL;
	if (sec->size < sizeof(ch))
		return km_bad_sec(r, sec->file_index, "compressed, and too short for the header of that");
	memcpy(&ch, sec->data, sizeof(ch));
	*ret = ch.ch_size;
	return NULL;
}

static km_error *check_batch(const struct reader *r, size_t i)
{
	const Elf64_Shdr *sh = &r->sh[i];

	KM_TRY(check_table(r, i, sizeof(Elf64_Rela), "a relocation table"));
	if (sh->sh_size && (r->symtab == 0 || sh->sh_link != r->symtab))
		return km_bad_sec(r, i, "its symbol table is section %u, which is none", sh->sh_link);
	if (sh->sh_info == 0 || sh->sh_info >= r->n)
		return km_bad_sec(r, i, "it applies to section %u of %zu", sh->sh_info, r->n);
	if (r->left_out[sh->sh_info])
		return NULL;
	if (!r->secs[sh->sh_info] || r->secs[sh->sh_info]->type == SHT_NOBITS)
		return km_bad_sec(r, i, "it applies to section %u, which holds no data", sh->sh_info);
	return NULL;
}

static km_error *read_batch(struct reader *r, size_t i, struct km_sec *target)
{
	const Elf64_Shdr *sh = &r->sh[i];
	struct batch b = {.index = i, .target = target};
	size_t n = sh->sh_size / sizeof(Elf64_Rela), old;
	struct km_rela_extra *extra = NULL;
	struct km_rel *to;

	if (sh->sh_flags & KM_SHF_RELA_LIVEPATCH)
		extra = km_elf_add_rela(r->elf, target, km_strings_at(&r->names, sh->sh_name), sh->sh_flags);
	KM_TRY(field_limit(r, &b, &b.limit));
	old = extra ? 0 : target->rels.n;
	to = km_realloc(extra ? extra->rels.at : target->rels.at, old + n, sizeof(*to));
	if (extra) {
		extra->rels.at = to;
		extra->rels.n = extra->rels.cap = n;
	} else {
		target->rels.at = to;
		target->rels.n = target->rels.cap = old + n;
	}
	for (size_t k = 0; k < n; k++)
		KM_TRY(read_relocation(r, &b, k, &to[old + k]));
	return NULL;
}

/* Merge sort, since qsort() does not promise to be stable; from and to change places at each level. */
static void merge_runs(const struct km_rel *from, struct km_rel *to, size_t n, size_t width)
{
	for (size_t start = 0; start < n; start += 2 * width) {
		size_t a = start, a_end = start + width < n ? start + width : n;
		size_t b = a_end, b_end = a_end + width < n ? a_end + width : n;

		for (size_t i = start; i < b_end; i++)
			to[i] = b == b_end || (a < a_end && from[a].offset <= from[b].offset) ? from[a++] : from[b++];
	}
}

static void sort_rels(struct km_rel **rels, size_t n)
{
	struct km_rel *other;
	size_t i;

	for (i = 1; i < n && (*rels)[i - 1].offset <= (*rels)[i].offset; i++)
		;
	if (i >= n)
		return;
	other = km_calloc(n, sizeof(*other));
	for (size_t width = 1; width < n; width *= 2) {
		struct km_rel *sorted = other;

		merge_runs(*rels, sorted, n, width);
		other = *rels;
		*rels = sorted;
	}
	free(other);
}

km_error *km_read_relocations(struct reader *r)
{
	km_elf *elf = r->elf;

	for (size_t i = 1; i < r->n; i++) {
		if (r->sh[i].sh_type != SHT_RELA)
			continue;
		KM_TRY(check_batch(r, i));
		if (!r->left_out[r->sh[i].sh_info])
			KM_TRY(read_batch(r, i, r->secs[r->sh[i].sh_info]));
	}
	for (size_t i = 0; i < elf->secs.n; i++) {
		struct km_rel *rels = elf->secs.at[i]->rels.at;
		size_t n = elf->secs.at[i]->rels.n;

		sort_rels(&rels, n);
		elf->secs.at[i]->rels.at = rels;
		elf->secs.at[i]->rels.cap = n;
	}
	return NULL;
}
