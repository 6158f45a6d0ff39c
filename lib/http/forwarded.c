/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is at the other end, when proxies stand between. */
#include <arpa/inet.h>

#include "pure.h"

static bool read_address(const char *text, struct in6_addr *ret)
{
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1) {
		*ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
		memcpy(&ret->s6_addr[12], &four, sizeof(four));
		return true;
	}
	return inet_pton(AF_INET6, text, ret) == 1;
}

bool km_http_net_read(const char *text, struct km_http_net *ret)
{
	const char *slash = strchr(text, '/');
	KM_AUTOFREE char *address = km_strndup(text, slash ? (size_t)(slash - text) : strlen(text));
	unsigned width = strchr(address, ':') ? 128 : 32, bits = width;
	struct km_http_net net;
	char *end;

	if (!read_address(address, &net.address))
		return false;
	if (slash) {
		bits = (unsigned)strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end || bits > width)
			return false;
	}
	net.bits = bits + 128 - width;
	*ret = net;
	return true;
}

bool km_http_net_has(const struct km_http_net *net, const struct in6_addr *address)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;

	if (memcmp(&net->address, address, whole) != 0)
		return false;
	return !rest || !((net->address.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest));
}

static bool trusted(const struct in6_addr *address, const struct km_http_net *nets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (km_http_net_has(&nets[i], address))
			return true;
	return false;
}

/* The entry of the list that ends before `end`, which then stands before it. */
static bool read_last(const char *begin, const char **end, struct in6_addr *ret)
{
	const char *from = *end, *to = *end;
	char text[INET6_ADDRSTRLEN];

	while (from > begin && from[-1] != ',')
		from--;
	*end = from > begin ? from - 1 : begin;
	while (from < to && strchr(" \t", *from))
		from++;
	while (to > from && strchr(" \t", to[-1]))
		to--;
	if (from == to || (size_t)(to - from) >= sizeof(text))
		return false;
	memcpy(text, from, (size_t)(to - from));
	text[to - from] = 0;
	return read_address(text, ret);
}

void km_http_forwarded(const struct in6_addr *peer, const char *header, const struct km_http_net *nets, size_t n,
		       struct in6_addr *ret)
{
	const char *end = header + strlen(header);
	struct in6_addr next;

	*ret = *peer;
	while (end > header && trusted(ret, nets, n) && read_last(header, &end, &next))
		*ret = next;
}

void km_http_address_text(const struct in6_addr *address, char ret[static INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], ret, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, ret, INET6_ADDRSTRLEN);
}
