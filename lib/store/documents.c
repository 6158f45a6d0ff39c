/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signed documents of the channels, one version after the other, and roots. */
#include "internal.h"

static void document_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct km_store_document *document = ret;

	document->channel = row_text(arena, &row[0]);
	document->doc = (enum km_doc)row[1].i;
	document->version = row[2].i;
	row_sum(&row[3], document->sha256);
	document->stored = row[4].i;
	document->size = (size_t)row[5].i;
	document->bytes = row[6].kind == DB_BYTES ? km_arena_copy(arena, row[6].at, row[6].n) : NULL;
}

#define COLUMNS "channel, doc, version, sha256, stored, CAST(length(bytes) AS BIGINT), "

/* ---- what an index lists ----------------------------------------------------------------------------------------- */
static km_error *list(km_store *store, const struct km_index *index)
{
	KM_TRY(store_run(store, "DELETE FROM listed WHERE channel = $1", DB_VALUES(db_text(index->channel)), NULL,
			 NULL));
	for (size_t i = 0; i < index->n_releases; i++) {
		const struct km_index_entry *entry = &index->releases[i];

		KM_TRY(store_run(
			store,
			"INSERT INTO listed (channel, release, place, staged, withdrawn) VALUES ($1, $2, $3, $4, $5)",
			DB_VALUES(db_text(index->channel), db_text(entry->id), db_int((int64_t)i),
				  db_int(entry->staged), db_text(entry->withdrawn)),
			NULL, NULL));
	}
	return NULL;
}

static void listed_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_listed *)ret = (struct km_store_listed){.channel = row_text(arena, &row[0]),
								  .release = row_text(arena, &row[1]),
								  .staged = row[2].i != 0,
								  .withdrawn = row_text(arena, &row[3])};
}

km_error *km_store_index(km_store *store, const char *channel, km_arena *arena, struct km_store_listed **ret, size_t *n)
{
	return store_list(store,
			  "SELECT channel, release, staged, withdrawn FROM listed WHERE channel = $1 ORDER BY place",
			  DB_VALUES(db_text(channel)), listed_read, sizeof(**ret), arena, ret, n);
}

/* ---- adding ------------------------------------------------------------------------------------------------------ */
/* Those that the server signs itself, again and again. */
static bool online(enum km_doc doc)
{
	return doc == KM_DOC_ROLLOUT || doc == KM_DOC_TIMESTAMP;
}

static km_error *prune(km_store *store, const struct km_store_document *d)
{
	if (!online(d->doc))
		return NULL;
	return store_run(store, "DELETE FROM documents WHERE channel = $1 AND doc = $2 AND version <= $3",
			 DB_VALUES(db_text(d->channel), db_int(d->doc), db_int(d->version - KM_STORE_ONLINE_KEPT)),
			 NULL, NULL);
}

static km_error *add(km_store *store, const struct km_store_document *d, const struct km_index *index,
		     enum km_store_why *why)
{
	int64_t newest;

	KM_TRY(store_int(store, "SELECT coalesce(max(version), 0) FROM documents WHERE channel = $1 AND doc = $2",
			 DB_VALUES(db_text(d->channel), db_int(d->doc)), 0, &newest));
	if (d->version != newest + 1)
		return store_refuse(why, KM_STORE_STALE, "%s %lld does not follow version %lld", km_doc_name(d->doc),
				    (long long)d->version, (long long)newest);
	KM_TRY(store_run(
		store,
		"INSERT INTO documents (channel, doc, version, sha256, bytes, stored) VALUES ($1, $2, $3, $4, $5, $6)",
		DB_VALUES(db_text(d->channel), db_int(d->doc), db_int(d->version), db_text(d->sha256),
			  db_bytes(d->bytes, d->size), db_int(d->stored)),
		NULL, NULL));
	if (*d->channel)
		KM_TRY(store_run(
			store,
			"INSERT INTO channels (name, halt, changed) VALUES ($1, NULL, $2) ON CONFLICT DO NOTHING",
			DB_VALUES(db_text(d->channel), db_int(d->stored)), NULL, NULL));
	KM_TRY(prune(store, d));
	return index ? list(store, index) : NULL;
}

km_error *km_store_document_add(km_store *store, const struct km_store_document *document, const struct km_index *index,
				enum km_store_why *why)
{
	if (document->doc == KM_DOC_RELEASE || (document->doc == KM_DOC_INDEX) != (index != NULL) ||
	    (document->doc == KM_DOC_ROOT) != !*document->channel ||
	    (index && strcmp(index->channel, document->channel)))
		return km_error_new(KM_BUG, "a %s cannot be stored so", km_doc_name(document->doc));
	KM_TRY(km_store_begin(store));
	return store_end(store, add(store, document, index, why));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */
km_error *km_store_document(km_store *store, const char *channel, enum km_doc doc, int64_t version, km_arena *arena,
			    struct km_store_document *ret, enum km_store_why *why)
{
	bool found;

	if (version)
		KM_TRY(store_one(
			store,
			"SELECT " COLUMNS "bytes FROM documents WHERE channel = $1 AND doc = $2 AND version = $3",
			DB_VALUES(db_text(channel), db_int(doc), db_int(version)), document_read, arena, ret, &found));
	else
		KM_TRY(store_one(store,
				 "SELECT " COLUMNS
				 "bytes FROM documents WHERE channel = $1 AND doc = $2 ORDER BY version DESC LIMIT 1",
				 DB_VALUES(db_text(channel), db_int(doc)), document_read, arena, ret, &found));
	return found ? NULL
		     : store_refuse(why, KM_STORE_ABSENT, "there is no such %s of '%s'", km_doc_name(doc), channel);
}

km_error *km_store_document_by_sum(km_store *store, const char *sha256, km_arena *arena, struct km_store_document *ret,
				   enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store,
			 "SELECT " COLUMNS
			 "bytes FROM documents WHERE sha256 = $1 ORDER BY channel, doc, version LIMIT 1",
			 DB_VALUES(db_text(sha256)), document_read, arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no document %s", sha256);
}

km_error *km_store_documents(km_store *store, const char *channel, enum km_doc doc, size_t limit, km_arena *arena,
			     struct km_store_document **ret, size_t *n)
{
	return store_list(store,
			  "SELECT " COLUMNS
			  "NULL FROM documents WHERE channel = $1 AND doc = $2 ORDER BY version DESC LIMIT $3",
			  DB_VALUES(db_text(channel), db_int(doc), db_int((int64_t)limit)), document_read,
			  sizeof(**ret), arena, ret, n);
}
