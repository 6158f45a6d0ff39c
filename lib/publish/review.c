/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reviewer signs: the release is made once more from what lies beside it, and must come out the same. */
#include "internal.h"

static km_error *same(const km_envelope *release, const km_envelope *again)
{
	if (!strcmp(release->id, again->id))
		return NULL;
	return km_error_hint(km_error_new(KM_REFUSED, "the release does not say what its modules say of themselves"),
			     "do not sign it: let the builder publish it anew");
}

km_error *km_publish_review(const km_envelope *release, const km_blobs *blobs, km_strv *overrides)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *again = NULL;
	KM_AUTOFREE const char **paths = km_calloc(blobs->n + 1, sizeof(*paths));
	struct km_publish publish = {.paths = paths};
	km_blobs found = {0};
	km_strv cves = {0}, flags = {0};
	struct km_release r;
	km_error *err;

	KM_TRY(km_release_parse(release, &r));
	for (size_t i = 0; i < blobs->n; i++)
		if (blobs->at[i].source)
			publish.source = blobs->at[i].path;
		else
			paths[publish.n_paths++] = blobs->at[i].path;
	for (size_t i = 0; i < r.n_cves; i++)
		km_strv_push(&cves, r.cves[i]);
	publish.cves = &cves;
	publish.name = r.name, publish.version = r.version;
	publish.summary = r.summary, publish.severity = r.severity;
	publish.now = r.issued;
	err = collect(&publish, &flags, &again, &found);
	if (!err)
		err = same(release, again);
	km_blobs_free(&found);
	km_strv_free(&cves);
	km_release_free(&r);
	if (err) {
		km_strv_free(&flags);
		return err;
	}
	*overrides = flags;
	return NULL;
}
