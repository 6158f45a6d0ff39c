/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * #line directives for a patched file: code that did not change keeps the number it had, so that __LINE__ in it (in
 * WARN, in names made from it) makes no difference where there is none; changed regions have their number in the
 * patched file.
 *
 * A directive may stand only where the compiler is sure to read it as one: at the start of a line that is inside no
 * comment, literal, continued line, directive or macro call. One that a false #if skips has no effect, so after an
 * #endif it is said again.
 */
#include "prepared.h"

struct line_state {
	bool *unsafe;	 /* by line, from 1 */
	char *condition; /* 'i': #if…, 'e': #else, #elif, 'f': #endif begins on this line; else 0 */
	size_t n;
};

/* Parentheses opened in one branch of an #if are open in the other as well, not twice. */
struct depth_stack {
	km_vec(int) at;
};

static void note_condition(struct line_state *s, struct depth_stack *stack, const struct token *word, unsigned line,
			   int *depth)
{
	if (token_is(word, "if") || token_is(word, "ifdef") || token_is(word, "ifndef")) {
		s->condition[line] = 'i';
		km_vec_push(&stack->at, *depth);
	} else if (token_is(word, "else") || token_is(word, "elif")) {
		s->condition[line] = 'e';
		if (stack->at.n)
			*depth = stack->at.at[stack->at.n - 1];
	} else if (token_is(word, "endif")) {
		s->condition[line] = 'f';
		if (stack->at.n)
			stack->at.n--;
	}
}

static void mark(struct line_state *s, unsigned from, unsigned to)
{
	for (unsigned l = from; l <= to && l <= s->n; l++)
		s->unsafe[l] = true;
}

/* A line that begins with '(' may be the rest of a macro call; a closing brace in the first column ends whatever went
 * wrong before it. */
static void see_token(struct line_state *s, const struct token *t, unsigned last_line, const char *text, int *depth)
{
	bool first = t->line != last_line;

	if (*depth > 0 && t->line > last_line)
		mark(s, last_line + 1, t->line);
	if (first && token_is(t, "("))
		mark(s, last_line + 1, t->line);
	if (token_is(t, "("))
		(*depth)++;
	else if (token_is(t, ")") && *depth > 0)
		(*depth)--;
	else if (first && token_is(t, "}") && (t->at == text || t->at[-1] == '\n') && t->at[1] == '\n')
		*depth = 0;
}

static void scan(const char *text, struct line_state *s)
{
	struct lex lx = lex_of(text, strlen(text));
	struct depth_stack stack = {0};
	unsigned last_line = 0;
	int depth = 0;

	lx.joined = s->unsafe;
	for (struct token t = lex_next(&lx); t.kind != LEX_END; t = lex_next(&lx)) {
		if (t.kind == LEX_HASH) {
			struct token word = lex_next(&lx);

			if (depth > 0)
				mark(s, last_line + 1, t.line);
			if (word.kind == LEX_NAME)
				note_condition(s, &stack, &word, t.line, &depth);
			for (; word.kind != LEX_EOD && word.kind != LEX_END; word = lex_next(&lx))
				;
			last_line = word.line;
			continue;
		}
		see_token(s, &t, last_line, text, &depth);
		last_line = t.line;
	}
	km_vec_free(&stack.at);
}

/* ---- the numbers ---------------------------------------------------------------------------------------------------
 */
/* want[l]: the number that line l of the new text should have. False when all keep their own. */
static bool wanted_numbers(const struct hunk *hunks, size_t n_hunks, unsigned *want, size_t n)
{
	long shift = 0; /* old - new */
	bool any = false;
	size_t h = 0;

	for (unsigned l = 1; l <= n; l++) {
		while (h < n_hunks) {
			const struct hunk *k = &hunks[h];
			unsigned first = k->new_n ? k->new_at : k->new_at + 1;

			if (l < first + k->new_n)
				break;
			shift += (long)k->old_n - (long)k->new_n;
			h++;
		}
		if (h < n_hunks && hunks[h].new_n && l >= hunks[h].new_at)
			want[l] = l;
		else
			want[l] = (unsigned)((long)l + shift);
		any |= want[l] != l;
	}
	return any;
}

/* What the compiler counts, branch by branch. */
struct counter {
	long delta;  /* its number - the physical one of the new text */
	bool unsure; /* a directive may have been skipped along with a branch */
	km_vec(struct branch {
		long delta;
		bool told;
	}) open;
};

static void at_condition(struct counter *c, char what)
{
	struct branch b = {.delta = c->delta};

	if (what == 'i') {
		km_vec_push(&c->open, b);
	} else if (c->open.n && what == 'e') {
		c->delta = c->open.at[c->open.n - 1].delta;
		c->unsure = false;
	} else if (c->open.n && what == 'f') {
		b = c->open.at[--c->open.n];
		c->unsure |= b.told;
		if (b.told && c->open.n)
			c->open.at[c->open.n - 1].told = true;
	}
}

static void tell(struct counter *c, km_str *out, unsigned number, unsigned line)
{
	km_str_printf(out, "#line %u\n", number);
	c->delta = (long)number - (long)line;
	c->unsure = false;
	if (c->open.n)
		c->open.at[c->open.n - 1].told = true;
}

static char *write_lines(const char *text, const struct line_state *s, const unsigned *want)
{
	struct counter c = {0};
	km_str out = {0};

	for (unsigned l = 1; l <= s->n; l++) {
		const char *end = strchrnul(text, '\n');

		if (!s->unsafe[l] && (c.unsure || (long)l + c.delta != (long)want[l]))
			tell(&c, &out, want[l], l);
		if (s->condition[l])
			at_condition(&c, s->condition[l]);
		end += *end == '\n';
		km_str_addn(&out, text, (size_t)(end - text));
		text = end;
	}
	km_vec_free(&c.open);
	return out.at;
}

char *lines_insert(const char *new_text, const struct hunk *hunks, size_t n_hunks)
{
	struct line_state s = {.n = count_lines(new_text)};
	unsigned *want = km_calloc(s.n + 2, sizeof(*want));
	char *out = NULL;

	s.unsafe = km_calloc(s.n + 3, sizeof(*s.unsafe));
	s.condition = km_calloc(s.n + 3, 1);
	if (wanted_numbers(hunks, n_hunks, want, s.n)) {
		scan(new_text, &s);
		out = write_lines(new_text, &s, want);
	}
	free(want);
	free(s.unsafe);
	free(s.condition);
	return out;
}
