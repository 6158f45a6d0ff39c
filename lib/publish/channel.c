/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index that follows another one. */
#include <kmend/publish.h>

static struct km_index_entry *find(struct km_index *index, const char *id)
{
	for (size_t i = 0; i < index->n_releases; i++)
		if (!strcmp(index->releases[i].id, id))
			return &index->releases[i];
	return NULL;
}

static km_error *add(struct km_index *next, const char *id, bool staged)
{
	struct km_index_entry *entry = find(next, id);

	if (entry && entry->withdrawn)
		return km_error_hint(km_error_new(KM_REFUSED, "the release was withdrawn from %s: %s", next->channel,
						  entry->withdrawn),
				     "hosts have been told so; publish a release that is mended");
	if (entry && entry->staged == staged)
		return km_error_new(KM_NOTHING, "%s has the release already", next->channel);
	/* What hosts may take at once they may have taken: it cannot be made to wait any more. */
	if (entry && staged)
		return km_error_hint(
			km_error_new(KM_REFUSED, "%s gives the release to every host already", next->channel),
			"kmend rollout halt or kmend channel withdraw stops it");
	if (!entry && next->n_releases == KM_TRUST_RELEASES)
		return km_error_new(KM_REFUSED, "%s has %d releases, and an index holds no more", next->channel,
				    KM_TRUST_RELEASES);
	if (!entry) {
		entry = &next->releases[next->n_releases++];
		snprintf(entry->id, sizeof(entry->id), "%s", id);
	}
	entry->staged = staged;
	return NULL;
}

static km_error *withdraw(struct km_index *next, const char *id, const char *reason)
{
	struct km_index_entry *entry = find(next, id);

	if (!entry)
		return km_error_new(KM_REFUSED, "%s does not have the release", next->channel);
	if (entry->withdrawn)
		return km_error_new(KM_NOTHING, "the release is withdrawn already: %s", entry->withdrawn);
	if (!reason || !*reason)
		return km_error_new(KM_USAGE, "withdrawing needs a reason");
	entry->withdrawn = reason;
	return NULL;
}

km_error *km_channel_next(const struct km_index *last, const struct km_channel_change *change, int64_t now,
			  int64_t lifetime, km_envelope **ret)
{
	KM_AUTOFREE struct km_index_entry *entries = km_calloc(last->n_releases + 1, sizeof(*entries));
	struct km_index next = *last;

	if (last->n_releases)
		memcpy(entries, last->releases, last->n_releases * sizeof(*entries));
	next.releases = entries;
	next.version++;
	/* A clock that runs behind must not make the new index look older than the last one. */
	next.issued = now > last->issued ? now : last->issued;
	next.expires = next.issued + lifetime;
	if (change->add)
		KM_TRY(add(&next, change->add, change->staged));
	if (change->withdraw)
		KM_TRY(withdraw(&next, change->withdraw, change->reason));
	return km_index_make(&next, ret);
}
