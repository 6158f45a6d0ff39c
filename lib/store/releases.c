/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Releases, what they close and cover, and who may have them. */
#include "internal.h"

static void release_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_release *)ret = (struct km_store_release){
		.id = row_text(arena, &row[0]),
		.name = row_text(arena, &row[1]),
		.version = row_text(arena, &row[2]),
		.summary = row_text(arena, &row[3]),
		.severity = (enum km_severity)row[4].i,
		.issued = row[5].i,
		.uploaded = row[6].i,
		.size = (size_t)row[7].i,
		.bytes = row[8].kind == DB_BYTES ? km_arena_copy(arena, row[8].at, row[8].n) : NULL,
	};
}

#define COLUMNS "id, name, version, summary, severity, issued, uploaded, CAST(length(bytes) AS BIGINT), "

/* ---- adding ------------------------------------------------------------------------------------------------------ */
static km_error *add_blob(km_store *store, int64_t n, const char *sha256)
{
	/* Two kernels may have the same payload. */
	return store_run(store, "INSERT INTO release_blobs (sha256, release) VALUES ($1, $2) ON CONFLICT DO NOTHING",
			 DB_VALUES(db_text(sha256), db_int(n)), NULL, NULL);
}

static km_error *add_parts(km_store *store, int64_t n, const struct km_release *body)
{
	for (size_t i = 0; i < body->n_cves; i++)
		KM_TRY(store_run(store,
				 "INSERT INTO release_cves (release, cve) VALUES ($1, $2) ON CONFLICT DO NOTHING",
				 DB_VALUES(db_int(n), db_text(body->cves[i])), NULL, NULL));
	KM_TRY(add_blob(store, n, body->source_sha256));
	for (size_t i = 0; i < body->n_kernels; i++) {
		const struct km_release_kernel *k = &body->kernels[i];

		KM_TRY(store_run(store,
				 "INSERT INTO release_kernels (release, arch, kernel, build_id) VALUES ($1, $2, $3, "
				 "$4) ON CONFLICT DO NOTHING",
				 DB_VALUES(db_int(n), db_text(k->arch), db_text(k->release), db_text(k->build_id)),
				 NULL, NULL));
		for (size_t p = 0; p < k->n_payloads; p++)
			KM_TRY(add_blob(store, n, k->payloads[p].sha256));
	}
	return NULL;
}

static km_error *add(km_store *store, const char *id, enum km_severity severity, const struct km_release *body,
		     const void *bytes, size_t size, int64_t now, enum km_store_why *why)
{
	int64_t n;

	KM_TRY(store_int(store,
			 "INSERT INTO releases (id, name, version, summary, severity, issued, uploaded, bytes) "
			 "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING n",
			 DB_VALUES(db_text(id), db_text(body->name), db_text(body->version), db_text(body->summary),
				   db_int(severity), db_int(body->issued), db_int(now), db_bytes(bytes, size)),
			 0, &n));
	return n ? add_parts(store, n, body)
		 : store_refuse(why, KM_STORE_EXISTS, "there is the release %s already", id);
}

km_error *km_store_release_add(km_store *store, const char *id, const struct km_release *body, const void *bytes,
			       size_t size, int64_t now, enum km_store_why *why)
{
	static const char *const severities[KM_SEVERITIES] = {"low", "medium", "high", "critical"};
	int severity = 0;

	while (severity < KM_SEVERITIES && strcmp(severities[severity], body->severity))
		severity++;
	if (severity == KM_SEVERITIES)
		return km_error_new(KM_INPUT, "'%s' is no severity", body->severity);
	KM_TRY(km_store_begin(store));
	return store_end(store, add(store, id, (enum km_severity)severity, body, bytes, size, now, why));
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */
km_error *km_store_release(km_store *store, const char *id, km_arena *arena, struct km_store_release *ret,
			   enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, "SELECT " COLUMNS "bytes FROM releases WHERE id = $1", DB_VALUES(db_text(id)),
			 release_read, arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no release %s", id);
}

km_error *km_store_releases(km_store *store, const char *before, size_t limit, km_arena *arena,
			    struct km_store_release **ret, size_t *n)
{
	if (!before)
		return store_list(store, "SELECT " COLUMNS "NULL FROM releases ORDER BY n DESC LIMIT $1",
				  DB_VALUES(db_int((int64_t)limit)), release_read, sizeof(**ret), arena, ret, n);
	return store_list(
		store,
		"SELECT " COLUMNS
		"NULL FROM releases WHERE n < (SELECT n FROM releases WHERE id = $1) ORDER BY n DESC LIMIT $2",
		DB_VALUES(db_text(before), db_int((int64_t)limit)), release_read, sizeof(**ret), arena, ret, n);
}

km_error *km_store_release_cves(km_store *store, const char *id, km_arena *arena, const char ***ret, size_t *n)
{
	return store_list(
		store,
		"SELECT c.cve FROM releases l JOIN release_cves c ON c.release = l.n WHERE l.id = $1 ORDER BY c.cve",
		DB_VALUES(db_text(id)), text_read, sizeof(**ret), arena, ret, n);
}

/* ---- who may have what ------------------------------------------------------------------------------------------- */
km_error *km_store_may_release(km_store *store, const char *channel, enum km_severity min, const char *release,
			       bool *ret)
{
	int64_t may;

	KM_TRY(store_int(store,
			 "SELECT 1 FROM listed i JOIN releases l ON l.id = i.release WHERE i.channel = $1 "
			 "AND i.release = $2 AND l.severity >= $3",
			 DB_VALUES(db_text(channel), db_text(release), db_int(min)), 0, &may));
	*ret = may;
	return NULL;
}

km_error *km_store_may_blob(km_store *store, const char *channel, enum km_severity min, const char *sha256, bool *ret)
{
	int64_t may;

	KM_TRY(store_int(
		store,
		"SELECT 1 FROM release_blobs b JOIN releases l ON l.n = b.release "
		"JOIN listed i ON i.release = l.id WHERE b.sha256 = $1 AND i.channel = $2 AND i.withdrawn IS NULL "
		"AND l.severity >= $3 LIMIT 1",
		DB_VALUES(db_text(sha256), db_text(channel), db_int(min)), 0, &may));
	*ret = may;
	return NULL;
}

static void cve_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_cve *)ret = (struct km_store_cve){.cve = row_text(arena, &row[0]),
							    .release = row_text(arena, &row[1]),
							    .channel = row_text(arena, &row[2]),
							    .severity = (enum km_severity)row[3].i};
}

km_error *km_store_cves(km_store *store, km_arena *arena, struct km_store_cve **ret, size_t *n)
{
	return store_list(
		store,
		"SELECT c.cve, l.id, i.channel, l.severity FROM listed i JOIN releases l ON l.id = i.release "
		"JOIN release_cves c ON c.release = l.n WHERE i.withdrawn IS NULL ORDER BY c.cve, i.channel, i.place",
		NULL, 0, cve_read, sizeof(**ret), arena, ret, n);
}

static void covered_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_covered *)ret = (struct km_store_covered){.arch = row_text(arena, &row[0]),
								    .kernel = row_text(arena, &row[1]),
								    .build_id = row_text(arena, &row[2]),
								    .release = row_text(arena, &row[3]),
								    .channel = row_text(arena, &row[4])};
}

km_error *km_store_covered(km_store *store, km_arena *arena, struct km_store_covered **ret, size_t *n)
{
	return store_list(store,
			  "SELECT k.arch, k.kernel, k.build_id, l.id, i.channel FROM listed i "
			  "JOIN releases l ON l.id = i.release JOIN release_kernels k ON k.release = l.n "
			  "WHERE i.withdrawn IS NULL ORDER BY k.kernel, k.arch, i.channel, i.place",
			  NULL, 0, covered_read, sizeof(**ret), arena, ret, n);
}
