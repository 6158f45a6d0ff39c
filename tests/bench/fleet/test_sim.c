/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The simulator against a server that is none: it measures what it says it measures, and its hosts do as their fates
 * want. */
#include "../../unit/check.h"

#include <math.h>
#include <unistd.h>

#include "fake_server.h"
#include "fleet.h"

#define TOKEN "kmt_0123456789012345678901234567890123456789-_A"

/* ---- parts ---- */

static void histograms(void **state)
{
	static struct histogram h;

	(void)state;
	assert_true(histogram_at(&h, .5) <= 0);
	for (int i = 1; i <= 100000; i++)
		histogram_add(&h, i / 1e6);
	for (double share = .001; share <= 1; share += .001) {
		double at = histogram_at(&h, share), exact = share / 10;

		if (at < exact * (1 - 1e-9) || at > exact * 1.02)
			fail_msg("%g: expected about %g, got %g", share, exact, at);
	}
	histogram_add(&h, 1e9);
	histogram_add(&h, -1);
	assert_int_equal(h.n, 100002);
	assert_true(h.max >= 1e9);
}

static void heaps(void **state)
{
	heap h = {0};
	struct heap_entry e;
	double before = -1;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		heap_push(&h, (double)(i * 7919 % 1000), i);
	assert_true(heap_pop(&h, 0, &e));
	assert_false(heap_pop(&h, 0, &e));
	for (size_t i = 1; i < 1000; i++) {
		assert_true(heap_pop(&h, INFINITY, &e));
		assert_true(e.due > before);
		assert_true(e.due >= e.host * 7919 % 1000 && e.due <= e.host * 7919 % 1000);
		before = e.due;
	}
	assert_false(heap_pop(&h, INFINITY, &e));
	km_vec_free(&h);
}

static void the_process(void **state)
{
	struct usage before, after;
	volatile unsigned spin = 0;
	double until = km_now() + .3;

	(void)state;
	check_ok(process_usage(getpid(), &before));
	while (km_now() < until)
		spin++;
	check_ok(process_usage(getpid(), &after));
	assert_true(after.cpu > before.cpu);
	assert_true(after.rss > .5 && after.rss_peak >= after.rss);
	check_error(process_usage(99999999, &after), KM_ENV, "/proc/99999999/stat");
}

static void command_lines(void **state)
{
	static const struct {
		const char *words[6], *message;
	} cases[] = {
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--hosts", "5"}, NULL},
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--hosts", "0"}, "--hosts takes a number"},
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--hosts", "5x"}, "--hosts takes a number"},
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--crash", "nan"}, "--crash takes a number"},
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--crash", "1.5"}, "--crash takes a number"},
		{{"--server", "127.0.0.1:80", "--token", TOKEN, "--king", "1"}, "no option --king"},
		{{"--server", "localhost:80", "--token", TOKEN, "--seed", "1"}, "no IPv4 address"},
		{{"--server", "127.0.0.1:0", "--token", TOKEN, "--seed", "1"}, "the port"},
		{{"--server", "127.0.0.1", "--token", TOKEN, "--seed", "1"}, "ADDRESS:PORT"},
		{{"--server", "127.0.0.1:80", "--token", "kmt_x", "--seed", "1"}, "--token takes"},
		{{"--seed", "1", "--seed", "1", "--seed", "1"}, "are needed"},
		{{"--crash", ".6", "--hang", ".6", "--server", "127.0.0.1:80"}, "are needed"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *argv[7] = {(char *)"sim"};
		struct options options;
		km_error *err;

		memcpy(argv + 1, cases[i].words, sizeof(cases[i].words));
		err = options_parse(7, argv, &options);
		if (cases[i].message)
			check_error(err, KM_USAGE, cases[i].message);
		else
			check_ok(err);
	}
}

/* ---- the whole ---- */

/* A run of 60 hosts on 5 connections at 600 simulated seconds in one, for 1.7 s: seventeen check-ins each. */
static json_t *run(struct fake *fake, size_t n, const char *const *more)
{
	KM_AUTOFREE char *server = NULL;
	km_strv words = {0};
	struct options options;
	struct fleet *fleet = NULL;
	json_t *result;

	fake_start(fake);
	server = km_printf("127.0.0.1:%d", fake->port);
	const char *const first[] = {"sim", "--server",	     server, "--token",	     TOKEN, "--hosts",
				     "60",  "--connections", "5",    "--time-scale", "600", "--seconds",
				     "1.7"};

	for (size_t i = 0; i < KM_COUNT(first); i++)
		km_strv_push(&words, first[i]);
	for (size_t i = 0; i < n; i++)
		km_strv_push(&words, more[i]);
	check_ok(options_parse((int)words.n, words.at, &options));
	check_ok(fleet_create(&options, &fleet));
	check_ok(fleet_attach(fleet));
	check_ok(fleet_run(fleet));
	result = fleet_result(fleet);
	assert_non_null(result);
	fleet_destroyp(&fleet);
	km_strv_free(&words);
	fake_stop(fake);
	if (fake->bad)
		fail_msg("%u bad requests, the first: %s", fake->bad, fake->complaint);
	return result;
}

static double number(const json_t *result, const char *section, const char *key)
{
	const json_t *value = json_object_get(json_object_get(result, section), key);

	if (!json_is_number(value))
		fail_msg("%s.%s is no number", section, key);
	return json_number_value(value);
}

static void a_healthy_fleet(void **state)
{
	struct fake fake = {0};
	KM_AUTOFREE char *pid = km_printf("%d", (int)getpid());
	json_t *result = run(&fake, 2, (const char *const[]){"--pid", pid});

	(void)state;
	assert_int_equal(fake.attached, 60);
	assert_int_equal((int)number(result, "patch", "loads"), 60);
	/* Every host tells of each look, and checks in seventeen times; a machine that is busy may miss some. */
	assert_in_range(fake.good_at[0], 60, 60 * 4);
	assert_in_range(fake.good_at[3], 60, 60 * 12);
	assert_in_range(fake.reports, 60 * 10, 60 * 22);
	assert_in_range(number(result, "checkins", "ok"), fake.reports - 5, fake.reports);
	assert_int_equal((int)number(result, "checkins", "lost"), 0);
	assert_true(number(result, "latency_ms", "p50") >= number(result, "service_ms", "p50"));
	assert_true(number(result, "latency_ms", "p99") >= number(result, "latency_ms", "p50"));
	assert_true(number(result, "server", "checkins_per_cpu_second") > 0);
	/* Documents are fetched once for all. */
	assert_int_equal(fake.documents, 3);
	json_decref(result);
}

static void a_wave_is_obeyed(void **state)
{
	struct fake nobody = {.staged = true}, half = {.staged = true, .permyriad = 5000};
	json_t *none = run(&nobody, 0, NULL), *some = run(&half, 0, NULL);

	(void)state;
	assert_int_equal((int)number(none, "patch", "loads"), 0);
	assert_in_range(number(some, "patch", "loads"), 15, 45);
	json_decref(none);
	json_decref(some);
}

static void fates(void **state)
{
	static const struct {
		const char *words[4];
		enum km_patch_state said;
		bool crashed;
	} cases[] = {
		{{"--fail", "1", "--dies-within", "1"}, KM_PATCH_FAILED, false},
		{{"--stall", "1", "--dies-within", "1"}, KM_PATCH_STALLED, false},
		{{"--crash", "1", "--dies-within", "60"}, KM_PATCH_HELD, true},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct fake fake = {0};
		json_t *result = run(&fake, 4, cases[i].words);

		assert_in_range(fake.said[cases[i].said], 60, 60 * 22);
		assert_int_equal(fake.crashed > 0, cases[i].crashed);
		assert_int_equal((int)number(result, "patch", "loads"), 60);
		assert_int_equal((int)number(result, "patch", "crashed"), cases[i].crashed ? 60 : 0);
		json_decref(result);
	}
}

static void hosts_that_hang_or_never_come(void **state)
{
	struct fake hang = {0}, absent = {0};
	json_t *hung = run(&hang, 4, (const char *const[]){"--hang", "1", "--dies-within", "0"});
	json_t *none = run(&absent, 2, (const char *const[]){"--absent", "1"});

	(void)state;
	/* Once each, and nobody lives to say that it has loaded. */
	assert_int_equal(hang.reports, 60);
	assert_int_equal(hang.said[KM_PATCH_LOADED], 0);
	assert_int_equal(absent.attached, 60);
	assert_int_equal(absent.reports, 0);
	json_decref(hung);
	json_decref(none);
}

/* First check-ins are spread over 3 s here, a boot takes .15 s: without the halt more than half of the hosts would have
 * loaded. */
static void a_halt_is_obeyed(void **state)
{
	struct fake fake = {.halt = "a host crashed", .staged = true, .permyriad = KM_PERMYRIAD};
	json_t *result =
		run(&fake, 6, (const char *const[]){"--crash", "1", "--dies-within", "0", "--interval", "1800"});

	(void)state;
	assert_in_range(fake.crashed, 1, 20);
	assert_in_range(number(result, "patch", "loads"), 1, 20);
	assert_in_range(number(result, "patch", "loads_after_crash"), 0, 1);
	assert_int_equal((int)number(result, "documents", "timestamp"), 2);
	json_decref(result);
}

static void a_server_that_is_busy(void **state)
{
	struct fake fake = {.refuse = 30};
	json_t *result = run(&fake, 0, NULL);
	const json_t *refused = json_object_get(json_object_get(result, "checkins"), "refused");

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(refused, "503")), 30);
	/* Those thirty came back a second later. */
	assert_int_equal((int)number(result, "patch", "loads"), 60);
	json_decref(result);
}

static void a_server_that_hangs_up(void **state)
{
	struct fake fake = {.hang_up_each = 7};
	json_t *result = run(&fake, 0, NULL);

	(void)state;
	assert_int_equal((int)number(result, "patch", "loads"), 60);
	assert_true(number(result, "checkins", "lost") > 10);
	json_decref(result);
}

/* What is no answer is a lost check-in; what is one, and says something else than it should, ends the run. */
static void answers_that_are_none(void **state)
{
	static const char *const raws[] = {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
					   "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(raws); i++) {
		struct fake fake = {.raw = raws[i]};
		json_t *result = run(&fake, 0, NULL);

		assert_int_equal((int)number(result, "checkins", "ok"), 0);
		assert_true(number(result, "checkins", "lost") > 100);
		json_decref(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histograms),
		cmocka_unit_test(heaps),
		cmocka_unit_test(the_process),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(a_healthy_fleet),
		cmocka_unit_test(a_wave_is_obeyed),
		cmocka_unit_test(fates),
		cmocka_unit_test(hosts_that_hang_or_never_come),
		cmocka_unit_test(a_halt_is_obeyed),
		cmocka_unit_test(a_server_that_is_busy),
		cmocka_unit_test(a_server_that_hangs_up),
		cmocka_unit_test(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
