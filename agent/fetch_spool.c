/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kmend-fetch writes: whole files of its own directory. */
#include <sys/random.h>
#include <unistd.h>

#include "fetch.h"

char *fetch_spool_path(const char *root, const char *name)
{
	return km_printf("%s" KM_AGENT_SPOOL "/%s", root, name);
}

km_error *fetch_put(const char *root, const char *name, const void *bytes, size_t size)
{
	KM_AUTOFREE char *path = fetch_spool_path(root, name);

	return km_file_write(path, bytes, size);
}

/* A lost note only means the usual pause. */
void fetch_put_next(const char *root, int64_t interval, int64_t retry_after)
{
	KM_AUTOFREE char *text = NULL;
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint32_t)getpid() * 2654435761u;
	text = km_printf("%lld\n", (long long)km_fleet_next(interval, retry_after > 0 ? retry_after : 0, random));
	km_error_free(fetch_put(root, "next", text, strlen(text)));
}

static bool stays(const struct fetch *f, const char *name, const km_strv *keep)
{
	static const char *const always[] = {"next", "answer", "timestamp", "index", "rollout"};
	char root_name[KM_SOURCE_NAME], id[24];

	for (size_t i = 0; i < KM_COUNT(always); i++)
		if (!strcmp(name, always[i]))
			return true;
	if (km_strv_has(keep, name))
		return true;
	/* Roots that kmend-apply has not seen yet. */
	for (int64_t v = km_trust_root(f->client)->version; v > 0 && km_starts(name, "root."); v--) {
		snprintf(id, sizeof(id), "%lld", (long long)v);
		km_source_name(KM_DOC_ROOT, id, root_name);
		if (!strcmp(name, root_name))
			return true;
		if (km_trust_root(f->client)->version - v > 8)
			break;
	}
	/* A release stays until it is held. */
	if (km_starts(name, "release.")) {
		KM_AUTOFREE char *held = km_printf("%s" KM_AGENT_DIR "/held/%s.release", f->root, name + strlen("release."));
		const struct km_index *index = km_trust_index(f->client);

		for (size_t i = 0; index && i < index->n_releases; i++)
			if (!strcmp(index->releases[i].id, name + strlen("release.")))
				return !km_exists(held);
	}
	return false;
}

void fetch_clean(const struct fetch *f, const km_strv *keep)
{
	KM_AUTOFREE char *dir = km_printf("%s" KM_AGENT_SPOOL, f->root);
	km_strv names = {0};

	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++)
		if (!stays(f, names.at[i], keep)) {
			KM_AUTOFREE char *path = km_path(dir, names.at[i]);

			unlink(path);
		}
	km_strv_free(&names);
}
