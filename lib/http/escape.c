/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for a place in a URL. */
#include <kmend/http.h>

/* The unreserved characters of RFC 3986. */
static bool stays(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

char *km_http_escape(const char *text)
{
	km_str s = {0};

	km_str_add(&s, "");
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (stays(*c))
			km_str_addn(&s, c, 1);
		else
			km_str_printf(&s, "%%%02X", *c);
	}
	return s.at;
}
