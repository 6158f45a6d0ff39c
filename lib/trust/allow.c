/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this host load that release now: a list of conditions, each of which can only say no. And must it let go of it. */
#include "internal.h"

/* One question and all that its answer depends on. */
struct question {
	const km_trust_client *client;
	const struct km_release *release;
	const struct km_trust_host *host;
	const char *id, *flavour;
	enum km_trust_age age;
	int64_t now;
};

static km_error *in_time(const struct question *q, const char *what, int64_t expires, enum km_trust_why *why)
{
	if (q->age == KM_HELD || client_now(q->client, q->now) < expires)
		return NULL;
	return km_error_hint(trust_refuse(why, KM_WHY_EXPIRED, "the %s has expired", what),
			     "the server is out of date or kept from us, or this host's clock is ahead");
}

static km_error *documents_hold(const struct question *q, enum km_trust_why *why)
{
	const km_trust_client *c = q->client;
	struct km_named wanted;

	if (!km_trust_timestamp(c) || !km_trust_index(c) || !km_trust_rollout(c))
		return trust_refuse(why, KM_WHY_INCOMPLETE,
				    "this host does not have timestamp, index and rollout together yet");
	/* For a held release the last index and rollout that were whole must do: a server that goes away between two
	 * must not take it down. */
	if (q->age == KM_FRESH &&
	    (km_trust_wants(c, KM_DOC_INDEX, &wanted) || km_trust_wants(c, KM_DOC_ROLLOUT, &wanted)))
		return trust_refuse(why, KM_WHY_INCOMPLETE,
				    "the timestamp names a newer index or rollout than this host has");
	KM_TRY(in_time(q, "root", c->root.expires, why));
	KM_TRY(in_time(q, "timestamp", c->timestamp.expires, why));
	KM_TRY(in_time(q, "index", c->index.expires, why));
	return in_time(q, "rollout", c->rollout.expires, why);
}

static const struct km_index_entry *in_index(const struct km_index *index, const char *id)
{
	for (size_t i = 0; i < index->n_releases; i++)
		if (!strcmp(index->releases[i].id, id))
			return &index->releases[i];
	return NULL;
}

static const struct km_rollout_entry *in_rollout(const struct km_rollout *rollout, const char *id)
{
	for (size_t i = 0; i < rollout->n_releases; i++)
		if (!strcmp(rollout->releases[i].id, id))
			return &rollout->releases[i];
	return NULL;
}

static km_error *listed(const struct question *q, bool *staged, enum km_trust_why *why)
{
	const struct km_index *index = &q->client->index;
	const struct km_index_entry *entry = in_index(index, q->id);

	if (!entry)
		return trust_refuse(why, KM_WHY_NOT_LISTED, "the channel %s does not have %s %s", index->channel,
				    q->release->name, q->release->version);
	if (entry->withdrawn)
		return trust_refuse(why, KM_WHY_WITHDRAWN, "%s was withdrawn: %s", q->release->name, entry->withdrawn);
	*staged = entry->staged;
	return NULL;
}

/* Halts count for what a host has held, too; waves do not: who was let in stays in. */
static km_error *not_held_back(const struct question *q, bool staged, enum km_trust_why *why)
{
	const struct km_rollout *rollout = &q->client->rollout;
	const struct km_rollout_entry *entry = in_rollout(rollout, q->id);

	if (rollout->halt)
		return trust_refuse(why, KM_WHY_HALTED, "the channel %s is halted: %s", rollout->channel,
				    rollout->halt);
	if (entry && entry->halt)
		return trust_refuse(why, KM_WHY_HALTED, "%s is halted: %s", q->release->name, entry->halt);
	if (q->age == KM_HELD)
		return NULL;
	if ((!entry && staged) || (entry && !km_rollout_admits(entry, q->host, client_now(q->client, q->now))))
		return trust_refuse(why, KM_WHY_WAITING, "%s has not come to this host's turn yet", q->release->name);
	return NULL;
}

static km_error *find_payload(const struct question *q, struct km_payload *ret, enum km_trust_why *why)
{
	const struct km_trust_host *host = q->host;

	for (size_t i = 0; i < q->release->n_kernels; i++) {
		const struct km_release_kernel *k = &q->release->kernels[i];

		/* Each by itself: one release string can be two kernels, and one build-id must not reach another
		 * machine's. */
		if (strcmp(k->build_id, host->build_id) || strcmp(k->arch, host->arch) ||
		    strcmp(k->release, host->release))
			continue;
		for (size_t j = 0; j < k->n_payloads; j++)
			if (!strcmp(k->payloads[j].flavour, q->flavour)) {
				*ret = k->payloads[j];
				return NULL;
			}
	}
	return trust_refuse(why, KM_WHY_KERNEL, "%s %s has nothing for the kernel %s (%s, build-id %s, flavour %s)",
			    q->release->name, q->release->version, host->release, host->arch, host->build_id,
			    q->flavour);
}

static km_error *answer(const struct question *q, struct km_payload *ret, enum km_trust_why *why)
{
	struct km_payload payload;
	bool staged = false;

	KM_TRY(documents_hold(q, why));
	KM_TRY(listed(q, &staged, why));
	KM_TRY(not_held_back(q, staged, why));
	KM_TRY(find_payload(q, &payload, why));
	if (ret)
		*ret = payload;
	return NULL;
}

km_error *km_trust_allows(const km_trust_client *client, const void *bytes, size_t size,
			  const struct km_trust_host *host, const char *flavour, enum km_trust_age age, int64_t now,
			  struct km_payload *ret, enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_release release;
	km_error *err;

	KM_TRY(km_envelope_parse(KM_DOC_RELEASE, bytes, size, &envelope, why));
	KM_TRY(km_verify(envelope, &client->root, why));
	err = km_release_parse(envelope, &release);
	if (err) {
		if (why)
			*why = KM_WHY_MALFORMED;
		return err;
	}
	err = answer(&(struct question){client, &release, host, envelope->id, flavour, age, now}, ret, why);
	km_release_free(&release);
	return err;
}

/* What is held is also what the timestamp names. */
static bool is_current(const km_trust_client *client, enum km_doc doc)
{
	struct km_named wanted;

	return client->envelopes[KM_DOC_TIMESTAMP] && client->envelopes[doc] && !km_trust_wants(client, doc, &wanted);
}

bool km_trust_recalls(const km_trust_client *client, const char *release_id, const char **reason)
{
	const struct km_index_entry *listed =
		is_current(client, KM_DOC_INDEX) ? in_index(&client->index, release_id) : NULL;
	const struct km_rollout_entry *entry =
		is_current(client, KM_DOC_ROLLOUT) ? in_rollout(&client->rollout, release_id) : NULL;
	const char *why = listed && listed->withdrawn ? listed->withdrawn : entry && entry->rollback ? entry->halt : NULL;

	if (why && reason)
		*reason = why;
	return why;
}
