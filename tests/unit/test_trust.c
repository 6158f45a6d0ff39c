/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents, keys and files of lib/trust, by tables. The attacks are in test_trust_attacks.c. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "internal.h"
#include "toy_trust.h"

#define ID  "77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab"
#define ID2 "88ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab"

/* ---- frames ---- */

static void frames(void **state)
{
	static const struct {
		const char *text;
		enum km_trust_why why;
	} cases[] = {
		{"kmend signed 1 index\nbody 2\n{}", KM_WHY_NONE},
		{"", KM_WHY_MALFORMED},
		{"kmend signed 1 index", KM_WHY_MALFORMED},
		{"kmend signed 2 index\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 king\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 indexx\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 inde\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 rollout\nbody 2\n{}", KM_WHY_WRONG_TYPE},
		{"kmend signed 1 index\nbody 1\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nbody 3\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nbody 02\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nbody +2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nbody  2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nbody 0\n", KM_WHY_MALFORMED},
		{"kmend signed 1 index\r\nbody 2\r\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\n\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\nsignature index x y\nbody 2\n{}", KM_WHY_MALFORMED},
		{"kmend signed 1 index\ncomment\nbody 2\n{}", KM_WHY_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_envelope *envelope = NULL;
		enum km_trust_why why = KM_WHY_NONE;
		km_error *err = km_envelope_parse(KM_DOC_INDEX, cases[i].text, strlen(cases[i].text), &envelope, &why);

		if (why != cases[i].why || !err != !why || !err != !!envelope)
			fail_msg("case %zu: %s", i, km_trust_why_name(why));
		km_error_free(err);
		km_envelope_destroy(envelope);
	}
}

/* A frame with that signature line, "%s" replaced by 64 and 128 digits of that kind. */
static enum km_trust_why frame_with(const char *role, const char *id, const char *sum, unsigned times)
{
	km_str s = {0};
	km_envelope *envelope = NULL;
	enum km_trust_why why = KM_WHY_NONE;

	km_str_add(&s, "kmend signed 1 index\n");
	for (unsigned i = 0; i < times; i++)
		km_str_printf(&s, "signature %s %s %s\n", role, id, sum);
	km_str_add(&s, "body 2\n{}");
	km_error_free(km_envelope_parse(KM_DOC_INDEX, s.at, s.n, &envelope, &why));
	km_envelope_destroy(envelope);
	km_str_free(&s);
	return why;
}

static void signature_lines(void **state)
{
	char sum[2 * KM_SIGNATURE_LEN + 1], upper[sizeof(sum)];
	static const char upper_id[] = "77AB77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab77ab";

	(void)state;
	memset(sum, 'a', sizeof(sum) - 1);
	memset(upper, 'A', sizeof(upper) - 1);
	sum[sizeof(sum) - 1] = upper[sizeof(upper) - 1] = '\0';
	assert_int_equal(frame_with("index", ID, sum, 1), KM_WHY_NONE);
	assert_int_equal(frame_with("index", ID, sum, 2), KM_WHY_MALFORMED);
	assert_int_equal(frame_with("rollout", ID, sum, 1), KM_WHY_MALFORMED);
	assert_int_equal(frame_with("index", upper_id, sum, 1), KM_WHY_MALFORMED);
	assert_int_equal(frame_with("index", ID, upper, 1), KM_WHY_MALFORMED);
	assert_int_equal(frame_with("index", ID, sum + 2, 1), KM_WHY_MALFORMED);
	assert_int_equal(frame_with("index ", ID, sum, 1), KM_WHY_MALFORMED);
}

static void too_many_signatures(void **state)
{
	km_envelope *envelope = km_envelope_create(KM_DOC_INDEX, "{}", 2);
	struct km_signature signature = {.role = KM_ROLE_INDEX};
	km_error *err = NULL;

	(void)state;
	for (unsigned i = 0; i < KM_TRUST_SIGNATURES; i++) {
		snprintf(signature.key, sizeof(signature.key), "%064u", i);
		check_ok(km_envelope_add(envelope, &signature));
	}
	check_ok(km_envelope_add(envelope, &signature));
	snprintf(signature.key, sizeof(signature.key), "%064u", 999);
	err = km_envelope_add(envelope, &signature);
	check_error(err, KM_REFUSED, "and no more");
	km_envelope_destroy(envelope);
}

/* The bytes that are signed, as kmend-trust(5) tells them; whoever verifies elsewhere depends on them. */
static void what_is_signed(void **state)
{
	static const char message[] = "kmend/1 release builder\n{}";
	km_envelope *envelope = km_envelope_create(KM_DOC_RELEASE, "{}", 2);
	struct km_signature signature;
	km_private_key *key = NULL;

	(void)state;
	check_ok(km_key_create(KM_ROLE_BUILDER, "b", &key));
	check_ok(km_envelope_sign(envelope, key, &signature));
	assert_int_equal(crypto_sign_verify_detached(signature.bytes, (const uint8_t *)message, strlen(message),
						     key->public.key),
			 0);
	/* The same key in the reviewer's name, well made: it is no reviewer, and this is no builder's word. */
	static const char other[] = "kmend/1 release reviewer\n{}";

	crypto_sign_detached(signature.bytes, NULL, (const uint8_t *)other, strlen(other), key->secret);
	assert_false(km_signature_good(envelope, &signature, &key->public));
	signature.role = KM_ROLE_REVIEWER;
	assert_false(km_signature_good(envelope, &signature, &key->public));
	km_key_destroy(key);
	km_envelope_destroy(envelope);
}

/* ---- bodies ---- */

#define INDEX(rest)                                                                                                    \
	"{\"type\":\"index\",\"format\":1,\"channel\":\"stable\",\"version\":1,\"issued\":5,\"expires\":9," rest "}"
#define ENTRY(id, rest) "\"releases\":[{\"id\":\"" id "\"," rest "}]"
#define ROLLOUT(rest)                                                                                                  \
	"{\"type\":\"rollout\",\"format\":1,\"channel\":\"stable\",\"version\":1,\"issued\":5,\"expires\":9," rest "}"
#define NAMED "{\"version\":1,\"sha256\":\"" ID "\"}"
#define TIMESTAMP(expires)                                                                                             \
	"{\"type\":\"timestamp\",\"format\":1,\"channel\":\"stable\",\"version\":1,\"issued\":5,\"expires\":" expires  \
	",\"index\":" NAMED ",\"rollout\":" NAMED "}"
#define RELEASE_(name, severity, cves, source, kernels)                                                                \
	"{\"type\":\"release\",\"format\":1,\"name\":\"" name                                                          \
	"\",\"version\":\"1\",\"issued\":5,\"summary\":\"s\",\"severity\":\"" severity                                 \
	"\",\"replace\":false,\"cves\":[" cves "],\"source\":" source ",\"kernels\":[" kernels "]}"
#define SOURCE		       "{\"sha256\":\"" ID "\",\"size\":1}"
#define PAYLOAD(flavour, size) "{\"flavour\":\"" flavour "\",\"sha256\":\"" ID "\",\"size\":" size "}"
#define KERNEL(id, payloads)                                                                                           \
	"{\"arch\":\"x86_64\",\"release\":\"6.1\",\"build_id\":\"" id "\",\"payloads\":[" payloads "]}"
#define RELEASE(kernels) RELEASE_("fix", "high", "", SOURCE, kernels)
#define BID		 "00112233445566778899"

static void bodies(void **state)
{
	static const struct {
		enum km_doc doc;
		const char *body, *message; /* NULL: good */
	} cases[] = {
		{KM_DOC_INDEX, INDEX("\"releases\":[]"), NULL},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true")), NULL},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"Überlauf\"")), NULL},
		{KM_DOC_INDEX, "", "line 1"},
		{KM_DOC_INDEX, "[]", "no JSON object"},
		{KM_DOC_INDEX, "{", "line 1"},
		{KM_DOC_INDEX, "{}x", "line 1"},
		{KM_DOC_INDEX, "{}", "there is no \"type\""},
		{KM_DOC_INDEX, INDEX("\"releases\":[],\"version\":2"), "duplicate"},
		{KM_DOC_INDEX, INDEX("\"releases\":[],\"more\":1"), "does not know"},
		{KM_DOC_INDEX, INDEX("\"release\":[]"), "there is no \"releases\""},
		{KM_DOC_INDEX, INDEX("\"releases\":{}"), "no array"},
		{KM_DOC_INDEX, INDEX("\"releases\":[7]"), "releases[0]: this is no object"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":1")), "neither true nor false"},
		{KM_DOC_INDEX, INDEX(ENTRY("77AB", "\"staged\":true")), "releases[0]: \"id\""},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"halt\":\"x\"")), "releases[0]: there are keys"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"\"")), "withdrawn"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"a\\nb\"")), "withdrawn"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"a\\u001b[2Jb\"")), "withdrawn"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"a\\u009bb\"")), "withdrawn"},
		{KM_DOC_INDEX, INDEX(ENTRY(ID, "\"staged\":true,\"withdrawn\":\"a\\u0000b\"")), "NUL"},
		{KM_DOC_INDEX,
		 INDEX("\"releases\":[{\"id\":\"" ID "\",\"staged\":true},{\"id\":\"" ID "\",\"staged\":true}]"),
		 "there twice"},
		{KM_DOC_INDEX, "{\"type\":\"index\",\"format\":2}", "newer kmend"},
		{KM_DOC_ROLLOUT, INDEX("\"releases\":[]"), "\"type\" is not \"rollout\""},
		{KM_DOC_INDEX, "{\"type\":\"index\",\"format\":1,\"channel\":\"../x\"}", "\"channel\""},
		{KM_DOC_INDEX, "{\"type\":\"index\",\"format\":1,\"channel\":\"a\",\"version\":0}", "\"version\""},
		{KM_DOC_INDEX, "{\"type\":\"index\",\"format\":1,\"channel\":\"a\",\"version\":9007199254740992}",
		 "\"version\""},
		{KM_DOC_INDEX, "{\"type\":\"index\",\"format\":1,\"channel\":\"a\",\"version\":1.0}", "\"version\""},
		{KM_DOC_INDEX,
		 "{\"type\":\"index\",\"format\":1,\"channel\":\"a\",\"version\":1,\"issued\":9,\"expires\":8}",
		 "\"expires\""},
		{KM_DOC_ROLLOUT, ROLLOUT("\"releases\":[]"), NULL},
		{KM_DOC_ROLLOUT, ROLLOUT("\"halt\":\"x\"," ENTRY(ID, "\"not_before\":7,\"waves\":[]")), NULL},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"waves\":[{\"tags\":[\"a\"],\"permyriad\":10000}]")), NULL},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"waves\":[{\"tags\":[\"a\"],\"permyriad\":10001}]")),
		 "waves[0]: \"permyriad\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"waves\":[{\"tags\":[\"A\"],\"permyriad\":1}]")), "\"tags\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"waves\":[{\"permyriad\":1}]")), "\"tags\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":null")), "\"halt\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":\"x\",\"rollback\":true")), NULL},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":\"x\",\"rollback\":false")), "true or absent"},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":\"x\",\"rollback\":1")), "\"rollback\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":\"x\",\"rollback\":\"true\"")), "\"rollback\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"halt\":\"x\",\"rollback\":null")), "\"rollback\""},
		{KM_DOC_ROLLOUT, ROLLOUT(ENTRY(ID, "\"rollback\":true")), "needs a \"halt\""},
		{KM_DOC_ROLLOUT, ROLLOUT("\"halt\":\"x\"," ENTRY(ID, "\"rollback\":true")), "needs a \"halt\""},
		{KM_DOC_ROLLOUT, ROLLOUT("\"rollback\":true," ENTRY(ID, "\"halt\":\"x\"")), "does not know"},
		{KM_DOC_ROLLOUT, ROLLOUT("\"releases\":[{\"id\":\"" ID "\"},{\"id\":\"" ID "\"}]"), "there twice"},
		{KM_DOC_TIMESTAMP, TIMESTAMP("9"), NULL},
		{KM_DOC_TIMESTAMP, TIMESTAMP("2678405"), NULL},
		{KM_DOC_TIMESTAMP, TIMESTAMP("2678406"), "\"expires\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "1"))), NULL},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "1") "," PAYLOAD("core", "268435456"))), NULL},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "1") "," PAYLOAD("klp", "2"))), "same flavour"},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "268435457"))), "\"size\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "0"))), "\"size\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("ko", "1"))), "\"flavour\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, "")), "\"payloads\""},
		{KM_DOC_RELEASE, RELEASE(""), "\"kernels\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL("0011", PAYLOAD("klp", "1"))), "\"build_id\""},
		{KM_DOC_RELEASE, RELEASE(KERNEL(BID, PAYLOAD("klp", "1")) "," KERNEL(BID, PAYLOAD("klp", "1"))),
		 "there twice"},
		{KM_DOC_RELEASE, RELEASE_("../x", "high", "", SOURCE, ""), "\"name\""},
		{KM_DOC_RELEASE, RELEASE_("fix", "bad", "", SOURCE, ""), "\"severity\""},
		{KM_DOC_RELEASE, RELEASE_("fix", "low", "\"CVE-26-1\"", SOURCE, ""), "\"cves\""},
		{KM_DOC_RELEASE, RELEASE_("fix", "low", "\"CVE-2026-12345\"", "{}", ""),
		 "source: there is no \"sha256\""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_envelope *envelope = km_envelope_create(cases[i].doc, cases[i].body, strlen(cases[i].body));
		km_error *err = km_body_check(envelope);

		if (!err != !cases[i].message ||
		    (err && (err->code != KM_INPUT || !strstr(err->message, cases[i].message))))
			fail_msg("case %zu: expected %s, got %s", i, cases[i].message ? cases[i].message : "none",
				 err ? err->message : "none");
		km_error_free(err);
		km_envelope_destroy(envelope);
	}
}

/* Whatever a program asks to be written and cannot be read is refused, and never left out. */
static void makers_refuse(void **state)
{
	const char *tags[] = {"\xff"}, *cves[] = {"\xff"};
	struct km_wave wave = {tags, 1, 5};
	struct km_rollout_entry entry = {.id = ID, .waves = &wave, .n_waves = 1};
	struct km_rollout rollout = {
		.channel = "stable", .version = 1, .expires = 5, .releases = &entry, .n_releases = 1};
	struct km_index index = {.channel = "UPPER", .version = 1, .expires = 5};
	struct km_payload payload = {"klp", ID, 1};
	struct km_release_kernel kernel = {"x86_64", "6.1", BID, &payload, 1};
	struct km_release release = {.name = "fix",
				     .version = "1",
				     .summary = "",
				     .severity = "low",
				     .cves = cves,
				     .n_cves = 1,
				     .source_sha256 = ID,
				     .source_size = 1,
				     .kernels = &kernel,
				     .n_kernels = 1};
	km_envelope *envelope = NULL;

	(void)state;
	check_error(km_rollout_make(&rollout, &envelope), KM_USAGE, "\"tags\"");
	check_error(km_index_make(&index, &envelope), KM_USAGE, "\"channel\"");
	check_error(km_release_make(&release, &envelope), KM_USAGE, "\"cves\"");
	assert_null(envelope);
}

static void roots_that_could_not_be(void **state)
{
	struct toy t;
	struct km_root root;
	km_envelope *envelope = NULL, *bent;
	char *text, *at;

	(void)state;
	toy_setup(&t);
	root = t.root;
	root.threshold[KM_ROLE_INDEX] = 2;
	check_error(km_root_make(&root, &envelope), KM_USAGE, "2 index keys must sign, and there are 1");
	root.threshold[KM_ROLE_INDEX] = 0;
	check_error(km_root_make(&root, &envelope), KM_USAGE, "\"index\"");
	/* An id of one's own choice would let one key count twice. */
	check_ok(km_root_make(&t.root, &envelope));
	text = km_strdup((char *)envelope->body);
	at = strstr(text, "\"id\":\"") + strlen("\"id\":\"");
	*at = *at == '0' ? '1' : '0';
	bent = km_envelope_create(KM_DOC_ROOT, text, envelope->size);
	check_error(km_body_check(bent), KM_INPUT, "the id is not the key's");
	free(text);
	km_envelope_destroy(bent);
	km_envelope_destroy(envelope);
	toy_end(&t);
}

static void a_rollout_reads_as_written(void **state)
{
	const char *tags[] = {"canary", "eu"};
	struct km_wave waves[] = {{tags, 2, 10000}, {NULL, 0, 500}};
	struct km_rollout_entry entries[] = {{.id = ID, .waves = waves, .n_waves = 2, .not_before = 7},
					     {.id = ID2, .all = true, .halt = "bad", .rollback = true}};
	struct km_rollout in = {.channel = "stable",
				.version = 3,
				.issued = 4,
				.expires = 5,
				.releases = entries,
				.n_releases = 2},
			  out;
	km_envelope *envelope = NULL;

	(void)state;
	check_ok(km_rollout_make(&in, &envelope));
	check_ok(km_rollout_parse(envelope, &out));
	assert_int_equal(out.n_releases, 2);
	assert_false(out.releases[0].all);
	assert_int_equal(out.releases[0].n_waves, 2);
	assert_string_equal(out.releases[0].waves[0].tags[1], "eu");
	assert_int_equal(out.releases[0].waves[1].permyriad, 500);
	assert_int_equal(out.releases[0].not_before, 7);
	assert_true(out.releases[1].all);
	assert_string_equal(out.releases[1].halt, "bad");
	assert_true(out.releases[1].rollback);
	assert_false(out.releases[0].rollback);
	assert_null(out.halt);
	km_rollout_free(&out);
	km_envelope_destroy(envelope);
	/* Without the halt it is nothing that could be read. */
	entries[1].halt = NULL;
	check_error(km_rollout_make(&in, &envelope), KM_USAGE, "\"rollback\"");
}

/* ---- cohorts ---- */

static void cohorts_are_even_and_fixed(void **state)
{
	enum { HOSTS = 20000 };
	unsigned below[] = {0, 1, 100, 1000, 5000, 10000}, count[KM_COUNT(below)] = {0};

	(void)state;
	/* A change of the formula would move every host of every rollout under way. */
	assert_int_equal(km_trust_cohort(ID, "host-1"), 3180);
	for (unsigned i = 0; i < HOSTS; i++) {
		char host[32];
		unsigned cohort;

		snprintf(host, sizeof(host), "host-%u", i);
		cohort = km_trust_cohort(ID, host);
		for (size_t j = 0; j < KM_COUNT(below); j++)
			count[j] += cohort < below[j];
	}
	assert_int_equal(count[0], 0);
	assert_int_equal(count[5], HOSTS);
	/* 1 % is 200 of 20,000; four standard deviations are 56. */
	assert_in_range(count[2], 144, 256);
	assert_in_range(count[3], 1830, 2170);
	assert_in_range(count[4], 9717, 10283);
}

static void waves(void **state)
{
	const char *canary[] = {"canary"}, *both[] = {"eu", "canary"};
	struct km_wave nobody = {NULL, 0, 0}, everybody = {NULL, 0, KM_PERMYRIAD}, some = {NULL, 0, 3180},
		       some_more = {NULL, 0, 3181};
	struct km_wave tagged[] = {{canary, 1, KM_PERMYRIAD}, {NULL, 0, 0}};
	struct km_trust_host plain = {.id = "host-1"}, tag = {.id = "host-1", .tags = both, .n_tags = 2};
	const struct {
		struct km_rollout_entry entry;
		const struct km_trust_host *host;
		int64_t now;
		bool admits;
	} cases[] = {
		{{.id = ID, .all = true}, &plain, 5, true},
		{{.id = ID, .all = true, .not_before = 6}, &plain, 5, false},
		{{.id = ID, .all = true, .not_before = 5}, &plain, 5, true},
		{{.id = ID}, &plain, 5, false},
		{{.id = ID, .waves = &nobody, .n_waves = 1}, &plain, 5, false},
		{{.id = ID, .waves = &everybody, .n_waves = 1}, &plain, 5, true},
		{{.id = ID, .waves = &some, .n_waves = 1}, &plain, 5, false},
		{{.id = ID, .waves = &some_more, .n_waves = 1}, &plain, 5, true},
		{{.id = ID, .waves = tagged, .n_waves = 2}, &plain, 5, false},
		{{.id = ID, .waves = tagged, .n_waves = 2}, &tag, 5, true},
		{{.id = ID, .waves = tagged, .n_waves = 2, .not_before = 6}, &tag, 5, false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (km_rollout_admits(&cases[i].entry, cases[i].host, cases[i].now) != cases[i].admits)
			fail_msg("case %zu", i);
}

/* ---- keys in files ---- */

static const struct km_key_cost cheap = {1, 8192};

static void keys_in_files(void **state)
{
	char *dir = check_dir(), *path = km_path(dir, "a.key"), *public = km_path(dir, "a.pub");
	km_private_key *key = NULL, *again = NULL;
	struct km_public_key half, other_half;
	bool encrypted = false;
	struct stat st;

	(void)state;
	check_ok(km_key_create(KM_ROLE_BUILDER, "alice", &key));
	check_ok(km_key_save(key, path, "secret", &cheap));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	check_error(km_key_save(key, path, "secret", &cheap), KM_ENV, "File exists");
	check_error(km_key_load(path, NULL, NULL, &again), KM_REFUSED, "needs its passphrase");
	check_error(km_key_load(path, "Secret", NULL, &again), KM_REFUSED, "not the passphrase");
	check_ok(km_key_load(path, "secret", &encrypted, &again));
	assert_true(encrypted);
	assert_memory_equal(km_key_public(again), km_key_public(key), sizeof(half));
	check_ok(km_public_load(path, &half));
	check_ok(km_public_save(&half, public));
	check_ok(km_public_load(public, &other_half));
	assert_string_equal(half.id, other_half.id);
	assert_string_equal(other_half.name, "alice");
	assert_int_equal(other_half.role, KM_ROLE_BUILDER);
	check_ok(km_key_resave(key, path, NULL, NULL));
	km_key_destroy(again);
	again = NULL;
	check_ok(km_key_load(path, NULL, &encrypted, &again));
	assert_false(encrypted);
	km_key_destroy(again);
	km_key_destroy(key);
	free(path);
	free(public);
	check_dir_end(dir);
}

/* Each line of a private key's file, left out, and each byte of it cut: an error, never a key. */
static void damaged_key_files(void **state)
{
	char *dir = check_dir(), *path = km_path(dir, "a.key"), *cut = km_path(dir, "cut.key");
	km_private_key *key = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;

	(void)state;
	check_ok(km_key_create(KM_ROLE_ROOT, "a", &key));
	check_ok(km_key_save(key, path, NULL, NULL));
	check_ok(km_file_read(path, &bytes, &size));
	for (size_t n = 0; n < size; n++) {
		km_private_key *no = NULL;
		km_error *err;

		check_ok(km_file_write(cut, bytes, n));
		err = km_key_load(cut, NULL, NULL, &no);
		if (!err || no)
			fail_msg("a key of %zu bytes of %zu", n, size);
		km_error_free(err);
	}
	/* Another seed under the same public half. */
	bytes[size - 2] ^= 1;
	check_ok(km_file_write(cut, bytes, size));
	check_error(km_key_load(cut, NULL, NULL, &key), KM_INPUT, "damaged");
	free(bytes);
	km_key_destroy(key);
	free(path);
	free(cut);
	check_dir_end(dir);
}

static void greedy_key_file(void **state)
{
	static const char text[] = "protection: argon2id\npasses: 1\nmemory: 99999999999999\n";
	char *dir = check_dir(), *path = km_path(dir, "a.key"), *at;
	km_private_key *key = NULL, *no = NULL;
	uint8_t *bytes = NULL;
	size_t size = 0;
	km_str s = {0};

	(void)state;
	check_ok(km_key_create(KM_ROLE_ROOT, "a", &key));
	check_ok(km_key_save(key, path, "x", &cheap));
	check_ok(km_file_read(path, &bytes, &size));
	at = strstr((char *)bytes, "protection");
	km_str_addn(&s, bytes, (size_t)(at - (char *)bytes));
	km_str_add(&s, text);
	km_str_add(&s, strstr(at, "salt"));
	check_ok(km_file_write(path, s.at, s.n));
	check_error(km_key_load(path, "x", NULL, &no), KM_INPUT, "damaged");
	km_str_free(&s);
	free(bytes);
	km_key_destroy(key);
	free(path);
	check_dir_end(dir);
}

/* ---- a host's state ---- */

static void replace(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from);

	assert_non_null(at);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
}

static void states(void **state)
{
	static const struct {
		const char *from, *to; /* of the same length */
	} cases[] = {
		{"\"format\": 1", "\"format\": 2"},
		{"\"seen\"", "\"sEEn\""},
		{"\"channel\": \"stable\"", "\"channel\": \"stably\""},
		{"\"root\": \"kmend signed", "\"root\": \"kMend signed"},
		{"signature index ", "signature inder "},
		{"\\\"type\\\":\\\"rollout\\\"", "\\\"type\\\":\\\"rolloux\\\""},
	};
	struct toy t;
	km_trust_client *client, *again = NULL;
	char *text;

	(void)state;
	toy_setup(&t);
	client = toy_client(&t);
	text = km_trust_text(client);
	check_ok(km_trust_parse(text, strlen(text), &again));
	check_ok(toy_allows(&t, again, NULL));
	assert_string_equal(km_trust_channel(again), "stable");
	assert_int_equal(km_trust_timestamp(again)->version, 1);
	km_trust_destroy(again);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *bent = km_strdup(text);

		again = NULL;
		replace(bent, cases[i].from, cases[i].to);
		check_error(km_trust_parse(bent, strlen(bent), &again), KM_INPUT, "");
		assert_null(again);
	}
	/* A signature of each document, bent: the file is no way around it. */
	for (unsigned doc = 0; doc < KM_DOCS; doc++) {
		KM_AUTOFREE char *bent = km_strdup(text),
				 *mark = km_printf("signature %s ", km_doc_name((enum km_doc)doc));
		char *at = strstr(bent, mark);

		/* All of a root's: one more than its threshold would be too good to notice. */
		for (; at; at = strstr(at + 1, mark)) {
			char *digit = at + strlen(mark) + 65 + 7;

			*digit = *digit == '0' ? '1' : '0';
		}
		if (doc != KM_DOC_RELEASE)
			check_error(km_trust_parse(bent, strlen(bent), &again), KM_INPUT, "");
		assert_null(again);
	}
	for (size_t n = 0; n < strlen(text); n += 97)
		check_error(km_trust_parse(text, n, &again), KM_INPUT, "");
	free(text);
	km_trust_destroy(client);
	toy_end(&t);
}

static void what_is_wanted(void **state)
{
	struct toy t;
	km_trust_client *client;
	struct km_named named = {0};

	(void)state;
	toy_setup(&t);
	client = toy_fresh(&t);
	assert_false(km_trust_wants(client, KM_DOC_INDEX, &named));
	assert_null(km_trust_index(client));
	check_ok(km_trust_take_timestamp(client, t.timestamp.at, t.timestamp.n, TOY_NOW, NULL));
	assert_true(km_trust_wants(client, KM_DOC_INDEX, &named));
	assert_string_equal(named.sha256, t.index.id);
	assert_true(km_trust_wants(client, KM_DOC_ROLLOUT, &named));
	assert_string_equal(named.sha256, t.rollout.id);
	assert_false(km_trust_wants(client, KM_DOC_ROOT, &named));
	check_ok(km_trust_take_index(client, t.index.at, t.index.n, TOY_NOW, NULL));
	assert_false(km_trust_wants(client, KM_DOC_INDEX, &named));
	/* Taken twice: no harm. */
	check_ok(km_trust_take_timestamp(client, t.timestamp.at, t.timestamp.n, TOY_NOW, NULL));
	check_ok(km_trust_take_root(client, t.root_doc.at, t.root_doc.n, NULL));
	assert_non_null(km_trust_index(client));
	km_trust_destroy(client);
	toy_end(&t);
}

/* ---- a publisher's directory ---- */

static km_error *no_passphrase(void *ctx, const char *key, bool is_new, char **ret)
{
	(void)key;
	(void)is_new;
	++*(unsigned *)ctx;
	*ret = NULL;
	return NULL;
}

static km_error *one_passphrase(void *ctx, const char *key, bool is_new, char **ret)
{
	KM_TRY(no_passphrase(ctx, key, is_new, ret));
	*ret = km_strdup("secret");
	return NULL;
}

static void a_ceremony_and_its_timer(void **state)
{
	static const char *const channels[] = {"stable", "edge"};
	char *dir = check_dir(), *public = km_path(dir, "public");
	unsigned asked = 0;
	struct km_ceremony c = {.dir = dir,
				.keys = {2, 1, 1, 1, 1, 1},
				.threshold = {2, 1, 1, 1, 1, 1},
				.channels = channels,
				.n_channels = 2,
				.now = TOY_NOW,
				.lifetimes = km_lifetimes_default,
				.cost = cheap,
				.passphrase = one_passphrase,
				.ctx = &asked};
	struct km_ceremony_done done = {0};
	struct km_refreshed refreshed = {0};
	km_expiries list = {0};

	(void)state;
	check_ok(km_ceremony_run(&c, &done));
	assert_true(done.complete);
	/* Five offline keys, each asked for once though some sign as well. */
	assert_int_equal(asked, 5);
	check_ok(km_ceremony_run(&c, &done));
	assert_int_equal(asked, 5);
	check_ok(km_refresh(dir, TOY_NOW + 86400, NULL, &refreshed));
	assert_int_equal(refreshed.timestamps, 2);
	assert_int_equal(refreshed.rollouts, 0);
	check_ok(km_refresh(dir, TOY_NOW + 16 * 86400, NULL, &refreshed));
	assert_int_equal(refreshed.rollouts, 2);
	check_ok(km_public_status(public, &list));
	assert_int_equal(list.n, 7);
	for (size_t i = 0; i < list.n; i++) {
		assert_int_equal(list.at[i].missing, 0);
		if (list.at[i].doc == KM_DOC_TIMESTAMP)
			assert_int_equal(list.at[i].version, 3);
	}
	km_vec_free(&list);
	free(public);
	check_dir_end(dir);
}

static void a_ceremony_that_waits(void **state)
{
	char *dir = check_dir(), *keys = km_path(dir, "keys"), *path = km_path(keys, "p.pub");
	unsigned asked = 0;
	struct km_ceremony c = {.dir = dir,
				.keys = {2, 1, 1, 1, 1, 1},
				.threshold = {2, 1, 1, 1, 1, 1},
				.now = TOY_NOW,
				.lifetimes = km_lifetimes_default,
				.cost = cheap,
				.passphrase = no_passphrase,
				.ctx = &asked};
	struct km_ceremony_done done = {0};
	km_private_key *elsewhere = NULL;
	struct km_refreshed refreshed;

	(void)state;
	check_ok(km_mkdirs(keys));
	check_ok(km_key_create(KM_ROLE_ROOT, "elsewhere", &elsewhere));
	check_ok(km_public_save(km_key_public(elsewhere), path));
	check_ok(km_ceremony_run(&c, &done));
	assert_false(done.complete);
	assert_int_equal(done.root_missing, 1);
	check_error(km_refresh(dir, TOY_NOW, NULL, &refreshed), KM_REFUSED, "chain");
	km_key_destroy(elsewhere);
	free(path);
	free(keys);
	check_dir_end(dir);
}

/* A refresh that hosts would refuse does not take the place of what they accept. */
static void refresh_by_a_false_key(void **state)
{
	static const char *const channels[] = {"stable"};
	char *dir = check_dir(), *keys = km_path(dir, "keys"), *path = km_path(keys, "timestamp-1.key");
	struct km_ceremony c = {.dir = dir,
				.keys = {1, 1, 1, 1, 1, 1},
				.threshold = {1, 1, 1, 1, 1, 1},
				.channels = channels,
				.n_channels = 1,
				.now = TOY_NOW,
				.lifetimes = km_lifetimes_default,
				.cost = cheap};
	struct km_ceremony_done done;
	struct km_refreshed refreshed;
	km_private_key *key = NULL;

	(void)state;
	check_ok(km_ceremony_run(&c, &done));
	assert_int_equal(unlink(path), 0);
	check_ok(km_key_create(KM_ROLE_TIMESTAMP, "false", &key));
	check_ok(km_key_save(key, path, NULL, NULL));
	check_error(km_refresh(dir, TOY_NOW, NULL, &refreshed), KM_REFUSED, "no timestamp key of root 1");
	km_key_destroy(key);
	free(path);
	free(keys);
	check_dir_end(dir);
}

/* With a threshold of two one key is not enough, and neither is an index that nobody signed: the timestamp stays what
 * it was. */
static void refresh_never_makes_it_worse(void **state)
{
	static const char *const channels[] = {"stable"};
	char *dir = check_dir(), *timestamp = km_path(dir, "public/stable.timestamp"),
	     *index = km_path(dir, "public/stable.index");
	struct km_ceremony c = {.dir = dir,
				.keys = {1, 1, 1, 1, 1, 2},
				.threshold = {1, 1, 1, 1, 1, 2},
				.channels = channels,
				.n_channels = 1,
				.now = TOY_NOW,
				.lifetimes = km_lifetimes_default,
				.cost = cheap};
	struct km_ceremony_done done;
	struct km_refreshed refreshed;
	char before[KM_SHA256_HEX], after[KM_SHA256_HEX];
	km_envelope *envelope = NULL;

	(void)state;
	check_ok(km_ceremony_run(&c, &done));
	assert_true(done.complete);
	check_ok(km_sha256_file(timestamp, before));
	check_error(km_refresh(dir, TOY_NOW, NULL, &refreshed), KM_REFUSED, "the timestamp has 1 of 2 good signatures");
	check_ok(km_envelope_load(KM_DOC_INDEX, index, &envelope));
	envelope->signatures.n = 0;
	check_ok(km_envelope_save(envelope, index));
	check_error(km_refresh(dir, TOY_NOW, NULL, &refreshed), KM_REFUSED, "the index has 0 of 1 good signatures");
	check_ok(km_sha256_file(timestamp, after));
	assert_string_equal(before, after);
	km_envelope_destroy(envelope);
	free(timestamp);
	free(index);
	check_dir_end(dir);
}

static void detached_signatures(void **state)
{
	km_envelope *envelope = km_envelope_create(KM_DOC_INDEX, "{}", 2),
		    *other = km_envelope_create(KM_DOC_INDEX, "{ }", 3);
	km_envelope *rollout = km_envelope_create(KM_DOC_ROLLOUT, "{}", 2);
	struct km_signature in, out;
	km_private_key *key = NULL;
	char *text;

	(void)state;
	check_ok(km_key_create(KM_ROLE_INDEX, "i", &key));
	check_ok(km_envelope_sign(envelope, key, &in));
	text = km_signature_text(envelope, &in);
	check_ok(km_signature_parse(envelope, text, strlen(text), &out));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_true(km_signature_good(envelope, &out, km_key_public(key)));
	assert_false(km_signature_good(other, &out, km_key_public(key)));
	check_error(km_signature_parse(other, text, strlen(text), &out), KM_REFUSED, "another document");
	check_error(km_signature_parse(rollout, text, strlen(text), &out), KM_REFUSED, "another document");
	for (size_t n = 0; n < strlen(text); n++)
		check_error(km_signature_parse(envelope, text, n, &out), KM_INPUT, "no signature file");
	free(text);
	km_key_destroy(key);
	km_envelope_destroy(envelope);
	km_envelope_destroy(other);
	km_envelope_destroy(rollout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames),
		cmocka_unit_test(signature_lines),
		cmocka_unit_test(too_many_signatures),
		cmocka_unit_test(what_is_signed),
		cmocka_unit_test(bodies),
		cmocka_unit_test(roots_that_could_not_be),
		cmocka_unit_test(makers_refuse),
		cmocka_unit_test(a_rollout_reads_as_written),
		cmocka_unit_test(cohorts_are_even_and_fixed),
		cmocka_unit_test(waves),
		cmocka_unit_test(keys_in_files),
		cmocka_unit_test(damaged_key_files),
		cmocka_unit_test(greedy_key_file),
		cmocka_unit_test(states),
		cmocka_unit_test(what_is_wanted),
		cmocka_unit_test(a_ceremony_and_its_timer),
		cmocka_unit_test(a_ceremony_that_waits),
		cmocka_unit_test(refresh_by_a_false_key),
		cmocka_unit_test(refresh_never_makes_it_worse),
		cmocka_unit_test(detached_signatures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
