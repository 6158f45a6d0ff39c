/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lib/http reads from the other side's bytes, without a connection: pure functions. */
#ifndef KMEND_HTTP_PURE_H
#define KMEND_HTTP_PURE_H

#include <kmend/http.h>
#include <netinet/in.h>

/* ---- target.c: "/v1/channels/edge?limit=3" ------------------------------------------------------------------------ */
enum { KM_HTTP_SEGMENTS = 12, KM_HTTP_ARGS = 24 };
struct km_http_target {
	size_t n_segments, n_args;
	const char *segments[KM_HTTP_SEGMENTS];
	struct {
		const char *name, *value;
	} args[KM_HTTP_ARGS];
};
/* Takes it apart and decodes it; all texts lie in scratch, which has room for strlen(raw) + 1 bytes. False for what http.h calls a bad path, and
 * for more of anything than there is room for. A '/' at the end is a segment without a character. */
bool km_http_target_read(const char *raw, char *scratch, struct km_http_target *ret);

/* ---- route.c ------------------------------------------------------------------------------------------------------ */
struct km_http_pattern {
	const struct km_http_route *route;
	size_t n;
	struct {
		const char *text; /* without its ':' */
		bool any;
	} segments[KM_HTTP_SEGMENTS];
};
struct km_http_table {
	struct km_http_pattern *patterns;
	size_t n;
	km_arena *arena;
};
/* KM_BUG for a pattern that is none. */
KM_CHECKED km_error *km_http_table_make(const struct km_http_route *routes, size_t n, struct km_http_table *ret);
void km_http_table_free(struct km_http_table *table);
/* The pattern that fits, or NULL; then *allow is what Allow says ("GET, HEAD, PUT", for free()), or NULL when no pattern fits at all. */
const struct km_http_pattern *km_http_table_find(const struct km_http_table *table, const struct km_http_target *target, const char *method,
						 char **allow);

/* ---- range.c ------------------------------------------------------------------------------------------------------ */
enum km_http_range { KM_HTTP_RANGE_ALL, KM_HTTP_RANGE_PART, KM_HTTP_RANGE_NONE };
/* What of `size` bytes a Range header asks for: part (*from and *n bytes, at least one), none of it (416), or all, as for whatever is no single
 * range of bytes. */
enum km_http_range km_http_range_read(const char *header, uint64_t size, uint64_t *from, uint64_t *n);
/* Whether an If-None-Match names the etag, or anything ("*"). */
bool km_http_etag_among(const char *header, const char *etag);
/* Content-Range: "bytes 5-9/10" gives 5 and 10; "bytes * /10" (without the space) gives -1 and 10. A size that is not told is -1. */
bool km_http_content_range_read(const char *header, int64_t *from, int64_t *size);

/* ---- forwarded.c -------------------------------------------------------------------------------------------------- */
struct km_http_net { /* addresses; those of IPv4 as ::ffff:a.b.c.d */
	struct in6_addr address;
	unsigned bits;
};
/* "10.0.0.0/8", "::1". */
bool km_http_net_read(const char *text, struct km_http_net *ret);
bool km_http_net_has(const struct km_http_net *net, const struct in6_addr *address);
/* The client behind proxies that are trusted: begins at the peer and goes through the list of X-Forwarded-For from its end, as long as who says
 * so is in a net. */
void km_http_forwarded(const struct in6_addr *peer, const char *header, const struct km_http_net *nets, size_t n, struct in6_addr *ret);
/* "192.0.2.1", "2001:db8::1" */
void km_http_address_text(const struct in6_addr *address, char ret[static INET6_ADDRSTRLEN]);

#endif
