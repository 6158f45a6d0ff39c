/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "toy_trust.h"

#define BUILD_ID "00112233445566778899aabbccddeeff00112233"

static void hash(const void *bytes, size_t n, char out[static KM_SHA256_HEX])
{
	uint8_t sum[KM_SHA256_LEN];

	km_sha256_of(bytes, n, sum);
	km_hex(sum, sizeof(sum), out);
}

struct toy_doc toy_sign(km_envelope *envelope, size_t n, km_private_key *const *keys)
{
	struct toy_doc doc;

	for (size_t i = 0; i < n; i++)
		check_ok(km_envelope_sign_with(envelope, keys[i]));
	doc.at = km_envelope_text(envelope, &doc.n);
	memcpy(doc.id, envelope->id, sizeof(doc.id));
	km_envelope_destroy(envelope);
	return doc;
}

void toy_free(struct toy_doc *doc)
{
	free(doc->at);
	*doc = (struct toy_doc){0};
}

struct toy_doc toy_raw(enum km_doc doc, const char *body, size_t n, km_private_key *const *keys)
{
	return toy_sign(km_envelope_create(doc, body, strlen(body)), n, keys);
}

struct toy_doc toy_root(struct toy *t, int64_t version, size_t n_signers, km_private_key *const *signers)
{
	struct km_root root = t->root;
	km_envelope *envelope;

	root.version = version;
	check_ok(km_root_make(&root, &envelope));
	return toy_sign(envelope, n_signers, signers);
}

static struct toy_doc make_release(struct toy *t)
{
	struct km_payload payloads[2] = {{"klp", "", sizeof(t->payload)}, {"core", "", 7}};
	struct km_release_kernel kernels[] = {
		{"x86_64", "6.1.0-50-cloud-amd64", BUILD_ID, payloads, 2},
		{"x86_64", "6.1.0-50-cloud-amd64", "ff112233445566778899aabbccddeeff00112233", payloads, 1}};
	const char *cves[] = {"CVE-2026-1234"};
	struct km_release release = {.name = "userns_off",
				     .version = "1",
				     .summary = "Überläufe",
				     .severity = "high",
				     .issued = TOY_NOW,
				     .cves = cves,
				     .n_cves = 1,
				     .source_size = 100,
				     .kernels = kernels,
				     .n_kernels = 2};
	km_private_key *signers[] = {t->keys[KM_ROLE_BUILDER][0], t->keys[KM_ROLE_REVIEWER][0]};
	km_envelope *envelope;

	hash(t->payload, sizeof(t->payload), payloads[0].sha256);
	hash("another", 7, payloads[1].sha256);
	hash("diff", 4, release.source_sha256);
	check_ok(km_release_make(&release, &envelope));
	return toy_sign(envelope, 2, signers);
}

struct toy_doc toy_index(struct toy *t, int64_t version, const char *channel, const struct km_index_entry *entry)
{
	struct km_index index = {.channel = channel,
				 .version = version,
				 .issued = TOY_NOW,
				 .expires = TOY_NOW + (t->index_life ? t->index_life : 365 * 86400),
				 .releases = (struct km_index_entry *)entry,
				 .n_releases = entry ? 1 : 0};
	km_envelope *envelope;

	check_ok(km_index_make(&index, &envelope));
	return toy_sign(envelope, 1, &t->keys[KM_ROLE_INDEX][0]);
}

struct toy_doc toy_rollout(struct toy *t, int64_t version, const struct km_rollout_entry *entry, const char *halt)
{
	struct km_rollout rollout = {.channel = "stable",
				     .version = version,
				     .issued = TOY_NOW,
				     .halt = halt,
				     .expires = TOY_NOW + (t->rollout_life ? t->rollout_life : 30 * 86400),
				     .releases = (struct km_rollout_entry *)entry,
				     .n_releases = entry ? 1 : 0};
	km_envelope *envelope;

	check_ok(km_rollout_make(&rollout, &envelope));
	return toy_sign(envelope, 1, &t->keys[KM_ROLE_ROLLOUT][0]);
}

struct toy_doc toy_timestamp(struct toy *t, int64_t version, int64_t issued, const struct toy_doc *index,
			     int64_t index_version, const struct toy_doc *rollout, int64_t rollout_version)
{
	struct km_timestamp ts = {.channel = "stable", .version = version, .issued = issued, .expires = issued + 86400};
	km_envelope *envelope;

	ts.index.version = index_version;
	ts.rollout.version = rollout_version;
	memcpy(ts.index.sha256, index->id, sizeof(ts.index.sha256));
	memcpy(ts.rollout.sha256, rollout->id, sizeof(ts.rollout.sha256));
	check_ok(km_timestamp_make(&ts, &envelope));
	return toy_sign(envelope, 1, &t->keys[KM_ROLE_TIMESTAMP][0]);
}

struct km_index_entry toy_entry(const struct toy *t)
{
	struct km_index_entry entry = {0};

	memcpy(entry.id, t->release.id, sizeof(entry.id));
	return entry;
}

struct km_trust_host toy_host(void)
{
	return (struct km_trust_host){
		.arch = "x86_64", .release = "6.1.0-50-cloud-amd64", .build_id = BUILD_ID, .id = "host-1"};
}

void toy_setup(struct toy *t)
{
	struct km_index_entry entry;

	*t = (struct toy){0};
	memset(t->payload, 0x5a, sizeof(t->payload));
	t->root =
		(struct km_root){.version = 1, .issued = TOY_NOW, .expires = TOY_NOW + 365 * 86400, .keys = t->public};
	for (unsigned role = 0; role < KM_ROLES; role++) {
		t->root.threshold[role] = role == KM_ROLE_ROOT ? 2 : 1;
		for (unsigned i = 0; i < TOY_KEYS; i++) {
			check_ok(km_key_create((enum km_role)role, "toy", &t->keys[role][i]));
			if (i == 0 || role == KM_ROLE_ROOT)
				t->public[t->root.n_keys++] = *km_key_public(t->keys[role][i]);
		}
	}
	t->root_doc = toy_root(t, 1, 2, t->keys[KM_ROLE_ROOT]);
	t->release = make_release(t);
	entry = toy_entry(t);
	t->index = toy_index(t, 1, "stable", &entry);
	t->rollout = toy_rollout(t, 1, NULL, NULL);
	t->timestamp = toy_timestamp(t, 1, TOY_NOW, &t->index, 1, &t->rollout, 1);
}

void toy_end(struct toy *t)
{
	for (unsigned role = 0; role < KM_ROLES; role++)
		for (unsigned i = 0; i < TOY_KEYS; i++)
			km_key_destroy(t->keys[role][i]);
	toy_free(&t->root_doc);
	toy_free(&t->release);
	toy_free(&t->index);
	toy_free(&t->rollout);
	toy_free(&t->timestamp);
}

km_trust_client *toy_fresh(struct toy *t)
{
	km_trust_client *client = NULL;

	check_ok(km_trust_create(t->root_doc.at, t->root_doc.n, "stable", t->root_doc.id, &client, NULL));
	return client;
}

km_trust_client *toy_client(struct toy *t)
{
	km_trust_client *client = toy_fresh(t);

	check_ok(km_trust_take_timestamp(client, t->timestamp.at, t->timestamp.n, TOY_NOW, NULL));
	check_ok(km_trust_take_index(client, t->index.at, t->index.n, TOY_NOW, NULL));
	check_ok(km_trust_take_rollout(client, t->rollout.at, t->rollout.n, TOY_NOW, NULL));
	return client;
}

void toy_publish(struct toy *t, km_trust_client *client, int64_t version, const struct km_index_entry *index,
		 const struct km_rollout_entry *rollout, const char *halt)
{
	struct toy_doc i = toy_index(t, version, "stable", index), r = toy_rollout(t, version, rollout, halt);
	struct toy_doc ts = toy_timestamp(t, version, TOY_NOW, &i, version, &r, version);

	check_ok(km_trust_take_timestamp(client, ts.at, ts.n, TOY_NOW, NULL));
	check_ok(km_trust_take_index(client, i.at, i.n, TOY_NOW, NULL));
	check_ok(km_trust_take_rollout(client, r.at, r.n, TOY_NOW, NULL));
	toy_free(&i);
	toy_free(&r);
	toy_free(&ts);
}

km_error *toy_allows(struct toy *t, km_trust_client *client, enum km_trust_why *why)
{
	struct km_trust_host host = toy_host();

	return km_trust_allows(client, t->release.at, t->release.n, &host, "klp", KM_FRESH, TOY_NOW, NULL, why);
}

void toy_refused(km_error *err, const enum km_trust_why *why, enum km_trust_why want)
{
	if (!err)
		fail_msg("no error; expected the reason %s", km_trust_why_name(want));
	if (*why != want)
		fail_msg("expected the reason %s, got %s: %s", km_trust_why_name(want), km_trust_why_name(*why),
			 err->message);
	km_error_free(err);
}
