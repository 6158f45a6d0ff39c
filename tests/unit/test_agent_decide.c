/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host does about the releases of a channel, and how it stands: tables over a publisher in memory. */
#include <kmend/agent.h>

#include "toy_trust.h"

enum { RELEASES = 4 };

/* A channel of up to RELEASES releases for this kernel. */
struct channel {
	struct toy toy;
	km_trust_client *client;
	struct km_index_entry entries[RELEASES];
	struct km_rollout_entry rules[RELEASES];
	size_t n, n_rules;
	km_held_list held;
	km_applied_list applied;
	struct km_journal journal;
	int64_t now;
};

struct spec {
	const char *name, *severity, *release; /* release NULL: this kernel's */
	bool replace;
};

static void add(struct channel *c, const struct spec *spec)
{
	struct km_payload payload = {"klp", "", 7};
	struct km_trust_host host = toy_host();
	struct km_release_kernel kernel = {host.arch, spec->release ? spec->release : host.release, host.build_id, &payload, 1};
	struct km_release r = {.name = spec->name,
			       .version = "1",
			       .summary = "",
			       .severity = spec->severity ? spec->severity : "high",
			       .issued = TOY_NOW,
			       .source_size = 1,
			       .replace = spec->replace,
			       .kernels = &kernel,
			       .n_kernels = 1};
	km_private_key *signers[] = {c->toy.keys[KM_ROLE_BUILDER][0], c->toy.keys[KM_ROLE_REVIEWER][0]};
	struct km_held_release held = {0};
	km_envelope *envelope;
	struct toy_doc doc;
	uint8_t sum[KM_SHA256_LEN];

	km_sha256_of(spec->name, strlen(spec->name), sum);
	km_hex(sum, sizeof(sum), payload.sha256);
	memcpy(r.source_sha256, payload.sha256, sizeof(r.source_sha256));
	check_ok(km_release_make(&r, &envelope));
	check_ok(km_release_parse(envelope, &held.release));
	doc = toy_sign(envelope, 2, signers);
	memcpy(held.id, doc.id, sizeof(held.id));
	held.bytes = (uint8_t *)doc.at;
	held.size = doc.n;
	km_vec_push(&c->held, held);
	memcpy(c->entries[c->n++].id, doc.id, sizeof(doc.id));
}

static void setup(struct channel *c, const struct spec *specs, size_t n)
{
	*c = (struct channel){.now = TOY_NOW};
	toy_setup(&c->toy);
	for (size_t i = 0; i < n; i++)
		add(c, &specs[i]);
	strcpy(c->journal.boot, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
}

static struct toy_doc sign_index(struct channel *c)
{
	struct km_index index = {.channel = "stable",
				 .version = 2,
				 .issued = TOY_NOW,
				 .expires = TOY_NOW + 864000,
				 .releases = c->entries,
				 .n_releases = c->n};
	km_envelope *envelope;

	check_ok(km_index_make(&index, &envelope));
	return toy_sign(envelope, 1, &c->toy.keys[KM_ROLE_INDEX][0]);
}

static struct toy_doc sign_rollout(struct channel *c)
{
	struct km_rollout rollout = {.channel = "stable",
				     .version = 2,
				     .issued = TOY_NOW,
				     .expires = TOY_NOW + 864000,
				     .releases = c->rules,
				     .n_releases = c->n_rules};
	km_envelope *envelope;

	check_ok(km_rollout_make(&rollout, &envelope));
	return toy_sign(envelope, 1, &c->toy.keys[KM_ROLE_ROLLOUT][0]);
}

static void publish(struct channel *c)
{
	struct toy_doc index = sign_index(c), rollout = sign_rollout(c);
	struct toy_doc ts = toy_timestamp(&c->toy, 2, TOY_NOW, &index, 2, &rollout, 2);

	c->client = toy_fresh(&c->toy);
	check_ok(km_trust_take_timestamp(c->client, ts.at, ts.n, TOY_NOW, NULL));
	check_ok(km_trust_take_index(c->client, index.at, index.n, TOY_NOW, NULL));
	check_ok(km_trust_take_rollout(c->client, rollout.at, rollout.n, TOY_NOW, NULL));
	toy_free(&index);
	toy_free(&rollout);
	toy_free(&ts);
}

static void end(struct channel *c)
{
	toy_end(&c->toy);
	km_trust_destroy(c->client);
	km_held_list_free(&c->held);
	km_applied_list_free(&c->applied);
	km_journal_free(&c->journal);
}

static void put_in_kernel(struct channel *c, size_t i, bool moving)
{
	const struct km_held_release *h = &c->held.at[i];

	km_vec_push(&c->applied, (struct km_applied){.name = km_strdup(h->release.name),
						     .backend = "livepatch",
						     .registered = true,
						     .enabled = true,
						     .transition = moving,
						     .sha256 = km_strdup(h->release.kernels[0].payloads[0].sha256)});
}

static struct km_journal_entry *enter(struct channel *c, size_t i, enum km_journal_step step)
{
	struct km_journal_entry *e = km_journal_make(&c->journal, c->entries[i].id);

	e->step = step;
	e->since = TOY_NOW;
	strcpy(e->boot, c->journal.boot);
	return e;
}

static struct km_view view_of(const struct channel *c)
{
	static const char *const flavours[] = {"core", "klp", NULL};

	return (struct km_view){.client = c->client,
				.held = &c->held,
				.journal = &c->journal,
				.applied = &c->applied,
				.host = toy_host(),
				.flavours = flavours,
				.mode = KM_MODE_NORMAL,
				.now = c->now};
}

/* Compares the decisions, one word for each release, and the standing. */
static void expect(struct channel *c, const struct km_view *special, enum km_standing standing, const char *words)
{
	struct km_view view = special ? *special : view_of(c);
	enum km_standing got;
	km_choices choices;
	km_str s = {0};

	km_decide(&view, &choices);
	for (size_t i = 0; i < choices.n; i++)
		km_str_printf(&s, "%s%s", i ? " " : "", km_decision_name(choices.at[i].decision));
	got = km_stand(&view, &choices);
	if (strcmp(s.at ? s.at : "", words) || got != standing)
		fail_msg("got \"%s\" and %s, want \"%s\" and %s", s.at ? s.at : "", km_standing_name(got), words,
			 km_standing_name(standing));
	km_str_free(&s);
	km_vec_free(&choices);
}

static const struct spec three[] = {{"a"}, {"b"}, {"c"}};
static const struct spec cumulative[] = {{"a"}, {"b"}, {"all", .replace = true}, {"d"}};

static void test_in_order(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, three, 3);
	publish(&c);
	expect(&c, NULL, KM_AVAILABLE, "load load load");
	put_in_kernel(&c, 0, false);
	expect(&c, NULL, KM_AVAILABLE, "in-effect load load");
	put_in_kernel(&c, 1, false);
	put_in_kernel(&c, 2, false);
	expect(&c, NULL, KM_PROTECTED, "in-effect in-effect in-effect");
	c.applied.at[2].transition = true;
	expect(&c, NULL, KM_TRANSITION, "in-effect in-effect load");
	end(&c);
}

static void test_cumulative(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, cumulative, 4);
	publish(&c);
	expect(&c, NULL, KM_AVAILABLE, "superseded superseded load load");
	put_in_kernel(&c, 0, false);
	expect(&c, NULL, KM_AVAILABLE, "in-effect superseded load load");
	enter(&c, 2, KM_AT_HELD)->why = KM_HELD_CRASHED;
	expect(&c, NULL, KM_REBOOT, "in-effect load held load");
	enter(&c, 2, KM_AT_REMOVED);
	enter(&c, 1, KM_AT_HELD)->why = KM_HELD_CRASHED;
	km_applied_list_free(&c.applied);
	put_in_kernel(&c, 2, false);
	put_in_kernel(&c, 3, false);
	expect(&c, NULL, KM_PROTECTED, "superseded superseded in-effect in-effect");
	end(&c);
}

static void test_same_name(void **state)
{
	static const struct spec two[] = {{"a"}, {"a", "critical"}};
	struct channel c;

	(void)state;
	setup(&c, two, 2);
	publish(&c);
	expect(&c, NULL, KM_AVAILABLE, "superseded load");
	end(&c);
}

static void test_rollout_and_index(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, three, 3);
	c.entries[0].withdrawn = "wrong";
	c.entries[1].staged = true;
	memcpy(c.rules[0].id, c.entries[2].id, sizeof(c.rules[0].id));
	c.rules[0].halt = "it crashes";
	c.rules[0].all = true;
	c.n_rules = 1;
	publish(&c);
	expect(&c, NULL, KM_AVAILABLE, "withdrawn waiting waiting");
	for (size_t i = 0; i < 3; i++)
		put_in_kernel(&c, i, false);
	/* A halt keeps out, and takes nothing away. */
	expect(&c, NULL, KM_AVAILABLE, "unload in-effect in-effect");
	enter(&c, 0, KM_AT_STALLED);
	expect(&c, NULL, KM_REBOOT, "unload in-effect in-effect");
	end(&c);
}

static void test_rollback_of_the_rollout(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, three, 1);
	memcpy(c.rules[0].id, c.entries[0].id, sizeof(c.rules[0].id));
	c.rules[0].halt = "it crashes";
	c.rules[0].rollback = true;
	c.rules[0].all = true;
	c.n_rules = 1;
	publish(&c);
	expect(&c, NULL, KM_UNCOVERED, "withdrawn");
	put_in_kernel(&c, 0, false);
	expect(&c, NULL, KM_AVAILABLE, "unload");
	end(&c);
}

static void test_journal(void **state)
{
	static const struct {
		enum km_journal_step step;
		enum km_held_why why;
		bool other_boot;
		int64_t later;
		const char *words;
		enum km_standing standing;
	} cases[] = {
		{KM_AT_REMOVED, 0, false, 0, "load", KM_AVAILABLE},
		{KM_AT_SETTLED, 0, true, 0, "load", KM_AVAILABLE},
		{KM_AT_LOADING, 0, false, 0, "load", KM_AVAILABLE},
		{KM_AT_FAILED, 0, false, 86000, "later", KM_AVAILABLE},
		{KM_AT_FAILED, 0, true, 0, "load", KM_AVAILABLE},
		{KM_AT_STALLED, 0, false, KM_AGENT_AGAIN - 1, "later", KM_AVAILABLE},
		{KM_AT_STALLED, 0, false, KM_AGENT_AGAIN, "load", KM_AVAILABLE},
		{KM_AT_STALLED, 0, false, -1, "load", KM_AVAILABLE}, /* the clock was ahead when it stalled */
		{KM_AT_HELD, KM_HELD_CRASHED, true, 0, "held", KM_REBOOT},
		{KM_AT_HELD, KM_HELD_DAMAGED, true, 0, "held", KM_REBOOT},
		{KM_AT_HELD, KM_HELD_ROLLED_BACK, true, 0, "held", KM_AVAILABLE},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_journal_entry *e;
		struct channel c;

		setup(&c, three, 1);
		publish(&c);
		e = enter(&c, 0, cases[i].step);
		e->why = cases[i].why;
		if (cases[i].other_boot)
			strcpy(e->boot, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
		c.now += cases[i].later;
		expect(&c, NULL, cases[i].standing, cases[i].words);
		end(&c);
	}
}

/* Taken back by hand, and still there: it goes. */
static void test_rolled_back_by_hand(void **state)
{
	struct km_journal_entry *e;
	struct channel c;

	(void)state;
	setup(&c, three, 1);
	publish(&c);
	put_in_kernel(&c, 0, false);
	e = enter(&c, 0, KM_AT_HELD);
	e->why = KM_HELD_ROLLED_BACK;
	strcpy(e->name, "a");
	strcpy(e->payload, c.applied.at[0].sha256);
	expect(&c, NULL, KM_AVAILABLE, "unload");
	/* Disabled, and its module left by a run that was killed. */
	c.applied.at[0].enabled = c.applied.at[0].registered = false;
	expect(&c, NULL, KM_AVAILABLE, "unload");
	e->step = KM_AT_UNLOADING;
	expect(&c, NULL, KM_AVAILABLE, "unload");
	km_applied_list_free(&c.applied);
	expect(&c, NULL, KM_AVAILABLE, "load");
	end(&c);
}

/* Expired documents: what ran before may come back, nothing else; and nobody knows how the host stands. */
static void test_expired(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, three, 2);
	publish(&c);
	enter(&c, 0, KM_AT_SETTLED)->ran = true;
	c.now += 3 * 86400;
	expect(&c, NULL, KM_UNKNOWN, "load blocked");
	end(&c);
}

static void test_policy(void **state)
{
	static const struct spec specs[] = {{"a", "low"}, {"b", "critical"}, {"c", "high", "6.1.0-99-amd64"}};
	km_strv hold = {0};
	struct km_view view;
	struct channel c;

	(void)state;
	km_strv_push(&hold, "b");
	setup(&c, specs, 3);
	publish(&c);
	view = view_of(&c);
	view.min_severity = KM_SEVERITY_HIGH;
	expect(&c, &view, KM_AVAILABLE, "minor load other-kernel");
	view.hold = &hold;
	expect(&c, &view, KM_AVAILABLE, "minor held other-kernel");
	view.hold = NULL;
	put_in_kernel(&c, 1, false);
	expect(&c, &view, KM_PROTECTED, "minor in-effect other-kernel");
	km_strv_free(&hold);
	end(&c);
}

/* The index lists what is not here: a server that keeps it back is no reason to call the host protected. */
static void test_not_shown(void **state)
{
	struct km_view view;
	struct channel c;

	(void)state;
	setup(&c, three, 2);
	publish(&c);
	put_in_kernel(&c, 0, false);
	c.held.n = 1;
	expect(&c, NULL, KM_AVAILABLE, "in-effect unknown");
	view = view_of(&c);
	view.min_severity = KM_SEVERITY_CRITICAL;
	expect(&c, &view, KM_PROTECTED, "in-effect unknown");
	c.held.n = 2;
	end(&c);
}

static void test_uncovered(void **state)
{
	static const struct spec other[] = {{"a", NULL, "6.1.0-99-amd64"}};
	struct channel c;

	(void)state;
	setup(&c, other, 1);
	publish(&c);
	expect(&c, NULL, KM_UNCOVERED, "other-kernel");
	end(&c);
	setup(&c, NULL, 0);
	publish(&c);
	expect(&c, NULL, KM_UNCOVERED, "");
	end(&c);
}

/* A person's module of that name, or another build, is not the channel's. */
static void test_foreign_module(void **state)
{
	struct channel c;

	(void)state;
	setup(&c, three, 1);
	publish(&c);
	put_in_kernel(&c, 0, false);
	c.applied.at[0].sha256[0] ^= 1;
	expect(&c, NULL, KM_AVAILABLE, "load");
	free(c.applied.at[0].sha256);
	c.applied.at[0].sha256 = NULL;
	expect(&c, NULL, KM_AVAILABLE, "load");
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),	      cmocka_unit_test(test_cumulative),
		cmocka_unit_test(test_same_name),	      cmocka_unit_test(test_rollout_and_index),
		cmocka_unit_test(test_rollback_of_the_rollout), cmocka_unit_test(test_journal),
		cmocka_unit_test(test_rolled_back_by_hand),   cmocka_unit_test(test_expired),
		cmocka_unit_test(test_policy),		      cmocka_unit_test(test_not_shown),
		cmocka_unit_test(test_uncovered),	      cmocka_unit_test(test_foreign_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
