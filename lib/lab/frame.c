/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "frame.h"

static const char begin[] = "\n@km ";
enum { BEGIN = sizeof(begin) - 1 };

enum verdict { MORE, NO_RECORD, RECORD };

/* A decimal number that ends at `end`. */
static bool number(const char **p, char end, unsigned *ret)
{
	unsigned value = 0, digits = 0;

	for (; **p >= '0' && **p <= '9'; ++*p, digits++) {
		if (digits == 9)
			return false;
		value = 10 * value + (**p - '0');
	}
	if (!digits || *(*p)++ != end)
		return false;
	*ret = value;
	return true;
}

static bool word(const char **p, char *ret, size_t size)
{
	size_t n = 0;

	for (; **p >= 'a' && **p <= 'z'; ++*p) {
		if (n == size - 1)
			return false;
		ret[n++] = **p;
	}
	ret[n] = '\0';
	return n && *(*p)++ == ' ';
}

/* Looks at the held bytes, which begin a record or nothing. *used: the bytes of the record. */
static enum verdict look(struct lab_framer *f, struct lab_record *r, size_t *used)
{
	size_t known = f->n < BEGIN ? f->n : (size_t)BEGIN;
	char head[LAB_HEADER_MAX + 1];
	const char *p = head, *end;
	unsigned length;

	if (memcmp(f->held, begin, known))
		return NO_RECORD;
	end = f->n > 1 ? memchr(f->held + 1, '\n', f->n - 1) : NULL;
	if (!end)
		return f->n >= LAB_HEADER_MAX ? NO_RECORD : MORE;
	if (end - f->held >= LAB_HEADER_MAX)
		return NO_RECORD;
	memcpy(head, f->held, end - f->held + 1);
	head[end - f->held + 1] = '\0';
	p += BEGIN;
	if (!word(&p, r->kind, sizeof(r->kind)) || !number(&p, ' ', &r->step) || !number(&p, '\n', &length) ||
	    length > LAB_FRAME_MAX)
		return NO_RECORD;
	*used = (end + 1 - f->held) + (size_t)length + 1;
	if (f->n < *used)
		return MORE;
	r->payload = end + 1;
	r->n = length;
	return f->held[*used - 1] == '\n' ? RECORD : NO_RECORD;
}

static void drop(struct lab_framer *f, size_t n)
{
	f->n -= n;
	memmove(f->held, f->held + n, f->n);
}

/* Skips to the next byte that may begin a record. */
static void skip(struct lab_framer *f)
{
	const char *next = f->n > 1 ? memchr(f->held + 1, '\n', f->n - 1) : NULL;
	size_t n = next ? (size_t)(next - f->held) : f->n;

	f->garbage += n;
	drop(f, n);
}

static void digest(struct lab_framer *f)
{
	struct lab_record r;
	size_t used;

	while (f->n) {
		switch (look(f, &r, &used)) {
		case MORE: return;
		case NO_RECORD: skip(f); break;
		case RECORD:
			f->held[used - 1] = '\0'; /* the closing newline: the payload becomes a string */
			f->record(f->ctx, &r);
			drop(f, used);
			break;
		}
	}
}

void lab_framer_feed(struct lab_framer *f, const char *bytes, size_t n)
{
	while (n) {
		size_t room = sizeof(f->held) - f->n, part = n < room ? n : room;

		memcpy(f->held + f->n, bytes, part);
		f->n += part;
		bytes += part;
		n -= part;
		digest(f);
	}
}
