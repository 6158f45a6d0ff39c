/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading an ELF file:
 *
 *	ELF header        at 0, 64 bytes; says where the section headers are
 *	section headers   64 bytes each; number 0 is null and holds counts that are too large for the ELF header
 *	sections          anywhere, but no two over the same bytes
 *
 * All of this is checked before the first node is made. Source: System V ABI, chapter 4.
 */
#include "read.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the structures of <elf.h> are read as they stand");

typedef unsigned long long ull;

static size_t header_at(const struct reader *r, size_t i)
{
	return (size_t)r->eh.e_shoff + i * sizeof(Elf64_Shdr);
}

const char *km_strings_at(const struct strings *s, uint64_t offset)
{
	/* An empty table has one name: the empty one. */
	if (offset < s->size)
		return s->at + offset;
	return offset == 0 ? "" : NULL;
}

km_error *km_bad_sec(const struct reader *r, size_t i, const char *fmt, ...)
{
	KM_AUTOFREE char *what = NULL;
	const char *name = r->names.at ? km_strings_at(&r->names, r->sh[i].sh_name) : NULL;
	va_list ap;

	va_start(ap, fmt);
	what = km_vprintf(fmt, ap);
	va_end(ap);
	return km_error_new(KM_INPUT, "section %zu%s%.100s%s, whose header is at byte 0x%zx: %s", i, name ? " (" : "",
			    name ? name : "", name ? ")" : "", header_at(r, i), what);
}

static km_error *bad(size_t at, const char *what)
{
	return km_error_new(KM_INPUT, "%s (byte 0x%zx)", what, at);
}

static km_error *cut_short(km_error *err)
{
	return km_error_hint(err, "the file is cut short or damaged: copy or build it again");
}

static km_error *read_ident(struct reader *r)
{
	const unsigned char *ident = r->eh.e_ident;

	if (r->size < SELFMAG || memcmp(r->bytes, ELFMAG, SELFMAG))
		return bad(0, "not an ELF file");
	if (r->size < sizeof(r->eh))
		return cut_short(bad(r->size, "truncated inside the ELF header"));
	memcpy(&r->eh, r->bytes, sizeof(r->eh));
	if (ident[EI_CLASS] != ELFCLASS64)
		return bad(EI_CLASS, "not a 64-bit ELF file");
	if (ident[EI_DATA] != ELFDATA2LSB)
		return bad(EI_DATA, "not a little-endian ELF file");
	if (ident[EI_VERSION] != EV_CURRENT)
		return bad(EI_VERSION, "unknown ELF version");
	if (r->eh.e_machine != EM_X86_64 && r->eh.e_machine != EM_AARCH64)
		return km_error_new(KM_INPUT, "machine %u is neither x86-64 nor arm64 (byte 0x%zx)", r->eh.e_machine,
				    offsetof(Elf64_Ehdr, e_machine));
	return NULL;
}

static km_error *read_header(struct reader *r, bool any)
{
	uint16_t type;

	KM_TRY(read_ident(r));
	type = r->eh.e_type;
	r->linked = type == ET_EXEC || type == ET_DYN;
	if (type != ET_REL && !(any && r->linked))
		return km_error_new(KM_INPUT, "ELF type %u is not a relocatable object (byte 0x%zx)", type,
				    offsetof(Elf64_Ehdr, e_type));
	if (r->eh.e_shoff == 0)
		return bad(offsetof(Elf64_Ehdr, e_shoff), "there are no section headers");
	if (r->eh.e_shentsize != sizeof(Elf64_Shdr))
		return bad(offsetof(Elf64_Ehdr, e_shentsize), "section headers are not 64 bytes long");
	if (r->eh.e_shoff < sizeof(r->eh))
		return bad(offsetof(Elf64_Ehdr, e_shoff), "the section headers overlap the ELF header");
	if (r->eh.e_shoff > r->size || r->size - r->eh.e_shoff < sizeof(Elf64_Shdr))
		return cut_short(bad(offsetof(Elf64_Ehdr, e_shoff), "the section headers lie past the end of the file"));
	return NULL;
}

static km_error *read_section_headers(struct reader *r)
{
	Elf64_Shdr first;
	uint64_t n = r->eh.e_shnum;

	memcpy(&first, r->bytes + r->eh.e_shoff, sizeof(first));
	if (n == 0)
		n = first.sh_size;
	if (n == 0)
		return bad(offsetof(Elf64_Ehdr, e_shnum), "there are no section headers");
	if (n > (r->size - r->eh.e_shoff) / sizeof(Elf64_Shdr))
		return cut_short(km_error_new(KM_INPUT, "%llu section headers lie past the end of the file (byte 0x%zx)",
					      (ull)n, offsetof(Elf64_Ehdr, e_shnum)));
	r->n = (size_t)n;
	r->shstrndx = r->eh.e_shstrndx == SHN_XINDEX ? first.sh_link : r->eh.e_shstrndx;
	r->sh = km_calloc(r->n, sizeof(*r->sh));
	memcpy(r->sh, r->bytes + r->eh.e_shoff, r->n * sizeof(*r->sh));
	/* Its fields mean something else. */
	r->sh[0] = (Elf64_Shdr){0};
	r->secs = km_calloc(r->n, sizeof(struct km_sec *));
	r->left_out = km_calloc(r->n, sizeof(*r->left_out));
	if (r->shstrndx == 0 || r->shstrndx >= r->n)
		return bad(offsetof(Elf64_Ehdr, e_shstrndx), "the index of the section names is out of range");
	return NULL;
}

static bool has_bytes(const Elf64_Shdr *sh)
{
	return sh->sh_type != SHT_NULL && sh->sh_type != SHT_NOBITS && sh->sh_size != 0;
}

static km_error *check_bounds(const struct reader *r, size_t i)
{
	const Elf64_Shdr *sh = &r->sh[i];

	if (has_bytes(sh) && (sh->sh_offset > r->size || sh->sh_size > r->size - sh->sh_offset))
		return km_bad_sec(r, i, "0x%llx bytes at 0x%llx reach past the end of the file", (ull)sh->sh_size,
				  (ull)sh->sh_offset);
	if (sh->sh_addralign & (sh->sh_addralign - 1))
		return km_bad_sec(r, i, "the alignment 0x%llx is not a power of two", (ull)sh->sh_addralign);
	/* The ABI forbids it, and the offsets of its relocations and symbols would not count in the bytes at hand. */
	if ((sh->sh_flags & SHF_COMPRESSED) && (sh->sh_flags & (SHF_ALLOC | SHF_EXECINSTR)))
		return km_bad_sec(r, i, "compressed, and to be loaded or run");
	return NULL;
}

struct range {
	uint64_t from, to;
	size_t sec; /* 0: the ELF header or the section headers */
};

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->sec < y->sec ? -1 : x->sec > y->sec;
}

static km_error *check_overlaps(const struct reader *r)
{
	KM_AUTOFREE struct range *ranges = km_calloc(r->n + 2, sizeof(*ranges));
	size_t n = 0;

	ranges[n++] = (struct range){0, sizeof(r->eh), 0};
	ranges[n++] = (struct range){r->eh.e_shoff, header_at(r, r->n), 0};
	for (size_t i = 1; i < r->n; i++)
		if (has_bytes(&r->sh[i]))
			ranges[n++] = (struct range){r->sh[i].sh_offset, r->sh[i].sh_offset + r->sh[i].sh_size, i};
	qsort(ranges, n, sizeof(*ranges), by_start);
	for (size_t i = 1; i < n; i++) {
		const struct range *a = &ranges[i - 1], *b = &ranges[i];

		if (b->from >= a->to)
			continue;
		if (a->sec && b->sec)
			return km_bad_sec(r, b->sec, "its bytes overlap those of section %zu", a->sec);
		return km_bad_sec(r, b->sec ? b->sec : a->sec, "its bytes overlap the file's headers");
	}
	return NULL;
}

km_error *km_read_strings(struct reader *r, size_t i, struct strings *ret)
{
	const Elf64_Shdr *sh = &r->sh[i];
	char *copy;

	if (sh->sh_type != SHT_STRTAB)
		return km_bad_sec(r, i, "a string table is wanted, and its type is %u", sh->sh_type);
	if (sh->sh_size && r->bytes[sh->sh_offset + sh->sh_size - 1] != '\0')
		return km_bad_sec(r, i, "the string table does not end with a NUL");
	copy = km_arena_copy(r->elf->arena, r->bytes + (sh->sh_size ? sh->sh_offset : 0), sh->sh_size);
	*ret = (struct strings){copy, sh->sh_size};
	return NULL;
}

static km_error *check_names(struct reader *r)
{
	struct strings names;

	/* The names come first: the errors of the other sections show them. */
	KM_TRY(check_bounds(r, r->shstrndx));
	KM_TRY(km_read_strings(r, r->shstrndx, &names));
	r->names = names;
	for (size_t i = 1; i < r->n; i++)
		if (!km_strings_at(&names, r->sh[i].sh_name))
			return km_bad_sec(r, i, "its name at 0x%x lies past the string table", r->sh[i].sh_name);
	return NULL;
}

static km_error *find_one(struct reader *r, uint32_t type, const char *what, size_t *ret)
{
	for (size_t i = 1; i < r->n; i++) {
		if (r->sh[i].sh_type != type)
			continue;
		if (*ret)
			return km_bad_sec(r, i, "a second %s; the first is section %zu", what, *ret);
		*ret = i;
	}
	return NULL;
}

static bool is_debug(const char *name)
{
	return km_starts(name, ".debug_");
}

static km_error *check_group(const struct reader *r, size_t i)
{
	const Elf64_Shdr *sh = &r->sh[i];
	uint32_t word;

	if (sh->sh_size < sizeof(word))
		return km_bad_sec(r, i, "a section group without its flags");
	memcpy(&word, r->bytes + sh->sh_offset, sizeof(word));
	if (word & GRP_COMDAT)
		return km_error_hint(km_bad_sec(r, i, "COMDAT groups are not supported"),
				     "compile the unit as the kernel's own build does");
	return NULL;
}

/* Is the section data that the model keeps? The tables of the file are not, they become pointers. */
static km_error *classify(struct reader *r, size_t i, bool *keep)
{
	const Elf64_Shdr *sh = &r->sh[i];

	*keep = false;
	if (!r->linked && sh->sh_type == SHT_REL)
		return km_bad_sec(r, i, "relocations without addends (SHT_REL) do not exist on this machine");
	if (!r->linked && sh->sh_type == SHT_GROUP)
		return check_group(r, i);
	if (sh->sh_type == SHT_NULL || sh->sh_type == SHT_RELA || sh->sh_type == KM_SHT_LLVM_ADDRSIG ||
	    (r->linked && sh->sh_type == SHT_REL) || sh->sh_type == SHT_GROUP)
		return NULL;
	if (i == r->symtab || i == r->symtab_shndx || i == r->shstrndx || (r->symtab && i == r->sh[r->symtab].sh_link))
		return NULL;
	if ((r->flags & KM_ELF_NO_DEBUG) && !(sh->sh_flags & SHF_ALLOC) && is_debug(km_strings_at(&r->names, sh->sh_name))) {
		r->left_out[i] = true;
		return NULL;
	}
	*keep = true;
	return NULL;
}

static void make_section(struct reader *r, size_t i)
{
	const Elf64_Shdr *sh = &r->sh[i];
	struct km_sec *sec = km_model_sec(r->elf, km_strings_at(&r->names, sh->sh_name));

	sec->type = sh->sh_type;
	/* A group without COMDAT only keeps its members together, which the model does by itself. */
	sec->flags = sh->sh_flags & ~(uint64_t)(r->linked ? 0 : SHF_GROUP);
	sec->align = sh->sh_addralign;
	sec->entsize = sh->sh_entsize;
	sec->size = sh->sh_size;
	sec->info = sh->sh_info;
	sec->file_index = (unsigned)i;
	if (sh->sh_type != SHT_NOBITS) {
		sec->data = km_arena_copy(r->elf->arena, r->bytes + (sh->sh_size ? sh->sh_offset : 0), sh->sh_size);
		sec->cap = sh->sh_size;
	}
	r->secs[i] = sec;
}

static km_error *read_sections(struct reader *r)
{
	for (size_t i = 1; i < r->n; i++) {
		bool keep;

		KM_TRY(classify(r, i, &keep));
		if (keep)
			make_section(r, i);
	}
	for (size_t i = 1; i < r->n; i++) {
		uint32_t link = r->sh[i].sh_link;

		if (!r->secs[i])
			continue;
		if (link >= r->n)
			return km_bad_sec(r, i, "it links to section %u of %zu", link, r->n);
		r->secs[i]->link = r->secs[link];
	}
	return NULL;
}

static void reader_end(struct reader *r)
{
	free(r->sh);
	free(r->secs);
	free(r->syms);
	free(r->left_out);
	km_elf_destroy(r->elf);
}

static km_error *read_all(const void *bytes, size_t size, unsigned flags, bool any, km_elf **ret)
{
	KM_CLEANUP(reader_end) struct reader r = {.bytes = bytes, .size = size, .flags = flags};

	KM_TRY(read_header(&r, any));
	r.elf = km_elf_create(r.eh.e_machine);
	r.elf->type = r.eh.e_type;
	KM_TRY(read_section_headers(&r));
	KM_TRY(check_names(&r));
	for (size_t i = 1; i < r.n; i++)
		KM_TRY(check_bounds(&r, i));
	KM_TRY(check_overlaps(&r));
	KM_TRY(find_one(&r, SHT_SYMTAB, "symbol table", &r.symtab));
	KM_TRY(find_one(&r, SHT_SYMTAB_SHNDX, "table of extended section indices", &r.symtab_shndx));
	KM_TRY(read_sections(&r));
	KM_TRY(km_read_symbols(&r));
	if (!r.linked)
		KM_TRY(km_read_relocations(&r));
	km_elf_reindex(r.elf);
	*ret = r.elf;
	r.elf = NULL;
	return NULL;
}

km_error *km_elf_read(const void *bytes, size_t size, km_elf **ret)
{
	return read_all(bytes, size, 0, false, ret);
}

km_error *km_elf_read_flags(const void *bytes, size_t size, unsigned flags, km_elf **ret)
{
	return read_all(bytes, size, flags, false, ret);
}

km_error *km_elf_read_any(const void *bytes, size_t size, km_elf **ret)
{
	return read_all(bytes, size, 0, true, ret);
}

km_error *km_elf_read_file_flags(const char *path, unsigned flags, km_elf **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	km_error *err;
	size_t size;

	KM_TRY(km_file_read(path, &bytes, &size));
	err = km_elf_read_flags(bytes, size, flags, ret);
	return err ? km_error_add(err, "cannot read %s", path) : NULL;
}

km_error *km_elf_read_file(const char *path, km_elf **ret)
{
	return km_elf_read_file_flags(path, 0, ret);
}
