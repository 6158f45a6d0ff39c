/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers about a part of something, or a thing that one has already (RFC 9110, 13 and 14). */
#include "pure.h"

static const char *blanks(const char *s)
{
	return s + strspn(s, " \t");
}

/* Reads digits; what is beyond 2^62 becomes that, which is beyond every file as well. False without a digit. */
static bool number(const char **s, uint64_t *ret)
{
	const uint64_t most = (uint64_t)1 << 62;
	const char *begin = *s;
	uint64_t value = 0;

	for (; **s >= '0' && **s <= '9'; ++*s)
		value = value > most / 16 ? most : value * 10 + (uint64_t)(**s - '0');
	*ret = value;
	return *s != begin;
}

/* "-500": the last ones. */
static enum km_http_range suffix(uint64_t size, uint64_t last, uint64_t *from, uint64_t *n)
{
	if (!last || !size)
		return KM_HTTP_RANGE_NONE;
	*n = last < size ? last : size;
	*from = size - *n;
	return KM_HTTP_RANGE_PART;
}

enum km_http_range km_http_range_read(const char *header, uint64_t size, uint64_t *from, uint64_t *n)
{
	uint64_t first = 0, last;
	const char *s;
	bool has_first, has_last;

	if (strncasecmp(header, "bytes=", 6) != 0)
		return KM_HTTP_RANGE_ALL;
	s = blanks(header + 6);
	has_first = number(&s, &first);
	if (*s++ != '-')
		return KM_HTTP_RANGE_ALL;
	has_last = number(&s, &last);
	if (*blanks(s) || (!has_first && !has_last) || (has_first && has_last && last < first))
		return KM_HTTP_RANGE_ALL;
	if (!has_first)
		return suffix(size, last, from, n);
	if (first >= size)
		return KM_HTTP_RANGE_NONE;
	*from = first;
	*n = has_last && last < size ? last - first + 1 : size - first;
	return KM_HTTP_RANGE_PART;
}

bool km_http_etag_among(const char *header, const char *etag)
{
	size_t n = strlen(etag);
	const char *s = blanks(header);

	if (*s == '*')
		return !*blanks(s + 1);
	while (*s) { /* at an entity tag: "x" or W/"x" */
		const char *end;

		s += !strncmp(s, "W/", 2) ? 2 : 0;
		end = *s == '"' ? strchr(s + 1, '"') : NULL;
		if (!end)
			return false;
		if ((size_t)(end - s - 1) == n && !memcmp(s + 1, etag, n))
			return true;
		s = blanks(end + 1);
		s = blanks(s + (*s == ','));
	}
	return false;
}

bool km_http_content_range_read(const char *header, int64_t *from, int64_t *size)
{
	uint64_t first = 0, last = 0, whole = 0;
	const char *s;
	bool part, told;

	if (strncasecmp(header, "bytes ", 6) != 0)
		return false;
	s = blanks(header + 6);
	part = *s != '*';
	if (!part)
		s++;
	else if (!number(&s, &first) || *s++ != '-' || !number(&s, &last) || last < first)
		return false;
	if (*s++ != '/')
		return false;
	told = *s != '*';
	if (!told)
		s++;
	else if (!number(&s, &whole))
		return false;
	if (*blanks(s) || (part && told && last >= whole) || (!part && !told))
		return false;
	*from = part ? (int64_t)first : -1;
	*size = told ? (int64_t)whole : -1;
	return true;
}
