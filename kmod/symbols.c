// SPDX-License-Identifier: GPL-2.0-only
/*
 * symbols.c - addresses by (object, name, position), and whether the running kernel is the one that a patch was made for.
 */
#include <crypto/sha2.h>
#include <linux/elf.h>
#include <linux/hashtable.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "internal.h"

#define COLD ".cold"
#define NOTE_BUILD_ID 3 /* NT_GNU_BUILD_ID of <elf.h> */

/* One symbol that is looked for, and its cold part. */
struct search {
	const struct km_symbol *symbol;
	struct found {
		size_t n;
		unsigned long addr;
		size_t wanted; /* from 1 */
	} itself, cold;
	struct hlist_node node; /* in struct names */
};

struct names { /* that are looked for in one module */
	DECLARE_HASHTABLE(table, 6);
};

static void found(struct found *f, unsigned long addr)
{
	f->n++;
	if (f->n == f->wanted)
		f->addr = addr;
}

static int found_in_vmlinux(void *data, unsigned long addr)
{
	found(data, addr);
	return 0;
}

static void found_name(struct names *names, const char *name, size_t length, unsigned long addr, bool cold)
{
	struct search *s;

	hash_for_each_possible(names->table, s, node, full_name_hash(NULL, name, length)) {
		if (!strncmp(s->symbol->name, name, length) && !s->symbol->name[length])
			found(cold ? &s->cold : &s->itself, addr);
	}
}

static int found_in_module(void *data, const char *name, unsigned long addr)
{
	size_t length = strlen(name), suffix = strlen(COLD);

	found_name(data, name, length, addr, false);
	if (length > suffix && !strcmp(name + length - suffix, COLD))
		found_name(data, name, length - suffix, addr, true);
	return 0;
}

static bool same_object(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void search_vmlinux(struct search *s)
{
	char cold[KSYM_NAME_LEN];

	km_kernel.each_match_symbol(found_in_vmlinux, s->symbol->name, &s->itself);
	if (snprintf(cold, sizeof(cold), "%s" COLD, s->symbol->name) < sizeof(cold))
		km_kernel.each_match_symbol(found_in_vmlinux, cold, &s->cold);
}

static void search_module(const char *module, struct search *s, size_t n)
{
	struct names names;
	size_t i;

	hash_init(names.table);
	for (i = 0; i < n; i++) {
		const struct km_symbol *symbol = s[i].symbol;

		if (same_object(module, symbol->object))
			hash_add(names.table, &s[i].node, full_name_hash(NULL, symbol->name, strlen(symbol->name)));
	}
	km_each_module_symbol(module, found_in_module, &names);
}

/* Whether the object of symbols[i] has been searched for one before it. */
static bool searched_before(const struct km_symbol *symbols, size_t i)
{
	size_t k;

	for (k = 0; k < i; k++) {
		if (same_object(symbols[k].object, symbols[i].object))
			return true;
	}
	return false;
}

/* Compilers put the cold parts in the order of the functions; when some of a name have none, nobody can tell whose the others are. */
static void answer_cold(struct km_symbol *symbol, const struct search *s)
{
	unsigned long offset;

	symbol->cold = symbol->cold_size = 0;
	if (s->cold.n != s->itself.n || !km_kernel.lookup_symbol_size(s->cold.addr, &symbol->cold_size, &offset))
		return;
	symbol->cold = s->cold.addr;
}

static int answer(struct km_symbol *symbol, const struct search *s)
{
	const char *object = symbol->object ?: "vmlinux";

	if (!s->itself.n) {
		pr_err("no symbol %s in %s\n", symbol->name, object);
		return -ENOENT;
	}
	if (symbol->sympos > s->itself.n) {
		pr_err("no symbol %s,%lu in %s: there are %zu of that name\n", symbol->name, symbol->sympos, object,
		       s->itself.n);
		return -ENOENT;
	}
	if (!symbol->sympos && s->itself.n > 1) {
		pr_err("symbol %s in %s is ambiguous: there are %zu of that name, and no position says which\n", symbol->name,
		       object, s->itself.n);
		return -EINVAL;
	}
	symbol->addr = s->itself.addr;
	answer_cold(symbol, s);
	return 0;
}

int km_symbols_find(struct km_symbol *symbols, size_t n)
{
	struct search *s;
	size_t i;
	int err = 0;

	if (!n)
		return 0;
	s = kvcalloc(n, sizeof(*s), GFP_KERNEL);
	if (!s || km_fails("symbols")) {
		err = -ENOMEM;
		goto free;
	}
	for (i = 0; i < n; i++) {
		s[i].symbol = &symbols[i];
		s[i].itself.wanted = s[i].cold.wanted = symbols[i].sympos ?: 1;
	}
	for (i = 0; i < n; i++) {
		if (!symbols[i].object)
			search_vmlinux(&s[i]);
		else if (!searched_before(symbols, i))
			search_module(symbols[i].object, s, n);
	}
	for (i = 0; i < n && !err; i++)
		err = answer(&symbols[i], &s[i]);
free:
	kvfree(s);
	return err;
}

/* The build-id among ELF notes in memory; its size, or 0. */
static size_t find_build_id(const void *notes, const void *end, const u8 **ret)
{
	while (notes + sizeof(struct elf64_note) <= end) {
		const struct elf64_note *note = notes;
		const u8 *name = notes + sizeof(*note);
		const u8 *desc = name + ALIGN(note->n_namesz, 4);

		if (note->n_namesz > end - notes || note->n_descsz > end - notes || (void *)desc + note->n_descsz > end)
			return 0;
		if (note->n_type == NOTE_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
			*ret = desc;
			return note->n_descsz;
		}
		notes = desc + ALIGN(note->n_descsz, 4);
	}
	return 0;
}

#define BUILD_ID_MAX 64 /* bytes */

int km_build_id_check(const char *patch, const char *hex)
{
	char running[2 * BUILD_ID_MAX + 1];
	const u8 *id;
	size_t size;

	if (!hex)
		return 0;
	size = find_build_id(km_kernel.notes, km_kernel.notes_end, &id);
	if (!size || size > BUILD_ID_MAX) {
		pr_err("patch %s: it is for build-id %.128s only, and this kernel shows none\n", patch, hex);
		return -ENOEXEC;
	}
	*bin2hex(running, id, size) = '\0';
	if (strcasecmp(running, hex)) {
		pr_err("patch %s: it is for the kernel of build-id %.128s, this one has %s\n", patch, hex, running);
		return -ENOEXEC;
	}
	return 0;
}

static int mask(u8 *bytes, const struct kmend_expect *e)
{
	u32 i, end = 0;

	for (i = 0; i < e->n_masks; i++) {
		const struct kmend_range *m = &e->masks[i];

		if (m->offset < end || m->offset > e->size || m->length > e->size - m->offset)
			return -EINVAL;
		memset(bytes + m->offset, 0, m->length);
		end = m->offset + m->length;
	}
	return 0;
}

/* What kprobes have written into the function is not the function's. */
static void without_probes(u8 *bytes, unsigned long addr, size_t size)
{
	struct kprobe *p;
	size_t i;

	preempt_disable(); /* keeps the kprobes */
	for (i = 0; i < size && km_kernel.get_kprobe; i++) {
		p = km_kernel.get_kprobe((void *)addr + i);
		if (p && !(p->flags & KPROBE_FLAG_FTRACE))
			km_arch_unprobe(bytes + i, size - i, p);
	}
	preempt_enable();
}

static int read_text(u8 *bytes, unsigned long addr, const struct kmend_expect *e)
{
	int err = copy_from_kernel_nofault(bytes, (void *)addr, e->size);

	if (err)
		return err;
	without_probes(bytes, addr, e->size);
	return mask(bytes, e);
}

int km_expect_check(const char *patch, const char *func, unsigned long addr, unsigned long size, const struct kmend_expect *e)
{
	u8 digest[SHA256_DIGEST_SIZE], *bytes;
	int err;

	if (!e->size || e->size > size) {
		pr_err("patch %s: %s shall have %u bytes, and has %lu here\n", patch, func, e->size, size);
		return -EILSEQ;
	}
	bytes = kvmalloc(e->size, GFP_KERNEL);
	if (!bytes || km_fails("expect"))
		err = -ENOMEM;
	else
		err = read_text(bytes, addr, e);
	if (err) {
		pr_err("patch %s: the bytes of %s cannot be checked (error %d)\n", patch, func, err);
		goto free;
	}
	sha256(bytes, e->size, digest);
	if (memcmp(digest, e->sha256, sizeof(digest)) || km_fails("hash")) {
		pr_err("patch %s: the running bytes of %s are not those that it was made for\n", patch, func);
		err = -EILSEQ;
	}
free:
	kvfree(bytes);
	return err;
}
