/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit log in the database. One writes at a time, so the chain cannot fork; the key on seq would refuse it, too.
 */
#include "internal.h"

enum { PAGE = 1000 }; /* records that are read at once */
#define NONE	"0000000000000000000000000000000000000000000000000000000000000000"
#define COLUMNS "seq, at, actor, action, object, detail, hash"

static void audit_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct km_store_audit *record = ret;

	record->seq = row[0].i;
	record->at = row[1].i;
	record->actor = row_text(arena, &row[2]);
	record->action = row_text(arena, &row[3]);
	record->object = row_text(arena, &row[4]);
	record->detail = row_text(arena, &row[5]);
	row_sum(&row[6], record->hash);
}

struct head {
	int64_t seq;
	char hash[KM_SHA256_HEX];
};

static void head_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct head *head = ret;

	(void)arena;
	head->seq = row[0].i;
	row_sum(&row[1], head->hash);
}

static km_error *head_of(km_store *store, struct head *ret)
{
	bool found;

	*ret = (struct head){.hash = NONE};
	return store_one(store, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", NULL, 0, head_read, NULL, ret,
			 &found);
}

static km_error *append(km_store *store, const struct km_store_audit *record, int64_t *seq)
{
	struct km_store_audit next = *record;
	struct head head;

	KM_TRY(head_of(store, &head));
	next.seq = head.seq + 1;
	km_audit_hash(head.hash, &next, next.hash);
	KM_TRY(store_run(store, "INSERT INTO audit (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7)",
			 DB_VALUES(db_int(next.seq), db_int(next.at), db_text(next.actor), db_text(next.action),
				   db_text(next.object), db_text(next.detail), db_text(next.hash)),
			 NULL, NULL));
	if (seq)
		*seq = next.seq;
	return NULL;
}

km_error *km_store_audit(km_store *store, const struct km_store_audit *record, int64_t *seq)
{
	KM_TRY(km_store_begin(store));
	return store_end(store, append(store, record, seq));
}

km_error *km_store_audit_head(km_store *store, int64_t *seq, char hash[static KM_SHA256_HEX])
{
	struct head head;

	KM_TRY(head_of(store, &head));
	*seq = head.seq;
	memcpy(hash, head.hash, sizeof(head.hash));
	return NULL;
}

km_error *km_store_audit_list(km_store *store, int64_t after, size_t limit, km_arena *arena,
			      struct km_store_audit **ret, size_t *n)
{
	return store_list(store, "SELECT " COLUMNS " FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
			  DB_VALUES(db_int(after), db_int((int64_t)limit)), audit_read, sizeof(**ret), arena, ret, n);
}

km_error *km_store_audit_each(km_store *store, int64_t after,
			      km_error *(*row)(void *ctx, const struct km_store_audit *record), void *ctx)
{
	km_error *err = NULL;
	size_t n = PAGE;

	while (!err && n == PAGE) {
		km_arena *arena = km_arena_create();
		struct km_store_audit *records;

		err = km_store_audit_list(store, after, PAGE, arena, &records, &n);
		for (size_t i = 0; !err && i < n; i++) {
			after = records[i].seq;
			err = row(ctx, &records[i]);
		}
		km_arena_destroy(arena);
	}
	return err;
}

/* ---- verifying --------------------------------------------------------------------------------------------------- */
struct chain {
	struct head at;
	const char *wanted; /* a hash that must come by, or NULL once it has */
	int64_t checked;
};

static km_error *follow(void *ctx, const struct km_store_audit *record)
{
	struct chain *chain = ctx;
	char hash[KM_SHA256_HEX];

	if (record->seq != chain->at.seq + 1)
		return km_error_new(KM_REFUSED, "the audit log lacks record %lld", (long long)chain->at.seq + 1);
	km_audit_hash(chain->at.hash, record, hash);
	if (strcmp(hash, record->hash))
		return km_error_new(KM_REFUSED, "record %lld of the audit log was changed, or one before it",
				    (long long)record->seq);
	chain->at.seq = record->seq;
	memcpy(chain->at.hash, hash, sizeof(hash));
	if (chain->wanted && !strcmp(chain->wanted, hash))
		chain->wanted = NULL;
	chain->checked++;
	return NULL;
}

km_error *km_store_audit_verify(km_store *store, int64_t from, const char *head, int64_t *checked)
{
	struct chain chain = {.at = {.hash = NONE}, .wanted = head};
	bool found;

	if (from > 1) {
		KM_TRY(store_one(store, "SELECT seq, hash FROM audit WHERE seq = $1", DB_VALUES(db_int(from - 1)),
				 head_read, NULL, &chain.at, &found));
		if (!found)
			return km_error_new(KM_REFUSED, "the audit log lacks record %lld", (long long)from - 1);
	}
	KM_TRY(km_store_audit_each(store, chain.at.seq, follow, &chain));
	if (chain.wanted)
		return km_error_new(KM_REFUSED, "the audit log does not lead to the hash %s: records were cut off",
				    head);
	*checked = chain.checked;
	return NULL;
}
