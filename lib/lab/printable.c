/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's bytes for a terminal or a report: no escape sequence gets through. */
#include <kmend/lab.h>

/* The length of the UTF-8 sequence that begins here, of at most n bytes, or 0. C1 controls count as none. */
static size_t utf8(const unsigned char *p, size_t n)
{
	size_t len = *p >= 0xc2 && *p <= 0xdf ? 2 : (*p & 0xf0) == 0xe0 ? 3 : *p >= 0xf0 && *p <= 0xf4 ? 4 : 0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xc2 && p[1] < 0xa0) || (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

char *km_lab_printable(const char *bytes, size_t n)
{
	char *text = km_calloc(n + 1, 1);

	for (size_t i = 0; i < n;) {
		unsigned char c = bytes[i];
		size_t len = c < 0x80 ? 1 : utf8((const unsigned char *)bytes + i, n - i);

		if (len > 1)
			memcpy(text + i, bytes + i, len);
		else
			text[i] = len && ((c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t') ? (char)c : '?';
		i += len ? len : 1;
	}
	return text;
}
