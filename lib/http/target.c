/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The target of a request: path and query, split first and decoded then, so that an encoded '/' never becomes one that
 * splits. */
#include "pure.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What "%2f" stands for; -1 for anything else. */
static int escaped(const char *s, size_t left)
{
	int high = left >= 3 ? hex_digit(s[1]) : -1, low = left >= 3 ? hex_digit(s[2]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Decodes n bytes to *to, which then stands behind the NUL. NULL unless it is UTF-8 without control characters. */
static const char *decode(const char *from, size_t n, bool query, char **to)
{
	char *begin = *to, *out = begin;
	bool ascii = true;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)from[i];

		if (c == '%') {
			c = escaped(from + i, n - i);
			i += 2;
		} else if (c == '+' && query) {
			c = ' ';
		}
		if (c < ' ' || c == 0x7f)
			return NULL;
		ascii &= c < 0x80;
		*out++ = (char)c;
	}
	*out++ = 0;
	*to = out;
	return ascii || (km_utf8_ok(begin) && km_plain(begin, n)) ? begin : NULL;
}

static bool add_segment(const char *from, size_t n, char **to, struct km_http_target *ret)
{
	const char *text = decode(from, n, false, to);

	if (!text || strchr(text, '/') || !strcmp(text, ".") || !strcmp(text, "..") ||
	    ret->n_segments == KM_HTTP_SEGMENTS)
		return false;
	ret->segments[ret->n_segments++] = text;
	return true;
}

static bool add_arg(const char *from, size_t n, char **to, struct km_http_target *ret)
{
	const char *equals = memchr(from, '=', n);
	size_t n_name = equals ? (size_t)(equals - from) : n;
	const char *name, *value = "";

	if (ret->n_args == KM_HTTP_ARGS)
		return false;
	name = decode(from, n_name, true, to);
	if (equals)
		value = decode(equals + 1, n - n_name - 1, true, to);
	if (!name || !value)
		return false;
	ret->args[ret->n_args].name = name;
	ret->args[ret->n_args++].value = value;
	return true;
}

bool km_http_target_read(const char *raw, char *scratch, struct km_http_target *ret)
{
	size_t path = strcspn(raw, "?");
	const char *at = raw, *end = raw + path;

	ret->n_segments = ret->n_args = 0;
	if (*raw != '/' || strchr(raw, '#'))
		return false;
	while (at < end) {
		size_t n = strcspn(++at, "/?");

		if (!add_segment(at, n, &scratch, ret))
			return false;
		at += n;
	}
	while (*at) { /* at the '?', or at an '&' */
		size_t n = strcspn(++at, "&");

		if (n && !add_arg(at, n, &scratch, ret))
			return false;
		at += n;
	}
	return true;
}
