/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Timestamp, then the index and rollout that it names. No signature is looked at: what is measured is the server. */
#include "sim.h"

static void ask(struct documents *d, const struct options *options, const char *path)
{
	connection_send(&d->connection, options, path, d->bearer, NULL);
}

km_error *documents_fetch(struct documents *d, const struct options *options, int epoll, const char *bearer)
{
	KM_AUTOFREE char *path = km_printf("/v1/channels/%s/timestamp", d->channel);

	if (d->step != FETCH_NOTHING)
		return NULL;
	KM_TRY(connection_open(&d->connection, &options->server, epoll));
	snprintf(d->bearer, sizeof(d->bearer), "%s", bearer);
	d->step = FETCH_TIMESTAMP;
	ask(d, options, path);
	return NULL;
}

static km_error *take_timestamp(struct documents *d, const km_envelope *envelope)
{
	struct km_timestamp next;

	KM_TRY(km_timestamp_parse(envelope, &next));
	km_timestamp_free(&d->next);
	d->next = next;
	return NULL;
}

static km_error *take_index(struct documents *d, const km_envelope *envelope)
{
	struct km_index index;

	KM_TRY(km_index_parse(envelope, &index));
	km_index_free(&d->index);
	d->index = index;
	return NULL;
}

static km_error *take_rollout(struct documents *d, const km_envelope *envelope)
{
	struct km_rollout rollout;

	KM_TRY(km_rollout_parse(envelope, &rollout));
	km_rollout_free(&d->rollout);
	d->rollout = rollout;
	return NULL;
}

static km_error *take(struct documents *d)
{
	static const enum km_doc docs[] = {
		[FETCH_TIMESTAMP] = KM_DOC_TIMESTAMP, [FETCH_INDEX] = KM_DOC_INDEX, [FETCH_ROLLOUT] = KM_DOC_ROLLOUT};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	if (d->connection.status != 200)
		return km_error_new(KM_ENV, "the server answers %d for the %s", d->connection.status,
				    km_doc_name(docs[d->step]));
	KM_TRY(km_envelope_parse(docs[d->step], d->connection.body, d->connection.size, &envelope, NULL));
	d->fetched++;
	if (d->step == FETCH_TIMESTAMP)
		return take_timestamp(d, envelope);
	return d->step == FETCH_INDEX ? take_index(d, envelope) : take_rollout(d, envelope);
}

km_error *documents_answer(struct documents *d, const struct options *options, bool *done)
{
	KM_AUTOFREE char *path = NULL;

	*done = false;
	KM_TRY(take(d));
	KM_TRY(connection_open(&d->connection, &options->server, d->connection.epoll));
	if (d->index.version != d->next.index.version) {
		d->step = FETCH_INDEX;
		path = km_printf("/v1/channels/%s/index/%lld", d->channel, (long long)d->next.index.version);
	} else if (d->rollout.version != d->next.rollout.version) {
		d->step = FETCH_ROLLOUT;
		path = km_printf("/v1/channels/%s/rollout/%lld", d->channel, (long long)d->next.rollout.version);
	} else {
		d->timestamp = d->next.version;
		d->step = FETCH_NOTHING;
		*done = true;
		return NULL;
	}
	ask(d, options, path);
	return NULL;
}

const struct km_index_entry *documents_release(const struct documents *d)
{
	for (size_t i = d->index.n_releases; i; i--)
		if (!d->index.releases[i - 1].withdrawn)
			return &d->index.releases[i - 1];
	return NULL;
}

const struct km_rollout_entry *documents_entry(const struct documents *d, const char *release)
{
	for (size_t i = 0; i < d->rollout.n_releases; i++)
		if (!strcmp(d->rollout.releases[i].id, release))
			return &d->rollout.releases[i];
	return NULL;
}

void documents_free(struct documents *d)
{
	connection_close(&d->connection);
	km_str_free(&d->connection.in);
	km_str_free(&d->connection.out);
	km_timestamp_free(&d->next);
	km_index_free(&d->index);
	km_rollout_free(&d->rollout);
}
