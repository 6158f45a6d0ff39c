/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules become a release, a release is looked at by its reviewer, a release comes into a channel's next index. */
#include <kmend/publish.h>
#include <unistd.h>

#include "check.h"
#include "sim.h"

enum { NOW = 1800000000, LIFETIME = 30 * 86400 };

static const char old_id[] = "1111111111111111111111111111111111111111",
		  new_id[] = "2222222222222222222222222222222222222222";

/* A directory with what `kmend build -o` left: kmend_fix for two kernels, for the first one in both flavours. */
struct bench {
	char *dir, *built, *file, *diff, *other;
};

static char *module(const struct bench *b, const char *path, struct sim_patch p)
{
	KM_AUTOFREE char *whole = km_path(b->built, path);
	KM_AUTOFREE char *beside = km_printf("%s.diff", whole);
	KM_AUTOFREE char *dir = km_strndup(whole, (size_t)(strrchr(whole, '/') - whole));

	check_ok(km_mkdirs(dir));
	p.name = p.name ? p.name : "kmend_fix";
	p.source = p.source ? p.source : b->diff;
	sim_write_patch(whole, &p);
	check_ok(km_file_copy(p.source, beside));
	return km_strdup(whole);
}

static int setup(void **state)
{
	static const char diff[] = "--- a/kernel/thing.c\n+++ b/kernel/thing.c\n@@ -1 +1 @@\n-old\n+new\n",
			  other[] = "--- a/kernel/thing.c\n+++ b/kernel/thing.c\n@@ -1 +1 @@\n-old\n+newer\n";
	struct bench *b = km_calloc(1, sizeof(*b));

	b->dir = check_dir();
	b->built = km_path(b->dir, "built");
	b->file = km_path(b->dir, "out/kmend_fix-1.release");
	b->diff = km_path(b->dir, "one.diff");
	b->other = km_path(b->dir, "other.diff");
	check_ok(km_file_write(b->diff, diff, strlen(diff)));
	check_ok(km_file_write(b->other, other, strlen(other)));
	free(module(b, "b/kmend_fix.ko", (struct sim_patch){.release = "6.1.0-51-amd64", .build_id = new_id}));
	free(module(b, "a/core/kmend_fix.ko",
		    (struct sim_patch){.release = "6.1.0-50-amd64", .build_id = old_id, .core = true}));
	free(module(b, "a/kmend_fix.ko", (struct sim_patch){.release = "6.1.0-50-amd64", .build_id = old_id}));
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	free(b->built);
	free(b->file);
	free(b->diff);
	free(b->other);
	check_dir_end(b->dir);
	free(b);
	return 0;
}

/* What is collected of the whole directory. */
static struct km_publish all_of(const struct bench *b)
{
	return (struct km_publish){.paths = (const char *const *)&b->built, .n_paths = 1, .now = NOW};
}

static void collects(void **state)
{
	struct bench *b = *state;
	struct km_publish p = all_of(b);
	km_envelope *release;
	struct km_release r;
	km_blobs blobs = {0};

	check_ok(km_publish_collect(&p, &release, &blobs));
	check_ok(km_release_parse(release, &r));
	assert_string_equal(r.name, "kmend_fix");
	assert_string_equal(r.version, "1");
	assert_string_equal(r.severity, "high");
	assert_string_equal(r.summary, "closes a hole");
	assert_int_equal(r.issued, NOW);
	assert_int_equal(r.n_cves, 1);
	assert_int_equal(r.n_kernels, 2);
	/* sorted, whatever the order of the directory */
	assert_string_equal(r.kernels[0].release, "6.1.0-50-amd64");
	assert_string_equal(r.kernels[0].build_id, old_id);
	assert_int_equal(r.kernels[0].n_payloads, 2);
	assert_string_equal(r.kernels[0].payloads[0].flavour, "klp");
	assert_string_equal(r.kernels[0].payloads[1].flavour, "core");
	assert_int_equal(r.kernels[1].n_payloads, 1);
	assert_int_equal(blobs.n, 4);
	assert_true(blobs.at[3].source);
	assert_string_equal(blobs.at[3].sha256, r.source_sha256);
	assert_int_equal(release->signatures.n, 0);
	km_release_free(&r);
	km_blobs_free(&blobs);
	km_envelope_destroy(release);
}

static void says_it_better(void **state)
{
	struct bench *b = *state;
	struct km_publish p = all_of(b);
	km_strv cves = {0};
	km_envelope *release;
	struct km_release r;
	km_blobs blobs = {0};

	km_strv_push(&cves, "CVE-2026-2222");
	km_strv_push(&cves, "CVE-2026-1111");
	p.cves = &cves, p.severity = "critical", p.summary = "all of it", p.name = "kmend_fix", p.version = "1";
	check_ok(km_publish_collect(&p, &release, &blobs));
	check_ok(km_release_parse(release, &r));
	assert_string_equal(r.severity, "critical");
	assert_string_equal(r.summary, "all of it");
	assert_int_equal(r.n_cves, 2);
	assert_string_equal(r.cves[0], "CVE-2026-2222"); /* as it was said */
	km_release_free(&r);
	km_blobs_free(&blobs);
	km_envelope_destroy(release);
	km_strv_free(&cves);
}

/* One more module, or another expectation. */
static void refuses(void **state)
{
	static const struct {
		struct sim_patch more;
		const char *name, *version, *severity, *summary, *error;
		bool source; /* the module is of another diff */
		enum km_code code;
	} rows[] = {
		{.more = {.name = "kmend_other"}, .error = "differ in their name", .code = KM_REFUSED},
		{.more = {.version = "2"}, .error = "differ in their version: '1' and '2'", .code = KM_REFUSED},
		{.more = {.severity = "low"}, .error = "differ in their severity", .code = KM_REFUSED},
		{.more = {.cve = "CVE-2026-9999"}, .error = "differ in the CVEs", .code = KM_REFUSED},
		{.more = {.flag = "allow-data"}, .error = "was built with --allow-data", .code = KM_REFUSED},
		{.source = true, .error = "differ in their source diff", .code = KM_REFUSED},
		{.more = {.release = "6.1.0-51-amd64", .build_id = new_id},
		 .error = "are both for 6.1.0-51-amd64 in the flavour klp",
		 .code = KM_REFUSED},
		{.more = {.foreign = true}, .error = "was not made by kmend build", .code = KM_INPUT},
		{.name = "kmend_fixx", .error = "is named 'kmend_fix', not 'kmend_fixx'", .code = KM_REFUSED},
		{.version = "2", .error = "has the version '1', not '2'", .code = KM_REFUSED},
		{.severity = "terrible", .error = "severity", .code = KM_USAGE},
		{.summary = "", .error = "does not say what it does", .code = KM_USAGE},
	};
	struct bench *b = *state;

	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		struct km_publish p = all_of(b);
		struct sim_patch more = rows[i].more;
		km_envelope *release = NULL;
		km_blobs blobs = {0};

		p.name = rows[i].name, p.version = rows[i].version, p.severity = rows[i].severity,
		p.summary = rows[i].summary;
		more.source = rows[i].source ? b->other : NULL;
		more.release = more.release ? more.release : "6.1.0-52-amd64";
		more.build_id = more.build_id ? more.build_id : new_id;
		KM_AUTOFREE char *path = module(b, "c/kmend_fix.ko", more);
		if (rows[i].name || rows[i].version || rows[i].severity || rows[i].summary)
			assert_int_equal(unlink(path), 0);
		check_error(km_publish_collect(&p, &release, &blobs), rows[i].code, rows[i].error);
		assert_null(release);
		assert_int_equal(blobs.n, 0);
	}
}

/* What the modules do not agree on does not matter where the publisher says it. */
static void settles(void **state)
{
	struct bench *b = *state;
	struct km_publish p = all_of(b);
	km_strv cves = {0}, allow = {0};
	km_envelope *release;
	km_blobs blobs = {0};

	free(module(b, "c/kmend_fix.ko",
		    (struct sim_patch){.severity = "low", .cve = "CVE-2026-7777", .flag = "allow-data"}));
	km_strv_push(&cves, "CVE-2026-7777");
	km_strv_push(&allow, "allow-data");
	p.cves = &cves, p.allow = &allow, p.severity = "high";
	check_ok(km_publish_collect(&p, &release, &blobs));
	assert_int_equal(blobs.n, 5);
	km_blobs_free(&blobs);
	km_envelope_destroy(release);
	km_strv_free(&cves);
	km_strv_free(&allow);
}

static void needs_its_diff(void **state)
{
	struct bench *b = *state;
	KM_AUTOFREE char *path = module(b, "d/kmend_fix.ko", (struct sim_patch){0});
	KM_AUTOFREE char *beside = km_printf("%s.diff", path);
	struct km_publish p = {.paths = (const char *const *)&path, .n_paths = 1, .now = NOW};
	km_envelope *release;
	km_blobs blobs;

	assert_int_equal(unlink(beside), 0);
	check_error(km_publish_collect(&p, &release, &blobs), KM_ENV, "there is no");
	p.source = b->other;
	check_error(km_publish_collect(&p, &release, &blobs), KM_REFUSED, "is not what");
	p.source = b->diff;
	check_ok(km_publish_collect(&p, &release, &blobs));
	km_blobs_free(&blobs);
	km_envelope_destroy(release);
}

static void finds_nothing(void **state)
{
	struct bench *b = *state;
	KM_AUTOFREE char *empty = km_path(b->dir, "empty"), *none = km_path(b->dir, "none");
	struct km_publish p = {.paths = (const char *const *)&empty, .n_paths = 1};
	km_envelope *release;
	km_blobs blobs;

	check_ok(km_mkdirs(empty));
	check_error(km_publish_collect(&p, &release, &blobs), KM_ENV, "there is no module in");
	p.paths = (const char *const *)&none;
	check_error(km_publish_collect(&p, &release, &blobs), KM_ENV, "none");
	p.paths = (const char *const *)&b->diff;
	check_error(km_publish_collect(&p, &release, &blobs), KM_INPUT, "cannot publish");
}

/* ---- beside a release ---- */

static km_envelope *saved(const struct bench *b)
{
	struct km_publish p = all_of(b);
	km_envelope *release;
	km_blobs blobs = {0};

	check_ok(km_publish_collect(&p, &release, &blobs));
	check_ok(km_publish_save(release, &blobs, b->file));
	check_ok(km_publish_save(release, &blobs, b->file)); /* what is there stays */
	km_blobs_free(&blobs);
	return release;
}

static void travels(void **state)
{
	struct bench *b = *state;
	km_envelope *release = saved(b), *again;
	km_blobs blobs = {0};
	km_strv overrides = {0};

	check_ok(km_envelope_load(KM_DOC_RELEASE, b->file, &again));
	assert_string_equal(again->id, release->id);
	check_ok(km_publish_blobs(again, b->file, NULL, &blobs));
	assert_int_equal(blobs.n, 4);
	for (size_t i = 0; i < blobs.n; i++) {
		assert_true(km_ends(blobs.at[i].path, blobs.at[i].sha256));
		assert_int_equal(blobs.at[i].source, i == 3);
	}
	check_ok(km_publish_review(again, &blobs, &overrides));
	assert_int_equal(overrides.n, 0);
	km_blobs_free(&blobs);
	km_envelope_destroy(again);
	km_envelope_destroy(release);
}

/* A file that came to harm on its way is found, and saving once more mends it. */
static void comes_to_harm(void **state)
{
	struct bench *b = *state;
	km_envelope *release = saved(b);
	km_blobs blobs = {0};

	check_ok(km_publish_blobs(release, b->file, NULL, &blobs));
	for (size_t i = 0; i < blobs.n; i++) {
		km_blobs found = {0};

		check_ok(km_file_write(blobs.at[i].path, "evil", 4));
		check_error(km_publish_blobs(release, b->file, NULL, &found), KM_REFUSED, "has other bytes");
		assert_int_equal(unlink(blobs.at[i].path), 0);
		check_error(km_publish_blobs(release, b->file, NULL, &found), KM_ENV, blobs.at[i].sha256);
		assert_int_equal(found.n, 0);
		km_envelope_destroy(saved(b));
		check_ok(km_publish_blobs(release, b->file, NULL, &found));
		km_blobs_free(&found);
	}
	check_error(km_publish_blobs(release, b->file, b->built, &(km_blobs){0}), KM_ENV, "");
	km_blobs_free(&blobs);
	km_envelope_destroy(release);
}

/* Releases that say something else than their modules do. */
static void is_reviewed(void **state)
{
	enum { SUMMARY, KERNEL, BUILD_ID, FLAVOUR, REPLACE, ROWS };
	struct bench *b = *state;
	km_envelope *release = saved(b);

	for (int row = SUMMARY; row < ROWS; row++) {
		km_envelope *forged;
		struct km_release r;
		km_blobs blobs = {0};
		km_strv overrides = {0};

		check_ok(km_release_parse(release, &r));
		r.summary = row == SUMMARY ? "closes another hole" : r.summary;
		r.kernels[1].release = row == KERNEL ? "6.1.0-99-amd64" : r.kernels[1].release;
		r.kernels[1].build_id = row == BUILD_ID ? old_id : r.kernels[1].build_id;
		if (row == FLAVOUR)
			strcpy(r.kernels[1].payloads[0].flavour, "core");
		r.replace = row == REPLACE;
		check_ok(km_release_make(&r, &forged));
		check_ok(km_publish_blobs(forged, b->file, NULL, &blobs));
		if (row == SUMMARY) /* is the publisher's to say */
			check_ok(km_publish_review(forged, &blobs, &overrides));
		else
			check_error(km_publish_review(forged, &blobs, &overrides), KM_REFUSED,
				    "does not say what its modules say");
		km_strv_free(&overrides);
		km_blobs_free(&blobs);
		km_release_free(&r);
		km_envelope_destroy(forged);
	}
	km_envelope_destroy(release);
}

/* ---- into a channel ---- */

#define ID8(c) c c c c c c c c
#define ID(c)  ID8(c) ID8(c) ID8(c) ID8(c) ID8(c) ID8(c) ID8(c) ID8(c)

static void next_index(void **state)
{
	static const char staged[] = ID("a"), open[] = ID("b"), gone[] = ID("c"), new[] = ID("d");
	static const struct {
		struct km_channel_change change;
		const char *error; /* NULL: good */
		enum km_code code;
		size_t n;
		const char *id; /* how its entry is then */
		bool staged, withdrawn;
	} rows[] = {
		{{0}, NULL, 0, 3, staged, true, false},
		{{.add = new}, NULL, 0, 4, new, false, false},
		{{.add = new, .staged = true}, NULL, 0, 4, new, true, false},
		{{.add = staged}, NULL, 0, 3, staged, false, false},
		{{.add = staged, .staged = true}, "has the release already", KM_NOTHING, 0, NULL, false, false},
		{{.add = open}, "has the release already", KM_NOTHING, 0, NULL, false, false},
		{{.add = open, .staged = true}, "to every host already", KM_REFUSED, 0, NULL, false, false},
		{{.add = gone}, "was withdrawn from edge: it crashed", KM_REFUSED, 0, NULL, false, false},
		{{.withdraw = open, .reason = "slow"}, NULL, 0, 3, open, false, true},
		{{.withdraw = staged, .reason = "slow"}, NULL, 0, 3, staged, true, true},
		{{.withdraw = gone, .reason = "slow"},
		 "withdrawn already: it crashed",
		 KM_NOTHING,
		 0,
		 NULL,
		 false,
		 false},
		{{.withdraw = new, .reason = "slow"}, "does not have the release", KM_REFUSED, 0, NULL, false, false},
		{{.withdraw = open}, "needs a reason", KM_USAGE, 0, NULL, false, false},
		{{.withdraw = open, .reason = ""}, "needs a reason", KM_USAGE, 0, NULL, false, false},
		{{.withdraw = open, .reason = "a\nb"}, "", KM_USAGE, 0, NULL, false, false},
		{{.add = "A"}, "", KM_USAGE, 0, NULL, false, false},
	};
	struct km_index_entry entries[] = {
		{.id = ID("a"), .staged = true}, {.id = ID("b")}, {.id = ID("c"), .withdrawn = "it crashed"}};
	struct km_index last = {.channel = "edge",
				.version = 7,
				.issued = NOW - 60,
				.expires = NOW,
				.releases = entries,
				.n_releases = 3};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		km_envelope *next = NULL;
		struct km_index index;
		km_error *err = km_channel_next(&last, &rows[i].change, NOW, LIFETIME, &next);
		size_t at = 0;

		if (rows[i].error) {
			check_error(err, rows[i].code, rows[i].error);
			assert_null(next);
			continue;
		}
		check_ok(err);
		check_ok(km_index_parse(next, &index));
		assert_int_equal(index.version, 8);
		assert_int_equal(index.issued, NOW);
		assert_int_equal(index.expires, NOW + LIFETIME);
		assert_int_equal(index.n_releases, rows[i].n);
		while (strcmp(index.releases[at].id, rows[i].id))
			assert_true(++at < index.n_releases);
		assert_int_equal(index.releases[at].staged, rows[i].staged);
		assert_int_equal(index.releases[at].withdrawn != NULL, rows[i].withdrawn);
		km_index_free(&index);
		km_envelope_destroy(next);
	}
	assert_int_equal(last.version, 7); /* and what was before is as it was */
	assert_false(entries[0].withdrawn || entries[1].withdrawn);
}

static void first_index(void **state)
{
	static const char id[] = ID("e");
	struct km_index last = {.channel = "night"};
	struct km_index index;
	km_envelope *next = NULL;

	(void)state;
	check_ok(km_channel_next(&last, &(struct km_channel_change){.add = id}, NOW, LIFETIME, &next));
	check_ok(km_index_parse(next, &index));
	assert_string_equal(index.channel, "night");
	assert_int_equal(index.version, 1);
	assert_int_equal(index.n_releases, 1);
	km_index_free(&index);
	km_envelope_destroy(next);
	last.channel = "../night";
	check_error(km_channel_next(&last, &(struct km_channel_change){.add = id}, NOW, LIFETIME, &next), KM_USAGE,
		    "channel");
}

/* A clock that runs behind: the next index is not older than the last one. */
static void clock_behind(void **state)
{
	struct km_index last = {.channel = "edge", .version = 1, .issued = NOW, .expires = NOW + 10};
	struct km_index index;
	km_envelope *next;

	(void)state;
	check_ok(km_channel_next(&last, &(struct km_channel_change){0}, NOW - 86400, LIFETIME, &next));
	check_ok(km_index_parse(next, &index));
	assert_int_equal(index.issued, NOW);
	assert_int_equal(index.expires, NOW + LIFETIME);
	km_index_free(&index);
	km_envelope_destroy(next);
}

static void full_index(void **state)
{
	static struct km_index_entry entries[KM_TRUST_RELEASES];
	static const char new[] = ID("d");
	struct km_index last = {
		.channel = "edge", .version = 1, .issued = NOW, .releases = entries, .n_releases = KM_TRUST_RELEASES};
	km_envelope *next = NULL;

	(void)state;
	for (size_t i = 0; i < KM_TRUST_RELEASES; i++)
		snprintf(entries[i].id, sizeof(entries[i].id), "%064zx", i);
	check_error(km_channel_next(&last, &(struct km_channel_change){.add = new}, NOW, LIFETIME, &next), KM_REFUSED,
		    "");
	assert_null(next);
	check_ok(km_channel_next(&last, &(struct km_channel_change){.withdraw = entries[3].id, .reason = "x"}, NOW,
				 LIFETIME, &next));
	km_envelope_destroy(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(collects, setup, teardown),
		cmocka_unit_test_setup_teardown(says_it_better, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(settles, setup, teardown),
		cmocka_unit_test_setup_teardown(needs_its_diff, setup, teardown),
		cmocka_unit_test_setup_teardown(finds_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(travels, setup, teardown),
		cmocka_unit_test_setup_teardown(comes_to_harm, setup, teardown),
		cmocka_unit_test_setup_teardown(is_reviewed, setup, teardown),
		cmocka_unit_test(next_index),
		cmocka_unit_test(first_index),
		cmocka_unit_test(clock_behind),
		cmocka_unit_test(full_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
