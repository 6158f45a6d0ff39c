/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "prepared.h"

static void versions_are_ordered_as_dpkg_orders_them(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
		{"6.1.176-1", "6.1.176-1", 0},	{"6.1.176-1", "6.1.187-1", -1},
		{"6.1.99-1", "6.1.176-1", -1},	{"6.1.192-2", "6.1.192-1", 1},
		{"6.12.115-2", "6.1.192-2", 1}, {"6.12.117-1~deb12u1", "6.12.117-1", -1},
		{"1:1.0-1", "2.0-1", 1},	{"6.1.192-1+b1", "6.1.192-1", 1},
		{"1.0~rc1", "1.0", -1},		{"1.0a", "1.0", 1},
		{"1.0+x", "1.0a", 1},		{"6.1", "6.1-1", -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		assert_int_equal(version_compare(cases[i].a, cases[i].b), cases[i].order);
		assert_int_equal(version_compare(cases[i].b, cases[i].a), -cases[i].order);
	}
}

static const char shown[] =
	"Package: linux-image-6.1.0-56-cloud-amd64\nSource: linux-signed-amd64 (6.1.192+2)\nVersion: 6.1.192-2\n"
	"Architecture: amd64\nDescription: Linux 6.1\n Version: not this one\n"
	"Filename: "
	"pool/updates/main/l/linux-signed-amd64/linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb\nSHA256: e7d0\n"
	"\n"
	"Package: linux-headers-6.1.0-56-cloud-amd64\nVersion: 6.1.192-2\n"
	"Depends: linux-headers-6.1.0-56-common (= 6.1.192-2), linux-kbuild-6.1 (>= 6.1.192-2), "
	"linux-compiler-gcc-12-x86\n"
	"\n"
	"Package: linux-source-6.1\nVersion: 6.1.176-1\n\nPackage: linux-source-6.1\nVersion: 6.1.192-2\n\nPackage: "
	"broken\n\n";

static void apt_output_is_read(void **state)
{
	package_list l = {0};
	const struct package *p;

	(void)state;
	packages_parse(shown, &l);
	assert_int_equal(l.n, 4);
	p = package_find(&l, "linux-image-6.1.0-56-cloud-amd64", NULL);
	assert_non_null(p);
	assert_string_equal(p->version, "6.1.192-2");
	assert_string_equal(p->file, "linux-image-6.1.0-56-cloud-amd64_6.1.192-2_amd64.deb");
	assert_string_equal(p->sha256, "e7d0");
	assert_string_equal(package_find(&l, "linux-source-6.1", NULL)->version, "6.1.192-2");
	assert_string_equal(package_find(&l, "linux-source-6.1", "6.1.176-1")->version, "6.1.176-1");
	assert_null(package_find(&l, "linux-source-6.1", "6.1.1-1"));
	package_list_free(&l);
}

static void dependencies_are_found(void **state)
{
	static const struct {
		const char *depends, *prefix, *name;
	} cases[] = {
		{"a (= 1), linux-kbuild-6.1 (>= 6.1.192-2), b", "linux-kbuild-", "linux-kbuild-6.1"},
		{"linux-kbuild-6.12.117+deb12", "linux-kbuild-", "linux-kbuild-6.12.117+deb12"},
		{"x | linux-kbuild-6.1", "linux-kbuild-", NULL},
		{"", "linux-kbuild-", NULL},
		{NULL, "linux-kbuild-", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *name = depends_find(cases[i].depends, cases[i].prefix);

		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
		else
			assert_null(name);
		free(name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_are_ordered_as_dpkg_orders_them),
		cmocka_unit_test(apt_output_is_read),
		cmocka_unit_test(dependencies_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
