/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which lines differ between two texts. */
#include "prepared.h"

static bool parse_range(const char **at, char sign, unsigned *first, unsigned *n)
{
	char *end;

	if (*(*at)++ != sign)
		return false;
	*first = (unsigned)strtoul(*at, &end, 10);
	*n = 1;
	if (*end == ',')
		*n = (unsigned)strtoul(end + 1, &end, 10);
	*at = end;
	return true;
}

km_error *hunks_between(const char *scratch, const char *old_text, const char *new_text, hunk_list *ret)
{
	KM_AUTOFREE char *a = km_path(scratch, "old");
	KM_AUTOFREE char *b = km_path(scratch, "new");
	char *const argv[] = {"diff", "-a", "-U0", "--", a, b, NULL};
	struct km_cmd cmd = {.argv = argv};
	struct km_done done;

	KM_TRY(km_file_write(a, old_text, strlen(old_text)));
	KM_TRY(km_file_write(b, new_text, strlen(new_text)));
	KM_TRY(km_run(&cmd, &done));
	if (done.status > 1) { /* 1: they differ */
		km_error *err = km_error_new(KM_ENV, "diff(1) cannot compare two texts: %s", done.err);

		km_done_free(&done);
		return err;
	}
	for (const char *line = done.out; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		struct hunk h;
		const char *at = line + 3;

		if (km_starts(line, "@@ ") && parse_range(&at, '-', &h.old_at, &h.old_n) && *at++ == ' ' &&
		    parse_range(&at, '+', &h.new_at, &h.new_n))
			km_vec_push(ret, h);
	}
	km_done_free(&done);
	return NULL;
}
