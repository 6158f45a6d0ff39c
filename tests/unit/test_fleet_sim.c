/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fleet in simulated time: hosts that check in, look at the rollout's entry as km_rollout_entry_of() makes it, load,
 * and live, fail, stall, die or fall silent as they are told; and a server that does nothing but km_counts_add() and
 * km_rollout_step(). What is asserted is what a fleet's owner is promised.
 */
#include <kmend/fleet.h>

#include "check.h"

#define RELEASE "77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab"

enum { BEGIN = 1800000000, TICK = 5, HOSTS = 2000, REBOOT = 90, HOUR = 3600 };

/* What the patch does to a host. */
enum fate {
	LIVES,
	FAILS,	 /* to load */
	STALLS,	 /* its transition is taken back after a minute */
	CRASHES, /* after `dies` seconds, boots, and says so */
	HANGS,	 /* after `dies` seconds, for good */
};
struct host {
	char id[KM_SHA256_HEX];
	enum fate fate;
	int64_t dies;	 /* seconds after the load */
	int64_t on, off; /* its power, as dates; off 0: never */
	const char *tag; /* or NULL */
	size_t wave;
	int64_t next;	   /* check-in */
	int64_t loaded_at; /* 0: not; the patch is in effect */
	bool admitted, tried;
	struct km_report_patch now; /* what it would say */
	/* What the server knows. */
	int64_t seen;
	bool said;
	struct km_report_patch heard;
};
struct fleet {
	struct host hosts[HOSTS];
	struct km_plan plan;
	struct km_progress_of at;
	int64_t now, interval;
	uint32_t random;
	char reason[KM_TRUST_REASON_MAX + 1];
	size_t loads_of[KM_FLEET_WAVES]; /* hosts of that wave that have tried it */
	int64_t first_bad, halted_at;	 /* when the server first heard of a crash; when it halted */
};

static uint32_t roll(struct fleet *f)
{
	f->random = f->random * 1664525 + 1013904223;
	return f->random >> 8;
}

/* Everything that a test does not change: a healthy patch, and hosts that are on. */
static struct fleet *fleet_create(const char *waves, int64_t interval)
{
	struct fleet *f = km_calloc(1, sizeof(*f));

	f->plan = (struct km_plan){.release = RELEASE,
				   .settle = KM_SETTLE_DEFAULT,
				   .complete = KM_COMPLETE_DEFAULT,
				   .gates = km_gates_default};
	check_ok(km_plan_waves(waves, &f->plan));
	f->now = BEGIN;
	f->interval = interval;
	for (size_t i = 0; i < HOSTS; i++) {
		struct host *h = &f->hosts[i];
		KM_AUTOFREE char *machine = km_printf("%032zx", i);

		km_fleet_host_id("0123456789abcdef", machine, h->id);
		h->on = BEGIN - interval;
		h->seen = BEGIN - 1 - roll(f) % interval;
		h->next = h->seen + interval + 1;
	}
	return f;
}

static void fleet_destroy(struct fleet *f)
{
	km_plan_free(&f->plan);
	free(f);
}

/* Hosts of the given share, 1/10000, of the given wave and on. */
static void give_fate(struct fleet *f, unsigned permyriad, enum fate fate, int64_t dies_within)
{
	for (size_t i = 0; i < HOSTS; i++)
		if (roll(f) % KM_PERMYRIAD < permyriad) {
			f->hosts[i].fate = fate;
			f->hosts[i].dies = dies_within ? roll(f) % (dies_within + 1) : 0;
		}
}

static struct km_trust_host as_host(const struct host *h)
{
	return (struct km_trust_host){.id = h->id, .tags = h->tag ? &h->tag : NULL, .n_tags = h->tag ? 1 : 0};
}

static void say(struct host *h, enum km_patch_state state, enum km_health health, int64_t since, int64_t age)
{
	h->now = (struct km_report_patch){.release = RELEASE,
					  .state = state,
					  .health = health,
					  .since = since,
					  .transition_ms = 1,
					  .age = (int32_t)age};
}

/* Loads, if the entry lets it. */
static void look(struct fleet *f, struct host *h)
{
	struct km_trust_host host = as_host(h);
	struct km_rollout_entry entry;
	bool admits;

	km_rollout_entry_of(&f->plan, &f->at, f->reason, &entry);
	admits = km_rollout_admits(&entry, &host, f->now);
	/* Whom the rollout has let in it never shuts out again; it may only halt. */
	assert_true(admits || !h->admitted);
	h->admitted = admits;
	if (entry.rollback && h->loaded_at) {
		h->loaded_at = 0;
		say(h, KM_PATCH_REMOVED, KM_HEALTH_NONE, f->now, 0);
	}
	if (!admits || entry.halt || h->tried)
		return;
	h->tried = true;
	f->loads_of[h->wave]++;
	if (h->fate == FAILS) {
		say(h, KM_PATCH_FAILED, KM_HEALTH_NONE, f->now, 0);
		return;
	}
	h->loaded_at = f->now;
	say(h, KM_PATCH_LOADING, KM_HEALTH_NONE, f->now, 0);
}

static bool dead(const struct fleet *f, const struct host *h)
{
	bool dies = h->loaded_at && (h->fate == CRASHES || h->fate == HANGS) && f->now >= h->loaded_at + h->dies;

	return dies || f->now < h->on || (h->off && f->now >= h->off);
}

/* What has become of the patch since the last look. True: there is news. */
static bool age(const struct fleet *f, struct host *h)
{
	static const int64_t looks[] = {0, 60, 300, 900};
	int64_t since = h->loaded_at, last = -1;

	if (!since)
		return false;
	if (h->fate == STALLS && f->now >= since + 60) {
		h->loaded_at = 0;
		say(h, KM_PATCH_STALLED, KM_HEALTH_NONE, f->now, 0);
		return true;
	}
	if (h->fate == STALLS)
		return false;
	for (size_t i = 0; i < KM_COUNT(looks); i++)
		if (f->now >= since + looks[i])
			last = looks[i];
	if (h->now.state == KM_PATCH_LOADED && h->now.age == last)
		return false;
	say(h, KM_PATCH_LOADED, KM_HEALTH_GOOD, since, last);
	return true;
}

static void check_in(struct fleet *f, struct host *h)
{
	h->seen = f->now;
	h->said = h->tried;
	h->heard = h->now;
	if (h->said && h->heard.health == KM_HEALTH_CRASHED && !f->first_bad)
		f->first_bad = f->now;
}

static void live(struct fleet *f, struct host *h)
{
	if (dead(f, h)) {
		/* The crash guard keeps it out at the next boot, and the host tells. */
		if (h->fate == CRASHES && f->now >= h->loaded_at + h->dies + REBOOT) {
			h->loaded_at = 0;
			say(h, KM_PATCH_HELD, KM_HEALTH_CRASHED, f->now, 0);
			check_in(f, h);
			h->next = f->now + f->interval;
		}
		return;
	}
	if (age(f, h))
		check_in(f, h);
	if (f->now < h->next)
		return;
	check_in(f, h);
	h->next = f->now + km_fleet_next(f->interval, 0, roll(f) << 8);
	look(f, h);
	if (!dead(f, h) && age(f, h))
		check_in(f, h);
}

static struct km_counts count(const struct fleet *f)
{
	struct km_counts counts = {0};

	for (size_t i = 0; i < HOSTS; i++) {
		const struct host *h = &f->hosts[i];
		struct km_member member = {h->wave, h->seen, km_plan_silent_after(&f->plan, f->interval),
					   h->said ? &h->heard : NULL};

		km_counts_add(&counts, &f->plan, &f->at, &member, f->now);
	}
	return counts;
}

static void serve(struct fleet *f)
{
	struct km_counts counts = count(f);

	km_rollout_remember(&f->at, &counts);
	switch (km_rollout_step(&f->plan, &f->at, &counts, f->now, f->reason)) {
	case KM_STEP_NEXT_WAVE: km_rollout_next_wave(&f->at, f->now); break;
	case KM_STEP_DONE: f->at.state = KM_ROLLOUT_DONE; break;
	case KM_STEP_HALT:
		f->at.state = KM_ROLLOUT_HALTED;
		f->halted_at = f->now;
		break;
	case KM_STEP_STAY: break;
	}
}

/* Until the rollout does not run any more, for that many seconds at most. */
static void run(struct fleet *f, int64_t seconds)
{
	int64_t end = f->now + seconds;

	if (!f->at.wave_since) {
		f->at = km_rollout_start(f->now);
		for (size_t i = 0; i < HOSTS; i++) {
			struct km_trust_host host = as_host(&f->hosts[i]);

			f->hosts[i].wave = km_plan_wave(&f->plan, &host);
		}
	}
	for (; f->now < end && f->at.state == KM_ROLLOUT_RUNNING; f->now += TICK) {
		for (size_t i = 0; i < HOSTS; i++)
			live(f, &f->hosts[i]);
		serve(f);
	}
}

/* Goes on when it does not run, too: what hosts do then. */
static void pass(struct fleet *f, int64_t seconds)
{
	for (int64_t end = f->now + seconds; f->now < end; f->now += TICK)
		for (size_t i = 0; i < HOSTS; i++)
			live(f, &f->hosts[i]);
}

static size_t loads(const struct fleet *f)
{
	size_t n = 0;

	for (size_t i = 0; i < KM_FLEET_WAVES; i++)
		n += f->loads_of[i];
	return n;
}

static void ends(const struct fleet *f, enum km_rollout_state state, size_t wave, const char *reason)
{
	if (f->at.state != state || f->at.wave != wave || !km_starts(f->reason, reason))
		fail_msg("expected %s in wave %zu (%s), got %s in wave %zu (%s) after %lld s",
			 km_rollout_state_name(state), wave, reason, km_rollout_state_name(f->at.state), f->at.wave,
			 f->reason, (long long)(f->now - BEGIN));
}

/* ---- what is promised ---- */

static void a_healthy_patch_reaches_everyone(void **state)
{
	struct fleet *f = fleet_create("canary,1%,10%,50%,100%", 60);

	(void)state;
	for (size_t i = 0; i < 10; i++)
		f->hosts[i].tag = "canary";
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 4, "");
	assert_int_equal(f->loads_of[0], 10);
	/* Five waves of a settling time and a few minutes. */
	assert_in_range(f->now - BEGIN, 5 * 900, 5 * 1200);
	pass(f, 120);
	assert_int_equal(loads(f), HOSTS);
	fleet_destroy(f);
}

/* Whatever it does to them: nobody of the second wave has it. */
static void a_patch_that_kills_hits_wave_one_only(void **state)
{
	static const struct {
		enum fate fate;
		int64_t dies, interval;
		const char *reason;
	} cases[] = {
		{HANGS, 60, 60, "silent"},	{HANGS, 0, 60, "silent"},      {HANGS, 0, 3600, "silent"},
		{HANGS, 890, 60, "silent"},	{CRASHES, 60, 60, "crashed"},  {CRASHES, 0, 60, "crashed"},
		{CRASHES, 60, 3600, "crashed"}, {CRASHES, 890, 60, "crashed"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct fleet *f = fleet_create("1%,10%,100%", cases[i].interval);

		give_fate(f, KM_PERMYRIAD, cases[i].fate, cases[i].dies);
		run(f, 24 * HOUR);
		ends(f, KM_ROLLOUT_HALTED, 0, cases[i].reason);
		pass(f, HOUR);
		assert_in_range(f->loads_of[0], 1, HOSTS / 50);
		assert_int_equal(loads(f), f->loads_of[0]);
		/* The halt follows the first report of a crash at once. */
		if (f->first_bad)
			assert_int_equal(f->halted_at, f->first_bad);
		fleet_destroy(f);
	}
}

static size_t first_of_wave(const struct fleet *f, size_t wave, size_t from)
{
	for (size_t i = from; i < HOSTS; i++) {
		struct km_trust_host host = as_host(&f->hosts[i]);

		if (km_plan_wave(&f->plan, &host) == wave)
			return i;
	}
	fail_msg("no host is in wave %zu", wave);
	return 0;
}

static void one_crash_halts_and_a_person_goes_on(void **state)
{
	struct fleet *f = fleet_create("1%,10%,100%", 60);
	size_t one = first_of_wave(f, 0, 0), two = first_of_wave(f, 1, 0);
	struct km_counts counts;
	size_t before;

	(void)state;
	f->hosts[one].fate = f->hosts[two].fate = CRASHES;
	f->hosts[one].dies = f->hosts[two].dies = 30;
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_HALTED, 0, "crashed: 1 host,");
	before = loads(f);
	pass(f, 2 * HOUR);
	assert_int_equal(loads(f), before);
	/* What has happened is forgiven, what comes is not. */
	counts = count(f);
	km_rollout_resume(&f->at, &counts, f->now);
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_HALTED, 1, "crashed: 1 host,");
	counts = count(f);
	assert_int_equal(counts.crashed, 2);
	km_rollout_resume(&f->at, &counts, f->now);
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 2, "");
	fleet_destroy(f);
}

static void gates_by_their_share(void **state)
{
	static const struct {
		enum fate fate;
		unsigned permyriad;
		const char *reason; /* NULL: it goes through */
	} cases[] = {
		{FAILS, 30, NULL},	   {FAILS, 300, "failed"}, {STALLS, 300, NULL},
		{STALLS, 1000, "stalled"}, {HANGS, 100, NULL},	   {HANGS, 500, "silent"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		/* A first wave that is large enough for shares to mean something. */
		struct fleet *f = fleet_create("50%,100%", 60);

		give_fate(f, cases[i].permyriad, cases[i].fate, 30);
		/* Shares count from the first host on: none of the first few may be the one. */
		f->plan.gates.failed += cases[i].fate == FAILS && !cases[i].reason ? 200 : 0;
		run(f, 24 * HOUR);
		if (cases[i].reason)
			ends(f, KM_ROLLOUT_HALTED, 0, cases[i].reason);
		else
			ends(f, KM_ROLLOUT_DONE, 1, "");
		fleet_destroy(f);
	}
}

static void waves_of_nobody_go_on(void **state)
{
	struct fleet *f = fleet_create("nobody,nowhere,100%", 60);

	(void)state;
	run(f, 2 * 900 - TICK);
	ends(f, KM_ROLLOUT_RUNNING, 1, "");
	assert_int_equal(loads(f), 0);
	assert_int_equal(f->at.let_in[1], BEGIN + 900);
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 2, "");
	fleet_destroy(f);
}

/* Hosts that are off all the time neither hinder it nor are missed; some of them come later and get it then. */
static void hosts_that_are_off(void **state)
{
	struct fleet *f = fleet_create("10%,100%", 60);

	(void)state;
	for (size_t i = 0; i < HOSTS; i += 2) {
		f->hosts[i].on = BEGIN + 5 * HOUR;
		f->hosts[i].seen = BEGIN - HOUR;
		f->hosts[i].next = f->hosts[i].on;
	}
	run(f, 5 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 1, "");
	assert_int_equal(loads(f), HOSTS / 2);
	f->now = BEGIN + 5 * HOUR;
	pass(f, 600);
	assert_int_equal(loads(f), HOSTS);
	fleet_destroy(f);
}

/* Who has settled may be switched off: half of the first wave goes while the second is in. */
static void who_has_settled_may_go(void **state)
{
	struct fleet *f = fleet_create("50%,100%", 60);

	(void)state;
	for (size_t i = 0; i < HOSTS; i++) {
		struct km_trust_host host = as_host(&f->hosts[i]);

		if (i % 2 && km_plan_wave(&f->plan, &host) == 0)
			f->hosts[i].off = BEGIN + 1300;
	}
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 1, "");
	fleet_destroy(f);
}

static void a_rollback_takes_it_from_all(void **state)
{
	struct fleet *f = fleet_create("10%,100%", 60);
	struct km_counts counts;

	(void)state;
	run(f, 600);
	counts = count(f);
	assert_true(counts.loaded > HOSTS / 20);
	f->at.state = KM_ROLLOUT_TAKEN_BACK;
	snprintf(f->reason, sizeof(f->reason), "a bad idea");
	pass(f, 180);
	counts = count(f);
	assert_int_equal(counts.loaded, 0);
	assert_int_equal(counts.tried, f->loads_of[0]);
	assert_int_equal(f->loads_of[1], 0);
	fleet_destroy(f);
}

static void not_before_its_time(void **state)
{
	struct fleet *f = fleet_create("10%,100%", 60);

	(void)state;
	f->plan.not_before = BEGIN + HOUR;
	run(f, HOUR);
	ends(f, KM_ROLLOUT_RUNNING, 0, "");
	assert_int_equal(loads(f), 0);
	run(f, 24 * HOUR);
	ends(f, KM_ROLLOUT_DONE, 1, "");
	assert_true(f->at.let_in[1] >= BEGIN + HOUR + 900);
	fleet_destroy(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_patch_reaches_everyone),
		cmocka_unit_test(a_patch_that_kills_hits_wave_one_only),
		cmocka_unit_test(one_crash_halts_and_a_person_goes_on),
		cmocka_unit_test(gates_by_their_share),
		cmocka_unit_test(waves_of_nobody_go_on),
		cmocka_unit_test(hosts_that_are_off),
		cmocka_unit_test(who_has_settled_may_go),
		cmocka_unit_test(a_rollback_takes_it_from_all),
		cmocka_unit_test(not_before_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
