/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A bzImage, and a packed module, of any bytes: what comes out is bounded; what is refused, with KM_INPUT. */
#include <kmend/kernel.h>

#include "target.h"

enum { LIMIT = 1 << 20, IMAGE_LIMIT = 512 << 20 };

/* Keeps the compiler from dropping the reads below. */
static volatile uint8_t sink;

static void judge(km_error *err, const uint8_t *out, size_t size, size_t limit)
{
	if (err) {
		fuzz_require(err->code == KM_INPUT, "refused with KM_INPUT", err);
		km_error_free(err);
		return;
	}
	fuzz_require(size <= limit, "bounded", NULL);
	for (size_t i = 0; i < size; i += 64)
		sink ^= out[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE uint8_t *vmlinux = NULL, *module = NULL;
	size_t vmlinux_size = 0, module_size = 0;
	km_error *err = km_vmlinuz_extract(bytes, size, &vmlinux, &vmlinux_size);

	judge(err, vmlinux, vmlinux_size, IMAGE_LIMIT);
	err = km_decompress(bytes, size, LIMIT, &module, &module_size);
	judge(err, module, module_size, LIMIT);
	return 0;
}
