/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

static void test_starts_ends(void **state)
{
	(void)state;
	assert_true(km_starts("vmlinux", "vm"));
	assert_true(km_starts("", ""));
	assert_false(km_starts("v", "vm"));
	assert_true(km_ends("a.ko", ".ko"));
	assert_false(km_ends("ko", ".ko"));
	assert_true(km_ends("x", ""));
}

static void test_growing(void **state)
{
	km_str s = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		km_str_printf(&s, "%03d", i);
	km_str_addn(&s, "a\0b", 3);
	assert_int_equal(s.n, 3003);
	assert_memory_equal(s.at + 2997, "999a\0b", 7);
	km_str_free(&s);
	km_str_add(&s, "");
	assert_string_equal(s.at, "");
	km_str_free(&s);
}

static void test_utf8(void **state)
{
	(void)state;
	assert_true(km_utf8_ok(""));
	assert_true(km_utf8_ok("a\x7f\n\xc3\xbc\xe2\x98\x83\xf0\x9f\x98\x80"));
	assert_false(km_utf8_ok("a\xff"));
	assert_false(km_utf8_ok("\xc3"));
	assert_false(km_utf8_ok("\xc0\xaf"));	 /* longer than it need be */
	assert_false(km_utf8_ok("\xed\xa0\x80")); /* a surrogate */
}

static void test_nearest(void **state)
{
	static const char *const words[] = {"load", "unload", "list", "status", "info", "blockers"};
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{"load", "load"},     {"laod", NULL},   {"lod", "load"},      {"statsu", "status"},
		{"unlod", "unload"}, {"xyzzy", NULL}, {"blocker", "blockers"}, {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		const char *got = km_nearest(cases[i].word, words, KM_COUNT(words));

		if (cases[i].nearest)
			assert_string_equal(got ? got : "(none)", cases[i].nearest);
		else
			assert_null(got);
	}
	assert_null(km_nearest("a", NULL, 0));
}

static void test_sha256(void **state)
{
	/* FIPS 180-2, appendix B.1 */
	static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	uint8_t sum[KM_SHA256_LEN];
	char hex[KM_SHA256_HEX];
	km_sha256 *h = km_sha256_create();

	(void)state;
	km_sha256_add(h, "a", 1);
	km_sha256_add(h, "bc", 2);
	km_sha256_end(h, sum);
	km_hex(sum, sizeof(sum), hex);
	assert_string_equal(hex, abc);
	km_sha256_of("abc", 3, sum);
	km_hex(sum, sizeof(sum), hex);
	assert_string_equal(hex, abc);
}

static void test_hex(void **state)
{
	uint8_t bytes[2] = {0};

	(void)state;
	assert_true(km_hex_read("00af", 4, bytes, 2));
	assert_memory_equal(bytes, "\x00\xaf", 2);
	assert_false(km_hex_read("00AF", 4, bytes, 2));
	assert_false(km_hex_read("00a", 3, bytes, 2));
	assert_true(km_hex_ok("00af", 4));
	assert_false(km_hex_ok("00af0", 4));
	assert_false(km_hex_ok("00a", 4));
	assert_false(km_hex_ok("00ag", 4));
}

static void test_plain(void **state)
{
	static const struct {
		const char *from, *to;
		bool plain;
	} cases[] = {
		{"", "", true},
		{"Überlauf", "Überlauf", true},
		{"a\nb", "a?b", false},
		{"\x1b[2J", "?[2J", false},
		{"\x7f", "?", false},
		{"\xc2\x9b" "2J", "?2J", false},
		{"\xc2\xa0", "\xc2\xa0", true},
		{"\xf0\x9f\x90\xa7", "\xf0\x9f\x90\xa7", true},
		/* What is no UTF-8, of which km_plain() knows nothing: a lone byte, too long a form, a surrogate, too far, cut. */
		{"\xff!", "?!", true},
		{"\xc0\x80", "??", true},
		{"\xed\xa0\x80", "???", true},
		{"\xf4\x90\x80\x80", "????", true},
		{"\xe2\x82", "??", true},
		{"123456789012", "1234567890", false},
		{"12345678\xe2\x82\xac", "12345678", false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *made = km_plain_of(cases[i].from, 10);

		assert_string_equal(made, cases[i].to);
		assert_true(km_plain(made, 10));
		assert_int_equal(km_plain(cases[i].from, 10), cases[i].plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_ends),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_plain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
