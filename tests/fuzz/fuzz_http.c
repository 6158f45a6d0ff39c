/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lib/http reads without a connection. The first byte chooses the reader; the rest is text up to its first NUL. */
#include "../../lib/http/pure.h"
#include "target.h"

static void check_text(const char *text, bool segment)
{
	fuzz_require(km_utf8_ok(text) && km_plain(text, SIZE_MAX), "what was decoded is plain text", NULL);
	if (segment)
		fuzz_require(!strchr(text, '/') && strcmp(text, "..") != 0 && strcmp(text, ".") != 0, "a segment is one name", NULL);
}

static void check_target(const char *raw)
{
	static const struct km_http_route routes[] = {{"GET", "/v1/channels/:channel/index/:version"}, {"PUT", "/v1/:x"}, {"GET", "/:a/:b"}};
	KM_AUTOFREE char *scratch = km_calloc(strlen(raw) + 1, 1);
	KM_AUTOFREE char *allow = NULL;
	struct km_http_target target;
	struct km_http_table table;
	const struct km_http_pattern *found;
	km_error *err;

	if (!km_http_target_read(raw, scratch, &target))
		return;
	for (size_t i = 0; i < target.n_segments; i++) {
		KM_AUTOFREE char *again = km_http_escape(target.segments[i]);

		check_text(target.segments[i], true);
		fuzz_require(!strpbrk(again, "/?&=# "), "an escaped text splits nothing", NULL);
	}
	for (size_t i = 0; i < target.n_args; i++) {
		check_text(target.args[i].name, false);
		check_text(target.args[i].value, false);
	}
	err = km_http_table_make(routes, KM_COUNT(routes), &table);
	fuzz_require(!err, "the routes are fine", err);
	found = km_http_table_find(&table, &target, "HEAD", &allow);
	fuzz_require(!found || (found->n == target.n_segments && !allow), "a pattern fits", NULL);
	km_http_table_free(&table);
}

static void check_range(const char *header)
{
	static const uint64_t sizes[] = {0, 1, 10, 1000, (uint64_t)1 << 62};
	int64_t first, size;

	for (size_t i = 0; i < KM_COUNT(sizes); i++) {
		uint64_t from = 0, n = 0;

		if (km_http_range_read(header, sizes[i], &from, &n) == KM_HTTP_RANGE_PART)
			fuzz_require(n && from < sizes[i] && n <= sizes[i] - from, "a range lies inside", NULL);
	}
	if (km_http_content_range_read(header, &first, &size))
		fuzz_require(first >= -1 && size >= -1 && (first < 0 || size < 0 || first < size), "a range lies inside", NULL);
	km_http_etag_among(header, "abc");
}

static void check_forwarded(const char *header)
{
	struct km_http_net nets[2], other;
	struct in6_addr client;
	char text[INET6_ADDRSTRLEN];

	fuzz_require(km_http_net_read("10.0.0.0/8", &nets[0]) && km_http_net_read("::1", &nets[1]), "nets are read", NULL);
	km_http_forwarded(&nets[1].address, header, nets, 2, &client);
	km_http_address_text(&client, text);
	fuzz_require(*text, "a client has an address", NULL);
	if (km_http_net_read(header, &other))
		fuzz_require(other.bits <= 128 && km_http_net_has(&other, &other.address), "a net has its own address", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE char *text = size ? km_strndup((const char *)bytes + 1, size - 1) : NULL;
	int64_t seconds;

	if (!size)
		return 0;
	switch (*bytes) {
	case 'R': check_range(text); break;
	case 'F': check_forwarded(text); break;
	case 'A':
		seconds = km_http_retry_after_parse(text, 1800000000);
		fuzz_require(seconds >= -1 && seconds <= 86400, "at most a day", NULL);
		break;
	default: check_target(text);
	}
	return 0;
}
