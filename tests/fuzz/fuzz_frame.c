/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream of a guest gives the same records however it is cut, and none beyond its bounds. */
#include "target.h"

#include "../../lib/lab/frame.h"

static void note(void *ctx, const struct lab_record *r)
{
	fuzz_require(r->n <= LAB_FRAME_MAX, "a payload has its limit", NULL);
	fuzz_require(!r->payload[r->n], "a payload is followed by a NUL", NULL);
	fuzz_require(*r->kind && strlen(r->kind) < sizeof(r->kind), "a record has a kind", NULL);
	km_str_printf(ctx, "%s %u %zu ", r->kind, r->step, r->n);
	km_str_addn(ctx, r->payload, r->n);
}

/* Feeds pieces of `piece` bytes; gives what came out. */
static km_str records(const uint8_t *bytes, size_t size, size_t piece)
{
	KM_AUTOFREE struct lab_framer *f = km_calloc(1, sizeof(*f));
	km_str out = {0};

	f->record = note;
	f->ctx = &out;
	for (size_t i = 0; i < size; i += piece)
		lab_framer_feed(f, (const char *)bytes + i, size - i < piece ? size - i : piece);
	fuzz_require(f->garbage <= size, "no more is skipped than came", NULL);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	km_str whole = records(bytes, size, size ? size : 1), cut = records(bytes, size, 7);

	fuzz_require(whole.n == cut.n && (!whole.n || !memcmp(whole.at, cut.at, whole.n)), "cuts change nothing", NULL);
	km_str_free(&whole);
	km_str_free(&cut);
	return 0;
}
