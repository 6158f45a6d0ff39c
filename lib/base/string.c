/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings that grow, and words that are nearly right. */
#include <kmend/base.h>

bool km_starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool km_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !memcmp(s + n - m, suffix, m);
}

/* C0, DEL and C1 (0xc2 0x80 to 0xc2 0x9f). */
static bool is_control(const char *s)
{
	return (unsigned char)*s < ' ' || *s == 0x7f || ((unsigned char)*s == 0xc2 && (unsigned char)s[1] < 0xa0);
}

bool km_plain(const char *s, size_t max)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (is_control(s + i))
			return false;
	return n <= max;
}

/* Bytes of the UTF-8 character at s (RFC 3629: the shortest form, no surrogates, at most U+10FFFF), or 0. */
static size_t utf8_length(const char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
	uint32_t point = n > 1 ? c & (0x7fu >> n) : c;

	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (n > 1 && (point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)))
		return 0;
	return n;
}

bool km_utf8_ok(const char *s)
{
	size_t length = 1;

	while (*s && (length = utf8_length(s)))
		s += length;
	return length != 0;
}

char *km_plain_of(const char *s, size_t max)
{
	km_str text = {0};

	km_str_add(&text, "");
	while (*s) {
		size_t length = utf8_length(s);
		bool stays = length && !is_control(s);

		if (text.n + (stays ? length : 1) > max)
			break;
		km_str_addn(&text, stays ? s : "?", stays ? length : 1);
		s += length ? length : 1;
	}
	return text.at;
}

void km_str_addn(km_str *s, const void *bytes, size_t n)
{
	size_t need;

	if (__builtin_add_overflow(s->n, n, &need) || need == SIZE_MAX)
		km_oom();
	if (need + 1 > s->cap) {
		s->cap = need + 1 > 2 * s->cap ? need + 1 : 2 * s->cap;
		s->at = km_realloc(s->at, s->cap, 1);
	}
	if (n)
		memcpy(s->at + s->n, bytes, n);
	s->n = need;
	s->at[need] = '\0';
}

void km_str_add(km_str *s, const char *text)
{
	km_str_addn(s, text, strlen(text));
}

void km_str_printf(km_str *s, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	km_str_add(s, text);
}

void km_str_free(km_str *s)
{
	free(s->at);
	*s = (km_str){0};
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein's distance with one row of the table: row[j] is the distance of a[0, i) to b[0, j). */
static size_t distance(const char *a, const char *b, size_t *row)
{
	size_t m = strlen(b);

	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[m];
}

const char *km_nearest(const char *word, const char *const *candidates, size_t n)
{
	/* A third of the word may be wrong; in a word of one or two letters, one. */
	size_t limit = strlen(word) > 5 ? strlen(word) / 3 : 1, longest = 0;
	KM_AUTOFREE size_t *row = NULL;
	const char *best = NULL;

	for (size_t i = 0; i < n; i++)
		longest = strlen(candidates[i]) > longest ? strlen(candidates[i]) : longest;
	row = km_calloc(longest + 1, sizeof(*row));
	for (size_t i = 0; i < n; i++) {
		size_t d = distance(word, candidates[i], row);

		if (d < limit || (d == limit && !best)) {
			limit = d;
			best = candidates[i];
		}
	}
	return best;
}
