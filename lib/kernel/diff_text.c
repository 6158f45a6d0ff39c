/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unified diffs as text: split by file, and freed of what git, mail and time stamps put around the hunks. */
#include <ctype.h>

#include "prepared.h"

void file_diff_list_free(file_diff_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].old_path);
		free(l->at[i].new_path);
		free(l->at[i].text);
	}
	km_vec_free(l);
}

struct reader {
	const char *at;
	unsigned line;
	file_diff_list *out;
	char *rename_from, *rename_to;
	bool deleted, added, binary, pending; /* of the git header since the last file */
};

static const char *line_end(const char *at)
{
	return strchrnul(at, '\n');
}

static void next_line(struct reader *r)
{
	const char *end = line_end(r->at);

	r->at = *end ? end + 1 : end;
	r->line++;
}

/* The path on a "--- " or "+++ " line: without time stamp, quotes and CR; NULL for /dev/null. */
static char *header_path(const char *at)
{
	const char *end = line_end(at);
	const char *tab = memchr(at, '\t', (size_t)(end - at));

	if (tab)
		end = tab;
	while (end > at && isspace((unsigned char)end[-1]))
		end--;
	if (end - at >= 2 && *at == '"' && end[-1] == '"') {
		at++;
		end--;
	}
	if (end - at == 9 && !strncmp(at, "/dev/null", 9))
		return NULL;
	return km_strndup(at, (size_t)(end - at));
}

/* Does the header have one of its four forms, up to the second @@? A count that is left out is 1. */
static bool hunk_counts(const char *at, unsigned *old_n, unsigned *new_n)
{
	unsigned a, b;
	int end = 0;

	if (sscanf(at, "@@ -%u,%u +%u,%u @@%n", &a, old_n, &b, new_n, &end) == 4 && end)
		return true;
	*old_n = 1;
	if (sscanf(at, "@@ -%u +%u,%u @@%n", &a, &b, new_n, &end) == 3 && end)
		return true;
	*new_n = 1;
	if (sscanf(at, "@@ -%u,%u +%u @@%n", &a, old_n, &b, &end) == 3 && end)
		return true;
	*old_n = 1;
	return sscanf(at, "@@ -%u +%u @@%n", &a, &b, &end) == 2 && end;
}

/* One hunk, the header included: "@@ -1,2 +1,3 @@" without the function's name behind it. */
static km_error *read_hunk(struct reader *r, km_str *text)
{
	unsigned old_n, new_n, at = r->line;
	const char *end = strstr(r->at + 2, "@@");

	if (!hunk_counts(r->at, &old_n, &new_n) || !end || end > line_end(r->at))
		return km_error_new(KM_INPUT, "line %u: a hunk's header is damaged: %.*s", r->line,
				    (int)(line_end(r->at) - r->at), r->at);
	km_str_addn(text, r->at, (size_t)(end + 2 - r->at));
	km_str_add(text, "\n");
	next_line(r);
	while (old_n || new_n || *r->at == '\\') {
		char c = *r->at == '\n' || !*r->at ? ' ' : *r->at;

		if (!*r->at || (c != ' ' && c != '+' && c != '-' && c != '\\') || ((c == ' ' || c == '-') && !old_n) ||
		    ((c == ' ' || c == '+') && !new_n))
			return km_error_new(KM_INPUT,
					    "line %u: the hunk that begins at line %u is shorter than its header says",
					    r->line, at);
		old_n -= c == ' ' || c == '-';
		new_n -= c == ' ' || c == '+';
		if (*r->at == '\n') /* an editor took the blank of an empty context line */
			km_str_add(text, " ");
		km_str_addn(text, r->at, (size_t)(line_end(r->at) - r->at));
		km_str_add(text, "\n");
		next_line(r);
	}
	return NULL;
}

static void forget_header(struct reader *r)
{
	free(r->rename_from);
	free(r->rename_to);
	r->rename_from = r->rename_to = NULL;
	r->deleted = r->added = r->binary = r->pending = false;
}

/* A rename or a binary change without hunks ends where the next file or the text does. */
static void flush_header(struct reader *r)
{
	struct file_diff d = {.line = r->line, .rename = r->rename_from, .binary = r->binary};

	if (r->pending && r->rename_from && r->rename_to) {
		d.old_path = r->rename_from;
		d.new_path = r->rename_to;
		d.text = km_strdup("");
		r->rename_from = r->rename_to = NULL;
		km_vec_push(r->out, d);
	}
	forget_header(r);
}

static char *rest_of_line(const char *at)
{
	return km_strndup(at, (size_t)(line_end(at) - at));
}

static void read_git_header(struct reader *r)
{
	if (km_starts(r->at, "diff --git ")) {
		flush_header(r);
		r->pending = true;
	} else if (r->pending && km_starts(r->at, "rename from ")) {
		free(r->rename_from);
		r->rename_from = rest_of_line(r->at + 12);
	} else if (r->pending && km_starts(r->at, "rename to ")) {
		free(r->rename_to);
		r->rename_to = rest_of_line(r->at + 10);
	}
}

/* git's a/ and b/ (or i/ w/ c/ o/ and so on): the first directory of each path, when both have one. */
static void strip_prefixes(struct file_diff *d, int strip)
{
	char **paths[] = {&d->old_path, &d->new_path};

	for (size_t i = 0; i < 2 && strip; i++) {
		char *slash = *paths[i] ? strchr(*paths[i], '/') : NULL;

		if (slash)
			memmove(*paths[i], slash + 1, strlen(slash));
	}
}

static bool has_prefix(const char *path, char a, char b)
{
	return !path || ((path[0] == a || path[0] == b) && path[1] == '/');
}

static km_error *read_file(struct reader *r)
{
	struct file_diff d = {.old_path = header_path(r->at + 4)};
	km_str text = {0};
	km_error *err = NULL;

	next_line(r);
	d.new_path = header_path(r->at + 4);
	next_line(r);
	d.line = r->line;
	strip_prefixes(&d, has_prefix(d.old_path, 'a', 'i') && has_prefix(d.new_path, 'b', 'w'));
	d.rename = r->rename_from && d.old_path && d.new_path && strcmp(d.old_path, d.new_path);
	forget_header(r);
	while (!err && km_starts(r->at, "@@ -"))
		err = read_hunk(r, &text);
	if (!err && !d.old_path && !d.new_path)
		err = km_error_new(KM_INPUT, "line %u: a file without a name", d.line);
	d.text = text.at ? text.at : km_strdup("");
	km_vec_push(r->out, d);
	return err;
}

km_error *diff_parse(const char *text, file_diff_list *ret)
{
	struct reader r = {.at = text, .line = 1, .out = ret};
	km_error *err = NULL;

	while (*r.at && !err) {
		const char *end = line_end(r.at);

		if (km_starts(r.at, "--- ") && *end && km_starts(end + 1, "+++ ") && *line_end(end + 1) &&
		    km_starts(line_end(end + 1) + 1, "@@ -")) {
			err = read_file(&r);
		} else if (km_starts(r.at, "GIT binary patch") || km_starts(r.at, "Binary files ")) {
			err = km_error_new(KM_INPUT, "line %u: a binary change cannot be built into a live patch",
					   r.line);
		} else {
			read_git_header(&r);
			next_line(&r);
		}
	}
	if (!err)
		flush_header(&r);
	forget_header(&r);
	if (!err && !ret->n)
		err = km_error_hint(km_error_new(KM_INPUT, "no unified diff is in it"),
				    "make one with `git diff` or `diff -u`");
	return err;
}

char *diff_added_text(const struct file_diff *d)
{
	km_str out = {0};

	for (const char *at = d->text; *at;) {
		const char *end = line_end(at);

		if (*at == '+')
			km_str_addn(&out, at + 1, (size_t)(end - at - 1) + (*end == '\n'));
		at = *end ? end + 1 : end;
	}
	return out.at ? out.at : km_strdup("");
}
