/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A release on its way: the document, and beside it what it names. */
#include <sys/stat.h>

#include <kmend/publish.h>

void km_blobs_free(km_blobs *blobs)
{
	for (size_t i = 0; i < blobs->n; i++)
		free(blobs->at[i].path);
	km_vec_free(blobs);
}

/* "blobs" in the file's directory; for free(). */
static char *blobs_beside(const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? km_printf("%.*sblobs", (int)(slash - file) + 1, file) : km_strdup("blobs");
}

static km_error *check(const char *path, const char *sha256, uint64_t size)
{
	char sum[KM_SHA256_HEX];
	struct stat st;

	KM_TRY(km_sha256_file(path, sum));
	if (strcmp(sum, sha256) || stat(path, &st) < 0 || (uint64_t)st.st_size != size)
		return km_error_hint(km_error_new(KM_REFUSED, "%s has other bytes than the release names", path),
				     "its name is the SHA-256 that it must have; bring the file once more");
	return NULL;
}

static km_error *save_blob(const struct km_blob *blob, const char *dir)
{
	KM_AUTOFREE char *to = km_path(dir, blob->sha256);
	km_error *there = km_exists(to) ? check(to, blob->sha256, blob->size) : km_error_new(KM_NOTHING, "not there");
	km_error *err = NULL;

	if (there)
		err = km_file_copy(blob->path, to);
	km_error_free(there);
	/* It may have changed since it was read. */
	return err ? err : check(to, blob->sha256, blob->size);
}

km_error *km_publish_save(const km_envelope *release, const km_blobs *blobs, const char *file)
{
	KM_AUTOFREE char *dir = blobs_beside(file);

	KM_TRY(km_mkdirs(dir));
	for (size_t i = 0; i < blobs->n; i++)
		KM_TRY(save_blob(&blobs->at[i], dir));
	return km_envelope_save(release, file);
}

/* The same bytes may serve two kernels: they are one blob. */
static void push(km_blobs *blobs, const char *dir, const char *sha256, uint64_t size, bool source)
{
	struct km_blob blob = {.size = size, .source = source};

	for (size_t i = 0; i < blobs->n; i++)
		if (!strcmp(blobs->at[i].sha256, sha256))
			return;
	memcpy(blob.sha256, sha256, KM_SHA256_HEX);
	blob.path = km_path(dir, sha256);
	km_vec_push(blobs, blob);
}

km_error *km_publish_blobs(const km_envelope *release, const char *file, const char *dir, km_blobs *ret)
{
	KM_AUTOFREE char *beside = dir ? km_strdup(dir) : blobs_beside(file);
	km_blobs blobs = {0};
	struct km_release r;
	km_error *err = NULL;

	KM_TRY(km_release_parse(release, &r));
	for (size_t i = 0; i < r.n_kernels; i++)
		for (size_t j = 0; j < r.kernels[i].n_payloads; j++)
			push(&blobs, beside, r.kernels[i].payloads[j].sha256, r.kernels[i].payloads[j].size, false);
	push(&blobs, beside, r.source_sha256, r.source_size, true);
	km_release_free(&r);
	for (size_t i = 0; i < blobs.n && !err; i++)
		err = check(blobs.at[i].path, blobs.at[i].sha256, blobs.at[i].size);
	if (err) {
		km_blobs_free(&blobs);
		return km_error_hint(err, "the directory `blobs` travels beside the release");
	}
	*ret = blobs;
	return NULL;
}
