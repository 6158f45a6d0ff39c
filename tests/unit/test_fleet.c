/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts and server say to each other, by tables: words, ids, secrets, messages. */
#include <kmend/fleet.h>

#include "check.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32

/* ---- words ---- */

static void words_go_both_ways(void **state)
{
	(void)state;
#define BOTH_WAYS(type, n, name_of, of_name)                                                                           \
	for (unsigned i = 0; i < (n); i++) {                                                                           \
		type back;                                                                                             \
                                                                                                                       \
		assert_true(of_name(name_of((type)i), &back));                                                         \
		assert_int_equal(back, i);                                                                             \
		assert_false(of_name("king", &back));                                                                  \
	}
	BOTH_WAYS(enum km_standing, KM_STANDINGS, km_standing_name, km_standing_of)
	BOTH_WAYS(enum km_patch_state, KM_PATCH_STATES, km_patch_state_name, km_patch_state_of)
	BOTH_WAYS(enum km_health, KM_HEALTHS, km_health_name, km_health_of)
	BOTH_WAYS(enum km_severity, KM_SEVERITIES, km_severity_name, km_severity_of)
	BOTH_WAYS(enum km_rollout_state, KM_ROLLOUT_STATES, km_rollout_state_name, km_rollout_state_of)
	assert_string_equal(km_standing_name(KM_TRANSITION), "waiting");
	assert_string_equal(km_health_name(KM_HEALTH_NONE), "");
}

/* ---- ids and secrets ---- */

/* sha256sum says so. A change would make every host a stranger. */
static void ids_are_fixed(void **state)
{
	char id[KM_SHA256_HEX], token[KM_TOKEN_ID_LEN + 1];

	(void)state;
	km_fleet_host_id("0123456789abcdef", HEX32, id);
	assert_string_equal(id, "ed0943b19bd201085560dbb827ae2c3601d5be6f9c9e6be692ac879f8ec2fcc8");
	km_fleet_token_id("kmt_x", token);
	assert_string_equal(token, "b31ac6dc65512129");
	km_fleet_secret_hash("kmt_x", id);
	assert_string_equal(id, "0766a83fb006120d75f98fafc634fad6068a8f1ebb2000765cfb32d49333fac8");
}

static void secrets(void **state)
{
	static const char *const prefixes[] = {"kmt_", "kmh_", "kma_"};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(prefixes); i++) {
		KM_AUTOFREE char *one = km_fleet_secret_new(prefixes[i]), *two = km_fleet_secret_new(prefixes[i]);

		assert_int_equal(strlen(one), 47);
		assert_string_not_equal(one, two);
		assert_true(km_fleet_secret_ok(one, prefixes[i]));
		assert_false(km_fleet_secret_ok(one, prefixes[(i + 1) % 3]));
		assert_false(km_fleet_secret_ok(one + 1, prefixes[i]));
		one[46] = '\0';
		assert_false(km_fleet_secret_ok(one, prefixes[i]));
		two[10] = '+';
		assert_false(km_fleet_secret_ok(two, prefixes[i]));
	}
}

#define TOKEN "kmt_0123456789012345678901234567890123456789-_A"

static void the_word_of_attach(void **state)
{
	static const struct {
		const char *word, *fingerprint, *message;
	} cases[] = {
		{TOKEN, NULL, NULL},
		{TOKEN "." HEX64, HEX64, NULL},
		{"", NULL, "no token"},
		{"kmt_", NULL, "no token"},
		{"kmh_0123456789012345678901234567890123456789-_A", NULL, "no token"},
		{TOKEN "A", NULL, "no token"},
		{TOKEN " ", NULL, "no token"},
		{TOKEN ".", NULL, "no fingerprint"},
		{TOKEN "." HEX32, NULL, "no fingerprint"},
		{TOKEN "." HEX64 "0", NULL, "no fingerprint"},
		{TOKEN "." HEX64 "." HEX64, NULL, "no fingerprint"},
		{TOKEN ".A123456789abcdef0123456789abcdef" HEX32, NULL, "no fingerprint"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *secret = NULL, *fingerprint = NULL;
		km_error *err = km_fleet_attach_word(cases[i].word, &secret, &fingerprint);

		if (cases[i].message) {
			/* What a person mistyped may still be most of a secret. */
			assert_null(strstr(err->message, "kmt_"));
			check_error(err, KM_USAGE, cases[i].message);
			continue;
		}
		check_ok(err);
		assert_string_equal(secret, TOKEN);
		assert_int_equal(!fingerprint, !cases[i].fingerprint);
		if (fingerprint)
			assert_string_equal(fingerprint, cases[i].fingerprint);
	}
}

/* ---- when a host comes again ---- */

static void the_next_check_in(void **state)
{
	static const struct {
		int64_t interval, retry_after, least, most;
	} cases[] = {
		{3600, 0, 3240, 3960},
		{60, 0, 54, 66},
		{1, 0, 1, 1},
		{0, 0, 1, 1},
		{-5, -5, 1, 1},
		{60, 10, 54, 66},
		{60, 600, 600, 660},
		{INT64_MAX, 0, 77760, 86400},
		{60, INT64_MAX, 86400, 86400},
		{60, 86400, 86400, 86400},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		int64_t before = 0;

		for (uint64_t random = 0; random <= UINT32_MAX; random += UINT32_MAX / 64) {
			int64_t next = km_fleet_next(cases[i].interval, cases[i].retry_after, (uint32_t)random);

			assert_in_range(next, cases[i].least, cases[i].most);
			assert_true(next >= before);
			before = next;
		}
		assert_in_range(km_fleet_next(cases[i].interval, cases[i].retry_after, UINT32_MAX), cases[i].most - 1,
				cases[i].most);
	}
}

/* ---- messages ---- */

#define KERNEL                                                                                                         \
	"\"arch\":\"x86_64\",\"kernel\":\"6.1.0-56-cloud-amd64\",\"build_id\":\"" HEX32 "\",\"boot\":\"" HEX32 "\""
#define ATTACH	      "{\"format\":1,\"host\":\"" HEX64 "\"," KERNEL
#define REPORT(rest)  ATTACH ",\"agent\":\"0.1.0\",\"root\":1,\"timestamp\":9120" rest "}"
#define STATE(state)  ",\"state\":\"" state "\",\"patches\":[]"
#define PATCHES(list) REPORT(",\"state\":\"protected\",\"patches\":[" list "]")
#define PATCH_(release, state, health, rest)                                                                           \
	"{\"release\":\"" release "\",\"state\":\"" state "\",\"health\":\"" health "\",\"since\":1800000000" rest "}"
#define PATCH(rest) PATCH_(HEX64, "loaded", "good", rest)
#define REST	    ",\"transition_ms\":12,\"age\":300,\"detail\":\"\""
#define ANSWER(interval, tags, payloads)                                                                               \
	"{\"interval\":" interval ",\"root\":1,\"timestamp\":7,\"tags\":[" tags                                        \
	"],\"min_severity\":\"high\",\"payloads\":" payloads "}"
#define WELCOME(rest) "{\"channel\":\"stable\",\"root\":1,\"interval\":60,\"secret\":\"" rest "}"
#define HOST_SECRET   "kmh_0123456789012345678901234567890123456789-_A\""

/* Parses, writes, and parses what was written: NULL when all of it goes well. Gives the text. */
typedef km_error *rewrite_fn(const char *text, size_t size, char **ret);

#define REWRITE(name, type, parse, write, end)                                                                         \
	static km_error *name(const char *text, size_t size, char **ret)                                               \
	{                                                                                                              \
		type message;                                                                                          \
                                                                                                                       \
		KM_TRY(parse(text, size, &message));                                                                   \
		*ret = write(&message);                                                                                \
		end;                                                                                                   \
		return NULL;                                                                                           \
	}
REWRITE(rewrite_attach, struct km_attach, km_attach_parse, km_attach_text, (void)0)
REWRITE(rewrite_welcome, struct km_attach_answer, km_attach_answer_parse, km_attach_answer_text, (void)0)
REWRITE(rewrite_report, struct km_report, km_report_parse, km_report_text, km_report_free(&message))
REWRITE(rewrite_answer, struct km_checkin_answer, km_checkin_answer_parse, km_checkin_answer_text,
	km_checkin_answer_free(&message))

struct message_case {
	rewrite_fn *rewrite;
	const char *text, *message; /* NULL: good */
};

static void check_message(const struct message_case *c, size_t i)
{
	KM_AUTOFREE char *once = NULL, *twice = NULL;
	km_error *err = c->rewrite(c->text, strlen(c->text), &once);

	if (!err != !c->message || (err && (err->code != KM_INPUT || !strstr(err->message, c->message))))
		fail_msg("case %zu: expected %s, got %s", i, c->message ? c->message : "none",
			 err ? err->message : "none");
	if (!err) {
		check_ok(c->rewrite(once, strlen(once), &twice));
		assert_string_equal(once, twice);
	}
	km_error_free(err);
}

static void what_hosts_send(void **state)
{
	static const struct message_case cases[] = {
		{rewrite_attach, ATTACH "}", NULL},
		{rewrite_attach, "", "line 1"},
		{rewrite_attach, "[]", "no JSON object"},
		{rewrite_attach, ATTACH ",\"more\":1}", "there are keys"},
		{rewrite_attach, ATTACH ",\"host\":\"\"}", "duplicate"},
		{rewrite_attach, "{\"format\":2}", "newer kmend"},
		{rewrite_attach, "{\"format\":1,\"host\":\"" HEX32 "\"," KERNEL "}", "\"host\""},
		{rewrite_attach, "{\"format\":1,\"host\":\"A123456789abcdef0123456789abcdef" HEX32 "\"," KERNEL "}",
		 "\"host\""},
		{rewrite_report, REPORT(STATE("protected")), NULL},
		{rewrite_report, REPORT(STATE("waiting")), NULL},
		{rewrite_report, REPORT(STATE("")), "\"state\""},
		{rewrite_report, REPORT(STATE("transition")), "\"state\""},
		{rewrite_report, REPORT(",\"state\":\"protected\""), "there is no \"patches\""},
		{rewrite_report, REPORT(STATE("protected") ",\"x\":1"), "there are keys"},
		{rewrite_report, PATCHES(PATCH(REST)), NULL},
		{rewrite_report, PATCHES(PATCH_(HEX64, "held", "crashed", REST)), NULL},
		{rewrite_report, PATCHES(PATCH_(HEX64, "failed", "", REST)), NULL},
		{rewrite_report, PATCHES(PATCH_(HEX64, "king", "", REST)), "patches[0]: \"state\""},
		{rewrite_report, PATCHES(PATCH_(HEX64, "loaded", "fine", REST)), "patches[0]: \"health\""},
		{rewrite_report, PATCHES(PATCH_(HEX32, "loaded", "good", REST)), "patches[0]: \"release\""},
		{rewrite_report, PATCHES(PATCH("")), "patches[0]: there is no \"transition_ms\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":-1,\"age\":0,\"detail\":\"Überlauf\"")), NULL},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":-2,\"age\":0,\"detail\":\"\"")),
		 "\"transition_ms\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":-1,\"detail\":\"\"")), "\"age\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":2147483648,\"detail\":\"\"")), "\"age\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":0,\"detail\":\"a\\nb\"")), "\"detail\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":0,\"detail\":\"\\u001b[2J\"")),
		 "\"detail\""},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":0,\"detail\":\"a\\u0000b\"")), "NUL"},
		{rewrite_report, PATCHES(PATCH(",\"transition_ms\":0,\"age\":0,\"detail\":\"\xff\"")), "decode"},
		{rewrite_report,
		 PATCHES(PATCH(REST ","
				    "\"x\":1")),
		 "patches[0]: there are keys"},
		{rewrite_report, PATCHES(PATCH(REST) "," PATCH(REST)), "there twice"},
		{rewrite_report, PATCHES("7"), "patches[0]: this is no object"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		check_message(&cases[i], i);
}

static void what_servers_answer(void **state)
{
	static const struct message_case cases[] = {
		{rewrite_welcome, WELCOME(HOST_SECRET), NULL},
		{rewrite_welcome, WELCOME(HOST_SECRET ",\"news\":{}"), NULL},
		{rewrite_welcome, WELCOME("kmh_short\""), "\"secret\""},
		{rewrite_welcome, WELCOME("kmt_0123456789012345678901234567890123456789-_A\""), "\"secret\""},
		{rewrite_welcome, "{\"secret\":\"" HOST_SECRET ",\"channel\":\"../x\"}", "\"channel\""},
		{rewrite_welcome, "{\"secret\":\"" HOST_SECRET ",\"channel\":\"a\",\"root\":0}", "\"root\""},
		{rewrite_answer, ANSWER("60", "", "null"), NULL},
		{rewrite_answer, ANSWER("60", "\"canary\",\"eu-1\"", "\"https://cdn.example.org/kmend/\""), NULL},
		{rewrite_answer, ANSWER("60", "", "null,\"news\":1"), NULL},
		{rewrite_answer, ANSWER("0", "", "null"), "\"interval\""},
		{rewrite_answer, ANSWER("86401", "", "null"), "\"interval\""},
		{rewrite_answer, ANSWER("1e9", "", "null"), "\"interval\""},
		{rewrite_answer, ANSWER("60", "\"A\"", "null"), "\"tags\""},
		{rewrite_answer, ANSWER("60", "", "\"\""), "\"payloads\""},
		{rewrite_answer, ANSWER("60", "", "\"https://cdn.example.org\""), "\"payloads\""},
		{rewrite_answer, ANSWER("60", "", "\"https://\""), "\"payloads\""},
		{rewrite_answer, ANSWER("60", "", "\"file:///etc/\""), "\"payloads\""},
		{rewrite_answer, ANSWER("60", "", "\"http://a b/\""), "\"payloads\""},
		{rewrite_answer, ANSWER("60", "", "\"http://a\\r\\nHost: b/\""), "\"payloads\""},
		{rewrite_answer, "{\"interval\":60}", "there is no \"root\""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		check_message(&cases[i], i);
}

static void a_report_keeps_its_values(void **state)
{
	static const char text[] = PATCHES(PATCH_(HEX64, "stalled", "warned", REST));
	struct km_report report;

	(void)state;
	check_ok(km_report_parse(text, strlen(text), &report));
	assert_string_equal(report.host, HEX64);
	assert_string_equal(report.kernel.arch, "x86_64");
	assert_string_equal(report.kernel.release, "6.1.0-56-cloud-amd64");
	assert_string_equal(report.kernel.build_id, HEX32);
	assert_string_equal(report.kernel.boot, HEX32);
	assert_string_equal(report.agent, "0.1.0");
	assert_int_equal(report.standing, KM_PROTECTED);
	assert_int_equal(report.root, 1);
	assert_int_equal(report.timestamp, 9120);
	assert_int_equal(report.n_patches, 1);
	assert_int_equal(report.patches[0].state, KM_PATCH_STALLED);
	assert_int_equal(report.patches[0].health, KM_HEALTH_WARNED);
	assert_int_equal(report.patches[0].since, 1800000000);
	assert_int_equal(report.patches[0].transition_ms, 12);
	assert_int_equal(report.patches[0].age, 300);
	km_report_free(&report);
}

/* A host may have any bytes to tell, and any clock: what it writes can be read. */
static void what_is_written_can_be_read(void **state)
{
	struct km_report_patch patch = {.release = HEX64, .since = -5, .transition_ms = -77, .age = -1};
	struct km_report report = {.host = HEX64,
				   .kernel = {"x86_64", "6.1", HEX32, HEX32},
				   .agent = "0.1.0",
				   .root = -1,
				   .timestamp = INT64_MAX,
				   .patches = &patch,
				   .n_patches = 1};
	struct km_report back;
	KM_AUTOFREE char *text = NULL;

	(void)state;
	memset(patch.detail, 0xe2, sizeof(patch.detail) - 1);
	patch.detail[0] = '\x1b';
	text = km_report_text(&report);
	check_ok(km_report_parse(text, strlen(text), &back));
	assert_int_equal(strlen(back.patches[0].detail), KM_FLEET_DETAIL_MAX);
	assert_int_equal(strspn(back.patches[0].detail, "?"), KM_FLEET_DETAIL_MAX);
	assert_int_equal(back.patches[0].since, 0);
	assert_int_equal(back.patches[0].transition_ms, -1);
	assert_int_equal(back.timestamp, KM_VERSION_MAX - 1);
	km_report_free(&back);
}

/* The most that a host can say, and one byte more than a message may have. */
static void the_largest_report(void **state)
{
	struct km_report report = {.host = HEX64,
				   .kernel = {"x86_64", "6.1", HEX32, HEX32},
				   .agent = "0.1.0",
				   .n_patches = KM_FLEET_PATCHES + 1};
	struct km_report back;
	KM_AUTOFREE char *text = NULL, *more = NULL, *padded = NULL;

	(void)state;
	report.patches = km_calloc(report.n_patches, sizeof(*report.patches));
	for (size_t i = 0; i < report.n_patches; i++) {
		snprintf(report.patches[i].release, KM_SHA256_HEX, "%064zx", i);
		memset(report.patches[i].detail, 'x', KM_FLEET_DETAIL_MAX);
		report.patches[i].since = 253402300799;
		report.patches[i].transition_ms = report.patches[i].age = INT32_MAX;
	}
	more = km_report_text(&report);
	check_error(km_report_parse(more, strlen(more), &back), KM_INPUT, "\"patches\"");
	report.n_patches--;
	text = km_report_text(&report);
	check_ok(km_report_parse(text, strlen(text), &back));
	assert_int_equal(back.n_patches, KM_FLEET_PATCHES);
	km_report_free(&back);
	free(report.patches);
	padded = km_calloc(1, KM_FLEET_BODY_MAX + 1);
	memset(padded, ' ', KM_FLEET_BODY_MAX + 1);
	memcpy(padded, text, strlen(text));
	check_ok(km_report_parse(padded, KM_FLEET_BODY_MAX, &back));
	km_report_free(&back);
	check_error(km_report_parse(padded, KM_FLEET_BODY_MAX + 1, &back), KM_INPUT, "at most 65536 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_go_both_ways),
		cmocka_unit_test(ids_are_fixed),
		cmocka_unit_test(secrets),
		cmocka_unit_test(the_word_of_attach),
		cmocka_unit_test(the_next_check_in),
		cmocka_unit_test(what_hosts_send),
		cmocka_unit_test(what_servers_answer),
		cmocka_unit_test(a_report_keeps_its_values),
		cmocka_unit_test(what_is_written_can_be_read),
		cmocka_unit_test(the_largest_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
