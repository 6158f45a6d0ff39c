/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each fuzz_<name>.c defines; libFuzzer or replay.c calls it. */
#ifndef KMEND_TESTS_FUZZ_TARGET_H
#define KMEND_TESTS_FUZZ_TARGET_H

#include <kmend/base.h>

/* Takes any bytes; returns 0, and aborts when a promise is broken. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A promise that must hold for whatever bytes came in. */
static inline void fuzz_require(bool holds, const char *promise, const km_error *err)
{
	if (holds)
		return;
	fprintf(stderr, "broken: %s%s%s\n", promise, err ? ": " : "", err ? err->message : "");
	abort();
}

#endif
