/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Accounts and hosts, with both databases. */
#include <pthread.h>

#include "toy_store.h"

static void test_open(void **state)
{
	struct toy_store *t = *state;
	km_store *again;

	assert_int_equal(km_store_schema(t->store), km_store_schema_newest);
	assert_int_equal(strlen(km_store_id(t->store)), 32);
	assert_non_null(strstr(km_store_describe(t->store), t->postgres ? "PostgreSQL" : "SQLite"));
	check_ok(km_store_check(t->store));
	check_ok(km_store_open(t->where, &again));
	assert_string_equal(km_store_id(again), km_store_id(t->store));
	km_store_close(again);
}

static void test_admins(void **state)
{
	struct toy_store *t = *state;
	struct km_store_admin admin = {
		.id = "a1", .name = "ops", .role = KM_ADMIN_OPERATOR, .secret = "s1", .created = 5, .expires = 100};
	struct km_store_admin got, *all;
	enum km_store_why why;
	size_t n;

	check_ok(km_store_admin_add(t->store, &admin, NULL));
	toy_store_refused(km_store_admin_add(t->store, &admin, &why), &why, KM_STORE_EXISTS);
	admin = (struct km_store_admin){
		.id = "a2", .name = "rel", .role = KM_ADMIN_RELEASER, .secret = "s2", .created = 4};
	check_ok(km_store_admin_add(t->store, &admin, NULL));

	check_ok(km_store_admin_find(t->store, "s1", 99, t->arena, &got, NULL));
	assert_string_equal(got.id, "a1");
	assert_string_equal(got.name, "ops");
	assert_int_equal(got.role, KM_ADMIN_OPERATOR);
	toy_store_refused(km_store_admin_find(t->store, "s1", 100, t->arena, &got, &why), &why, KM_STORE_EXPIRED);
	toy_store_refused(km_store_admin_find(t->store, "s3", 1, t->arena, &got, &why), &why, KM_STORE_ABSENT);

	check_ok(km_store_admin_revoke(t->store, "a2", 50, NULL));
	check_ok(km_store_admin_revoke(t->store, "a2", 60, NULL));
	toy_store_refused(km_store_admin_revoke(t->store, "a9", 60, &why), &why, KM_STORE_ABSENT);
	toy_store_refused(km_store_admin_find(t->store, "s2", 1, t->arena, &got, &why), &why, KM_STORE_REVOKED);
	check_ok(km_store_admins(t->store, t->arena, &all, &n));
	assert_int_equal(n, 2);
	assert_string_equal(all[0].id, "a2");
	assert_int_equal(all[0].revoked, 50);
	assert_int_equal(all[1].revoked, 0);
}

static void test_tokens(void **state)
{
	struct toy_store *t = *state;
	struct km_store_token token = {.id = "t1",
				       .name = "three free",
				       .channel = "edge",
				       .tags = "web  db web",
				       .limit = 3,
				       .min_severity = KM_SEVERITY_HIGH,
				       .secret = "s1",
				       .created = 5,
				       .expires = 100};
	struct km_store_token got, *all;
	enum km_store_why why;
	size_t n;

	check_ok(km_store_token_add(t->store, &token, NULL));
	toy_store_refused(km_store_token_add(t->store, &token, &why), &why, KM_STORE_EXISTS);
	check_ok(km_store_token_find(t->store, "s1", 99, t->arena, &got, NULL));
	assert_string_equal(got.channel, "edge");
	assert_string_equal(got.tags, "db web");
	assert_int_equal(got.limit, 3);
	assert_int_equal(got.min_severity, KM_SEVERITY_HIGH);
	toy_store_refused(km_store_token_find(t->store, "s1", 101, t->arena, &got, &why), &why, KM_STORE_EXPIRED);
	check_ok(km_store_token_revoke(t->store, "t1", 7, NULL));
	toy_store_refused(km_store_token_find(t->store, "s1", 8, t->arena, &got, &why), &why, KM_STORE_REVOKED);
	check_ok(km_store_token(t->store, "t1", t->arena, &got, NULL));
	assert_int_equal(got.revoked, 7);
	toy_store_refused(km_store_token(t->store, "t2", t->arena, &got, &why), &why, KM_STORE_ABSENT);

	token.id = token.secret = "t2";
	token.tags = "Not-A-Tag";
	check_error(km_store_token_add(t->store, &token, NULL), KM_INPUT, "'Not-A-Tag' is no tag");
	check_ok(km_store_tokens(t->store, t->arena, &all, &n));
	assert_int_equal(n, 1);
}

static void test_attach(void **state)
{
	struct toy_store *t = *state;
	struct km_store_token token = {.id = "two",
				       .name = "",
				       .channel = "edge",
				       .tags = "b a",
				       .limit = 2,
				       .secret = "s",
				       .expires = TOY_NOW + 9};
	struct km_attach first = toy_attach_of(1), third = toy_attach_of(3);
	struct km_store_host host;
	enum km_store_why why;
	int64_t n1, n;

	check_ok(km_store_token_add(t->store, &token, NULL));
	toy_token(t->store, "other");
	toy_store_refused(km_store_attach(t->store, &first, "none", "x", TOY_NOW, &n, &why), &why, KM_STORE_ABSENT);
	n1 = toy_attach(t->store, "two", 1);
	assert_true(toy_attach(t->store, "two", 2) > n1);
	toy_store_refused(km_store_attach(t->store, &third, "two", "x", TOY_NOW, &n, &why), &why, KM_STORE_LIMIT);

	/* Again: a new secret, the same host, not counted twice. */
	first.kernel.arch[0] = 'X';
	check_ok(km_store_attach(t->store, &first, "two", "new", TOY_NOW + 1, &n, NULL));
	assert_int_equal(n, n1);
	check_ok(km_store_host_by_secret(t->store, "new", t->arena, &host, NULL));
	assert_string_equal(host.id, first.host);
	assert_string_equal(host.tags, "a b");
	assert_string_equal(host.channel, "edge");
	assert_string_equal(host.arch, "X86_64");
	assert_int_equal(host.attached, TOY_NOW + 1);
	toy_store_refused(km_store_host_by_secret(t->store, toy_sum("secret", 1), t->arena, &host, &why), &why,
			  KM_STORE_ABSENT);
	toy_store_refused(km_store_attach(t->store, &first, "other", "y", TOY_NOW, &n, &why), &why, KM_STORE_EXISTS);
	toy_store_refused(km_store_attach(t->store, &third, "two", "x", TOY_NOW + 9, &n, &why), &why, KM_STORE_EXPIRED);

	/* One goes, another may come; the number is never used again. */
	check_ok(km_store_detach(t->store, toy_sum("host", 2), NULL));
	toy_store_refused(km_store_detach(t->store, toy_sum("host", 2), &why), &why, KM_STORE_ABSENT);
	assert_true(toy_attach(t->store, "two", 3) > n1 + 1);
	check_ok(km_store_token(t->store, "two", t->arena, &token, NULL));
	assert_int_equal(token.hosts, 2);
	check_ok(km_store_token_revoke(t->store, "two", TOY_NOW, NULL));
	toy_store_refused(km_store_attach(t->store, &first, "two", "x", TOY_NOW, &n, &why), &why, KM_STORE_REVOKED);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */
enum { FLEET = 64 };

/* 64 hosts: kernels 0 to 7 by turns, every other one tagged db, every fourth in trouble with release A. */
static void fleet(km_store *store)
{
	toy_token(store, "t");
	toy_release(store, TOY_RELEASE_A, "high");
	toy_release(store, TOY_RELEASE_B, "low");
	check_ok(km_store_begin(store));
	for (int i = 0; i < FLEET; i++) {
		toy_attach(store, "t", i);
		if (i % 2)
			check_ok(km_store_host_tag(store, toy_sum("host", i), "web db", NULL));
		if (i % 4 == 0)
			toy_report(store, i, TOY_RELEASE_A, KM_PATCH_FAILED, KM_HEALTH_NONE, 0, TOY_NOW);
		if (i % 4 == 1)
			toy_report(store, i, TOY_RELEASE_A, KM_PATCH_LOADED,
				   i % 8 == 1 ? KM_HEALTH_GOOD : KM_HEALTH_WARNED, 0, TOY_NOW);
	}
	check_ok(km_store_commit(store));
}

static void test_lists(void **state)
{
	struct toy_store *t = *state;
	static const struct {
		struct km_store_filter filter;
		size_t hosts;
	} cases[] = {
		{{.after = 0}, FLEET},
		{{.channel = "stable"}, FLEET},
		{{.channel = "edge"}, 0},
		{{.token = "t"}, FLEET},
		{{.token = "u"}, 0},
		{{.tag = "web"}, FLEET},
		{{.tag = "db"}, FLEET / 2},
		{{.tag = "d"}, 0},
		{{.kernel = "6.1.0-3"}, FLEET / 8},
		{{.by_standing = true, .standing = KM_PROTECTED}, FLEET / 2},
		{{.by_standing = true, .standing = KM_UNKNOWN, .channel = "stable"}, FLEET / 2},
		{{.by_standing = true, .standing = KM_UNKNOWN, .channel = "edge"}, 0},
		{{.release = TOY_RELEASE_A}, FLEET / 2},
		{{.release = TOY_RELEASE_B}, 0},
		{{.release = TOY_RELEASE_A, .by_state = true, .state = KM_PATCH_FAILED}, FLEET / 4},
		{{.release = TOY_RELEASE_A, .by_health = true, .health = KM_HEALTH_WARNED}, FLEET / 8},
		{{.release = TOY_RELEASE_A,
		  .by_state = true,
		  .state = KM_PATCH_FAILED,
		  .by_health = true,
		  .health = KM_HEALTH_WARNED},
		 0},
		{{.release = TOY_RELEASE_A, .tag = "db"}, FLEET / 4},
		{{.kernel = "6.1.0-4", .tag = "db"}, 0},
		{{.kernel = "6.1.0-5",
		  .tag = "db",
		  .channel = "stable",
		  .token = "t",
		  .by_standing = true,
		  .standing = KM_PROTECTED},
		 FLEET / 8},
		{{.text = "6.1.0-"}, FLEET},
		{{.text = "6.1.0-2"}, FLEET / 8},
		{{.text = "d"}, FLEET / 2},
		{{.text = "we", .kernel = "6.1.0-2"}, FLEET / 8},
		{{.text = "w", .tag = "db"}, FLEET / 2},
		{{.text = "we", .release = TOY_RELEASE_A, .by_state = true, .state = KM_PATCH_FAILED}, FLEET / 4},
		{{.text = "%"}, 0},
		{{.text = "zzz"}, 0},
	};

	fleet(t->store);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		for (size_t limit = 7; limit < 200; limit += 150) {
			struct km_store_filter filter = cases[i].filter;
			struct km_store_host *hosts;
			size_t n, all = 0;

			filter.limit = limit;
			do {
				check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &n));
				for (size_t k = 0; k < n; k++) {
					assert_true(hosts[k].n > filter.after);
					filter.after = hosts[k].n;
				}
				all += n;
			} while (n == limit);
			if (all != cases[i].hosts)
				fail_msg("case %zu: %zu hosts, expected %zu", i, all, cases[i].hosts);
		}
	}
}

static void test_list_by_id(void **state)
{
	struct toy_store *t = *state;
	char start[9];
	struct km_store_filter filter = {.text = start, .limit = 10};
	struct km_store_host *hosts;
	size_t n;

	fleet(t->store);
	snprintf(start, sizeof(start), "%.8s", toy_sum("host", 17));
	check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &n));
	assert_int_equal(n, 1);
	assert_string_equal(hosts[0].id, toy_sum("host", 17));
	assert_string_equal(hosts[0].agent, "0.1.0");
	filter.after = hosts[0].n;
	check_ok(km_store_hosts(t->store, &filter, t->arena, &hosts, &n));
	assert_int_equal(n, 0);
	filter.limit = 0;
	check_error(km_store_hosts(t->store, &filter, t->arena, &hosts, &n), KM_USAGE, "a page has 1 to 1000 hosts");
	filter = (struct km_store_filter){.by_state = true, .limit = 1};
	check_error(km_store_hosts(t->store, &filter, t->arena, &hosts, &n), KM_USAGE, "which release");
}

static void test_counts_of_hosts(void **state)
{
	struct toy_store *t = *state;
	int64_t standing[KM_STANDINGS];
	struct km_store_kernels *kernels;
	struct km_store_release_count *counts;
	size_t n;

	fleet(t->store);
	check_ok(km_store_count_standing(t->store, NULL, standing));
	assert_int_equal(standing[KM_PROTECTED], FLEET / 2);
	assert_int_equal(standing[KM_UNKNOWN], FLEET / 2);
	assert_int_equal(standing[KM_REBOOT], 0);
	check_ok(km_store_count_standing(t->store, "edge", standing));
	assert_int_equal(standing[KM_PROTECTED], 0);
	check_ok(km_store_count_kernels(t->store, t->arena, &kernels, &n));
	assert_int_equal(n, 8);
	assert_string_equal(kernels[1].kernel, "6.1.0-1");
	assert_int_equal(kernels[1].hosts, 8);
	assert_int_equal(kernels[1].standing, KM_PROTECTED);
	check_ok(km_store_release_counts(t->store, NULL, t->arena, &counts, &n));
	assert_int_equal(n, 3);
	check_ok(km_store_release_counts(t->store, TOY_RELEASE_A, t->arena, &counts, &n));
	assert_int_equal(n, 3);
	assert_int_equal(counts[2].state, KM_PATCH_FAILED);
	assert_int_equal(counts[2].hosts, FLEET / 4);
	assert_string_equal(counts[2].channel, "stable");
	check_ok(km_store_release_counts(t->store, TOY_RELEASE_B, t->arena, &counts, &n));
	assert_int_equal(n, 0);
}

static km_error *count_row(void *ctx, const struct km_store_host *host)
{
	int *left = ctx;

	assert_string_equal(host->token, "t");
	return --*left ? NULL : km_error_new(KM_NOTHING, "enough");
}

static void test_all_hosts(void **state)
{
	struct toy_store *t = *state;
	int left = 2 * FLEET;

	fleet(t->store);
	check_ok(km_store_hosts_all(t->store, count_row, &left));
	assert_int_equal(left, FLEET);
	left = 3;
	check_error(km_store_hosts_all(t->store, count_row, &left), KM_NOTHING, "enough");
}

static void test_seen(void **state)
{
	struct toy_store *t = *state;
	struct km_store_seen rows[150] = {{0}};
	struct km_store_host host;
	int64_t n[150];

	toy_token(t->store, "t");
	check_ok(km_store_begin(t->store));
	for (int i = 0; i < 150; i++)
		n[i] = toy_attach(t->store, "t", i);
	check_ok(km_store_commit(t->store));
	for (int i = 0; i < 150; i++)
		rows[i] = (struct km_store_seen){.host = n[i], .at = TOY_NOW + i, .digest = i == 140 ? 7 : 0};
	rows[3].at = TOY_NOW - 50;
	rows[70].host = n[149] + 1000;
	check_ok(km_store_seen(t->store, rows, KM_COUNT(rows)));
	for (int i = 0; i < 150; i++) {
		assert_int_equal(rows[i].gone, i == 70);
		assert_int_equal(rows[i].other, i == 140);
	}
	check_ok(km_store_host(t->store, toy_sum("host", 3), t->arena, &host, NULL));
	assert_int_equal(host.seen, TOY_NOW);
	check_ok(km_store_host(t->store, toy_sum("host", 149), t->arena, &host, NULL));
	assert_int_equal(host.seen, TOY_NOW + 149);
	check_ok(km_store_seen(t->store, rows, 0));
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */
static void test_report(void **state)
{
	struct toy_store *t = *state;
	struct km_report_patch said[3] = {
		{.release = TOY_RELEASE_B,
		 .state = KM_PATCH_HELD,
		 .health = KM_HEALTH_CRASHED,
		 .since = 9,
		 .transition_ms = -1,
		 .detail = "it crashed"},
		{.release = TOY_RELEASE_A, .state = KM_PATCH_LOADING, .since = 8, .transition_ms = -1},
		{.release = "cccc", .state = KM_PATCH_LOADED}};
	struct km_report report = {
		.agent = "0.2", .standing = KM_REBOOT, .root = 3, .timestamp = 44, .patches = said, .n_patches = 3};
	struct km_store_patch *patches;
	struct km_store_host host;
	enum km_store_why why;
	size_t n;

	report.kernel = toy_attach_of(1).kernel;
	toy_token(t->store, "t");
	toy_release(t->store, TOY_RELEASE_A, "high");
	toy_release(t->store, TOY_RELEASE_B, "high");
	toy_attach(t->store, "t", 1);
	snprintf(report.host, sizeof(report.host), "%s", toy_sum("host", 2));
	toy_store_refused(km_store_report(t->store, &report, 5, TOY_NOW, &why), &why, KM_STORE_ABSENT);
	snprintf(report.host, sizeof(report.host), "%s", toy_sum("host", 1));
	check_ok(km_store_report(t->store, &report, -5, TOY_NOW + 1, NULL));

	check_ok(km_store_host(t->store, report.host, t->arena, &host, NULL));
	assert_int_equal(host.standing, KM_REBOOT);
	assert_int_equal(host.root, 3);
	assert_int_equal(host.timestamp, 44);
	assert_int_equal(host.digest, -5);
	assert_int_equal(host.seen, TOY_NOW + 1);
	assert_string_equal(host.agent, "0.2");
	check_ok(km_store_host_patches(t->store, host.n, t->arena, &patches, &n));
	assert_int_equal(n, 2); /* the third is no release that the store knows */
	assert_string_equal(patches[1].said.release, TOY_RELEASE_B);
	assert_string_equal(patches[1].said.detail, "it crashed");
	assert_int_equal(patches[1].said.health, KM_HEALTH_CRASHED);
	assert_int_equal(patches[1].said.transition_ms, -1);

	/* B is not named any more; A is loaded, then only older. */
	report.patches = &said[1];
	report.n_patches = 1;
	said[1] = (struct km_report_patch){.release = TOY_RELEASE_A,
					   .state = KM_PATCH_LOADED,
					   .health = KM_HEALTH_GOOD,
					   .since = 10,
					   .transition_ms = 31};
	check_ok(km_store_report(t->store, &report, 6, TOY_NOW + 2, NULL));
	said[1].age = 300;
	check_ok(km_store_report(t->store, &report, 7, TOY_NOW + 3, NULL));
	check_ok(km_store_host_patches(t->store, host.n, t->arena, &patches, &n));
	assert_int_equal(n, 1);
	assert_int_equal(patches[0].said.age, 300);
	assert_int_equal(patches[0].updated, TOY_NOW + 2);
	check_ok(km_store_host_history(t->store, host.n, t->arena, &patches, &n));
	assert_int_equal(n, 3);
	assert_int_equal(patches[0].said.state, KM_PATCH_LOADED);
	assert_int_equal(patches[0].said.transition_ms, 31);

	check_ok(km_store_detach(t->store, report.host, NULL));
	check_ok(km_store_host_history(t->store, host.n, t->arena, &patches, &n));
	assert_int_equal(n, 0);
}

static void test_history_is_bounded(void **state)
{
	struct toy_store *t = *state;
	struct km_store_patch *patches;
	int64_t host;
	size_t n;

	toy_token(t->store, "t");
	toy_release(t->store, TOY_RELEASE_A, "high");
	host = toy_attach(t->store, "t", 1);
	check_ok(km_store_begin(t->store));
	for (int i = 0; i < KM_STORE_HISTORY + 20; i++)
		toy_report(t->store, 1, TOY_RELEASE_A, i % 2 ? KM_PATCH_LOADED : KM_PATCH_REMOVED, KM_HEALTH_NONE, 0,
			   TOY_NOW + i);
	check_ok(km_store_commit(t->store));
	check_ok(km_store_host_history(t->store, host, t->arena, &patches, &n));
	assert_int_equal(n, KM_STORE_HISTORY);
	assert_int_equal(patches[0].updated, TOY_NOW + KM_STORE_HISTORY + 19);
	assert_int_equal(patches[n - 1].updated, TOY_NOW + 20);
}

struct heard {
	int64_t number[16];
	struct km_report_patch said[16];
	size_t n;
};

static km_error *hear(void *ctx, int64_t host, const struct km_report_patch *said)
{
	struct heard *heard = ctx;

	assert_true(heard->n < KM_COUNT(heard->said));
	heard->number[heard->n] = host;
	heard->said[heard->n++] = *said;
	return NULL;
}

static void test_said(void **state)
{
	struct toy_store *t = *state;
	static const struct {
		enum km_patch_state state;
		enum km_health health;
		int64_t at;
		bool counts;
	} said[] = {
		{KM_PATCH_LOADED, KM_HEALTH_GOOD, -600, true},	 {KM_PATCH_LOADED, KM_HEALTH_OOPSED, 0, true},
		{KM_PATCH_LOADED, KM_HEALTH_OOPSED, -1, false},	 {KM_PATCH_FAILED, KM_HEALTH_NONE, 0, true},
		{KM_PATCH_FAILED, KM_HEALTH_NONE, -600, false},	 {KM_PATCH_STALLED, KM_HEALTH_NONE, -600, false},
		{KM_PATCH_HELD, KM_HEALTH_CRASHED, -600, false}, {KM_PATCH_HELD, KM_HEALTH_CRASHED, 5, true},
		{KM_PATCH_LOADING, KM_HEALTH_NONE, -600, true},
	};
	int64_t numbers[KM_COUNT(said)];
	struct heard heard = {.n = 0};
	size_t k = 0;

	toy_token(t->store, "t");
	toy_release(t->store, TOY_RELEASE_A, "high");
	for (size_t i = 0; i < KM_COUNT(said); i++) {
		numbers[i] = toy_attach(t->store, "t", (int)i);
		toy_report(t->store, (int)i, TOY_RELEASE_A, said[i].state, said[i].health, 60, TOY_NOW + said[i].at);
	}
	check_ok(km_store_said(t->store, TOY_RELEASE_B, 0, hear, &heard));
	assert_int_equal(heard.n, 0);
	check_ok(km_store_said(t->store, TOY_RELEASE_A, TOY_NOW, hear, &heard));
	for (size_t i = 0; i < KM_COUNT(said); i++) {
		if (!said[i].counts)
			continue;
		assert_int_equal(heard.number[k], numbers[i]);
		assert_int_equal(heard.said[k].state, said[i].state);
		assert_int_equal(heard.said[k].health, said[i].health);
		assert_int_equal(heard.said[k].since, TOY_NOW + said[i].at);
		assert_int_equal(heard.said[k].age, 60);
		assert_string_equal(heard.said[k++].release, TOY_RELEASE_A);
	}
	assert_int_equal(heard.n, k);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */
enum { WRITERS = 4, READERS = 8, TURNS = 100 };

static km_error *three_records(km_store *store, void *ctx)
{
	const struct km_store_audit r = {.actor = "a", .action = "b", .object = "c", .detail = ctx};

	for (int i = 0; i < 3; i++)
		KM_TRY(km_store_audit(store, &r, NULL));
	return NULL;
}

static void *writer(void *ctx)
{
	km_error *err = NULL;

	for (int i = 0; i < TURNS / 10 && !err; i++)
		err = km_store_transact(ctx, three_records, "x");
	return err;
}

/* Never sees a part of a transaction. */
static void *reader(void *ctx)
{
	char hash[KM_SHA256_HEX];
	km_error *err = NULL;
	int64_t seq = 0;

	for (int i = 0; i < TURNS && !err; i++) {
		err = km_store_audit_head(ctx, &seq, hash);
		if (!err && seq % 3)
			err = km_error_new(KM_BUG, "a transaction was seen in part");
	}
	return err;
}

static void test_threads(void **state)
{
	struct toy_store *t = *state;
	pthread_t threads[WRITERS + READERS];
	int64_t checked;
	void *err;

	for (size_t i = 0; i < KM_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < WRITERS ? writer : reader, t->store), 0);
	for (size_t i = 0; i < KM_COUNT(threads); i++) {
		pthread_join(threads[i], &err);
		check_ok(err);
	}
	check_ok(km_store_audit_verify(t->store, 1, NULL, &checked));
	assert_int_equal(checked, WRITERS * TURNS / 10 * 3);
}

int main(void)
{
	static const struct toy_test tests[] = {
		TOY_TEST(test_open),
		TOY_TEST(test_admins),
		TOY_TEST(test_tokens),
		TOY_TEST(test_attach),
		TOY_TEST(test_lists),
		TOY_TEST(test_list_by_id),
		TOY_TEST(test_counts_of_hosts),
		TOY_TEST(test_all_hosts),
		TOY_TEST(test_seen),
		TOY_TEST(test_report),
		TOY_TEST(test_history_is_bounded),
		TOY_TEST(test_said),
		TOY_TEST(test_threads),
	};

	return toy_store_tests("store", tests, KM_COUNT(tests));
}
