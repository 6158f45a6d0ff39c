/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A change inside named macros and functions of a header can be seen only by units that mention such a name, or the
 * name of a macro or inline function, in a header, that mentions it, and so on. Anything that is not surely so keeps
 * all units: a change of a type, a use of a name outside of functions, too many names. A name that ## puts together
 * counts as mentioned by what holds its two parts.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

enum { MAX_NAMES = 400 };

struct names {
	km_map *all;
	km_map *prefixes, *suffixes; /* of them, without the names themselves */
	uint64_t lengths[256]; /* of all words in the three maps, by first byte: a bit for each length, 63 and more
				  share one */
	km_strv hot;	       /* files that use a name where every unit that includes them compiles the use */
	bool gave_up;
};

struct text {
	const char *at;
	size_t n;
};

static struct text text_map(const char *path)
{
	struct text t = {0};
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0 && !fstat(fd, &st) && st.st_size)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED)
		t = (struct text){p, (size_t)st.st_size};
	km_closep(&fd);
	return t;
}

static void text_unmap(struct text *t)
{
	if (t->at)
		munmap((void *)t->at, t->n);
}

/* ---- names ---------------------------------------------------------------------------------------------------------
 */
static uint64_t length_bit(size_t n)
{
	return 1ULL << (n < 63 ? n : 63);
}

static void names_add(struct names *s, const char *name)
{
	size_t n = strlen(name);

	if (km_map_has(s->all, name))
		return;
	km_map_put(s->all, name, s);
	s->lengths[(uint8_t)*name] |= length_bit(n);
	s->gave_up |= km_map_count(s->all) > MAX_NAMES;
	for (size_t k = 2; k + 2 <= n; k++) {
		KM_AUTOFREE char *prefix = km_strndup(name, k);

		km_map_put(s->prefixes, prefix, s);
		km_map_put(s->suffixes, name + n - k, s);
		s->lengths[(uint8_t)*name] |= length_bit(k);
		s->lengths[(uint8_t)name[n - k]] |= length_bit(k);
	}
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

typedef bool word_seen(void *ctx, const char *word, size_t at); /* true: enough */

/*
 * Every identifier of a text that could be one of the words looked for, comments and strings included: more is
 * mentioned than is used, never less. Hundreds of megabytes pass here, so what cannot be meant by its first byte and
 * length is not looked up.
 */
static void each_word(const struct names *s, struct text t, word_seen *seen, void *ctx)
{
	char word[256];

	for (size_t i = 0; i < t.n;) {
		size_t n = 0;

		while (i + n < t.n && is_word(t.at[i + n]))
			n++;
		if (n && n < sizeof(word) && s->lengths[(uint8_t)t.at[i]] & length_bit(n)) {
			memcpy(word, t.at + i, n);
			word[n] = 0;
			if (seen(ctx, word, i))
				return;
		}
		i += n ? n : 1;
	}
}

/* ---- ## ------------------------------------------------------------------------------------------------------------
 */
/* The literal word beside a ## at `at`, when it is a part of a name. */
static bool pastes_part(const struct names *s, struct text t, size_t at)
{
	size_t left = at, right = at + 2, end;
	KM_AUTOFREE char *before = NULL;
	KM_AUTOFREE char *after = NULL;

	while (left && (t.at[left - 1] == ' ' || t.at[left - 1] == '\t'))
		left--;
	for (end = left; left && is_word(t.at[left - 1]);)
		left--;
	before = km_strndup(t.at + left, end - left);
	while (right < t.n && (t.at[right] == ' ' || t.at[right] == '\t'))
		right++;
	for (end = right; end < t.n && is_word(t.at[end]);)
		end++;
	after = km_strndup(t.at + right, end - right);
	return (strlen(before) >= 3 && km_map_has(s->prefixes, before)) ||
	       (strlen(after) >= 3 && km_map_has(s->suffixes, after));
}

/* ---- headers -------------------------------------------------------------------------------------------------------
 */
struct mention {
	const struct names *names;
	struct text text;
	km_vec(size_t) at; /* places */
};

static bool mention_word(void *ctx, const char *word, size_t at)
{
	struct mention *m = ctx;

	if (km_map_has(m->names->all, word))
		km_vec_push(&m->at, at);
	return false;
}

static void mention_pastes(struct mention *m)
{
	const char *end = m->text.at + m->text.n;

	for (const char *at = m->text.at; at < end && (at = memmem(at, (size_t)(end - at), "##", 2)); at += 2)
		if (pastes_part(m->names, m->text, (size_t)(at - m->text.at)))
			km_vec_push(&m->at, (size_t)(at - m->text.at));
}

static unsigned line_of(struct text t, size_t at)
{
	unsigned line = 1;

	for (const char *p = t.at; (p = memchr(p, '\n', (size_t)(t.at + at - p))); p++)
		line++;
	return line;
}

/* What it means for the set that this definition mentions a name. True: every unit that includes the file has the use.
 */
static bool take_mention(struct names *s, const struct definition *d)
{
	if (d->kind == DEF_DECLARATION)
		return false;
	if (*d->name && !d->made_by_macro && (d->kind == DEF_MACRO || (d->kind == DEF_FUNCTION && d->is_inline))) {
		names_add(s, d->name);
		return false;
	}
	return true;
}

static void mention_in_header(struct names *s, const char *path, struct mention *m)
{
	KM_CLEANUP(definition_list_free) definition_list defs = {0};
	KM_AUTOFREE char *text = km_strndup(m->text.at, m->text.n);
	bool hot = false;

	definitions_of(text, &defs);
	for (size_t i = 0; i < m->at.n; i++) {
		unsigned line = line_of(m->text, m->at.at[i]);

		for (size_t j = 0; j < defs.n; j++) /* a line outside of all of them is a comment's */
			if (line >= defs.at[j].first && line <= defs.at[j].last)
				hot |= take_mention(s, &defs.at[j]);
	}
	if (hot && !km_strv_has(&s->hot, path))
		km_strv_push(&s->hot, path);
}

static void look_into(struct names *s, const char *tree, const char *header)
{
	KM_AUTOFREE char *path = km_path(tree, header);
	struct mention m = {.names = s, .text = text_map(path)};

	each_word(s, m.text, mention_word, &m);
	mention_pastes(&m);
	if (m.at.n)
		mention_in_header(s, header, &m);
	km_vec_free(&m.at);
	text_unmap(&m.text);
}

/* Until no header, or .c file that others include, adds a name. */
static void grow(struct names *s, const char *tree, const include_graph *g, const km_strv *headers)
{
	size_t before;

	do {
		before = km_map_count(s->all);
		for (size_t i = 0; i < headers->n && !s->gave_up; i++) {
			if (km_ends(headers->at[i], ".c") && !include_graph_included(g, headers->at[i]))
				continue;
			look_into(s, tree, headers->at[i]);
		}
	} while (km_map_count(s->all) > before && !s->gave_up);
}

/* ---- units ---------------------------------------------------------------------------------------------------------
 */
struct unit_words {
	const struct names *names;
	km_map *prefixes, *suffixes; /* that occur */
	bool mentioned;
};

static bool unit_word(void *ctx, const char *word, size_t at)
{
	struct unit_words *u = ctx;

	(void)at;
	u->mentioned |= km_map_has(u->names->all, word);
	if (km_map_has(u->names->prefixes, word))
		km_map_put(u->prefixes, word, u);
	if (km_map_has(u->names->suffixes, word))
		km_map_put(u->suffixes, word, u);
	return u->mentioned;
}

/* Both parts of a name, or both with a '_' between them. */
static bool has_parts(const struct unit_words *u)
{
	for (size_t i = 0; i < km_map_count(u->names->all); i++) {
		const char *name = km_map_at(u->names->all, i, NULL);
		size_t n = strlen(name);

		for (size_t k = 2; k + 2 <= n; k++) {
			KM_AUTOFREE char *prefix = km_strndup(name, k);

			if (km_map_has(u->prefixes, prefix) &&
			    (km_map_has(u->suffixes, name + k) ||
			     (name[k] == '_' && km_map_has(u->suffixes, name + k + 1))))
				return true;
		}
	}
	return false;
}

static bool unit_mentions(const struct names *s, const char *tree, const char *path)
{
	KM_AUTOFREE char *full = km_path(tree, path);
	struct unit_words u = {.names = s, .prefixes = km_map_create(), .suffixes = km_map_create()};
	struct text t = text_map(full);
	bool mentioned;

	each_word(s, t, unit_word, &u);
	mentioned = u.mentioned || (km_map_count(u.prefixes) && km_map_count(u.suffixes) && has_parts(&u));
	text_unmap(&t);
	km_map_destroy(u.prefixes);
	km_map_destroy(u.suffixes);
	return mentioned;
}

/* ---- the change ----------------------------------------------------------------------------------------------------
 */
/* Names of what the changed lines of one side lie in. False when some lie in what has no such name. */
static bool names_of_lines(struct names *s, const definition_list *defs, unsigned at, unsigned n)
{
	for (size_t i = 0; i < defs->n; i++) {
		const struct definition *d = &defs->at[i];

		if (at > d->last || at + n <= d->first)
			continue;
		if (!*d->name || d->made_by_macro ||
		    (d->kind != DEF_MACRO && d->kind != DEF_DECLARATION && !(d->kind == DEF_FUNCTION && d->is_inline)))
			return false;
		names_add(s, d->name);
	}
	return true;
}

static km_error *names_of_change(km_work *w, const struct changed_file *header, struct names *s)
{
	KM_CLEANUP(definition_list_free) definition_list old_defs = {0};
	KM_CLEANUP(definition_list_free) definition_list new_defs = {0};
	hunk_list hunks = {0};

	KM_TRY(hunks_between(w->scratch, header->old_text, header->new_text, &hunks));
	definitions_of(header->old_text, &old_defs);
	definitions_of(header->new_text, &new_defs);
	for (size_t i = 0; i < hunks.n; i++) {
		const struct hunk *h = &hunks.at[i];

		s->gave_up |= h->old_n && !names_of_lines(s, &old_defs, h->old_at, h->old_n);
		s->gave_up |= h->new_n && !names_of_lines(s, &new_defs, h->new_at, h->new_n);
	}
	km_vec_free(&hunks);
	return NULL;
}

static void keep_those_that_mention(const struct names *s, const char *tree, const include_graph *g, km_strv *files)
{
	km_map *hot = km_map_create();
	km_strv kept = {0};

	for (size_t i = 0; i < s->hot.n; i++) {
		KM_CLEANUP(km_strv_free) km_strv reached = {0};

		include_graph_reach(g, s->hot.at[i], &reached);
		for (size_t j = 0; j < reached.n; j++)
			km_map_put(hot, reached.at[j], hot);
	}
	for (size_t i = 0; i < files->n; i++)
		if (km_ends(files->at[i], ".c") &&
		    (km_map_has(hot, files->at[i]) || unit_mentions(s, tree, files->at[i])))
			km_strv_push(&kept, files->at[i]);
	km_strv_free(files);
	*files = kept;
	km_map_destroy(hot);
}

km_error *narrow(km_work *w, const struct changed_file *header, const include_graph *g, km_strv *files)
{
	struct names s = {.all = km_map_create(), .prefixes = km_map_create(), .suffixes = km_map_create()};
	KM_CLEANUP(km_strv_free) km_strv headers = {0};
	km_error *err = NULL;

	if (header && header->old_text && header->new_text) {
		err = names_of_change(w, header, &s);
		if (!err && !s.gave_up) {
			include_graph_included_by(g, files, &headers);
			grow(&s, w->kernel->tree, g, &headers);
		}
		if (!err && !s.gave_up)
			keep_those_that_mention(&s, w->kernel->tree, g, files);
	}
	km_map_destroy(s.all);
	km_map_destroy(s.prefixes);
	km_map_destroy(s.suffixes);
	km_strv_free(&s.hot);
	return err;
}
