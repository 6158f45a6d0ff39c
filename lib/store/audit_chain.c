/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record's hash, and its line in an export. No database: whoever verifies an export needs only this. */
#include "internal.h"

static void field(km_str *s, const char *text)
{
	km_str_printf(s, "%zu:%s\n", strlen(text), text);
}

void km_audit_hash(const char *previous, const struct km_store_audit *record, char ret[static KM_SHA256_HEX])
{
	uint8_t sum[KM_SHA256_LEN];
	km_str s = {0};

	km_str_printf(&s, "kmend/1 audit\n%s\n%lld\n%lld\n", previous, (long long)record->seq, (long long)record->at);
	field(&s, record->actor);
	field(&s, record->action);
	field(&s, record->object);
	field(&s, record->detail);
	km_sha256_of(s.at, s.n, sum);
	km_str_free(&s);
	km_hex(sum, sizeof(sum), ret);
}

static const char escapes[][2] = {{'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}, {'\\', '\\'}};

static void escape(km_str *s, const char *text)
{
	for (; *text; text++) {
		size_t i = 0;

		while (i < KM_COUNT(escapes) && escapes[i][0] != *text)
			i++;
		if (i < KM_COUNT(escapes))
			km_str_printf(s, "\\%c", escapes[i][1]);
		else
			km_str_addn(s, text, 1);
	}
	km_str_add(s, "\t");
}

char *km_audit_line(const struct km_store_audit *record)
{
	km_str s = {0};

	km_str_printf(&s, "%lld\t%lld\t", (long long)record->seq, (long long)record->at);
	escape(&s, record->actor);
	escape(&s, record->action);
	escape(&s, record->object);
	escape(&s, record->detail);
	km_str_printf(&s, "%s\n", record->hash);
	return s.at;
}

/* The text of a field, or NULL when an escape is none. */
static const char *unescape(const char *field, km_arena *arena)
{
	char *text = km_arena_strdup(arena, field), *to = text;

	for (const char *from = text; *from; from++) {
		size_t i = 0;

		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		from++;
		while (i < KM_COUNT(escapes) && escapes[i][1] != *from)
			i++;
		if (i == KM_COUNT(escapes))
			return NULL;
		*to++ = escapes[i][0];
	}
	*to = '\0';
	return text;
}

static bool number(const char *text, int64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 18)
		return false;
	*ret = strtoll(text, &end, 10);
	return !*end;
}

static bool sum_ok(const char *text)
{
	return strlen(text) == KM_SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == KM_SHA256_HEX - 1;
}

km_error *km_audit_line_parse(const char *line, km_arena *arena, struct km_store_audit *ret)
{
	char *rest = km_arena_strndup(arena, line, strcspn(line, "\n")), *fields[7];
	struct km_store_audit r = {0};
	size_t n = 0;

	while (rest && n < KM_COUNT(fields))
		fields[n++] = strsep(&rest, "\t");
	if (n != KM_COUNT(fields) || rest || !number(fields[0], &r.seq) || !number(fields[1], &r.at) ||
	    !sum_ok(fields[6]))
		return km_error_new(KM_INPUT, "this is no line of an audit log");
	r.actor = unescape(fields[2], arena);
	r.action = unescape(fields[3], arena);
	r.object = unescape(fields[4], arena);
	r.detail = unescape(fields[5], arena);
	if (!r.actor || !r.action || !r.object || !r.detail)
		return km_error_new(KM_INPUT, "line %lld of the audit log has an escape that is none",
				    (long long)r.seq);
	memcpy(r.hash, fields[6], sizeof(r.hash));
	*ret = r;
	return NULL;
}
