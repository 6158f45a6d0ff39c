/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers and targets as texts: what each is read as. */
#include "check.h"
#include "pure.h"

static void test_retry_after(void **state)
{
	enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 */
	static const struct {
		const char *value;
		int64_t seconds;
	} cases[] = {
		{"0", 0}, {"120", 120}, {"86400", 86400}, {"86401", 86400}, {"99999999999999999999", 86400}, {"", -1}, {"-1", -1}, {"1.5", -1},
		{"soon", -1}, {"Sun, 06 Nov 1994 08:49:37 GMT", 0}, {"Sun, 06 Nov 1994 08:50:37 GMT", 60}, {"Sun, 06 Nov 1994 08:00:00 GMT", 0},
		{"Mon, 07 Nov 1994 08:49:38 GMT", 86400}, {"Sun, 06 Nov 9999 08:49:37 GMT", 86400}, {"Sun, 06 Foo 1994 08:49:37 GMT", -1},
		{"Sun, 06 Nov 1994 24:49:37 GMT", -1}, {"Sun, 6 Nov 1994 08:49:37 GMT", -1}, {"Sun Nov  6 08:49:37 1994", -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (km_http_retry_after_parse(cases[i].value, NOW) != cases[i].seconds)
			fail_msg("%s: %lld", cases[i].value, (long long)km_http_retry_after_parse(cases[i].value, NOW));
	/* A leap day, against the calendar: 2028-02-29 and 2028-03-01 are a day apart. */
	assert_int_equal(km_http_retry_after_parse("Tue, 29 Feb 2028 00:00:10 GMT", 1835395200), 10);
	assert_int_equal(km_http_retry_after_parse("Wed, 01 Mar 2028 00:00:10 GMT", 1835481600), 10);
}

static void test_forwarded(void **state)
{
	static const struct {
		const char *peer, *header, *client;
	} cases[] = {
		{"192.0.2.1", "198.51.100.9", "192.0.2.1"},	      /* a stranger says what it likes */
		{"10.1.2.3", "198.51.100.9", "198.51.100.9"},	      /* a proxy is believed … */
		{"10.1.2.3", "1.2.3.4, 198.51.100.9", "198.51.100.9"}, /* … in what it has seen itself */
		{"10.1.2.3", "198.51.100.9 ,\t10.0.0.7", "198.51.100.9"},
		{"::1", "2001:db8::5", "2001:db8::5"},
		{"10.1.2.3", "10.0.0.1, 10.0.0.2", "10.0.0.1"},
		{"10.1.2.3", "", "10.1.2.3"},
		{"10.1.2.3", ",,", "10.1.2.3"},
		{"10.1.2.3", "unknown", "10.1.2.3"},
		{"10.1.2.3", "198.51.100.9, unknown", "10.1.2.3"},
	};
	struct km_http_net nets[2], peer;

	(void)state;
	assert_true(km_http_net_read("10.0.0.0/8", &nets[0]) && km_http_net_read("::1", &nets[1]));
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct in6_addr client;
		char text[INET6_ADDRSTRLEN];

		assert_true(km_http_net_read(cases[i].peer, &peer));
		km_http_forwarded(&peer.address, cases[i].header, nets, 2, &client);
		km_http_address_text(&client, text);
		assert_string_equal(text, cases[i].client);
	}
}

static void test_nets(void **state)
{
	static const char *const bad[] = {"", "x", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0"};
	struct km_http_net all, odd, address;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(bad); i++)
		assert_false(km_http_net_read(bad[i], &all));
	assert_true(km_http_net_read("0.0.0.0/0", &all) && km_http_net_read("192.168.8.0/21", &odd));
	assert_true(km_http_net_read("192.168.15.255", &address));
	assert_true(km_http_net_has(&all, &address.address) && km_http_net_has(&odd, &address.address));
	assert_true(km_http_net_read("192.168.16.0", &address));
	assert_false(km_http_net_has(&odd, &address.address));
	assert_true(km_http_net_read("::1", &address));
	assert_false(km_http_net_has(&all, &address.address));
}

static void test_content_range(void **state)
{
	static const struct {
		const char *header;
		bool ok;
		int64_t from, size;
	} cases[] = {
		{"bytes 5-9/10", true, 5, 10}, {"bytes 5-9/*", true, 5, -1}, {"bytes */10", true, -1, 10}, {"bytes */*", false, 0, 0},
		{"bytes 9-5/10", false, 0, 0}, {"bytes 5-10/10", false, 0, 0}, {"bytes 5-9", false, 0, 0}, {"lines 5-9/10", false, 0, 0},
		{"bytes 5-9/10x", false, 0, 0}, {"bytes -9/10", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		int64_t from = 0, size = 0;

		assert_int_equal(km_http_content_range_read(cases[i].header, &from, &size), cases[i].ok);
		assert_int_equal(from, cases[i].from);
		assert_int_equal(size, cases[i].size);
	}
}

/* Escaped, split and decoded, a text is itself. */
static void test_escape(void **state)
{
	static const char *const texts[] = {"a", "a b", "a/b?c=d&e#f%g+h", "\xc3\xa9", "'; DROP TABLE hosts; --"};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(texts); i++) {
		KM_AUTOFREE char *escaped = km_http_escape(texts[i]), *raw = km_printf("/x?q=%s", escaped);
		KM_AUTOFREE char *scratch = km_calloc(strlen(raw) + 1, 1);
		struct km_http_target target;

		assert_true(km_http_target_read(raw, scratch, &target));
		assert_int_equal(target.n_args, 1);
		assert_string_equal(target.args[0].value, texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retry_after),   cmocka_unit_test(test_forwarded), cmocka_unit_test(test_nets),
		cmocka_unit_test(test_content_range), cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
