/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents, releases, rollouts, leases and the audit log, with both databases. */
#include <errno.h>

#include "internal.h"
#include "toy_store.h"

static struct km_store_document document(const char *channel, enum km_doc doc, int64_t version)
{
	static char bytes[] = "a\0b";
	struct km_store_document d = {.channel = channel,
				      .doc = doc,
				      .version = version,
				      .bytes = bytes,
				      .size = 3,
				      .stored = TOY_NOW + version};

	snprintf(d.sha256, sizeof(d.sha256), "%s", toy_sum(channel, (int)version + 1000 * (int)doc));
	return d;
}

static km_error *add(km_store *store, const char *channel, enum km_doc doc, int64_t version, enum km_store_why *why)
{
	struct km_store_document d = document(channel, doc, version);

	return km_store_document_add(store, &d, NULL, why);
}

static void test_documents(void **state)
{
	struct toy_store *t = *state;
	struct km_store_document d, *all;
	enum km_store_why why;
	size_t n;

	toy_store_refused(add(t->store, "", KM_DOC_ROOT, 2, &why), &why, KM_STORE_STALE);
	check_ok(add(t->store, "", KM_DOC_ROOT, 1, NULL));
	toy_store_refused(add(t->store, "", KM_DOC_ROOT, 1, &why), &why, KM_STORE_STALE);
	toy_store_refused(add(t->store, "", KM_DOC_ROOT, 3, &why), &why, KM_STORE_STALE);
	check_ok(add(t->store, "", KM_DOC_ROOT, 2, NULL));
	check_ok(km_store_document(t->store, "", KM_DOC_ROOT, 0, t->arena, &d, NULL));
	assert_int_equal(d.version, 2);
	assert_int_equal(d.size, 3);
	assert_memory_equal(d.bytes, "a\0b", 3);
	check_ok(km_store_document(t->store, "", KM_DOC_ROOT, 1, t->arena, &d, NULL));
	assert_int_equal(d.stored, TOY_NOW + 1);
	check_ok(km_store_document_by_sum(t->store, d.sha256, t->arena, &d, NULL));
	assert_int_equal(d.version, 1);
	toy_store_refused(km_store_document_by_sum(t->store, "0", t->arena, &d, &why), &why, KM_STORE_ABSENT);
	toy_store_refused(km_store_document(t->store, "", KM_DOC_ROOT, 3, t->arena, &d, &why), &why, KM_STORE_ABSENT);
	toy_store_refused(km_store_document(t->store, "x", KM_DOC_TIMESTAMP, 0, t->arena, &d, &why), &why,
			  KM_STORE_ABSENT);
	check_ok(km_store_documents(t->store, "", KM_DOC_ROOT, 9, t->arena, &all, &n));
	assert_int_equal(n, 2);
	assert_int_equal(all[0].version, 2);
	assert_int_equal(all[0].size, 3);
	assert_null(all[0].bytes);
	check_error(add(t->store, "x", KM_DOC_INDEX, 1, NULL), KM_BUG, "cannot be stored so");
	check_error(add(t->store, "x", KM_DOC_ROOT, 3, NULL), KM_BUG, "cannot be stored so");
	check_error(add(t->store, "", KM_DOC_TIMESTAMP, 1, NULL), KM_BUG, "cannot be stored so");
}

static void test_online_documents_are_pruned(void **state)
{
	struct toy_store *t = *state;
	struct km_store_document *all;
	size_t n;

	for (int v = 1; v <= KM_STORE_ONLINE_KEPT + 5; v++) {
		check_ok(add(t->store, "stable", KM_DOC_TIMESTAMP, v, NULL));
		check_ok(add(t->store, "edge", KM_DOC_ROLLOUT, v, NULL));
	}
	check_ok(km_store_documents(t->store, "stable", KM_DOC_TIMESTAMP, 99, t->arena, &all, &n));
	assert_int_equal(n, KM_STORE_ONLINE_KEPT);
	assert_int_equal(all[n - 1].version, 6);
	check_ok(km_store_documents(t->store, "edge", KM_DOC_ROLLOUT, 99, t->arena, &all, &n));
	assert_int_equal(n, KM_STORE_ONLINE_KEPT);
}

static void test_channels(void **state)
{
	struct toy_store *t = *state;
	struct km_store_channel channel, *all;
	enum km_store_why why;
	size_t n;

	toy_store_refused(km_store_channel(t->store, "stable", t->arena, &channel, &why), &why, KM_STORE_ABSENT);
	toy_store_refused(km_store_channel_halt(t->store, "stable", "x", TOY_NOW, &why), &why, KM_STORE_ABSENT);
	check_ok(add(t->store, "stable", KM_DOC_ROLLOUT, 1, NULL));
	check_ok(add(t->store, "edge", KM_DOC_ROLLOUT, 1, NULL));
	check_ok(km_store_channel_halt(t->store, "stable", "it burns", TOY_NOW + 5, NULL));
	check_ok(add(t->store, "stable", KM_DOC_ROLLOUT, 2, NULL));
	check_ok(km_store_channels(t->store, t->arena, &all, &n));
	assert_int_equal(n, 2);
	assert_string_equal(all[0].name, "edge");
	assert_null(all[0].halt);
	assert_string_equal(all[1].halt, "it burns");
	assert_int_equal(all[1].changed, TOY_NOW + 5);
	check_ok(km_store_channel_halt(t->store, "stable", NULL, TOY_NOW + 6, NULL));
	check_ok(km_store_channel(t->store, "stable", t->arena, &channel, NULL));
	assert_null(channel.halt);
}

/* ---- releases ---------------------------------------------------------------------------------------------------- */
static void test_releases(void **state)
{
	struct toy_store *t = *state;
	struct km_release bad = {.severity = "terrible"};
	struct km_store_release release, *all;
	enum km_store_why why;
	const char **cves;
	size_t n;

	toy_release(t->store, TOY_RELEASE_A, "critical");
	toy_release(t->store, TOY_RELEASE_B, "low");
	bad.name = bad.version = bad.summary = "";
	check_error(km_store_release_add(t->store, "x", &bad, "", 0, 1, NULL), KM_INPUT, "'terrible' is no severity");
	bad.severity = "low";
	toy_store_refused(km_store_release_add(t->store, TOY_RELEASE_A, &bad, "", 0, 1, &why), &why, KM_STORE_EXISTS);
	check_ok(km_store_release(t->store, TOY_RELEASE_A, t->arena, &release, NULL));
	assert_int_equal(release.severity, KM_SEVERITY_CRITICAL);
	assert_string_equal(release.summary, "a fix");
	assert_int_equal(release.size, 64);
	assert_memory_equal(release.bytes, TOY_RELEASE_A, 64);
	toy_store_refused(km_store_release(t->store, "x", t->arena, &release, &why), &why, KM_STORE_ABSENT);
	check_ok(km_store_release_cves(t->store, TOY_RELEASE_A, t->arena, &cves, &n));
	assert_int_equal(n, 2);
	assert_string_equal(cves[1], "CVE-2026-0002");
	check_ok(km_store_releases(t->store, NULL, 1, t->arena, &all, &n));
	assert_int_equal(n, 1);
	assert_string_equal(all[0].id, TOY_RELEASE_B);
	check_ok(km_store_releases(t->store, TOY_RELEASE_B, 9, t->arena, &all, &n));
	assert_int_equal(n, 1);
	assert_string_equal(all[0].id, TOY_RELEASE_A);
}

/* A new index of the channel that lists A, and B as its reason says. */
static void index_of(km_store *store, int64_t version, bool with_b, const char *withdrawn)
{
	struct km_index_entry entries[] = {{.id = TOY_RELEASE_A, .staged = true},
					   {.id = TOY_RELEASE_B, .withdrawn = withdrawn}};
	struct km_index index = {.channel = "stable", .releases = entries, .n_releases = with_b ? 2 : 1};
	struct km_store_document d = document("stable", KM_DOC_INDEX, version);

	check_ok(km_store_document_add(store, &d, &index, NULL));
}

static bool may(struct toy_store *t, const char *channel, enum km_severity min, const char *release)
{
	bool ret;

	check_ok(km_store_may_release(t->store, channel, min, release, &ret));
	return ret;
}

static bool may_blob(struct toy_store *t, const char *channel, enum km_severity min, const char *sum)
{
	bool ret;

	check_ok(km_store_may_blob(t->store, channel, min, sum, &ret));
	return ret;
}

static void test_who_may_have_what(void **state)
{
	struct toy_store *t = *state;
	struct km_store_covered *covered;
	struct km_store_listed *listed;
	struct km_store_cve *cves;
	size_t n;

	toy_release(t->store, TOY_RELEASE_A, "high");
	toy_release(t->store, TOY_RELEASE_B, "low");
	assert_false(may(t, "stable", KM_SEVERITY_LOW, TOY_RELEASE_A));
	index_of(t->store, 1, true, NULL);
	assert_true(may(t, "stable", KM_SEVERITY_HIGH, TOY_RELEASE_A));
	assert_false(may(t, "stable", KM_SEVERITY_CRITICAL, TOY_RELEASE_A));
	assert_false(may(t, "edge", KM_SEVERITY_LOW, TOY_RELEASE_A));
	assert_true(may(t, "stable", KM_SEVERITY_LOW, TOY_RELEASE_B));
	assert_true(may_blob(t, "stable", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_B, 1))); /* its payload */
	assert_true(may_blob(t, "stable", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_B, 2))); /* its source */
	assert_false(may_blob(t, "stable", KM_SEVERITY_MEDIUM, toy_sum(TOY_RELEASE_B, 1)));
	assert_false(may_blob(t, "edge", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_B, 1)));
	assert_false(may_blob(t, "stable", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_B, 3)));

	index_of(t->store, 2, true, "it crashes");
	assert_true(may(t, "stable", KM_SEVERITY_LOW, TOY_RELEASE_B));
	assert_false(may_blob(t, "stable", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_B, 1)));
	check_ok(km_store_index(t->store, "stable", t->arena, &listed, &n));
	assert_int_equal(n, 2);
	assert_true(listed[0].staged);
	assert_null(listed[0].withdrawn);
	assert_false(listed[1].staged);
	assert_string_equal(listed[1].withdrawn, "it crashes");
	check_ok(km_store_cves(t->store, t->arena, &cves, &n));
	assert_int_equal(n, 2);
	assert_string_equal(cves[0].cve, "CVE-2026-0001");
	assert_string_equal(cves[0].release, TOY_RELEASE_A);
	assert_int_equal(cves[0].severity, KM_SEVERITY_HIGH);
	check_ok(km_store_covered(t->store, t->arena, &covered, &n));
	assert_int_equal(n, 1);
	assert_string_equal(covered[0].kernel, "6.1.0-1");
	assert_string_equal(covered[0].channel, "stable");

	index_of(t->store, 3, false, NULL);
	assert_false(may(t, "stable", KM_SEVERITY_LOW, TOY_RELEASE_B));
}

/* ---- rollouts and leases ----------------------------------------------------------------------------------------- */
static void test_rollouts(void **state)
{
	struct toy_store *t = *state;
	struct km_store_rollout rollout = {.channel = "stable",
					   .release = TOY_RELEASE_A,
					   .plan = "{}",
					   .at = {.wave_since = 5},
					   .reason = "",
					   .created = 5,
					   .by = "ops"};
	struct km_store_rollout got, *all;
	enum km_store_why why;
	int64_t id, other;
	size_t n;

	check_ok(km_store_rollout_add(t->store, &rollout, &id, NULL));
	toy_store_refused(km_store_rollout_add(t->store, &rollout, &other, &why), &why, KM_STORE_EXISTS);
	check_ok(km_store_rollout(t->store, id, t->arena, &got, NULL));
	assert_int_equal(got.revision, 1);
	got.at = (struct km_progress_of){
		.state = KM_ROLLOUT_HALTED, .wave = 2, .wave_since = 9, .let_in = {5, 7, 9, 11}};
	got.at.forgiven.failed = 1;
	got.at.forgiven.stalled = 2;
	got.at.forgiven.crashed = 3;
	got.at.forgiven.silent = 4;
	got.reason = "crashed: 1 host, 0 are allowed";
	check_ok(km_store_rollout_set(t->store, &got, NULL));
	toy_store_refused(km_store_rollout_set(t->store, &got, &why), &why, KM_STORE_STALE);
	check_ok(km_store_rollout(t->store, id, t->arena, &got, NULL));
	assert_int_equal(got.revision, 2);
	assert_int_equal(got.at.state, KM_ROLLOUT_HALTED);
	assert_int_equal(got.at.wave, 2);
	assert_int_equal(got.at.wave_since, 9);
	for (int i = 0; i < 3; i++)
		assert_int_equal(got.at.let_in[i], 5 + 2 * i);
	assert_int_equal(got.at.let_in[3], 0); /* it has not come yet */
	assert_int_equal(got.at.forgiven.failed, 1);
	assert_int_equal(got.at.forgiven.stalled, 2);
	assert_int_equal(got.at.forgiven.crashed, 3);
	assert_int_equal(got.at.forgiven.silent, 4);
	assert_string_equal(got.reason, "crashed: 1 host, 0 are allowed");
	assert_string_equal(got.by, "ops");

	got.at.state = KM_ROLLOUT_TAKEN_BACK;
	check_ok(km_store_rollout_set(t->store, &got, NULL));
	check_ok(km_store_rollout_add(t->store, &rollout, &other, NULL));
	got.revision++;
	got.at.state = KM_ROLLOUT_RUNNING;
	toy_store_refused(km_store_rollout_set(t->store, &got, &why), &why, KM_STORE_EXISTS);
	got.id = 999;
	toy_store_refused(km_store_rollout_set(t->store, &got, &why), &why, KM_STORE_ABSENT);
	toy_store_refused(km_store_rollout(t->store, 999, t->arena, &got, &why), &why, KM_STORE_ABSENT);
	check_ok(km_store_rollouts(t->store, NULL, false, 0, 9, t->arena, &all, &n));
	assert_int_equal(n, 2);
	assert_int_equal(all[0].id, other);
	check_ok(km_store_rollouts(t->store, NULL, false, other, 9, t->arena, &all, &n));
	assert_int_equal(n, 1);
	check_ok(km_store_rollouts(t->store, "stable", true, 0, 9, t->arena, &all, &n));
	assert_int_equal(n, 1);
	check_ok(km_store_rollouts(t->store, "edge", false, 0, 9, t->arena, &all, &n));
	assert_int_equal(n, 0);
}

static bool lease(struct toy_store *t, const char *holder, int64_t now)
{
	bool held;

	check_ok(km_store_lease(t->store, "engine", holder, now, 10, &held));
	return held;
}

static void test_leases(void **state)
{
	struct toy_store *t = *state;

	assert_true(lease(t, "one", 100));
	assert_false(lease(t, "two", 109));
	assert_true(lease(t, "one", 105));
	assert_false(lease(t, "two", 114));
	assert_true(lease(t, "two", 115));
	assert_false(lease(t, "one", 116));
	check_ok(km_store_lease_end(t->store, "engine", "one"));
	assert_false(lease(t, "one", 116));
	check_ok(km_store_lease_end(t->store, "engine", "two"));
	assert_true(lease(t, "one", 116));
}

/* ---- audit ------------------------------------------------------------------------------------------------------- */
static km_error *record(km_store *store, const char *action, const char *detail)
{
	struct km_store_audit r = {
		.at = TOY_NOW, .actor = "admin:ops", .action = action, .object = "", .detail = detail};

	return km_store_audit(store, &r, NULL);
}

static void tamper(km_store *store, const char *sql)
{
	check_ok(km_store_begin(store));
	check_ok(store_run(store, sql, NULL, 0, NULL, NULL));
	check_ok(km_store_commit(store));
}

static void test_audit(void **state)
{
	struct toy_store *t = *state;
	char head[KM_SHA256_HEX], middle[KM_SHA256_HEX];
	struct km_store_audit *records;
	int64_t seq, checked;
	size_t n;

	check_ok(km_store_audit_head(t->store, &seq, head));
	assert_int_equal(seq, 0);
	check_ok(km_store_audit_verify(t->store, 1, NULL, &checked));
	assert_int_equal(checked, 0);
	check_ok(km_store_begin(t->store));
	for (int i = 0; i < 20; i++) {
		check_ok(record(t->store, "a", "b"));
		if (i == 9)
			check_ok(km_store_audit_head(t->store, &seq, middle));
	}
	check_ok(km_store_commit(t->store));
	check_ok(km_store_audit_head(t->store, &seq, head));
	assert_int_equal(seq, 20);
	check_ok(km_store_audit_verify(t->store, 1, middle, &checked));
	assert_int_equal(checked, 20);
	check_ok(km_store_audit_verify(t->store, 11, head, &checked));
	assert_int_equal(checked, 10);
	check_ok(km_store_audit_list(t->store, 5, 3, t->arena, &records, &n));
	assert_int_equal(n, 3);
	assert_int_equal(records[0].seq, 6);

	tamper(t->store, "UPDATE audit SET detail = 'c' WHERE seq = 7");
	check_error(km_store_audit_verify(t->store, 1, NULL, &checked), KM_REFUSED,
		    "record 7 of the audit log was changed");
	check_ok(km_store_audit_verify(t->store, 8, NULL, &checked));
	tamper(t->store, "UPDATE audit SET detail = 'b' WHERE seq = 7");
	tamper(t->store, "DELETE FROM audit WHERE seq = 20");
	check_ok(km_store_audit_verify(t->store, 1, NULL, &checked));
	check_error(km_store_audit_verify(t->store, 1, head, &checked), KM_REFUSED, "records were cut off");
	tamper(t->store, "DELETE FROM audit WHERE seq = 3");
	check_error(km_store_audit_verify(t->store, 1, NULL, &checked), KM_REFUSED, "lacks record 3");
	check_error(km_store_audit_verify(t->store, 4, NULL, &checked), KM_REFUSED, "lacks record 3");
}

static void test_audit_lines(void **state)
{
	struct toy_store *t = *state;
	static const char *const bad[] = {"",
					  "\t\t\t\t\t\t",
					  "1\t2\ta\tb\tc\td",
					  "1\t2\ta\tb\tc\td\te",
					  "1\t2\ta\tb\tc\\x\td\t" TOY_RELEASE_A,
					  "x\t2\ta\tb\tc\td\t" TOY_RELEASE_A,
					  "1\t2\ta\tb\tc\td\t" TOY_RELEASE_A "\tmore",
					  "1\t2\ta\\\tb\tc\td\t" TOY_RELEASE_A,
					  "9999999999999999999\t2\ta\tb\tc\td\t" TOY_RELEASE_A};
	struct km_store_audit back,
		r = {.seq = 3, .at = 9, .actor = "a\tb", .action = "c\nd", .object = "e\\f\r", .detail = "g\\nh"};
	KM_AUTOFREE char *line = NULL;
	char hash[KM_SHA256_HEX];

	km_audit_hash(TOY_RELEASE_A, &r, r.hash);
	line = km_audit_line(&r);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	check_ok(km_audit_line_parse(line, t->arena, &back));
	assert_string_equal(back.actor, r.actor);
	assert_string_equal(back.action, r.action);
	assert_string_equal(back.object, r.object);
	assert_string_equal(back.detail, r.detail);
	km_audit_hash(TOY_RELEASE_A, &back, hash);
	assert_string_equal(hash, r.hash);
	/* A border between two fields that moves is another record. */
	back.actor = "a\tbc\n";
	back.action = "d";
	km_audit_hash(TOY_RELEASE_A, &back, hash);
	assert_string_not_equal(hash, r.hash);
	for (size_t i = 0; i < KM_COUNT(bad); i++)
		check_error(km_audit_line_parse(bad[i], t->arena, &back), KM_INPUT, "audit log");
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */
static int64_t seq_of(km_store *store)
{
	char hash[KM_SHA256_HEX];
	int64_t seq;

	check_ok(km_store_audit_head(store, &seq, hash));
	return seq;
}

static void test_group(void **state)
{
	struct toy_store *t = *state;
	km_store *other;
	enum km_store_why why;
	struct km_attach attach = toy_attach_of(1);
	int64_t n;

	check_ok(km_store_open(t->where, &other));
	toy_token(t->store, "t");
	check_ok(km_store_begin(t->store));
	check_ok(record(t->store, "first", ""));
	/* What fails leaves nothing, and the rest stays. */
	toy_store_refused(km_store_attach(t->store, &attach, "none", "s", 1, &n, &why), &why, KM_STORE_ABSENT);
	check_error(record(t->store, "x", "\xff\xfe"), KM_INPUT, "not UTF-8");
	check_ok(km_store_begin(t->store));
	check_ok(km_store_attach(t->store, &attach, "t", "s", 1, &n, NULL));
	check_error(store_run(t->store, "INSERT INTO audit (seq) VALUES (77)", NULL, 0, NULL, NULL), KM_ENV, "");
	km_store_rollback(t->store);
	check_ok(km_store_begin(t->store));
	check_ok(record(t->store, "second", ""));
	check_ok(km_store_commit(t->store));
	assert_int_equal(seq_of(t->store), 2);
	assert_int_equal(seq_of(other), 0);
	check_ok(km_store_commit(t->store));
	assert_int_equal(seq_of(other), 2);
	check_ok(km_store_begin(t->store));
	check_ok(record(t->store, "third", ""));
	km_store_rollback(t->store);
	assert_int_equal(seq_of(t->store), 2);
	check_ok(host_number(t->store, attach.host, &n));
	assert_int_equal(n, 0);
	km_store_close(other);
}

static km_error *twice(km_store *store, void *ctx)
{
	int *calls = ctx;
	km_error *err = record(store, "transact", "");

	if (!err && ++*calls < 2) {
		err = km_error_new(KM_ENV, "that passes");
		err->sys = EAGAIN;
	}
	return err;
}

static void test_transact(void **state)
{
	struct toy_store *t = *state;
	int calls = 0;

	check_ok(km_store_transact(t->store, twice, &calls));
	assert_int_equal(calls, 2);
	assert_int_equal(seq_of(t->store), 1);
	calls = -7;
	check_error(km_store_transact(t->store, twice, &calls), KM_ENV, "that passes");
	assert_int_equal(calls, -4);
	assert_int_equal(seq_of(t->store), 1);
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */
static void texts_of_hosts(struct toy_store *t, const char *text, int i)
{
	KM_AUTOFREE char *tag = km_printf("web %s'", text);
	struct km_attach attach = {0};
	struct km_store_token token = {.id = text, .name = text, .channel = text, .tags = "", .secret = text}, got;
	struct km_report report = {.standing = KM_REBOOT};
	struct km_store_filter filter = {.channel = text, .kernel = text, .token = text, .limit = 9};
	struct km_store_host host, *hosts;
	int64_t n;
	size_t count;

	check_ok(km_store_token_add(t->store, &token, NULL));
	check_ok(km_store_token_find(t->store, text, 1, t->arena, &got, NULL));
	assert_string_equal(got.name, text);
	snprintf(attach.host, sizeof(attach.host), "%s%d", text, i);
	snprintf(attach.kernel.release, sizeof(attach.kernel.release), "%s", text);
	snprintf(attach.kernel.arch, sizeof(attach.kernel.arch), "%s", text);
	check_ok(km_store_attach(t->store, &attach, text, text, 1, &n, NULL));
	report.kernel = attach.kernel;
	memcpy(report.host, attach.host, sizeof(report.host));
	snprintf(report.agent, sizeof(report.agent), "%s", text);
	check_ok(km_store_report(t->store, &report, 1, 1, NULL));
	check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &count));
	assert_int_equal(count, 1);
	filter = (struct km_store_filter){.text = text, .limit = 9};
	check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &count));
	assert_int_equal(count, 1);
	assert_string_equal(hosts[0].kernel, text);
	assert_string_equal(hosts[0].agent, text);
	filter = (struct km_store_filter){.tag = text, .release = text, .limit = 9};
	check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &count));
	assert_int_equal(count, 0);
	check_ok(km_store_host_by_secret(t->store, text, t->arena, &host, NULL));
	check_error(km_store_host_tag(t->store, host.id, tag, NULL), KM_INPUT, "no tag");
}

static void texts_of_the_rest(struct toy_store *t, const char *text)
{
	struct km_store_admin admin = {.id = text, .name = text, .secret = text}, got;
	struct km_store_rollout r = {.channel = text, .release = text, .plan = text, .reason = text, .by = text}, r2;
	struct km_store_audit a = {.actor = text, .action = text, .object = text, .detail = text}, *records;
	int64_t id, seq;
	bool held;
	size_t n;

	check_ok(km_store_admin_add(t->store, &admin, NULL));
	check_ok(km_store_admin_find(t->store, text, 1, t->arena, &got, NULL));
	assert_string_equal(got.name, text);
	check_ok(km_store_admin_revoke(t->store, text, 1, NULL));
	check_ok(add(t->store, text, KM_DOC_TIMESTAMP, 1, NULL));
	check_ok(km_store_channel_halt(t->store, text, text, 1, NULL));
	check_ok(km_store_rollout_add(t->store, &r, &id, NULL));
	check_ok(km_store_rollout(t->store, id, t->arena, &r2, NULL));
	assert_string_equal(r2.plan, text);
	assert_string_equal(r2.reason, text);
	check_ok(km_store_lease(t->store, text, text, 1, 1, &held));
	check_ok(km_store_audit(t->store, &a, &seq));
	check_ok(km_store_audit_list(t->store, seq - 1, 1, t->arena, &records, &n));
	assert_string_equal(records[0].detail, text);
	assert_false(may(t, text, KM_SEVERITY_LOW, text) || may_blob(t, text, KM_SEVERITY_LOW, text));
}

static void test_texts(void **state)
{
	struct toy_store *t = *state;
	int64_t checked;
	struct km_store_token *tokens;
	struct km_store_channel *channels;
	size_t n;

	check_ok(km_store_begin(t->store));
	for (size_t i = 0; i < toy_n_texts; i++) {
		texts_of_hosts(t, toy_texts[i], (int)i);
		texts_of_the_rest(t, toy_texts[i]);
	}
	check_ok(km_store_commit(t->store));
	check_ok(km_store_tokens(t->store, t->arena, &tokens, &n));
	assert_int_equal(n, toy_n_texts);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(tokens[i].hosts, 1);
	check_ok(km_store_channels(t->store, t->arena, &channels, &n));
	assert_int_equal(n, toy_n_texts);
	check_ok(km_store_audit_verify(t->store, 1, NULL, &checked));
	assert_int_equal(checked, toy_n_texts);
	check_ok(km_store_check(t->store));
}

int main(void)
{
	static const struct toy_test tests[] = {
		TOY_TEST(test_documents),
		TOY_TEST(test_online_documents_are_pruned),
		TOY_TEST(test_channels),
		TOY_TEST(test_releases),
		TOY_TEST(test_who_may_have_what),
		TOY_TEST(test_rollouts),
		TOY_TEST(test_leases),
		TOY_TEST(test_audit),
		TOY_TEST(test_audit_lines),
		TOY_TEST(test_group),
		TOY_TEST(test_transact),
		TOY_TEST(test_texts),
	};

	return toy_store_tests("store: publishing", tests, KM_COUNT(tests));
}
