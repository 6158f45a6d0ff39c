/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Units compiled. An original goes through Kbuild once, in a working copy that no diff ever touches; the command that
 * Kbuild records is run again with a section per function, and, in the copy with the diff, on the patched text. The
 * originals and the command stay in the cache: objects/fs/file.c.plain  .orig  .cmd  .made (files that Kbuild generated
 * for it); .cmd is written last.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

struct unit_paths {
	char *plain, *original, *cmd, *made;
};

static void unit_paths_end(struct unit_paths *p)
{
	free(p->plain);
	free(p->original);
	free(p->cmd);
	free(p->made);
}

static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? km_strndup(path, (size_t)(slash - path)) : km_strdup(".");
}

static km_error *make_dir_of(const char *path)
{
	KM_AUTOFREE char *dir = dir_of(path);

	return km_mkdirs(dir);
}

/* ---- the recorded command ------------------------------------------------------------------------------------------
 */
/* What make wrote as make text, back to what the shell was given. */
static char *unescape(const char *at, const char *end)
{
	km_str s = {0};

	while (at < end) {
		if (end - at >= 8 && !strncmp(at, "$(pound)", 8)) {
			km_str_add(&s, "#");
			at += 8;
		} else if (end - at >= 2 && at[0] == '$' && at[1] == '$') {
			km_str_add(&s, "$");
			at += 2;
		} else {
			km_str_addn(&s, at++, 1);
		}
	}
	return s.at ? s.at : km_strdup("");
}

static km_error *recorded_command(const char *cmd_file, char **ret)
{
	KM_AUTOFREE uint8_t *text = NULL;
	const char *at;
	size_t size;

	KM_TRY(km_file_read(cmd_file, &text, &size));
	at = strstr((char *)text, " := ");
	if ((!km_starts((char *)text, "cmd_") && !km_starts((char *)text, "savedcmd_")) || !at)
		return km_error_new(KM_INPUT, "%s does not begin with a command", cmd_file);
	*ret = unescape(at + 4, strchrnul(at, '\n'));
	return NULL;
}

static void add_quoted(km_str *s, const char *path)
{
	km_str_add(s, "'");
	for (; *path; path++) {
		if (*path == '\'')
			km_str_add(s, "'\\''");
		else
			km_str_addn(s, path, 1);
	}
	km_str_add(s, "'");
}

enum derive { DERIVE_OBJECT, DERIVE_TOKENS, DERIVE_SYNTAX };

/* The part that compiles, without what follows the first ';' outside quotes. */
static size_t compiler_part(const char *command)
{
	char quote = 0;
	size_t i;

	for (i = 0; command[i]; i++) {
		if (quote)
			quote = command[i] == quote ? 0 : quote;
		else if (command[i] == '\'' || command[i] == '"')
			quote = command[i];
		else if (command[i] == ';')
			break;
	}
	return i;
}

/* One word of the command, perhaps exchanged. Dependency output is dropped: it would be written over Kbuild's. */
static void derive_word(km_str *out, const char *word, size_t n, const char *old_out, const char *new_out,
			enum derive how, const char *tree)
{
	if ((n > 7 && !strncmp(word, "-Wp,-MM", 7)) || (n > 7 && !strncmp(word, "-Wp,-MD", 7)))
		return;
	if (n == 2 && !strncmp(word, "-c", 2)) {
		if (how == DERIVE_OBJECT) {
			km_str_add(out, "-ffunction-sections -fdata-sections -fdebug-prefix-map=");
			add_quoted(out, tree);
			km_str_add(out, "=. -c");
		} else {
			km_str_add(out, how == DERIVE_TOKENS ? "-E" : "-fsyntax-only -c");
		}
	} else if (n == strlen(old_out) && !strncmp(word, old_out, n)) {
		add_quoted(out, new_out);
	} else {
		km_str_addn(out, word, n);
	}
	km_str_add(out, " ");
}

/* The word after -o: "arch/x86/kvm/../../../virt/kvm/kvm_main.o". */
static char *output_of(const char *command)
{
	const char *at = strstr(command, " -o ");

	return at ? km_strndup(at + 4, strcspn(at + 4, " \t")) : km_strdup("");
}

static char *derive(const char *command, const char *new_out, enum derive how, const char *tree)
{
	KM_AUTOFREE char *old_out = output_of(command);
	km_str out = {0};
	size_t n = how == DERIVE_OBJECT ? strlen(command) : compiler_part(command);

	for (size_t i = 0; i < n;) {
		size_t w = strcspn(command + i, " \t");

		if (i + w > n)
			w = n - i;
		if (w)
			derive_word(&out, command + i, w, old_out, new_out, how, tree);
		i += w + 1;
	}
	return out.at;
}

static km_error *run_shell(const km_kernel *k, const char *tree, const char *command, struct km_done *done)
{
	KM_AUTOFREE char *strict = km_printf("set -e; %s", command);
	char *const argv[] = {"sh", "-c", strict, NULL};
	KM_CLEANUP(km_strv_free) km_strv env = {0};
	struct km_cmd cmd = {.argv = argv, .dir = tree};

	kbuild_env(k, tree, NULL, &env);
	cmd.env = km_strv_argv(&env);
	return km_run(&cmd, done);
}

/* ---- originals -----------------------------------------------------------------------------------------------------
 */
static km_error *move_into_cache(const char *from, const char *to)
{
	KM_AUTOFREE char *fresh = km_printf("%s.%d", to, (int)getpid());

	KM_TRY(km_file_copy(from, fresh));
	unlink(from);
	return rename(fresh, to) ? km_error_sys(errno, "cannot rename %s to %s", fresh, to) : NULL;
}

static const struct kbuild_part *part_of(const struct kbuild_place *place, const char *source)
{
	for (size_t i = 0; i < place->dir->parts.n; i++)
		if (!strcmp(place->dir->parts.at[i].source, source))
			return &place->dir->parts.at[i];
	return NULL;
}

/* CONFIG_MODVERSIONS= leaves out genksyms, which preprocesses once more and does not change the object. */
static km_error *kbuild_unit(struct km_work *w, const km_unit *unit, const struct kbuild_place *place,
			     struct km_done *done)
{
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	KM_CLEANUP(km_strv_free) km_strv extra = {0};

	km_strv_push(&args, "-f");
	km_strv_push(&args, "scripts/Makefile.build");
	km_strv_printf(&args, "obj=%s", place->dir->dir);
	km_strv_push(&args, "KBUILD_MODULES=1");
	km_strv_push(&args, "KBUILD_BUILTIN=1");
	km_strv_push(&args, "CONFIG_MODVERSIONS=");
	km_strv_push(&args, part_of(place, unit->source)->target);
	if (place->cflags && *place->cflags)
		km_strv_printf(&extra, "KBUILD_CFLAGS+=%s", place->cflags);
	if (place->aflags && *place->aflags)
		km_strv_printf(&extra, "KBUILD_AFLAGS+=%s", place->aflags);
	return kbuild_run(w->kernel, w->original.tree, &extra, &args, done);
}

static pthread_mutex_t *directory_lock(struct km_work *w, const char *dir)
{
	unsigned h = 0;

	for (const char *c = dir; *c; c++)
		h = h * 31 + (unsigned char)*c;
	return &w->directory[h % KM_COUNT(w->directory)];
}

/* Files that the object depends on and that the pristine tree lacks: Kbuild made them just now. One path a line. */
static char *generated_files(const km_kernel *k, const char *cmd_text)
{
	const char *at = strstr(cmd_text, "\ndeps_");
	km_str out = {0};

	for (at = at ? strchr(at + 1, '\n') : NULL; at && at[1] == ' '; at = strchr(at + 1, '\n')) {
		const char *name = at + 1 + strspn(at + 1, " ");
		KM_AUTOFREE char *path = km_strndup(name, strcspn(name, " \\\n"));
		KM_AUTOFREE char *full = km_path(k->tree, path);

		if (*path && *path != '$' && *path != '/' && !km_exists(full))
			km_str_printf(&out, "%s\n", path);
	}
	return out.at ? out.at : km_strdup("");
}

/* Copies the files that `made` lists, where they are not yet. */
static km_error *copy_generated(const char *made, const char *from_tree, const char *to_tree)
{
	KM_AUTOFREE char *list = km_strdup(made);
	char *save = NULL;

	for (char *path = strtok_r(list, "\n", &save); path; path = strtok_r(NULL, "\n", &save)) {
		KM_AUTOFREE char *from = km_path(from_tree, path);
		KM_AUTOFREE char *to = km_path(to_tree, path);

		if (km_exists(to))
			continue;
		KM_TRY(make_dir_of(to));
		KM_TRY(km_file_copy(from, to));
	}
	return NULL;
}

/* Kbuild made them in one of several copies, so they are kept beside the objects, for all. */
static km_error *keep_generated(const struct km_work *w, const char *made)
{
	KM_AUTOFREE char *kept = km_path(w->kernel->dir, "generated");

	return copy_generated(made, w->original.tree, kept);
}

static km_error *bring_generated(const struct km_work *w, const char *made_path, const char *tree)
{
	KM_AUTOFREE char *kept = km_path(w->kernel->dir, "generated");
	KM_AUTOFREE uint8_t *made = NULL;
	size_t size;

	KM_TRY(km_file_read(made_path, &made, &size));
	return copy_generated((char *)made, kept, tree);
}

/* "file.c:12:3: error: …": the line that begins one of the compiler's messages. */
static bool begins_message(const char *line, size_t n, bool *is_error)
{
	KM_AUTOFREE char *text = km_strndup(line, n);

	*is_error = strstr(text, ": error: ") || strstr(text, ": fatal error: ");
	return *is_error || strstr(text, ": warning: ") || strstr(text, ": note: ") || strstr(text, ": In function ");
}

/* The errors alone, each with the lines that show its place: warnings of a kernel build are many, and not the cause. */
static void add_errors(const char *text, km_str *ret)
{
	bool showing = false, is_error;

	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");

		if (begins_message(line, n, &is_error))
			showing = is_error;
		if (showing && n && ret->n < 3000)
			km_str_printf(ret, "\n%.*s", (int)n, line);
		line += n + (line[n] == '\n');
	}
}

static km_error *compile_failed(const char *what, const km_unit *unit, const struct km_done *done)
{
	const char *text = *done->err ? done->err : done->out;
	size_t n = strlen(text), start = n > 3000 ? n - 3000 : 0;
	km_str errors = {0};
	km_error *err;

	while (n > start && text[n - 1] == '\n')
		n--;
	while (start < n && text[start] == '\n')
		start++;
	add_errors(text, &errors);
	err = errors.n ? km_error_new(KM_INPUT, "%s %s does not compile:%s", what, unit->source, errors.at)
		       : km_error_new(KM_INPUT, "%s %s does not compile:\n%.*s", what, unit->source, (int)(n - start), text + start);
	km_str_free(&errors);
	return err;
}

static km_error *plain_object(struct km_work *w, const km_unit *unit, const struct kbuild_place *place,
			      const struct unit_paths *p, char **command, double *cpu)
{
	KM_AUTOFREE char *out = km_path(w->original.tree, part_of(place, unit->source)->target);
	KM_AUTOFREE char *dir = dir_of(out);
	KM_AUTOFREE char *cmd_file = km_printf("%s/.%s.cmd", dir, strrchr(out, '/') + 1);
	KM_AUTOFREE uint8_t *text = NULL;
	KM_AUTOFREE char *made = NULL;
	struct km_done done;
	km_error *err;
	size_t size;

	unlink(out);
	unlink(cmd_file);
	KM_TRY(kbuild_unit(w, unit, place, &done));
	*cpu += done.user + done.sys;
	if (done.status || !km_exists(out))
		err = km_error_hint(compile_failed("the unchanged", unit, &done),
				    "is the source that of this kernel, and the compiler?");
	else
		err = recorded_command(cmd_file, command);
	km_done_free(&done);
	KM_TRY(err);
	KM_TRY(km_file_read(cmd_file, &text, &size));
	made = generated_files(w->kernel, (char *)text);
	KM_TRY(keep_generated(w, made));
	KM_TRY(km_file_write(p->made, made, strlen(made)));
	return move_into_cache(out, p->plain);
}

static km_error *original_object(struct km_work *w, const km_unit *unit, const struct unit_paths *p,
				 const char *command, double *cpu)
{
	KM_AUTOFREE char *fresh = km_printf("%s.%d.o", p->original, (int)getpid());
	KM_AUTOFREE char *derived = derive(command, fresh, DERIVE_OBJECT, w->original.tree);
	struct km_done done;
	km_error *err = NULL;

	KM_TRY(run_shell(w->kernel, w->original.tree, derived, &done));
	*cpu += done.user + done.sys;
	if (done.status)
		err = compile_failed("the unchanged", unit, &done);
	else if (rename(fresh, p->original))
		err = km_error_sys(errno, "cannot rename %s", fresh);
	unlink(fresh);
	km_done_free(&done);
	return err;
}

static km_error *make_originals(struct km_work *w, const km_unit *unit, const struct unit_paths *p, char **command,
				double *cpu)
{
	struct kbuild_place place;
	KM_AUTOFREE char *reason = NULL;
	km_error *err;

	KM_TRY(work_original(w));
	KM_TRY(kbuild_place_of(w->kernel, unit->source, &place, &reason));
	if (!place.dir)
		return km_error_new(KM_INPUT, "%s: %s", unit->source, reason);
	pthread_mutex_lock(directory_lock(w, place.dir->dir));
	err = plain_object(w, unit, &place, p, command, cpu);
	pthread_mutex_unlock(directory_lock(w, place.dir->dir));
	kbuild_place_end(&place);
	if (!err)
		err = original_object(w, unit, p, *command, cpu);
	return err ? err : km_file_write(p->cmd, *command, strlen(*command));
}

/* ---- the patched side ----------------------------------------------------------------------------------------------
 */
static km_error *tokens_of(struct km_work *w, const km_unit *unit, const char *tree, const char *command, char **ret,
			   double *cpu)
{
	KM_AUTOFREE char *name = km_strdup(unit->source);
	KM_AUTOFREE char *out = NULL;
	KM_AUTOFREE char *derived = NULL;
	struct km_done done;
	km_error *err;
	size_t size;

	for (char *c = name; *c; c++)
		if (*c == '/')
			*c = '+';
	out = km_printf("%s/%s.%s.i", w->scratch, name, tree == w->copy.tree ? "new" : "old");
	derived = derive(command, out, DERIVE_TOKENS, tree);
	KM_TRY(run_shell(w->kernel, tree, derived, &done));
	*cpu += done.user + done.sys;
	err = done.status ? compile_failed("the", unit, &done) : km_file_read(out, (uint8_t **)ret, &size);
	unlink(out);
	km_done_free(&done);
	return err;
}

/* Only for a unit that a header reached: what the author wrote in a .c file was compared as text already. */
static km_error *same_after_preprocessing(struct km_work *w, const km_unit *unit, const struct unit_paths *p,
					  const char *command, bool *same, double *cpu)
{
	KM_AUTOFREE char *old_text = NULL;
	KM_AUTOFREE char *new_text = NULL;

	KM_TRY(work_original(w));
	KM_TRY(bring_generated(w, p->made, w->original.tree));
	KM_TRY(tokens_of(w, unit, w->original.tree, command, &old_text, cpu));
	KM_TRY(tokens_of(w, unit, w->copy.tree, command, &new_text, cpu));
	*same = lex_same(old_text, new_text);
	return NULL;
}

static const struct changed_file *changed_text(const struct km_work *w, const char *path)
{
	for (size_t i = 0; i < w->changed.n; i++)
		if (!strcmp(w->changed.at[i].path, path))
			return &w->changed.at[i];
	return NULL;
}

/* With or without the directives; all threads that compile wait meanwhile. */
static km_error *write_texts(struct km_work *w, bool lined)
{
	for (size_t i = 0; i < w->changed.n; i++) {
		const struct changed_file *c = &w->changed.at[i];
		const char *text = lined ? c->lined : c->new_text;

		if (c->lined)
			KM_TRY(copy_replace(&w->copy, c->path, text, strlen(text)));
	}
	return NULL;
}

/* The author's lines are those of the patched file, so its errors are told without #line in the way. */
static km_error *patched_failed(struct km_work *w, const km_unit *unit, const char *command,
				const struct km_done *first)
{
	KM_AUTOFREE char *derived = derive(command, "/dev/null", DERIVE_SYNTAX, w->copy.tree);
	struct km_done done;
	km_error *err, *told = NULL;

	pthread_rwlock_wrlock(&w->texts);
	err = write_texts(w, false);
	if (!err)
		err = run_shell(w->kernel, w->copy.tree, derived, &done);
	if (!err) {
		told = compile_failed("the patched", unit, done.status ? &done : first);
		km_done_free(&done);
		err = write_texts(w, true);
	}
	pthread_rwlock_unlock(&w->texts);
	if (told)
		km_error_free(err);
	return told ? told : err;
}

static km_error *patched_object(struct km_work *w, const km_unit *unit, const char *command, const char *out,
				double *cpu)
{
	KM_AUTOFREE char *derived = derive(command, out, DERIVE_OBJECT, w->copy.tree);
	struct km_done done;
	km_error *err;

	KM_TRY(make_dir_of(out));
	pthread_rwlock_rdlock(&w->texts);
	err = run_shell(w->kernel, w->copy.tree, derived, &done);
	pthread_rwlock_unlock(&w->texts);
	if (err)
		return err;
	*cpu += done.user + done.sys;
	if (done.status)
		err = patched_failed(w, unit, command, &done);
	km_done_free(&done);
	return err;
}

static struct unit_paths paths_of(const km_kernel *k, const km_unit *unit)
{
	KM_AUTOFREE char *base = km_printf("%s/objects/%s", k->dir, unit->source);

	return (struct unit_paths){.plain = km_printf("%s.plain", base),
				   .original = km_printf("%s.orig", base),
				   .cmd = km_printf("%s.cmd", base),
				   .made = km_printf("%s.made", base)};
}

static km_error *originals(struct km_work *w, const km_unit *unit, const struct unit_paths *p,
			   struct km_unit_objects *o, char **command)
{
	size_t size;

	o->from_cache = km_exists(p->cmd) && km_exists(p->plain) && km_exists(p->original);
	if (o->from_cache)
		KM_TRY(km_file_read(p->cmd, (uint8_t **)command, &size));
	else {
		KM_TRY(make_dir_of(p->plain));
		KM_TRY(make_originals(w, unit, p, command, &o->compile_cpu));
	}
	o->plain = km_strdup(p->plain);
	o->original = km_strdup(p->original);
	return NULL;
}

km_error *km_unit_compile(km_work *w, const km_unit *unit, const char *out_dir, struct km_unit_objects *ret)
{
	KM_CLEANUP(km_unit_objects_free) struct km_unit_objects o = {0};
	KM_CLEANUP(unit_paths_end) struct unit_paths p = paths_of(w->kernel, unit);
	KM_AUTOFREE char *command = NULL;
	KM_AUTOFREE char *real_out = realpath(out_dir, NULL);

	if (!real_out)
		return km_error_sys(errno, "cannot open %s", out_dir);
	KM_TRY(originals(w, unit, &p, &o, &command));
	KM_TRY(bring_generated(w, p.made, w->copy.tree));
	if (!changed_text(w, unit->source))
		KM_TRY(same_after_preprocessing(w, unit, &p, command, &o.same_tokens, &o.compile_cpu));
	if (!o.same_tokens) {
		o.patched = km_printf("%s/%.*so", real_out, (int)strlen(unit->source) - 1, unit->source);
		KM_TRY(patched_object(w, unit, command, o.patched, &o.compile_cpu));
	}
	*ret = o;
	o = (struct km_unit_objects){0};
	return NULL;
}
