/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Source diffs applied to a working copy: patch(1) does the hunks, one file at a time, into a file beside the tree. */
#include <dirent.h>
#include <unistd.h>

#include "prepared.h"

/* ---- names ---------------------------------------------------------------------------------------------------------
 */
static bool in_tree(const km_work *w, const char *path)
{
	KM_AUTOFREE char *full = km_path(w->copy.tree, path);

	return km_exists(full) && !km_is_dir(full);
}

static struct changed_file *changed_get(km_work *w, const char *path)
{
	for (size_t i = 0; i < w->changed.n; i++)
		if (!strcmp(w->changed.at[i].path, path))
			return &w->changed.at[i];
	return NULL;
}

static bool known_path(km_work *w, const char *path)
{
	const struct changed_file *c = changed_get(w, path);

	return c ? c->new_text != NULL : in_tree(w, path);
}

/* A diff between two directories has their names in front, one of git without prefixes has none: what exists decides.
 */
static void drop_directory(km_work *w, struct file_diff *d)
{
	char **paths[] = {&d->old_path, &d->new_path};
	const char *sure = d->old_path ? d->old_path : d->new_path;
	const char *slash = strchr(sure, '/');
	bool plain = d->old_path ? known_path(w, sure) : false;
	KM_AUTOFREE char *top = NULL;

	if (!slash || plain)
		return;
	if (d->old_path && !known_path(w, slash + 1))
		return;
	if (!d->old_path) { /* a new file: its top directory is one of the tree's, or is to be dropped */
		KM_AUTOFREE char *first = km_strndup(sure, (size_t)(slash - sure));

		top = km_path(w->copy.tree, first);
		if (km_is_dir(top))
			return;
	}
	for (size_t i = 0; i < 2; i++) {
		char *s = *paths[i] ? strchr(*paths[i], '/') : NULL;

		if (s)
			memmove(*paths[i], s + 1, strlen(s));
	}
}

static km_error *check_path(const char *path)
{
	if (!*path || *path == '/' || km_starts(path, "../") || strstr(path, "/../") || km_ends(path, "/..") ||
	    strchr(path, '\n') || !strcmp(path, "..") || km_starts(path, ".git/"))
		return km_error_new(KM_INPUT, "\"%s\" leads out of the kernel's tree", path);
	return NULL;
}

static km_error *no_such_file(km_work *w, const char *path)
{
	const char *slash = strrchr(path, '/');
	KM_AUTOFREE char *below = slash ? km_strndup(path, (size_t)(slash - path)) : km_strdup("");
	KM_AUTOFREE char *dir = km_path(w->copy.tree, below);
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	const char *near = NULL;
	km_error *err = km_error_new(KM_INPUT, "%s: kernel %s has no such file", path, w->kernel->release);

	if (km_is_dir(dir)) {
		km_error_free(km_listdir(dir, &names));
		near = km_nearest(slash ? slash + 1 : path, (const char *const *)names.at, names.n);
	}
	if (near)
		return km_error_hint(err, "the nearest name there is %s%s%s; was the diff made for another version?",
				     below, slash ? "/" : "", near);
	return km_error_hint(err, "was the diff made for another version of the kernel?");
}

/* ---- texts ---------------------------------------------------------------------------------------------------------
 */
static km_error *load(km_work *w, const char *path, struct changed_file **ret)
{
	struct changed_file *c = changed_get(w, path), fresh = {0};
	KM_AUTOFREE char *full = km_path(w->copy.tree, path);
	uint8_t *bytes = NULL;
	size_t size;

	if (!c) {
		if (in_tree(w, path)) {
			KM_TRY(km_file_read(full, &bytes, &size));
			if (strlen((char *)bytes) != size) {
				free(bytes);
				return km_error_new(KM_INPUT, "%s: not a text file", path);
			}
			fresh.old_text = (char *)bytes;
			fresh.new_text = km_strdup(fresh.old_text);
		}
		fresh.path = km_strdup(path);
		km_vec_push(&w->changed, fresh);
		c = &w->changed.at[w->changed.n - 1];
	}
	*ret = c;
	return NULL;
}

/* Which line of patch(1)'s output tells what went wrong. */
static km_error *explain(const char *out, const char *path)
{
	const char *at = strstr(out, " FAILED at ");
	unsigned hunk = 0, line = 0;

	if (strstr(out, "Reversed (or previously applied) patch detected"))
		return km_error_hint(
			km_error_new(KM_INPUT, "%s already has this change", path),
			"the kernel contains the fix; drop this file from the diff, or build for an older kernel");
	while (at && at > out && at[-1] != '\n')
		at--;
	if (at && sscanf(at, "Hunk #%u FAILED at %u", &hunk, &line) == 2)
		return km_error_hint(km_error_new(KM_INPUT, "hunk %u of %s does not apply (line %u)", hunk, path, line),
				     "was the diff made for another version? fit that hunk to the text of this kernel");
	return km_error_new(KM_INPUT, "patch(1) cannot change %s: %.*s", path, (int)strcspn(out, "\n"), out);
}

static void note_offsets(km_work *w, const char *patch, const char *path, const char *out)
{
	for (const char *at = strstr(out, "Hunk #"); at; at = strstr(at + 1, "Hunk #"))
		if (strstr(at, "with fuzz") && strstr(at, "with fuzz") < strchrnul(at, '\n')) {
			w->fuzzy_hunks++;
			km_warn("%s: %s: %.*s", patch, path, (int)strcspn(at, "\n"), at);
		} else if (strstr(at, "(offset ") && strstr(at, "(offset ") < strchrnul(at, '\n')) {
			w->moved_hunks++;
		}
}

/* All hunks of one file. Nothing in the tree changes here. */
static km_error *apply_hunks(km_work *w, const char *patch, const char *path, const char *text, const char *hunks,
			     char **ret)
{
	KM_AUTOFREE char *target = km_path(w->scratch, "target");
	KM_AUTOFREE char *diff = km_path(w->scratch, "diff");
	KM_AUTOFREE char *out = km_path(w->scratch, "out");
	KM_AUTOFREE char *rejects = km_path(w->scratch, "rejects");
	KM_AUTOFREE char *whole = km_printf("--- a/target\n+++ b/target\n%s", hunks);
	char *const argv[] = {"patch", "-u", "--batch", "--forward", "--fuzz=2", "--posix", "-o",
			      out,     "-r", rejects,	"-i",	     diff,	 target,    NULL};
	struct km_cmd cmd = {.argv = argv, .dir = w->scratch, .timeout = 120};
	struct km_done done;
	uint8_t *bytes = NULL;
	size_t size;
	km_error *err;

	KM_TRY(km_file_write(target, text, strlen(text)));
	KM_TRY(km_file_write(diff, whole, strlen(whole)));
	KM_TRY(km_run(&cmd, &done));
	if (done.status) {
		err = explain(*done.out ? done.out : done.err, path);
	} else {
		note_offsets(w, patch, path, done.out);
		err = km_file_read(out, &bytes, &size);
	}
	unlink(out);
	unlink(rejects);
	km_done_free(&done);
	*ret = (char *)bytes;
	return err;
}

/* ---- one file of a diff --------------------------------------------------------------------------------------------
 */
static void set_text(struct changed_file *c, char *text)
{
	free(c->new_text);
	c->new_text = text;
}

static km_error *apply_new(km_work *w, const struct file_diff *d)
{
	struct changed_file *c;

	KM_TRY(load(w, d->new_path, &c));
	if (c->new_text)
		return km_error_new(KM_INPUT, "%s is to be added, and is there already", d->new_path);
	set_text(c, diff_added_text(d));
	return NULL;
}

static km_error *apply_file(km_work *w, const char *patch, struct file_diff *d)
{
	struct changed_file *from, *to;
	const char *path;
	char *text = NULL;

	if (d->old_path)
		KM_TRY(check_path(d->old_path));
	if (d->new_path)
		KM_TRY(check_path(d->new_path));
	drop_directory(w, d);
	if (!d->old_path)
		return apply_new(w, d);
	path = d->new_path && !d->rename && known_path(w, d->new_path) ? d->new_path : d->old_path;
	if (!known_path(w, path))
		return no_such_file(w, path);
	KM_TRY(load(w, path, &from));
	if (*d->text)
		KM_TRY(apply_hunks(w, patch, path, from->new_text, d->text, &text));
	else
		text = km_strdup(from->new_text);
	if (!d->new_path) {
		free(text);
		set_text(from, NULL);
	} else if (d->rename) {
		set_text(from, NULL);
		KM_TRY(load(w, d->new_path, &to));
		set_text(to, text);
	} else {
		set_text(from, text);
	}
	return NULL;
}

static km_error *read_patch(const char *path, file_diff_list *ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	if (strlen((char *)bytes) != size)
		err = km_error_new(KM_INPUT, "not a text file");
	else
		err = diff_parse((char *)bytes, ret);
	return err ? km_error_add(err, "%s", path) : NULL;
}

static km_error *apply_patch(km_work *w, const char *patch)
{
	KM_CLEANUP(file_diff_list_free) file_diff_list files = {0};

	KM_TRY(read_patch(patch, &files));
	for (size_t i = 0; i < files.n; i++) {
		km_error *err = apply_file(w, patch, &files.at[i]);

		if (err)
			return km_error_add(err, "%s", patch);
	}
	return NULL;
}

/* ---- what was touched ----------------------------------------------------------------------------------------------
 */
static enum km_touch kind_of(const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *dot = strrchr(name, '.');

	if (km_starts(path, "Documentation/") || (dot && (!strcmp(dot, ".rst") || !strcmp(dot, ".txt"))))
		return KM_TOUCH_DOC;
	if (km_starts(name, "Kconfig") || km_starts(name, "Makefile") || !strcmp(name, "Kbuild"))
		return KM_TOUCH_BUILD;
	if (!dot)
		return KM_TOUCH_OTHER;
	if (!strcmp(dot, ".c"))
		return KM_TOUCH_C;
	if (!strcmp(dot, ".h"))
		return KM_TOUCH_HEADER;
	return !strcmp(dot, ".S") ? KM_TOUCH_ASM : KM_TOUCH_OTHER;
}

static void add_touched_functions(const char *text, const hunk_list *hunks, bool new_side, km_strv *ret)
{
	KM_CLEANUP(definition_list_free) definition_list defs = {0};

	definitions_of(text, &defs);
	for (size_t h = 0; h < hunks->n; h++) {
		unsigned at = new_side ? hunks->at[h].new_at : hunks->at[h].old_at;
		unsigned n = new_side ? hunks->at[h].new_n : hunks->at[h].old_n;

		for (size_t i = 0; i < defs.n; i++) {
			const struct definition *d = &defs.at[i];

			if (!*d->name || d->kind == DEF_DIRECTIVE || km_strv_has(ret, d->name))
				continue;
			if (n ? at <= d->last && at + n > d->first : at >= d->first && at < d->last)
				km_strv_push(ret, d->name);
		}
	}
}

/* Fills in one file, writes it to the working copy. */
static km_error *settle_file(km_work *w, struct changed_file *c, struct km_touched *t)
{
	const char *old_text = c->old_text ? c->old_text : "", *new_text = c->new_text ? c->new_text : "";
	hunk_list hunks = {0};
	km_error *err = NULL;
	const char *text;

	*t = (struct km_touched){
		.path = km_strdup(c->path), .kind = kind_of(c->path), .added = !c->old_text, .removed = !c->new_text};
	if (t->kind == KM_TOUCH_C || t->kind == KM_TOUCH_HEADER || t->kind == KM_TOUCH_ASM)
		t->same_tokens = !t->added && !t->removed && lex_same(old_text, new_text);
	else
		t->same_tokens = !strcmp(old_text, new_text);
	if (t->kind == KM_TOUCH_C || t->kind == KM_TOUCH_HEADER) {
		err = hunks_between(w->scratch, old_text, new_text, &hunks);
		if (!err && c->old_text)
			add_touched_functions(old_text, &hunks, false, &t->functions);
		if (!err && c->new_text)
			add_touched_functions(new_text, &hunks, true, &t->functions);
		if (!err && c->old_text && c->new_text)
			c->lined = lines_insert(new_text, hunks.at, hunks.n);
		km_vec_free(&hunks);
	}
	text = c->lined ? c->lined : c->new_text;
	return err ? err : copy_replace(&w->copy, c->path, text, text ? strlen(text) : 0);
}

km_error *km_work_apply(km_work *w, const km_strv *patches, km_touched_list *ret)
{
	KM_CLEANUP(km_touched_free) km_touched_list list = {0};

	for (size_t i = 0; i < patches->n; i++)
		KM_TRY(apply_patch(w, patches->at[i]));
	for (size_t i = 0; i < w->changed.n; i++) {
		struct changed_file *c = &w->changed.at[i];
		struct km_touched t;
		km_error *err;

		if (c->old_text == c->new_text || (c->old_text && c->new_text && !strcmp(c->old_text, c->new_text)))
			continue;
		err = settle_file(w, c, &t);
		km_vec_push(&list, t);
		if (err)
			return err;
	}
	*ret = list;
	list = (km_touched_list){0};
	return NULL;
}

km_error *km_patches_hash(const km_strv *patches, char out[static KM_SHA256_HEX])
{
	km_sha256 *h = km_sha256_create();
	uint8_t sum[KM_SHA256_LEN];
	km_error *err = NULL;

	for (size_t i = 0; i < patches->n && !err; i++) {
		KM_CLEANUP(file_diff_list_free) file_diff_list files = {0};

		err = read_patch(patches->at[i], &files);
		for (size_t f = 0; f < files.n && !err; f++) {
			const struct file_diff *d = &files.at[f];

			km_sha256_add(h, d->old_path ? d->old_path : "", d->old_path ? strlen(d->old_path) + 1 : 1);
			km_sha256_add(h, d->new_path ? d->new_path : "", d->new_path ? strlen(d->new_path) + 1 : 1);
			km_sha256_add(h, d->text, strlen(d->text) + 1);
		}
	}
	km_sha256_end(h, sum);
	if (!err)
		km_hex(sum, sizeof(sum), out);
	return err;
}
