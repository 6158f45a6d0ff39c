/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vmlinux of any bytes. Bytes that do not begin as an ELF file are taken as changes to a small image that is right: the
 * first chooses the layout of its tables, then each 4 are a place (counted from one of the tables) and two new bytes.
 */
#include <kmend/kernel.h>

#include "../unit/toy_image.h"
#include "target.h"

/* What the model promises for each symbol. */
static void ask(const km_object *obj)
{
	for (size_t i = 0; i < obj->syms.n; i++) {
		const struct km_ksym *sym = &obj->syms.at[i], *covering = km_ksym_covering(obj, sym->addr);
		const struct km_ksym *const *found;
		size_t n;

		fuzz_require(!i || sym[-1].addr <= sym->addr, "ascending", NULL);
		fuzz_require(covering && covering->addr == sym->addr, "covered", NULL);
		km_ksyms_at(obj, sym->addr, &n);
		fuzz_require(n > 0, "found by address", NULL);
		found = km_ksyms_named(obj, sym->name, &n);
		fuzz_require(sym->sympos <= n && found[sym->sympos ? sym->sympos - 1 : 0] == sym && !sym->sympos == (n == 1),
			     "found by name at its position", NULL);
		fuzz_require(!km_vmlinux_bytes(obj, sym->addr, SIZE_MAX), "bytes are bounded", NULL);
	}
	fuzz_require(*km_vmlinux_release(obj) && *km_vmlinux_banner(obj), "a banner", NULL);
}

static void parse(const uint8_t *bytes, size_t size)
{
	km_object *obj;
	km_error *err = km_vmlinux_parse(bytes, size, &obj);

	if (err) {
		fuzz_require(err->code == KM_INPUT, "refused with KM_INPUT", err);
		km_error_free(err);
		return;
	}
	ask(obj);
	km_object_destroy(obj);
}

static void change(struct toy_image *t, const uint8_t *bytes, size_t size)
{
	const size_t starts[] = {0, t->num_syms, t->names, t->markers, t->token_table, t->token_index, t->offsets,
				 t->relative_base, t->seqs};

	for (; size >= 4; bytes += 4, size -= 4) {
		size_t at = starts[bytes[0] % KM_COUNT(starts)] + ((size_t)(bytes[0] / KM_COUNT(starts)) << 8 | bytes[1]);

		if (at + 2 <= t->bytes.n)
			toy_put(t, at, bytes + 2, 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct toy_image t;

	if (!size || *bytes == ELFMAG[0]) {
		parse(bytes, size);
		return 0;
	}
	toy_make(&t, bytes[0] % (TOY_NEW + 1));
	change(&t, bytes + 1, size - 1);
	parse((uint8_t *)t.bytes.at, t.bytes.n);
	toy_free(&t);
	return 0;
}
