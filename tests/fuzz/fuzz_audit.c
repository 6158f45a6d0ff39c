/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of an exported audit log, in any bytes. One that is read can be written, and reads the same. */
#include <kmend/store.h>

#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KM_AUTOFREE char *text = km_strndup((const char *)data, size), *line = NULL;
	km_arena *arena = km_arena_create();
	struct km_store_audit record, again;
	char first[KM_SHA256_HEX], second[KM_SHA256_HEX];
	km_error *err = km_audit_line_parse(text, arena, &record);

	if (err) {
		fuzz_require(err->code == KM_INPUT, "a refusal names the input", err);
		km_error_free(err);
	} else {
		line = km_audit_line(&record);
		err = km_audit_line_parse(line, arena, &again);
		fuzz_require(!err, "what was read can be read again", err);
		km_audit_hash(record.hash, &record, first);
		km_audit_hash(again.hash, &again, second);
		fuzz_require(!strcmp(first, second), "it is the same record", NULL);
	}
	km_arena_destroy(arena);
	return 0;
}
