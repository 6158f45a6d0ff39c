/* SPDX-License-Identifier: GPL-2.0-or-later */
/* C's tokens, comments, literals and directives, as far as text shows them before any macro is expanded. */
#include <ctype.h>

#include "prepared.h"

struct lex lex_of(const char *text, size_t n)
{
	return (struct lex){.at = text, .end = text + n, .line = 1, .line_start = true};
}

size_t count_lines(const char *text)
{
	size_t n = 0;

	while (*text) {
		const char *nl = strchr(text, '\n');

		n++;
		if (!nl)
			break;
		text = nl + 1;
	}
	return n;
}

/* Steps over a newline that does not end what it stands in. */
static void step_joined(struct lex *lx)
{
	lx->at++;
	lx->line++;
	if (lx->joined && lx->at < lx->end)
		lx->joined[lx->line] = true;
}

/* The length of a backslash-newline at p, or 0. */
static size_t splice(const struct lex *lx, const char *p)
{
	if (p + 1 < lx->end && p[0] == '\\' && p[1] == '\n')
		return 2;
	if (p + 2 < lx->end && p[0] == '\\' && p[1] == '\r' && p[2] == '\n')
		return 3;
	return 0;
}

static void skip_block_comment(struct lex *lx)
{
	lx->at += 2;
	while (lx->at < lx->end) {
		if (*lx->at == '*' && lx->at + 1 < lx->end && lx->at[1] == '/') {
			lx->at += 2;
			return;
		}
		if (*lx->at == '\n')
			step_joined(lx);
		else
			lx->at++;
	}
}

static void skip_splice(struct lex *lx)
{
	lx->at += splice(lx, lx->at) - 1;
	step_joined(lx);
}

static void skip_line_comment(struct lex *lx)
{
	while (lx->at < lx->end && *lx->at != '\n') {
		if (splice(lx, lx->at))
			skip_splice(lx);
		else
			lx->at++;
	}
}

/* To the next token. True: a directive ended here. */
static bool skip_space(struct lex *lx)
{
	while (lx->at < lx->end) {
		char c = *lx->at;

		if (c == '\n') {
			if (lx->directive)
				return true;
			lx->at++;
			lx->line++;
			lx->line_start = true;
		} else if (isspace((unsigned char)c)) {
			lx->at++;
		} else if (splice(lx, lx->at)) {
			skip_splice(lx);
		} else if (c == '/' && lx->at + 1 < lx->end && lx->at[1] == '*') {
			skip_block_comment(lx);
		} else if (c == '/' && lx->at + 1 < lx->end && lx->at[1] == '/') {
			skip_line_comment(lx);
		} else {
			return false;
		}
	}
	return lx->directive;
}

/* A literal without its end on the line is a lone quote, as in the text of an #error or in assembly. */
static void take_literal(struct lex *lx, struct token *t, char quote)
{
	struct lex in = *lx;

	for (in.at++; in.at < in.end && *in.at != '\n';) {
		if (splice(&in, in.at)) {
			skip_splice(&in);
		} else if (*in.at == '\\' && in.at + 1 < in.end) {
			in.at += 2;
		} else if (*in.at++ == quote) {
			*lx = in;
			t->kind = quote == '"' ? LEX_STRING : LEX_CHAR;
			return;
		}
	}
	lx->at++;
	t->kind = LEX_PUNCT;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80);
}

static void take_number(struct lex *lx)
{
	while (lx->at < lx->end && (is_name_char(*lx->at) || *lx->at == '.' ||
				    ((*lx->at == '+' || *lx->at == '-') && strchr("eEpP", lx->at[-1]))))
		lx->at++;
}

/* Only the pairs whose parts would mean something else with a space between them. */
static size_t punct_length(const struct lex *lx)
{
	static const char *const pairs[] = {"...", "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=",
					    "&&",  "||",  "+=",	 "-=", "*=", "/=", "%=", "&=", "|=", "^=", "##"};

	for (size_t i = 0; i < KM_COUNT(pairs); i++) {
		size_t n = strlen(pairs[i]);

		if ((size_t)(lx->end - lx->at) >= n && !strncmp(lx->at, pairs[i], n))
			return n;
	}
	return 1;
}

static void take(struct lex *lx, struct token *t)
{
	char c = *lx->at;

	if (c == '"' || c == '\'') {
		take_literal(lx, t, c);
	} else if (isdigit((unsigned char)c) ||
		   (c == '.' && lx->at + 1 < lx->end && isdigit((unsigned char)lx->at[1]))) {
		t->kind = LEX_NUMBER;
		lx->at++;
		take_number(lx);
	} else if (is_name_char(c)) {
		t->kind = LEX_NAME;
		while (lx->at < lx->end && is_name_char(*lx->at))
			lx->at++;
	} else {
		t->kind = LEX_PUNCT;
		lx->at += punct_length(lx);
	}
}

struct token lex_next(struct lex *lx)
{
	bool ended = skip_space(lx);
	struct token t = {.at = lx->at, .line = lx->line};

	if (ended) {
		lx->directive = false;
		t.kind = LEX_EOD;
		return t;
	}
	if (lx->at >= lx->end)
		return t;
	if (lx->line_start && *lx->at == '#') {
		lx->directive = true;
		lx->at++;
		t.kind = LEX_HASH;
	} else {
		take(lx, &t);
	}
	lx->line_start = false;
	t.n = (size_t)(lx->at - t.at);
	return t;
}

/* Like lex_next(), but steps over `# 12 "file" flags` and `#line`, which say only where text came from. */
static struct token next_that_counts(struct lex *lx)
{
	struct token t = lex_next(lx);

	while (t.kind == LEX_HASH) {
		struct lex ahead = *lx;
		struct token first = lex_next(&ahead);

		if (first.kind != LEX_NUMBER && !(first.kind == LEX_NAME && token_is(&first, "line")))
			return t;
		do
			t = lex_next(lx);
		while (t.kind != LEX_EOD && t.kind != LEX_END);
		t = lex_next(lx);
	}
	return t;
}

bool lex_same(const char *a, const char *b)
{
	struct lex la = lex_of(a, strlen(a)), lb = lex_of(b, strlen(b));
	struct token ta, tb;

	do {
		ta = next_that_counts(&la);
		tb = next_that_counts(&lb);
		if (ta.kind != tb.kind || ta.n != tb.n || memcmp(ta.at, tb.at, ta.n))
			return false;
	} while (ta.kind != LEX_END);
	return true;
}
