/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packages from an apt that the test makes up: two scripts in PATH over a folder of answers. */
#include <sys/stat.h>
#include <unistd.h>

#include "toy_tree.h"

#define REL "6.1.0-9-toy-amd64"

static const char apt_cache[] =
	"#!/bin/sh\n"
	"case $1 in\n"
	"pkgnames) cd \"$FAKE/show\" && for n in \"$2\"*; do [ -e \"$n\" ] && echo \"$n\"; done;;\n"
	"show) shift; for n; do [ -e \"$FAKE/show/$n\" ] && cat \"$FAKE/show/$n\" && echo; done;;\n"
	"esac\n"
	"exit 100\n";
static const char apt_get[] =
	"#!/bin/sh\n"
	"echo \"$*\" >> \"$FAKE/log\"\n"
	"[ -e \"$FAKE/offline\" ] && { echo 'E: Temporary failure resolving deb.example' >&2; exit 100; }\n"
	"for n; do case $n in *=*) cp \"$FAKE/archive/${n%%=*}_\"* . 2>/dev/null;; esac; done\n"
	"exit 0\n";

static char *fake, *old_path;

static void put_program(const char *name, const char *text)
{
	char *path = km_path(fake, name);

	toy_file_put(fake, name, text);
	assert_int_equal(chmod(path, 0755), 0);
	free(path);
}

/* What apt-cache shows of one version of a package. `more` are further lines. */
static void offer(const char *name, const char *version, const char *more)
{
	char *path = km_printf("%s/show/%s", fake, name), *old = NULL, *text;
	size_t size;

	if (km_exists(path))
		check_ok(km_file_read(path, (uint8_t **)&old, &size));
	text = km_printf("%sPackage: %s\nVersion: %s\nArchitecture: amd64\nFilename: pool/%s.deb\n%s\n", old ? old : "", name,
			 version, name, more);
	free(path);
	path = km_printf("show/%s", name);
	toy_file_put(fake, path, text);
	free(path);
	free(text);
	free(old);
}

static void offer_kernel(const char *version)
{
	offer("linux-image-" REL, version, "");
	offer("linux-headers-" REL, version, "Depends: linux-compiler, linux-kbuild-6.1 (>= 6.1.9-1)\n");
	offer("linux-source-6.1", version, "");
	offer("linux-kbuild-6.1", version, "");
}

static int begin(void **state)
{
	char *path;

	(void)state;
	fake = check_dir();
	old_path = km_strdup(getenv("PATH"));
	path = km_printf("%s:%s", fake, old_path);
	toy_file_put(fake, "show/linux-doc", "Package: linux-doc\nVersion: 1\n");
	toy_file_put(fake, "archive/none", "");
	put_program("apt-cache", apt_cache);
	put_program("apt-get", apt_get);
	setenv("FAKE", fake, 1);
	setenv("PATH", path, 1);
	free(path);
	return 0;
}

static int end(void **state)
{
	(void)state;
	setenv("PATH", old_path, 1);
	free(old_path);
	check_dir_end(fake);
	return 0;
}

static void check_hint(const km_error *err, const char *hint)
{
	if (!err || !err->hint || !strstr(err->hint, hint))
		fail_msg("expected the hint \"%s\", got \"%s\"", hint, err && err->hint ? err->hint : "none");
}

static void all_parts_are_of_the_image_s_version(void **state)
{
	static const struct {
		const char *wanted, *version;
	} cases[] = {{NULL, "6.1.12-1"}, {"6.1.9-1", "6.1.9-1"}};

	(void)state;
	offer_kernel("6.1.9-1");
	offer_kernel("6.1.12-1");
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct location l;

		check_ok(locate(REL, cases[i].wanted, NULL, &l));
		assert_string_equal(l.release, REL);
		assert_string_equal(l.version, cases[i].version);
		assert_false(l.from_files);
		for (int p = 0; p < N_PARTS; p++)
			assert_string_equal(l.part[p].version, cases[i].version);
		assert_string_equal(l.part[PART_IMAGE].name, "linux-image-" REL);
		assert_string_equal(l.part[PART_HEADERS].name, "linux-headers-" REL);
		assert_string_equal(l.part[PART_SOURCE].name, "linux-source-6.1");
		assert_string_equal(l.part[PART_KBUILD].name, "linux-kbuild-6.1");
		location_end(&l);
	}
}

/* linux-kbuild of an older version may be gone; any of the series has the programs. */
static void newer_kbuild_serves(void **state)
{
	struct location l;

	(void)state;
	offer("linux-image-" REL, "6.1.9-1", "");
	offer("linux-headers-" REL, "6.1.9-1", "Depends: linux-kbuild-6.1\n");
	offer("linux-source-6.1", "6.1.9-1", "");
	offer("linux-kbuild-6.1", "6.1.20-1", "");
	check_ok(locate(REL, NULL, NULL, &l));
	assert_string_equal(l.part[PART_KBUILD].version, "6.1.20-1");
	location_end(&l);
}

static void unknown_kernels_name_near_ones(void **state)
{
	static const struct {
		const char *release, *hint;
	} cases[] = {
		{"6.1.0-8-toy-amd64", "did you mean " REL "?"},
		{"nothing-like-it", "`kmend kernels` lists those"},
	};
	struct location l;
	km_error *err = locate("6.1.0-1", NULL, NULL, &l);

	(void)state;
	check_hint(err, "apt knows no kernel at all: run `apt-get update`");
	check_error(err, KM_ENV, "no package for kernel 6.1.0-1 is known");
	offer_kernel("6.1.9-1");
	offer("linux-image-6.1.0-8-toy-amd64-dbg", "6.1.8-1", ""); /* no kernel */
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		err = locate(cases[i].release, NULL, NULL, &l);
		check_hint(err, cases[i].hint);
		check_error(err, KM_ENV, "no package for kernel");
	}
	err = locate(REL, "6.1.7-1", NULL, &l);
	check_hint(err, "the newest that is: 6.1.9-1");
	check_error(err, KM_ENV, "is not offered in version 6.1.7-1 any more");
}

static void a_missing_part_is_named(void **state)
{
	struct location l;

	(void)state;
	offer("linux-image-" REL, "6.1.9-1", "");
	check_error(locate(REL, NULL, NULL, &l), KM_ENV, "package linux-headers-" REL " of that version is not offered by apt");
	offer("linux-headers-" REL, "6.1.9-1", "Depends: linux-compiler\n");
	offer("linux-source-6.1", "6.1.10-1", "");
	check_error(locate(REL, NULL, NULL, &l), KM_ENV, "package linux-source-6.1 of that version is not offered by apt");
	offer("linux-source-6.1", "6.1.9-1", "");
	check_error(locate(REL, NULL, NULL, &l), KM_INPUT, "linux-headers-" REL " 6.1.9-1 names no linux-kbuild package");
}

static void an_odd_version_is_no_source_package(void **state)
{
	struct location l;

	(void)state;
	offer("linux-image-" REL, "local-1", "");
	check_error(locate(REL, NULL, NULL, &l), KM_INPUT, "the image's version local-1 does not begin with a kernel version");
}

/* Two packages whose files hold their names; the sum of the second is wrong unless `right`. */
static void fill_archive(struct package *p, bool right)
{
	static const char *const names[] = {"linux-one", "linux-two"};

	for (size_t i = 0; i < 2; i++) {
		uint8_t sum[KM_SHA256_LEN];
		char *file = km_printf("archive/%s_1%%3a2_amd64.deb", names[i]);

		toy_file_put(fake, file, names[i]);
		free(file);
		km_sha256_of(i && !right ? "x" : names[i], i && !right ? 1 : strlen(names[i]), sum);
		p[i] = (struct package){.name = (char *)names[i],
					.version = (char *)"1:2",
					.file = km_printf("%s_2_amd64.deb", names[i]),
					.sha256 = km_calloc(KM_SHA256_HEX, 1)};
		km_hex(sum, sizeof(sum), p[i].sha256);
	}
}

static void drop(struct package *p)
{
	for (size_t i = 0; i < 2; i++) {
		free(p[i].file);
		free(p[i].sha256);
	}
}

static size_t entries(const char *dir)
{
	km_strv names = {0};
	size_t n;

	check_ok(km_listdir(dir, &names));
	n = names.n;
	km_strv_free(&names);
	return n;
}

static void packages_are_fetched_once(void **state)
{
	struct package p[2];
	const struct package *const both[] = {&p[0], &p[1]};
	char *debs = km_path(fake, "debs"), *log = km_path(fake, "log"), *two = km_path(debs, "linux-two_2_amd64.deb");
	uint8_t *text;
	size_t size;

	(void)state;
	check_ok(km_mkdirs(debs));
	fill_archive(p, true);
	check_ok(apt_fetch(both, 2, debs));
	check_ok(km_file_read(two, &text, &size));
	assert_string_equal((char *)text, "linux-two");
	free(text);
	assert_int_equal(entries(debs), 2);
	check_ok(km_file_read(log, &text, &size));
	assert_non_null(strstr((char *)text, "download linux-one=1:2 linux-two=1:2"));
	free(text);
	assert_int_equal(unlink(log), 0);
	check_ok(apt_fetch(both, 2, debs));
	assert_false(km_exists(log));
	check_ok(km_file_write(two, "broken", 6)); /* by a full disk, say: that one alone is fetched anew */
	check_ok(apt_fetch(both, 2, debs));
	check_ok(km_file_read(log, &text, &size));
	assert_null(strstr((char *)text, "linux-one"));
	free(text);
	drop(p);
	free(two);
	free(log);
	free(debs);
}

static void what_cannot_be_fetched_leaves_nothing(void **state)
{
	struct package p[2];
	const struct package *const both[] = {&p[0], &p[1]};
	char *debs = km_path(fake, "debs");
	km_error *err;

	(void)state;
	check_ok(km_mkdirs(debs));
	fill_archive(p, false);
	err = apt_fetch(both + 1, 1, debs);
	check_hint(err, "remove the file");
	check_error(err, KM_INPUT, "the archive says");
	free(p[1].sha256);
	p[1].sha256 = NULL;
	check_error(apt_fetch(both + 1, 1, debs), KM_INPUT, "apt names no SHA-256 for linux-two 1:2");
	p[1].name = (char *)"linux-absent";
	check_error(apt_fetch(both + 1, 1, debs), KM_ENV, "apt-get download gave no file for linux-absent");
	toy_file_put(fake, "offline", "");
	err = apt_fetch(both, 1, debs);
	check_hint(err, "--debs DIR");
	check_error(err, KM_ENV, "Temporary failure resolving");
	assert_int_equal(entries(debs), 0);
	drop(p);
	free(debs);
}

/* The version that runs may be installed only: apt shows it without a file. */
static void a_package_that_is_only_installed_cannot_be_fetched(void **state)
{
	struct package p = {.name = (char *)"linux-one", .version = (char *)"1"};
	const struct package *const one[] = {&p};
	char *debs = km_path(fake, "debs");
	km_error *err;

	(void)state;
	check_ok(km_mkdirs(debs));
	err = apt_fetch(one, 1, debs);
	check_hint(err, "--debs DIR");
	check_error(err, KM_ENV, "linux-one 1 is not in the archive any more");
	free(debs);
}

static const struct km_kernel_info *find(const km_kernel_list *l, const char *release, const char *version)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->at[i].release, release) && !strcmp(l->at[i].version, version))
			return &l->at[i];
	return NULL;
}

static void lists_join_what_is_offered_and_cached(void **state)
{
	static const char json[] = "{\"release\": \"" REL "\", \"version\": \"6.1.9-1\"}";
	km_kernel_list l = {0};

	(void)state;
	offer_kernel("6.1.9-1");
	offer_kernel("6.1.12-1");
	offer("linux-image-6.1.0-3-toy", "6.1.3-1", ""); /* its headers are gone */
	offer("linux-image-amd64", "6.1.12-1", "");
	setenv("KMEND_CACHE", fake, 1);
	toy_file_put(fake, "kernels/a/kernel.json", json);
	toy_file_put(fake, "kernels/a/ready", "");
	toy_file_put(fake, "kernels/.new-b/kernel.json", "{\"release\": \"half\", \"version\": \"1\"}");
	toy_file_put(fake, "kernels/.new-b/ready", "");
	toy_file_put(fake, "kernels/c/kernel.json", "{\"release\": \"unready\", \"version\": \"1\"}");
	check_ok(km_kernels_list(&l));
	assert_true(find(&l, REL, "6.1.9-1")->offered && find(&l, REL, "6.1.9-1")->cached);
	assert_true(find(&l, REL, "6.1.12-1")->offered && !find(&l, REL, "6.1.12-1")->cached);
	assert_true(find(&l, REL, "6.1.9-1") < find(&l, REL, "6.1.12-1"));
	assert_null(find(&l, "6.1.0-3-toy", "6.1.3-1"));
	assert_null(find(&l, "half", "1"));
	assert_null(find(&l, "unready", "1"));
	km_kernel_list_free(&l);
	unsetenv("KMEND_CACHE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_parts_are_of_the_image_s_version, begin, end),
		cmocka_unit_test_setup_teardown(newer_kbuild_serves, begin, end),
		cmocka_unit_test_setup_teardown(unknown_kernels_name_near_ones, begin, end),
		cmocka_unit_test_setup_teardown(a_missing_part_is_named, begin, end),
		cmocka_unit_test_setup_teardown(an_odd_version_is_no_source_package, begin, end),
		cmocka_unit_test_setup_teardown(packages_are_fetched_once, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_fetched_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(a_package_that_is_only_installed_cannot_be_fetched, begin, end),
		cmocka_unit_test_setup_teardown(lists_join_what_is_offered_and_cached, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
