/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing the model out. The file is:
 *
 *	ELF header | each section, its relocations behind it | .symtab | .symtab_shndx | .strtab | .shstrtab | headers
 *
 * .symtab_shndx is there only when a symbol's section index does not fit 16 bits.
 */
#include "model.h"

struct strings {
	km_str bytes;
	km_map *offsets; /* of each string, plus one */
};

struct writer {
	const km_elf *elf;
	km_str out;
	km_vec(Elf64_Shdr) sh;
	struct strings names, strtab;
	uint32_t *sec_index, *sym_index; /* by the model's index: the file's */
	const struct km_sym **order;     /* the symbols by the file's index */
	size_t n_locals;                 /* and the null symbol */
	uint32_t symtab;                 /* its section index */
	bool wide;                       /* symbols need extended indices */
};

static void strings_init(struct strings *s)
{
	s->offsets = km_map_create();
	km_str_addn(&s->bytes, "", 1);
}

static uint32_t strings_add(struct strings *s, const char *text)
{
	uintptr_t known;

	if (!*text)
		return 0;
	known = (uintptr_t)km_map_get(s->offsets, text);
	if (known)
		return (uint32_t)known;
	known = s->bytes.n;
	km_map_put(s->offsets, text, (void *)known);
	km_str_addn(&s->bytes, text, strlen(text) + 1);
	return (uint32_t)known;
}

static void writer_end(struct writer *w)
{
	km_str_free(&w->out);
	km_vec_free(&w->sh);
	km_str_free(&w->names.bytes);
	km_str_free(&w->strtab.bytes);
	km_map_destroy(w->names.offsets);
	km_map_destroy(w->strtab.offsets);
	free(w->sec_index);
	free(w->sym_index);
	free(w->order);
}

static bool owns_sec(const km_elf *elf, const struct km_sec *sec)
{
	return sec->index < elf->secs.n && elf->secs.at[sec->index] == sec;
}

static bool owns_sym(const km_elf *elf, const struct km_sym *sym)
{
	return sym && sym->index < elf->syms.n && elf->syms.at[sym->index] == sym;
}

static km_error *check_rels(const km_elf *elf, const struct km_sec *sec, const struct km_rel *rels, size_t n)
{
	if (n && sec->type == SHT_NOBITS)
		return km_error_new(KM_BUG, "relocations apply to %s, which holds no data", sec->name);
	for (size_t i = 0; i < n; i++) {
		const struct km_rel_type *type = km_rel_type(elf->machine, rels[i].type);
		unsigned long long offset = rels[i].offset;

		if (!type)
			return km_error_new(KM_BUG, "the relocation at %s+0x%llx has the unknown type %u", sec->name, offset,
					    rels[i].type);
		if (!owns_sym(elf, rels[i].sym))
			return km_error_new(KM_BUG, "the relocation at %s+0x%llx names a symbol of another object",
					    sec->name, offset);
		if (sec->flags & SHF_COMPRESSED)
			continue;
		if (offset > sec->size || type->size > sec->size - offset)
			return km_error_new(KM_BUG, "the relocation at %s+0x%llx lies past the section's end", sec->name,
					    offset);
	}
	return NULL;
}

static km_error *check_model(const km_elf *elf)
{
	if (elf->type != ET_REL)
		return km_error_new(KM_BUG, "only relocatable objects can be written");
	for (size_t i = 0; i < elf->secs.n; i++) {
		const struct km_sec *sec = elf->secs.at[i];

		if (sec->type != SHT_NOBITS && sec->size && !sec->data)
			return km_error_new(KM_BUG, "the section %s has a size and no data", sec->name);
		if (sec->link && !owns_sec(elf, sec->link))
			return km_error_new(KM_BUG, "the section %s links to one of another object", sec->name);
		KM_TRY(check_rels(elf, sec, sec->rels.at, sec->rels.n));
	}
	for (size_t i = 0; i < elf->extras.n; i++) {
		const struct km_rela_extra *extra = elf->extras.at[i];

		if (!owns_sec(elf, extra->target))
			return km_error_new(KM_BUG, "%s applies to a section of another object", extra->name);
		KM_TRY(check_rels(elf, extra->target, extra->rels.at, extra->rels.n));
	}
	for (size_t i = 1; i < elf->syms.n; i++) {
		const struct km_sym *sym = elf->syms.at[i];

		if (sym->sec && !owns_sec(elf, sym->sec))
			return km_error_new(KM_BUG, "the symbol %s lies in a section of another object", sym->name);
	}
	return NULL;
}

/* The alignment in the file is only a convenience to its readers: no use in more than a page. */
static void align_to(struct writer *w, uint64_t align)
{
	static const uint8_t zeros[4096];
	size_t to = align > sizeof(zeros) ? sizeof(zeros) : align ? (size_t)align : 1;

	km_str_addn(&w->out, zeros, (to - w->out.n % to) % to);
}

/* Appends a header with name, place and size set; w->out stands at its bytes. */
static Elf64_Shdr *add_header(struct writer *w, const char *name, uint32_t type, uint64_t align, uint64_t size)
{
	Elf64_Shdr sh = {.sh_name = strings_add(&w->names, name), .sh_type = type, .sh_addralign = align, .sh_size = size};

	align_to(w, align);
	sh.sh_offset = w->out.n;
	km_vec_push(&w->sh, sh);
	return &w->sh.at[w->sh.n - 1];
}

/* The numbers of sections and symbols are needed before the first relocation is written. */
static void number(struct writer *w)
{
	const km_elf *elf = w->elf;
	KM_AUTOFREE uint32_t *extras = km_calloc(elf->secs.n, sizeof(*extras));
	uint32_t next = 1;

	for (size_t i = 0; i < elf->extras.n; i++)
		extras[elf->extras.at[i]->target->index]++;
	for (size_t i = 0; i < elf->secs.n; i++) {
		w->sec_index[i] = next++;
		next += (elf->secs.at[i]->rels.n > 0) + extras[i];
	}
	w->symtab = next;
	next = 1;
	for (int local = 1; local >= 0; local--) {
		for (size_t i = 1; i < elf->syms.n; i++) {
			if ((elf->syms.at[i]->bind == STB_LOCAL) != local)
				continue;
			w->order[next] = elf->syms.at[i];
			w->sym_index[i] = next++;
		}
		if (local)
			w->n_locals = next;
	}
}

static void write_rels(struct writer *w, const char *name, uint64_t flags, const struct km_sec *target,
		       const struct km_rel *rels, size_t n)
{
	Elf64_Shdr *sh = add_header(w, name, SHT_RELA, 8, n * sizeof(Elf64_Rela));

	sh->sh_flags = flags;
	sh->sh_link = w->symtab;
	sh->sh_info = w->sec_index[target->index];
	sh->sh_entsize = sizeof(Elf64_Rela);
	for (size_t i = 0; i < n; i++) {
		Elf64_Rela r = {
			.r_offset = rels[i].offset,
			.r_info = ELF64_R_INFO((uint64_t)w->sym_index[rels[i].sym->index], rels[i].type),
			.r_addend = rels[i].addend,
		};

		km_str_addn(&w->out, &r, sizeof(r));
	}
}

static void write_section(struct writer *w, const struct km_sec *sec)
{
	Elf64_Shdr *sh = add_header(w, sec->name, sec->type, sec->align, sec->size);

	sh->sh_flags = sec->flags;
	sh->sh_entsize = sec->entsize;
	sh->sh_info = sec->info;
	sh->sh_link = sec->link ? w->sec_index[sec->link->index] : 0;
	if (sec->type != SHT_NOBITS)
		km_str_addn(&w->out, sec->data, sec->size);
	if (sec->rels.n) {
		KM_AUTOFREE char *name = km_printf(".rela%s", sec->name);

		write_rels(w, name, SHF_INFO_LINK, sec, sec->rels.at, sec->rels.n);
	}
}

static int by_target(const void *a, const void *b)
{
	const struct km_rela_extra *const *x = a, *const *y = b;
	unsigned i = (*x)->target->index, k = (*y)->target->index;

	if (i != k)
		return i < k ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

static void write_sections(struct writer *w)
{
	const km_elf *elf = w->elf;
	size_t n = elf->extras.n, next = 0;
	KM_AUTOFREE struct km_rela_extra **extras = km_calloc(n, sizeof(struct km_rela_extra *));

	if (n) {
		memcpy(extras, elf->extras.at, n * sizeof(*extras));
		qsort(extras, n, sizeof(*extras), by_target);
	}
	for (size_t i = 0; i < elf->secs.n; i++) {
		write_section(w, elf->secs.at[i]);
		for (; next < n && extras[next]->target->index == i; next++)
			write_rels(w, extras[next]->name, extras[next]->flags, extras[next]->target, extras[next]->rels.at,
				   extras[next]->rels.n);
	}
}

/* Puts the section index where it fits: into the symbol, or into the table beside it. */
static void set_section(struct writer *w, const struct km_sym *sym, Elf64_Sym *es, uint32_t *wide)
{
	uint32_t index = sym->sec ? w->sec_index[sym->sec->index] : sym->shndx;

	if (sym->sec && index >= SHN_LORESERVE) {
		*wide = index;
		index = SHN_XINDEX;
		w->wide = true;
	}
	es->st_shndx = (Elf64_Section)index;
}

static void write_symbols(struct writer *w)
{
	size_t n = w->elf->syms.n;
	KM_AUTOFREE Elf64_Sym *syms = km_calloc(n, sizeof(*syms));
	KM_AUTOFREE uint32_t *wide = km_calloc(n, sizeof(*wide));
	Elf64_Shdr *sh;

	for (size_t i = 1; i < n; i++) {
		const struct km_sym *sym = w->order[i];
		Elf64_Sym *es = &syms[i];

		es->st_name = sym->type == STT_SECTION ? 0 : strings_add(&w->strtab, sym->name);
		es->st_info = ELF64_ST_INFO(sym->bind, sym->type);
		es->st_other = sym->visibility;
		es->st_value = sym->value;
		es->st_size = sym->size;
		set_section(w, sym, es, &wide[i]);
	}
	sh = add_header(w, ".symtab", SHT_SYMTAB, 8, n * sizeof(*syms));
	sh->sh_entsize = sizeof(*syms);
	sh->sh_info = (uint32_t)w->n_locals;
	sh->sh_link = w->symtab + (w->wide ? 2 : 1);
	km_str_addn(&w->out, syms, n * sizeof(*syms));
	if (!w->wide)
		return;
	sh = add_header(w, ".symtab_shndx", SHT_SYMTAB_SHNDX, 4, n * sizeof(*wide));
	sh->sh_entsize = sizeof(*wide);
	sh->sh_link = w->symtab;
	km_str_addn(&w->out, wide, n * sizeof(*wide));
}

static void write_strings(struct writer *w)
{
	Elf64_Shdr *sh;

	add_header(w, ".strtab", SHT_STRTAB, 1, w->strtab.bytes.n);
	km_str_addn(&w->out, w->strtab.bytes.at, w->strtab.bytes.n);
	/* Its own name must be in it before its size is known. */
	sh = add_header(w, ".shstrtab", SHT_STRTAB, 1, 0);
	sh->sh_size = w->names.bytes.n;
	km_str_addn(&w->out, w->names.bytes.at, w->names.bytes.n);
}

static void write_headers(struct writer *w)
{
	size_t n = w->sh.n, last = n - 1;
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_REL,
		.e_machine = w->elf->machine,
		.e_version = EV_CURRENT,
		.e_ehsize = sizeof(eh),
		.e_shentsize = sizeof(Elf64_Shdr),
	};

	/* Counts that do not fit go into the null header. */
	eh.e_shnum = n < SHN_LORESERVE ? (Elf64_Half)n : 0;
	eh.e_shstrndx = last < SHN_LORESERVE ? (Elf64_Half)last : SHN_XINDEX;
	w->sh.at[0].sh_size = n < SHN_LORESERVE ? 0 : n;
	w->sh.at[0].sh_link = last < SHN_LORESERVE ? 0 : (Elf64_Word)last;
	align_to(w, 8);
	eh.e_shoff = w->out.n;
	km_str_addn(&w->out, w->sh.at, n * sizeof(*w->sh.at));
	memcpy(w->out.at, &eh, sizeof(eh));
}

km_error *km_elf_write(const km_elf *elf, uint8_t **bytes, size_t *size)
{
	static const Elf64_Ehdr room;
	KM_CLEANUP(writer_end) struct writer w = {.elf = elf};

	KM_TRY(check_model(elf));
	w.sec_index = km_calloc(elf->secs.n, sizeof(*w.sec_index));
	w.sym_index = km_calloc(elf->syms.n, sizeof(*w.sym_index));
	w.order = km_calloc(elf->syms.n, sizeof(const struct km_sym *));
	strings_init(&w.names);
	strings_init(&w.strtab);
	number(&w);
	km_str_addn(&w.out, &room, sizeof(room));
	km_vec_push(&w.sh, (Elf64_Shdr){0});
	write_sections(&w);
	write_symbols(&w);
	write_strings(&w);
	write_headers(&w);
	*bytes = (uint8_t *)w.out.at;
	*size = w.out.n;
	w.out = (km_str){0};
	return NULL;
}

km_error *km_elf_write_file(const km_elf *elf, const char *path)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_elf_write(elf, &bytes, &size));
	return km_file_write(path, bytes, size);
}
