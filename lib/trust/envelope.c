/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The frame around a body:
 *
 *	kmend signed 1 release
 *	signature builder 5f0c… 9a77…   role, key id (64 digits), signature (128 digits)
 *	signature reviewer 03be… 41d0…  none to KM_TRUST_SIGNATURES lines
 *	body 1234                       bytes up to the end of the file, no more and no less
 *	{"type":"release",…
 *
 * There is one spelling of each frame: single blanks, lower-case hex, no leading zeros, lines end with \n. Signatures
 * stand outside of what they sign, so that a document can gather them without changing.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define FIRST "kmend signed 1 "

km_envelope *km_envelope_create(enum km_doc doc, const void *body, size_t size)
{
	km_envelope *envelope = km_calloc(1, sizeof(*envelope));
	uint8_t sum[KM_SHA256_LEN];

	envelope->doc = doc;
	envelope->body = (uint8_t *)km_calloc(size + 1, 1);
	memcpy(envelope->body, body, size);
	envelope->size = size;
	km_sha256_of(body, size, sum);
	km_hex(sum, sizeof(sum), envelope->id);
	return envelope;
}

void km_envelope_destroy(km_envelope *envelope)
{
	if (!envelope)
		return;
	km_vec_free(&envelope->signatures);
	free(envelope->body);
	free(envelope);
}

void km_envelope_destroyp(km_envelope **envelope)
{
	km_envelope_destroy(*envelope);
}

/* A line without its end, or false. */
struct line {
	const char *at;
	size_t n;
};

static bool next_line(km_cursor *c, struct line *ret)
{
	const char *begin = (const char *)c->bytes + c->pos;
	const char *end = memchr(begin, '\n', km_left(c));

	if (!end)
		return false;
	*ret = (struct line){begin, (size_t)(end - begin)};
	km_get(c, ret->n + 1);
	return true;
}

static bool line_starts(struct line *line, const char *prefix)
{
	size_t n = strlen(prefix);

	if (line->n < n || memcmp(line->at, prefix, n))
		return false;
	line->at += n;
	line->n -= n;
	return true;
}

static bool line_is(struct line line, const char *text)
{
	return line.n == strlen(text) && !memcmp(line.at, text, line.n);
}

static bool read_first(km_cursor *c, enum km_doc *ret)
{
	struct line line;

	if (!next_line(c, &line) || !line_starts(&line, FIRST))
		return false;
	for (unsigned i = 0; i < KM_DOCS; i++)
		if (line_is(line, km_doc_name((enum km_doc)i))) {
			*ret = (enum km_doc)i;
			return true;
		}
	return false;
}

bool km_envelope_peek(const void *bytes, size_t size, enum km_doc *ret)
{
	km_cursor c = km_cursor_of(bytes, size);

	return read_first(&c, ret);
}

/* "<role> <id> <signature>" */
static bool read_signature(struct line line, enum km_doc doc, struct km_signature *ret)
{
	enum { ID = KM_SHA256_HEX - 1, SUM = 2 * KM_SIGNATURE_LEN };
	uint8_t id[KM_SHA256_LEN];

	for (unsigned i = 0; i < KM_ROLES; i++) {
		struct line rest = line;

		if (!(trust_roles(doc) & 1u << i) || !line_starts(&rest, km_role_name((enum km_role)i)))
			continue;
		if (rest.n != 1 + ID + 1 + SUM || rest.at[0] != ' ' || rest.at[1 + ID] != ' ' ||
		    !km_hex_read(rest.at + 1, ID, id, sizeof(id)))
			return false;
		ret->role = (enum km_role)i;
		km_hex(id, sizeof(id), ret->key);
		return km_hex_read(rest.at + 1 + ID + 1, SUM, ret->bytes, sizeof(ret->bytes));
	}
	return false;
}

static struct km_signature *find(const km_envelope *envelope, const struct km_signature *like)
{
	for (size_t i = 0; i < envelope->signatures.n; i++)
		if (envelope->signatures.at[i].role == like->role && !strcmp(envelope->signatures.at[i].key, like->key))
			return &envelope->signatures.at[i];
	return NULL;
}

km_error *km_envelope_add(km_envelope *envelope, const struct km_signature *signature)
{
	struct km_signature *old = find(envelope, signature);

	if (old) {
		*old = *signature;
		return NULL;
	}
	if (envelope->signatures.n == KM_TRUST_SIGNATURES)
		return km_error_new(KM_REFUSED, "a document can have %d signatures and no more", KM_TRUST_SIGNATURES);
	km_vec_push(&envelope->signatures, *signature);
	return NULL;
}

/* The number of bytes that are left, and nothing else. */
static bool body_line(struct line line, size_t left)
{
	KM_AUTOFREE char *want = km_printf("%zu", left);

	return line_is(line, want);
}

static km_error *read_frame(km_cursor *c, enum km_doc doc, km_envelope **ret, enum km_trust_why *why)
{
	km_envelope signed_by = {.doc = doc};
	struct line line;
	bool ok = true, body = false;

	while (ok && !body && next_line(c, &line)) {
		struct km_signature signature;

		if (line_starts(&line, "body ")) {
			body = body_line(line, km_left(c));
			ok = body;
		} else {
			ok = line_starts(&line, "signature ") && read_signature(line, doc, &signature) &&
			     !find(&signed_by, &signature) && signed_by.signatures.n < KM_TRUST_SIGNATURES;
			if (ok)
				km_vec_push(&signed_by.signatures, signature);
		}
	}
	if (!body || !km_left(c)) {
		km_vec_free(&signed_by.signatures);
		return trust_refuse(why, KM_WHY_MALFORMED, "the frame of this %s is broken at byte %zu",
				    km_doc_name(doc), c->pos);
	}
	*ret = km_envelope_create(doc, c->bytes + c->pos, km_left(c));
	(*ret)->signatures.at = signed_by.signatures.at;
	(*ret)->signatures.n = signed_by.signatures.n;
	(*ret)->signatures.cap = signed_by.signatures.cap;
	return NULL;
}

km_error *km_envelope_parse(enum km_doc doc, const void *bytes, size_t size, km_envelope **ret, enum km_trust_why *why)
{
	km_cursor c = km_cursor_of(bytes, size);
	enum km_doc said;

	if (size > km_doc_max(doc))
		return trust_refuse(why, KM_WHY_TOO_LARGE, "a %s has at most %zu bytes, this has more",
				    km_doc_name(doc), km_doc_max(doc));
	if (!read_first(&c, &said))
		return trust_refuse(why, KM_WHY_MALFORMED, "this is no signed document of kmend");
	if (said != doc)
		return trust_refuse(why, KM_WHY_WRONG_TYPE, "this is a %s, not a %s", km_doc_name(said),
				    km_doc_name(doc));
	return read_frame(&c, doc, ret, why);
}

char *km_envelope_text(const km_envelope *envelope, size_t *size)
{
	km_str s = {0};

	km_str_printf(&s, FIRST "%s\n", km_doc_name(envelope->doc));
	for (size_t i = 0; i < envelope->signatures.n; i++) {
		const struct km_signature *signature = &envelope->signatures.at[i];
		char hex[2 * KM_SIGNATURE_LEN + 1];

		km_hex(signature->bytes, sizeof(signature->bytes), hex);
		km_str_printf(&s, "signature %s %s %s\n", km_role_name(signature->role), signature->key, hex);
	}
	km_str_printf(&s, "body %zu\n", envelope->size);
	km_str_addn(&s, envelope->body, envelope->size);
	*size = s.n;
	return s.at;
}

/* One byte more than is allowed is read, so that too much is seen; a FIFO must not block. */
static km_error *read_bounded(const char *path, size_t max, uint8_t **bytes, size_t *size)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	KM_AUTOFREE uint8_t *buffer = NULL;
	struct stat st;
	size_t n = 0;

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return km_error_new(KM_INPUT, "%s is no regular file", path);
	buffer = km_calloc(max + 2, 1);
	while (n <= max) {
		ssize_t got = read(fd, buffer + n, max + 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return km_error_sys(errno, "cannot read %s", path);
		if (!got)
			break;
		n += (size_t)got;
	}
	*bytes = buffer;
	*size = n;
	buffer = NULL;
	return NULL;
}

km_error *km_envelope_load(enum km_doc doc, const char *path, km_envelope **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size = 0;
	km_error *err = read_bounded(path, km_doc_max(doc), &bytes, &size);

	if (err)
		return err;
	err = km_envelope_parse(doc, bytes, size, ret, NULL);
	return err ? km_error_add(err, "%s", path) : NULL;
}

km_error *km_envelope_save(const km_envelope *envelope, const char *path)
{
	size_t size;
	KM_AUTOFREE char *text = km_envelope_text(envelope, &size);

	if (size > km_doc_max(envelope->doc))
		return km_error_new(KM_REFUSED, "a %s has at most %zu bytes, this one %zu", km_doc_name(envelope->doc),
				    km_doc_max(envelope->doc), size);
	return km_file_write(path, text, size);
}
