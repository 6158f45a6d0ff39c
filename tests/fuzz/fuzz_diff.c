/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A patch file is any bytes that a user got from somewhere: it is refused with KM_INPUT, or its hunks read the same again. */
#include "../../lib/kernel/prepared.h"

#include "target.h"

static void check_again(const struct file_diff *d)
{
	KM_AUTOFREE char *text = km_printf("--- a/f.c\n+++ b/f.c\n%s", d->text);
	file_diff_list again = {0};

	if (!*d->text || d->rename)
		return;
	km_error *err = diff_parse(text, &again);
	fuzz_require(!err, "hunks that were read are hunks", err);
	fuzz_require(again.n == 1 && !strcmp(again.at[0].text, d->text), "and the same hunks", NULL);
	file_diff_list_free(&again);
}

/* What a new file adds is C for the lexer, whatever it is. */
static void check_added(const struct file_diff *d)
{
	KM_AUTOFREE char *added = diff_added_text(d);
	definition_list found = {0};

	definitions_of(added, &found);
	for (size_t i = 0; i < found.n; i++)
		fuzz_require(found.at[i].first && found.at[i].first <= found.at[i].last, "a definition has lines", NULL);
	definition_list_free(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE char *text = km_strndup((const char *)bytes, size);
	file_diff_list files = {0};
	km_error *err = diff_parse(text, &files);

	for (size_t i = 0; i < files.n; i++) {
		fuzz_require(files.at[i].old_path || files.at[i].new_path || err, "a file has a name", NULL);
		if (err)
			continue;
		check_again(&files.at[i]);
		check_added(&files.at[i]);
	}
	fuzz_require(!err || err->code == KM_INPUT, "a refusal names the input", err);
	km_error_free(err);
	file_diff_list_free(&files);
	return 0;
}
