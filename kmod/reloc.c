// SPDX-License-Identifier: GPL-2.0-only
/*
 * reloc.c - late relocations: places in a patch module that hold the address of what is not exported, or not there yet.
 */
#include "internal.h"

struct field { /* one place, and what comes there */
	void *place;
	u64 value;
	size_t size;
};

static size_t count(const struct kmend_reloc *relocs)
{
	size_t n = 0;

	while (relocs && relocs[n].place)
		n++;
	return n;
}

static void ask(const struct kmend_object *obj, struct km_symbol *symbols, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		symbols[i].object = obj->name;
		symbols[i].name = obj->relocs[i].name;
		symbols[i].sympos = obj->relocs[i].sympos;
	}
}

static const char *why(int err)
{
	switch (err) {
	case -EINVAL:
		return "the type or the place is none that is known";
	case -EEXIST:
		return "the place is not zero";
	case -ERANGE:
		return "the symbol is out of reach";
	default:
		return "it cannot be made";
	}
}

/* A patch's relocations stay in a module: the kernel itself is not written to. */
static bool inside_module(const void *place, size_t size)
{
	struct module *mod;
	bool inside;

	preempt_disable(); /* keeps the module's entry in the tree of addresses */
	mod = km_kernel.module_address((unsigned long)place);
	inside = mod && within_module((unsigned long)place + size - 1, mod);
	preempt_enable();
	return inside;
}

static int resolve(const struct kmend_reloc *r, unsigned long target, struct field *ret)
{
	static const u64 zero;
	struct field f = { .place = r->place };
	int err;

	err = km_arch_reloc(r, target, &f.value, &f.size);
	if (err)
		return err;
	if (!inside_module(f.place, f.size))
		return -EINVAL;
	if (memcmp(f.place, &zero, f.size))
		return -EEXIST;
	*ret = f;
	return 0;
}

static int resolve_all(const char *patch, const struct kmend_object *obj, const struct km_symbol *symbols, struct field *fields,
		       size_t n)
{
	size_t i;
	int err;

	for (i = 0; i < n; i++) {
		err = resolve(&obj->relocs[i], symbols[i].addr, &fields[i]);
		if (err) {
			pr_err("patch %s: relocation of %s (type %u) at %pS: %s\n", patch, obj->relocs[i].name, obj->relocs[i].type,
			       obj->relocs[i].place, why(err));
			return err;
		}
	}
	return 0;
}

int km_relocs_apply(const char *patch, const struct kmend_object *obj)
{
	size_t i, n = count(obj->relocs);
	struct km_symbol *symbols;
	struct field *fields;
	int err;

	if (!n)
		return 0;
	if (!km_kernel.text_poke_copy) {
		pr_err("patch %s: this kernel offers no way to relocate it\n", patch);
		return -EOPNOTSUPP;
	}
	symbols = kvcalloc(n, sizeof(*symbols), GFP_KERNEL);
	fields = kvcalloc(n, sizeof(*fields), GFP_KERNEL);
	err = symbols && fields && !km_fails("relocs") ? 0 : -ENOMEM;
	if (err)
		goto free;
	ask(obj, symbols, n);
	err = km_symbols_find(symbols, n) ?: resolve_all(patch, obj, symbols, fields, n);
	for (i = 0; i < n && !err; i++)
		km_arch_write(fields[i].place, &fields[i].value, fields[i].size);
free:
	kvfree(fields);
	kvfree(symbols);
	return err;
}

void km_relocs_clear(const struct kmend_object *obj)
{
	static const u64 zero;
	size_t i, size, n = km_kernel.text_poke_copy ? count(obj->relocs) : 0;

	for (i = 0; i < n; i++) {
		size = km_arch_reloc_size(obj->relocs[i].type);
		if (size)
			km_arch_write(obj->relocs[i].place, &zero, size);
	}
}
