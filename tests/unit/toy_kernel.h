/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * toy_kernel.h - a kernel small enough to be made inside a test: units are models, "linking" lays their sections one
 * after the other and applies the relocations. It stands in for the image half of kmend/kernel.h.
 */
#ifndef KMEND_TEST_TOY_KERNEL_H
#define KMEND_TEST_TOY_KERNEL_H

#include <kmend/patch.h>

enum { TOY_BASE = 0x1000 };

/* Links units into an image; the object is the caller's (toy_destroy). Undefined names bind to globals of other units.
 */
km_object *toy_link(km_elf *const *units, size_t n);
/* Takes a model for a shipped module; it must outlive the object. */
km_object *toy_module(const char *name, km_elf *ko);
void toy_destroy(km_object *obj);
/* The bytes of the image, to be spoilt by tests. */
uint8_t *toy_bytes(km_object *vmlinux, uint64_t addr);

/* What km_export_find() and km_kernel_module() answer from now on. */
void toy_export(const char *name, const char *owner, const char *ns);
void toy_offer_module(km_object *module);
void toy_reset(void);

/* Construction of units. */
struct km_sec *toy_text(km_elf *elf, const char *name, size_t size);
struct km_sym *toy_func(km_elf *elf, struct km_sec *sec, const char *name, uint8_t bind, uint64_t at, uint64_t size,
			uint8_t fill);
struct km_sym *toy_undef(km_elf *elf, const char *name);
/* A call at `at` of sec: the opcode and a PLT32 relocation. */
void toy_call(struct km_sec *sec, uint64_t at, struct km_sym *to);

#endif
