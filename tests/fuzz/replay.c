/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target on the files of a corpus, and on each of them cut short: replay_<name> DIR|FILE... */
#include "target.h"

/* A copy of exactly that size, so that a sanitizer sees each byte too many. */
static void run(const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE uint8_t *copy = km_calloc(size, 1);

	memcpy(copy, bytes, size);
	LLVMFuzzerTestOneInput(copy, size);
}

static km_error *replay(const char *path)
{
	enum { CUTS = 16 };
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_file_read(path, &bytes, &size));
	for (size_t i = 0; i <= CUTS; i++)
		run(bytes, size * i / CUTS);
	return NULL;
}

static km_error *replay_all(const char *path, size_t *count)
{
	km_strv names = {0};
	km_error *err = NULL;

	if (!km_is_dir(path)) {
		++*count;
		return replay(path);
	}
	KM_TRY(km_listdir(path, &names));
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *file = km_path(path, names.at[i]);

		err = replay(file);
		++*count;
	}
	km_strv_free(&names);
	return err;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	for (int i = 1; i < argc; i++) {
		km_error *err = replay_all(argv[i], &count);

		if (err) {
			km_error_print(argv[0], err);
			return km_error_exit(err);
		}
	}
	printf("%zu inputs\n", count);
	/* A corpus that has gone missing must not look like one that passed. */
	return count ? 0 : 1;
}
