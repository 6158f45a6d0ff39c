/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which top-level definition a line belongs to, told from the text alone: a macro is a #define with its continued
 * lines; a function is what ends in a brace and has a name before parentheses; anything else between two semicolons is
 * "other" (types, data, prototypes).
 */
#include <ctype.h>

#include "prepared.h"

void definition_list_free(definition_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i].name);
	km_vec_free(l);
}

struct scan {
	struct lex lx;
	definition_list *out;
	struct token name;  /* of a function, once seen */
	struct token other; /* last name seen at the top: of a type or of data */
	struct token before;
	unsigned first, last;
	int braces, parens;
	bool assigned, in_name_args, in_pointer, is_inline, is_extern, shouted, braced, several, is_type;
};

/* Attributes and annotations that take arguments, and so look like the name of a function. */
static bool is_annotation(const struct token *t)
{
	static const char *const names[] = {
		"__attribute__",    "__printf",	   "__scanf",	    "__aligned",	 "__section",
		"__acquires",	    "__releases",  "__must_hold",   "__alloc_size",	 "__realloc_size",
		"__alias",	    "typeof",	   "__typeof__",    "__no_sanitize",	 "__cond_acquires",
		"__assume_aligned", "_Alignas",	   "__diagnose_as", "__malloc",		 "__error",
		"__warning",	    "__nonstring", "__counted_by",  "__returns_nonnull", "__nonnull",
		"__target",	    "asm",	   "__asm__"};

	for (size_t i = 0; i < KM_COUNT(names); i++)
		if (token_is(t, names[i]))
			return true;
	return false;
}

static bool is_shouted(const struct token *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (islower((unsigned char)t->at[i]))
			return false;
	return true;
}

static void begin(struct scan *s)
{
	s->name = s->other = s->before = (struct token){0};
	s->first = 0;
	s->assigned = s->in_name_args = s->in_pointer = s->is_inline = s->is_extern = s->shouted = s->braced =
		s->several = s->is_type = false;
	s->braces = s->parens = 0;
}

static enum definition_kind kind_of(const struct scan *s, bool braced)
{
	if (braced && s->name.n && !s->assigned)
		return DEF_FUNCTION;
	if (!s->braced && !s->assigned && !s->is_type && !s->several && (s->name.n || s->is_extern) && !s->shouted)
		return DEF_DECLARATION;
	return DEF_OTHER;
}

static void end_definition(struct scan *s, bool braced)
{
	const struct token *name = s->name.n ? &s->name : &s->other;

	if (s->first)
		km_vec_push(s->out, (struct definition){.kind = kind_of(s, braced),
							.is_inline = s->is_inline,
							.made_by_macro = s->shouted,
							.name = km_strndup(name->at ? name->at : "", name->n),
							.first = s->first,
							.last = s->last});
	begin(s);
}

/* After the closing brace at the top: `struct x {…} y;` goes on, a function does not. */
static bool ends_at_brace(const struct scan *s)
{
	return s->name.n && !s->assigned;
}

static void see_directive(struct scan *s, const struct token *hash)
{
	struct token word = lex_next(&s->lx), t = word;
	struct definition d = {.kind = DEF_DIRECTIVE, .first = hash->line};

	if (word.kind == LEX_NAME && token_is(&word, "define")) {
		t = lex_next(&s->lx);
		d.kind = DEF_MACRO;
		d.name = km_strndup(t.at, t.kind == LEX_NAME ? t.n : 0);
	}
	while (t.kind != LEX_EOD && t.kind != LEX_END)
		t = lex_next(&s->lx);
	d.last = t.line;
	if (!d.name)
		d.name = km_strdup("");
	km_vec_push(s->out, d);
}

static void see_open(struct scan *s)
{
	if (!s->braces && !s->parens && s->before.kind == LEX_NAME && !s->assigned && !s->name.n &&
	    !is_annotation(&s->before)) {
		s->name = s->before;
		s->in_name_args = s->shouted =
			is_shouted(&s->before); /* SYSCALL_DEFINE2(name, …): the argument tells more */
	}
	s->parens++;
}

/* "int (*ops[])(void)": the name stands inside the parentheses, and what is before them was a type. One that has
 * parentheses of its own is a function that gives a pointer. */
static void see_pointer(struct scan *s, const struct token *t)
{
	if (token_is(t, "*") && token_is(&s->before, "(") && s->parens == 1 && !s->braces && !s->assigned) {
		s->in_pointer = true;
		s->in_name_args = s->shouted = false;
		s->name = (struct token){0};
	} else if (s->in_pointer && t->kind == LEX_NAME) {
		s->other = *t;
	} else if (s->in_pointer && !token_is(t, "*")) {
		s->in_pointer = false;
		if (token_is(t, "("))
			s->name = s->other;
	}
}

static void see_word(struct scan *s, const struct token *t)
{
	s->other = *t;
	s->is_inline |= t->n >= 6 && memmem(t->at, t->n, "inline", 6) && !token_is(t, "noinline");
	s->is_extern |= token_is(t, "extern");
	s->is_type |= token_is(t, "typedef");
}

static void see_top(struct scan *s, const struct token *t)
{
	if (t->kind == LEX_NAME && s->in_name_args && s->parens == 1) {
		s->name = *t;
		s->in_name_args = false;
	}
	see_pointer(s, t);
	if (token_is(t, "("))
		see_open(s);
	else if (token_is(t, ")") && s->parens)
		s->parens--;
	else if (token_is(t, "=") && !s->braces && !s->parens)
		s->assigned = true;
	else if (token_is(t, ",") && !s->braces && !s->parens)
		s->several = true;
	else if (t->kind == LEX_NAME && !s->braces && !s->parens && !s->assigned)
		see_word(s, t);
	s->before = *t;
}

static void see_token(struct scan *s, const struct token *t)
{
	if (!s->first)
		s->first = t->line;
	s->last = t->line;
	if (token_is(t, "{")) {
		s->braces++;
		s->braced = true;
	} else if (token_is(t, "}")) {
		/* one in the first column closes all: an #else may have opened a brace twice */
		s->braces = t->line > 0 && s->braces > 1 && t->at[-1] == '\n' ? 0 : s->braces - (s->braces > 0);
		if (!s->braces && !s->parens && ends_at_brace(s))
			end_definition(s, true);
	} else if (token_is(t, ";") && !s->braces && !s->parens) {
		end_definition(s, false);
	} else {
		see_top(s, t);
	}
}

void definitions_of(const char *text, definition_list *ret)
{
	struct scan s = {.lx = lex_of(text, strlen(text)), .out = ret};

	for (struct token t = lex_next(&s.lx); t.kind != LEX_END; t = lex_next(&s.lx)) {
		if (t.kind == LEX_HASH)
			see_directive(&s, &t);
		else
			see_token(&s, &t);
	}
	end_definition(&s, false);
}
