/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ELF reader accepts can be asked, written, and read again with the same shape; what it refuses, with KM_INPUT. */
#include <kmend/elf.h>

#include "target.h"

/* Keeps the compiler from dropping the reads below. */
static volatile uint64_t sink;

/* Looks at every byte and pointer that the model promises. */
static uint64_t ask(const km_elf *elf)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < elf->secs.n; i++) {
		const struct km_sec *sec = elf->secs.at[i];

		for (uint64_t k = 0; sec->data && k < sec->size; k++)
			sum += sec->data[k];
		for (size_t k = 0; k < sec->rels.n; k++) {
			struct km_sym *sym;
			int64_t offset;

			km_rel_target(elf, sec, &sec->rels.at[k], &sym, &offset);
			sum += strlen(sym->name) + (uint64_t)offset;
			fuzz_require(k == 0 || sec->rels.at[k - 1].offset <= sec->rels.at[k].offset, "sorted", NULL);
		}
	}
	for (size_t i = 0; i < elf->syms.n; i++) {
		const struct km_sym *sym = elf->syms.at[i];

		fuzz_require(sym->index == i && (!sym->sec || elf->secs.at[sym->sec->index] == sym->sec), "index", NULL);
		sum += strlen(sym->name) + (sym->sec ? km_elf_sym_at(elf, sym->sec, sym->value) != NULL : 0);
	}
	return sum;
}

static bool same_shape(const km_elf *a, const km_elf *b)
{
	if (a->secs.n != b->secs.n || a->syms.n != b->syms.n || a->extras.n != b->extras.n)
		return false;
	for (size_t i = 0; i < a->secs.n; i++)
		if (a->secs.at[i]->size != b->secs.at[i]->size || a->secs.at[i]->rels.n != b->secs.at[i]->rels.n ||
		    strcmp(a->secs.at[i]->name, b->secs.at[i]->name))
			return false;
	return true;
}

static void write_again(const km_elf *elf)
{
	KM_AUTOFREE uint8_t *bytes = NULL, *bytes2 = NULL;
	KM_AUTOELF km_elf *second = NULL;
	size_t size, size2;
	km_error *err = km_elf_write(elf, &bytes, &size);

	fuzz_require(!err, "what was read can be written", err);
	err = km_elf_read(bytes, size, &second);
	fuzz_require(!err, "what was written can be read", err);
	fuzz_require(same_shape(elf, second), "the same shape", NULL);
	err = km_elf_write(second, &bytes2, &size2);
	fuzz_require(!err, "and written again", err);
	fuzz_require(size == size2 && !memcmp(bytes, bytes2, size), "the same bytes", NULL);
}

static void refused(km_error *err)
{
	fuzz_require(err->code == KM_INPUT, "refused with KM_INPUT", err);
	km_error_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	KM_AUTOELF km_elf *elf = NULL, *any = NULL, *no_debug = NULL;
	km_error *err = km_elf_read(bytes, size, &elf);

	if (err)
		refused(err);
	else {
		sink += ask(elf);
		write_again(elf);
	}
	err = km_elf_read_any(bytes, size, &any);
	if (err)
		refused(err);
	else
		sink += ask(any);
	err = km_elf_read_flags(bytes, size, KM_ELF_NO_DEBUG, &no_debug);
	if (err)
		refused(err);
	else
		sink += ask(no_debug);
	return 0;
}
