/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading bytes that may lie. */
#include <kmend/base.h>

km_cursor km_cursor_of(const void *bytes, size_t size)
{
	return (km_cursor){.bytes = bytes, .size = size};
}

const void *km_get(km_cursor *c, size_t n)
{
	const uint8_t *at;

	if (c->failed || n > c->size - c->pos) {
		c->failed = true;
		return NULL;
	}
	at = c->bytes + c->pos;
	c->pos += n;
	return at;
}

static uint64_t integer(km_cursor *c, size_t n)
{
	const uint8_t *at = km_get(c, n);
	uint64_t value = 0;

	for (size_t i = n; at && i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

uint8_t km_get8(km_cursor *c)
{
	return (uint8_t)integer(c, 1);
}

uint16_t km_get16(km_cursor *c)
{
	return (uint16_t)integer(c, 2);
}

uint32_t km_get32(km_cursor *c)
{
	return (uint32_t)integer(c, 4);
}

uint64_t km_get64(km_cursor *c)
{
	return integer(c, 8);
}

const char *km_getstr(km_cursor *c)
{
	const uint8_t *from = c->bytes + c->pos;
	const uint8_t *end = c->failed || c->pos == c->size ? NULL : memchr(from, 0, c->size - c->pos);

	if (!end) {
		c->failed = true;
		return NULL;
	}
	c->pos += (size_t)(end - from) + 1;
	return (const char *)from;
}

void km_seek(km_cursor *c, size_t pos)
{
	if (c->failed || pos > c->size)
		c->failed = true;
	else
		c->pos = pos;
}

size_t km_left(const km_cursor *c)
{
	return c->failed ? 0 : c->size - c->pos;
}
