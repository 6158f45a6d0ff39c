/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hex digits, in the one spelling that is accepted: two spellings of one id would be two ids. */
#include <kmend/base.h>

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool km_hex_read(const char *text, size_t length, uint8_t *ret, size_t n)
{
	if (length != 2 * n)
		return false;
	for (size_t i = 0; i < length; i++)
		if (digit(text[i]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		ret[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	return true;
}

bool km_hex_ok(const char *text, size_t n)
{
	size_t i = 0;

	while (i < n && digit(text[i]) >= 0)
		i++;
	return i == n && !text[n];
}
