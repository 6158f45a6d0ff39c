/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel image of a few kilobytes: an ELF file with one segment, which holds a banner, a build-id note, some bytes of
 * text and the tables of kallsyms in one of three layouts. Where each table lies is told, so that a test can break it.
 */
#ifndef KMEND_TESTS_TOY_IMAGE_H
#define KMEND_TESTS_TOY_IMAGE_H

#include <elf.h>
#include <kmend/base.h>

#define TOY_BASE 0xffffffff81000000ull
#define TOY_BANNER "Linux version 6.1.0-toy (toy@kmend) (gcc-12) #1 SMP Debian 6.1.9-1"

enum { TOY_SYMS = 600, TOY_PERCPU = 3, TOY_SEGMENT = 4096, TOY_BSS = 4096, TOY_LONG = 400 };
enum toy_layout { TOY_PLAIN, TOY_SEQS, TOY_NEW }; /* 6.1, 6.1 with seqs_of_names, 6.12 */

struct toy_sym {
	uint64_t addr;
	char name[512]; /* the type in front */
};

struct toy_image {
	km_str bytes; /* the file */
	struct toy_sym syms[TOY_SYMS];
	size_t num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs; /* in the file */
};

static inline void toy_align(struct toy_image *t)
{
	while (t->bytes.n % 8)
		km_str_addn(&t->bytes, "", 1);
}

static inline void toy_int(struct toy_image *t, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		km_str_addn(&t->bytes, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

/* Three per-CPU symbols, two of them at one address, then functions 16 bytes apart. "dup" is at 100, 200 and 300; 401 is
 * an alias of 400; 500 has a long name. */
static inline void toy_symbols(struct toy_image *t)
{
	for (unsigned i = 0; i < TOY_SYMS; i++) {
		struct toy_sym *s = &t->syms[i];

		s->addr = i < TOY_PERCPU ? i / 2 * 8 : TOY_BASE + 16 * (i - TOY_PERCPU);
		snprintf(s->name, sizeof(s->name), i < TOY_PERCPU ? "Acpu_%u" : "tsys_%u", i);
		if (i == 100 || i == 200 || i == 300)
			strcpy(s->name, "tdup");
		if (i == 401)
			s->addr = t->syms[400].addr;
		if (i == 500)
			memset(s->name + 1, 'y', TOY_LONG);
	}
	strcpy(t->syms[TOY_PERCPU].name, "T_text");
}

/* Token 0 is "sys_", a printable character is itself, the others are never used. */
static inline const char *toy_token(unsigned i, char buf[static 8])
{
	snprintf(buf, 8, i > ' ' && i < 0x7f ? "%c" : "<%u>", i);
	return i ? buf : "sys_";
}

static inline void toy_names(struct toy_image *t)
{
	uint32_t marks[TOY_SYMS / 256 + 1];

	toy_align(t);
	t->num_syms = t->bytes.n;
	toy_int(t, TOY_SYMS, 8);
	t->names = t->bytes.n;
	for (unsigned i = 0; i < TOY_SYMS; i++) {
		const char *name = t->syms[i].name;
		bool sys = !strncmp(name + 1, "sys_", 4);
		size_t len = strlen(name) - (sys ? 3 : 0);

		if (i % 256 == 0)
			marks[i / 256] = (uint32_t)(t->bytes.n - t->names);
		toy_int(t, len > 0x7f ? (len & 0x7f) | 0x80 | len >> 7 << 8 : len, len > 0x7f ? 2 : 1);
		km_str_addn(&t->bytes, name, 1);
		if (sys)
			km_str_addn(&t->bytes, "", 1);
		km_str_addn(&t->bytes, name + (sys ? 5 : 1), strlen(name + (sys ? 5 : 1)));
	}
	toy_align(t);
	t->markers = t->bytes.n;
	for (unsigned i = 0; i < KM_COUNT(marks); i++)
		toy_int(t, marks[i], 4);
	toy_align(t);
}

static inline void toy_tokens(struct toy_image *t)
{
	uint32_t at[256];
	char buf[8];

	t->token_table = t->bytes.n;
	for (unsigned i = 0; i < 256; i++) {
		at[i] = (uint32_t)(t->bytes.n - t->token_table);
		km_str_addn(&t->bytes, toy_token(i, buf), strlen(toy_token(i, buf)) + 1);
	}
	toy_align(t);
	t->token_index = t->bytes.n;
	for (unsigned i = 0; i < 256; i++)
		toy_int(t, at[i], 2);
}

static inline void toy_offsets(struct toy_image *t)
{
	toy_align(t);
	t->offsets = t->bytes.n;
	for (unsigned i = 0; i < TOY_SYMS; i++)
		toy_int(t, i < TOY_PERCPU ? t->syms[i].addr : TOY_BASE - 1 - t->syms[i].addr, 4);
	toy_align(t);
	t->relative_base = t->bytes.n;
	toy_int(t, TOY_BASE, 8);
}

static inline int toy_by_name(const void *a, const void *b, void *syms)
{
	const struct toy_sym *sorting = syms;
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = strcmp(sorting[x].name + 1, sorting[y].name + 1);

	return order ? order : (x > y) - (x < y);
}

static inline void toy_seqs(struct toy_image *t)
{
	uint32_t seqs[TOY_SYMS];

	for (uint32_t i = 0; i < TOY_SYMS; i++)
		seqs[i] = i;
	qsort_r(seqs, TOY_SYMS, sizeof(*seqs), toy_by_name, t->syms);
	t->seqs = t->bytes.n;
	for (uint32_t i = 0; i < TOY_SYMS; i++)
		km_str_addn(&t->bytes, &(uint8_t[]){(uint8_t)(seqs[i] >> 16), (uint8_t)(seqs[i] >> 8), (uint8_t)seqs[i]}, 3);
	toy_align(t);
}

static inline void toy_put(struct toy_image *t, size_t at, const void *bytes, size_t n)
{
	memcpy(t->bytes.at + at, bytes, n);
}

/* Fills what stands before the tables and the headers, whose sizes are known last. */
static inline void toy_headers(struct toy_image *t)
{
	size_t file_size = t->bytes.n - TOY_SEGMENT;
	static const uint8_t note[] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0, 1, 2, 3, 4,
				       5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
	Elf64_Ehdr header = {.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_phoff = sizeof(header),
			     .e_ehsize = sizeof(header), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2};
	Elf64_Phdr load = {.p_type = PT_LOAD, .p_offset = TOY_SEGMENT, .p_vaddr = TOY_BASE, .p_filesz = file_size,
			   .p_memsz = file_size + TOY_BSS};
	Elf64_Phdr notes = {.p_type = PT_NOTE, .p_offset = TOY_SEGMENT + 1024, .p_filesz = sizeof(note)};

	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	toy_put(t, 0, &header, sizeof(header));
	toy_put(t, sizeof(header), &load, sizeof(load));
	toy_put(t, sizeof(header) + sizeof(load), &notes, sizeof(notes));
	toy_put(t, TOY_SEGMENT, "text", 4);
	toy_put(t, TOY_SEGMENT + 512, TOY_BANNER "\n", sizeof(TOY_BANNER "\n"));
	toy_put(t, TOY_SEGMENT + 1024, note, sizeof(note));
}

/* Must be ended with toy_free(). */
static inline void toy_make(struct toy_image *t, enum toy_layout layout)
{
	memset(t, 0, sizeof(*t));
	toy_symbols(t);
	while (t->bytes.n < TOY_SEGMENT + 2048)
		toy_int(t, 0, 8);
	if (layout != TOY_NEW)
		toy_offsets(t);
	toy_names(t);
	if (layout == TOY_SEQS)
		toy_seqs(t);
	toy_tokens(t);
	if (layout == TOY_NEW) {
		toy_offsets(t);
		toy_seqs(t);
	}
	toy_headers(t);
}

static inline void toy_free(struct toy_image *t)
{
	km_str_free(&t->bytes);
}

#endif
