// SPDX-License-Identifier: GPL-2.0-or-later
#include "toy_kernel.h"

enum { TOY_SIZE = 0x4000, TOY_NAMED_MAX = 256 };

struct toy {
	uint8_t bytes[TOY_SIZE];
	const struct km_ksym *found[TOY_NAMED_MAX];
};

static struct km_export exports[32];
static size_t n_exports;
static km_object *modules[8];
static size_t n_modules;

static int by_address(const void *a, const void *b)
{
	const struct km_ksym *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void number(km_object *obj)
{
	for (size_t i = 0; i < obj->syms.n; i++) {
		unsigned same = 0, before = 0;

		for (size_t j = 0; j < obj->syms.n; j++) {
			if (strcmp(obj->syms.at[i].name, obj->syms.at[j].name))
				continue;
			same++;
			before += j < i;
		}
		obj->syms.at[i].sympos = obj->syms.at[i].sympos_coming = same > 1 ? before + 1 : 0;
	}
}

static const struct km_ksym *global_named(const km_object *obj, const char *name)
{
	for (size_t i = 0; i < obj->syms.n; i++)
		if (!strcmp(obj->syms.at[i].name, name) && obj->syms.at[i].type == 'T')
			return &obj->syms.at[i];
	return NULL;
}

static uint64_t place_unit(km_object *obj, struct toy *toy, km_elf *unit, uint64_t *bases, uint64_t next)
{
	for (size_t i = 0; i < unit->secs.n; i++) {
		const struct km_sec *sec = unit->secs.at[i];

		if (!km_sec_is_alloc(sec) || km_special_find(sec->name))
			continue;
		next = (next + 63) & ~(uint64_t)63;
		bases[i] = next;
		if (sec->data)
			memcpy(toy->bytes + next - TOY_BASE, sec->data, sec->size);
		next += sec->size;
	}
	for (size_t i = 1; i < unit->syms.n; i++) {
		const struct km_sym *s = unit->syms.at[i];

		if (s->sec && bases[s->sec->index] && *s->name && s->type != STT_SECTION)
			km_vec_push(&obj->syms, (struct km_ksym){.name = s->name,
								 .addr = bases[s->sec->index] + s->value,
								 .size = s->size,
								 .type = s->bind == STB_LOCAL ? 't' : 'T'});
	}
	return next;
}

static void relocate(km_object *obj, struct toy *toy, km_elf *unit, const uint64_t *bases)
{
	for (size_t i = 0; i < unit->secs.n; i++) {
		for (size_t j = 0; bases[i] && j < unit->secs.at[i]->rels.n; j++) {
			const struct km_rel *rel = &unit->secs.at[i]->rels.at[j];
			const struct km_rel_type *type = km_rel_type(unit->machine, rel->type);
			const struct km_ksym *global = rel->sym->sec ? NULL : global_named(obj, rel->sym->name);
			uint64_t at = bases[i] + rel->offset;
			uint64_t v = (global	      ? global->addr
				      : rel->sym->sec ? bases[rel->sym->sec->index] + rel->sym->value
						      : 0) +
				     (uint64_t)rel->addend - (type->pcrel ? at : 0);

			memcpy(toy->bytes + at - TOY_BASE, &v, type->size);
		}
	}
}

km_object *toy_link(km_elf *const *units, size_t n)
{
	km_object *obj = km_calloc(1, sizeof(*obj));
	uint64_t bases[8][32] = {0}, next = TOY_BASE;

	obj->name = "vmlinux";
	obj->is_vmlinux = true;
	obj->build_id_len = 20;
	obj->priv = km_calloc(1, sizeof(struct toy));
	for (size_t i = 0; i < n; i++)
		next = place_unit(obj, obj->priv, units[i], bases[i], next);
	qsort(obj->syms.at, obj->syms.n, sizeof(obj->syms.at[0]), by_address);
	for (size_t i = 0; i < n; i++)
		relocate(obj, obj->priv, units[i], bases[i]);
	number(obj);
	return obj;
}

km_object *toy_module(const char *name, km_elf *ko)
{
	km_object *obj = km_calloc(1, sizeof(*obj));

	obj->name = name;
	obj->elf = ko;
	obj->priv = km_calloc(1, sizeof(struct toy));
	for (size_t i = 1; i < ko->syms.n; i++) {
		const struct km_sym *s = ko->syms.at[i];

		if (s->sec && *s->name && s->type != STT_SECTION)
			km_vec_push(&obj->syms, (struct km_ksym){.name = s->name,
								 .addr = s->value,
								 .size = s->size,
								 .sec = s->sec,
								 .type = s->bind == STB_LOCAL ? 't' : 'T'});
	}
	number(obj);
	return obj;
}

void toy_destroy(km_object *obj)
{
	km_vec_free(&obj->syms);
	free(obj->priv);
	free(obj);
}

uint8_t *toy_bytes(km_object *vmlinux, uint64_t addr)
{
	return ((struct toy *)vmlinux->priv)->bytes + addr - TOY_BASE;
}

void toy_export(const char *name, const char *owner, const char *ns)
{
	exports[n_exports++] = (struct km_export){.name = name, .owner = owner, .crc = 1, .ns = ns};
}

void toy_offer_module(km_object *module)
{
	modules[n_modules++] = module;
}

void toy_reset(void)
{
	n_exports = n_modules = 0;
}

struct km_sec *toy_text(km_elf *elf, const char *name, size_t size)
{
	struct km_sec *sec = km_elf_add_sec(elf, name, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 16);
	uint8_t nops[1024];

	memset(nops, 0x90, sizeof(nops));
	km_sec_append(elf, sec, nops, size);
	return sec;
}

struct km_sym *toy_func(km_elf *elf, struct km_sec *sec, const char *name, uint8_t bind, uint64_t at, uint64_t size,
			uint8_t fill)
{
	memset(sec->data + at, fill, size);
	return km_elf_add_sym(elf, name, bind, STT_FUNC, sec, at, size);
}

struct km_sym *toy_undef(km_elf *elf, const char *name)
{
	return km_elf_add_sym(elf, name, STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}

void toy_call(struct km_sec *sec, uint64_t at, struct km_sym *to)
{
	sec->data[at] = 0xe8;
	memset(sec->data + at + 1, 0, 4);
	km_sec_add_rel(sec, at + 1, R_X86_64_PLT32, to, -4);
}

/* ---- the image half of kmend/kernel.h ---- */

const struct km_ksym *const *km_ksyms_named(const km_object *obj, const char *name, size_t *n)
{
	struct toy *toy = obj->priv;

	*n = 0;
	for (size_t i = 0; i < obj->syms.n; i++)
		if (!strcmp(obj->syms.at[i].name, name))
			toy->found[(*n)++] = &obj->syms.at[i];
	return toy->found;
}

const struct km_ksym *const *km_ksyms_at(const km_object *obj, uint64_t addr, size_t *n)
{
	struct toy *toy = obj->priv;

	*n = 0;
	for (size_t i = 0; i < obj->syms.n; i++)
		if (obj->syms.at[i].addr == addr)
			toy->found[(*n)++] = &obj->syms.at[i];
	return toy->found;
}

const struct km_ksym *km_ksym_covering(const km_object *obj, uint64_t addr)
{
	for (size_t i = 0; i < obj->syms.n; i++)
		if (addr - obj->syms.at[i].addr < obj->syms.at[i].size)
			return &obj->syms.at[i];
	return NULL;
}

const uint8_t *km_vmlinux_bytes(const km_object *obj, uint64_t addr, size_t n)
{
	if (addr < TOY_BASE || addr - TOY_BASE > TOY_SIZE || n > TOY_SIZE - (addr - TOY_BASE))
		return NULL;
	return ((struct toy *)obj->priv)->bytes + addr - TOY_BASE;
}

const char *km_vmlinux_banner(const km_object *obj)
{
	(void)obj;
	return "Linux version 9.9 (a@b) (toycc (Toy 1.0) 1.0, GNU ld (Toy) 2.0) #1 SMP Toy 9.9-1";
}

const struct km_export *km_export_find(const km_exports *e, const char *name)
{
	(void)e;
	for (size_t i = 0; i < n_exports; i++)
		if (!strcmp(exports[i].name, name))
			return &exports[i];
	return NULL;
}

km_error *km_kernel_module(km_kernel *k, const char *name, km_object **ret)
{
	(void)k;
	for (size_t i = 0; i < n_modules; i++) {
		if (strcmp(modules[i]->name, name))
			continue;
		*ret = modules[i];
		return NULL;
	}
	return km_error_new(KM_INPUT, "this kernel has no module %s", name);
}

km_error *km_module_build(km_kernel *k, const char *dir, const char *name, const km_strv *more)
{
	(void)k;
	(void)more;
	return km_error_new(KM_ENV, "the toy has no linker for %s in %s", name, dir);
}
