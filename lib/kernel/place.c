/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which Makefile, reached through which directories, builds a source file; and if none does, why. */
#include <ctype.h>
#include <errno.h>
#include <fts.h>

#include "prepared.h"

void kbuild_place_end(struct kbuild_place *p)
{
	free(p->cflags);
	free(p->aflags);
	*p = (struct kbuild_place){0};
}

static bool builds(const struct kbuild_dir *d, const char *source)
{
	for (size_t i = 0; i < d->parts.n; i++)
		if (!strcmp(d->parts.at[i].source, source))
			return true;
	return false;
}

static char *parent(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? km_strndup(path, (size_t)(slash - path)) : km_strdup(".");
}

/* ---- the way down from the top -------------------------------------------------------------------------------------
 */
struct way {
	km_str cflags, aflags;
	bool reached, only_modules;
};

void way_free(void *p)
{
	struct way *way = p;

	km_str_free(&way->cflags);
	km_str_free(&way->aflags);
	free(way);
}

static km_error *descend(km_kernel *k, const char *dir, const struct way **ret);

/* One directory above: does it name dir? It is asked only when Kbuild comes there, for its Makefile may not be readable
 * alone else. */
static km_error *step_from(km_kernel *k, const char *above, const char *dir, struct way *way)
{
	const struct kbuild_dir *d;
	const struct way *before;
	bool y, m;

	KM_TRY(descend(k, above, &before));
	if (!before->reached)
		return NULL;
	KM_TRY(kbuild_dir_get(k, above, &d));
	y = km_strv_has(&d->below_y, dir);
	m = km_strv_has(&d->below_m, dir);
	if (!y && !m)
		return NULL;
	way->reached = true;
	way->only_modules = before->only_modules || !y;
	km_str_printf(&way->cflags, "%s %s", before->cflags.at ? before->cflags.at : "", d->cflags);
	km_str_printf(&way->aflags, "%s %s", before->aflags.at ? before->aflags.at : "", d->aflags);
	return NULL;
}

/* Whether, and how, Kbuild comes to dir. Known ways are kept; *ret is the kernel's. With priv->way_lock held. */
static km_error *descend(km_kernel *k, const char *dir, const struct way **ret)
{
	struct kernel_priv *priv = k->priv;
	struct way *way = km_map_get(priv->ways, dir);
	KM_AUTOFREE char *above = km_strdup(dir);
	km_error *err = NULL;

	if (!way) {
		way = km_calloc(1, sizeof(*way));
		way->reached = !strcmp(dir, ".");
		while (!err && !way->reached && strcmp(above, ".")) {
			char *next = parent(above);

			free(above);
			above = next;
			err = step_from(k, above, dir, way);
		}
		if (err) {
			way_free(way);
			return err;
		}
		km_map_put(priv->ways, dir, way);
	}
	*ret = way;
	return NULL;
}

static km_error *way_to(km_kernel *k, const char *dir, const struct way **ret)
{
	struct kernel_priv *priv = k->priv;
	km_error *err;

	pthread_mutex_lock(&priv->way_lock);
	err = descend(k, dir, ret);
	pthread_mutex_unlock(&priv->way_lock);
	return err;
}

/* What a directory builds, or NULL when Kbuild does not come there. */
static km_error *reached_dir(km_kernel *k, const char *dir, const struct kbuild_dir **ret)
{
	const struct way *way;

	*ret = NULL;
	KM_TRY(way_to(k, dir, &way));
	return way->reached ? kbuild_dir_get(k, dir, ret) : NULL;
}

/* ---- Makefiles that build files of other directories ---------------------------------------------------------------
 */
/* arch/x86/kvm/Makefile builds virt/kvm/kvm_main.c. Such files have ".." or $(srctree) in a Makefile. */
static bool reaches_out(const char *path)
{
	uint8_t *text = NULL;
	size_t size;
	bool out = false;
	km_error *err = km_file_read(path, &text, &size);

	if (!err)
		out = strstr((char *)text, "/..") || strstr((char *)text, "../") ||
		      (strstr((char *)text, "include $(srctree)") && strstr((char *)text, "/Makefile."));
	km_error_free(err);
	free(text);
	return out;
}

static void find_reaching_out(const km_kernel *k, const char *top, km_strv *ret)
{
	KM_AUTOFREE char *root = km_path(k->tree, top);
	char *const roots[] = {root, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	FTSENT *e;

	while (fts && (e = fts_read(fts))) {
		KM_AUTOFREE char *dir = NULL;

		if (e->fts_info == FTS_D || (strcmp(e->fts_name, "Makefile") && strcmp(e->fts_name, "Kbuild")))
			continue;
		dir = parent(e->fts_path + strlen(k->tree) + 1);
		if (reaches_out(e->fts_path) && !km_strv_has(ret, dir))
			km_strv_push(ret, dir);
	}
	if (fts)
		fts_close(fts);
}

static const km_strv *reaching_out(km_kernel *k)
{
	static const char *const tops[] = {"arch/x86", "block", "crypto", "drivers", "fs",	 "io_uring", "ipc",
					   "kernel",   "lib",	"mm",	  "net",     "security", "sound",    "virt"};
	struct kernel_priv *priv = k->priv;

	pthread_mutex_lock(&priv->lock);
	for (size_t i = 0; !priv->reaching_read && i < KM_COUNT(tops); i++)
		find_reaching_out(k, tops[i], &priv->reaching_out);
	priv->reaching_read = true;
	pthread_mutex_unlock(&priv->lock);
	return &priv->reaching_out;
}

static bool mentions(const km_kernel *k, const char *dir, const char *word)
{
	static const char *const names[] = {"Kbuild", "Makefile"};
	bool found = false;

	for (size_t i = 0; i < KM_COUNT(names) && !found; i++) {
		KM_AUTOFREE char *path = km_printf("%s/%s/%s", k->tree, dir, names[i]);
		uint8_t *text = NULL;
		size_t size;
		km_error *err = km_exists(path) ? km_file_read(path, &text, &size) : NULL;

		found = text && strstr((char *)text, word);
		km_error_free(err);
		free(text);
	}
	return found;
}

/* Whether the foreign Makefile names a directory of the path: the last one, or one above it (display for
 * display/dc/x.c). */
static bool may_build(const km_kernel *k, const char *dir, const char *source)
{
	char *at = parent(source);
	bool may = false;

	for (int up = 0; up < 4 && !may && strchr(at, '/'); up++) {
		char *next = parent(at);

		may = mentions(k, dir, strrchr(at, '/') + 1);
		free(at);
		at = next;
	}
	free(at);
	return may;
}

static km_error *find_foreign(km_kernel *k, const char *source, const struct kbuild_dir **ret)
{
	const km_strv *dirs = reaching_out(k);

	for (size_t i = 0; i < dirs->n; i++) {
		const struct kbuild_dir *d;

		if (!may_build(k, dirs->at[i], source))
			continue;
		KM_TRY(reached_dir(k, dirs->at[i], &d));
		if (d && builds(d, source)) {
			*ret = d;
			return NULL;
		}
	}
	return NULL;
}

static km_error *find_builder(km_kernel *k, const char *source, const struct kbuild_dir **ret)
{
	KM_AUTOFREE char *dir = parent(source);

	*ret = NULL;
	while (strcmp(dir, ".")) {
		const struct kbuild_dir *d;
		char *up = parent(dir);
		km_error *err = reached_dir(k, dir, &d);

		free(dir);
		dir = up;
		if (err)
			return err;
		if (d && builds(d, source)) {
			*ret = d;
			return NULL;
		}
	}
	return find_foreign(k, source, ret);
}

/* ---- why not -------------------------------------------------------------------------------------------------------
 */
static bool config_has(const km_kernel *k, const char *symbol)
{
	KM_AUTOFREE char *path = km_path(k->tree, ".config");
	KM_AUTOFREE char *key = km_printf("\n%s=", symbol);
	uint8_t *text = NULL;
	size_t size;
	km_error *err = km_file_read(path, &text, &size);
	bool has = text && strstr((char *)text, key);

	km_error_free(err);
	free(text);
	return has;
}

/* "obj-$(CONFIG_FOO) += x.o" → "CONFIG_FOO", when that line builds `object` and the symbol is off. */
static char *symbol_of_line(const km_kernel *k, const char *line, const char *object)
{
	const char *end = strchrnul(line, '\n');
	KM_AUTOFREE char *text = km_strndup(line, (size_t)(end - line));
	const char *open = strstr(text, "$(CONFIG_"), *name = text;
	size_t n = strlen(object);
	char *symbol;

	while ((name = strstr(name, object)) &&
	       ((name > text && !isspace((unsigned char)name[-1]) && name[-1] != '=') ||
		(name[n] && !isspace((unsigned char)name[n]))))
		name += n;
	if (!open || !name || name < open)
		return NULL;
	symbol = km_strndup(open + 2, strcspn(open + 2, ")"));
	if (config_has(k, symbol)) {
		free(symbol);
		return NULL;
	}
	return symbol;
}

static char *symbol_that_is_off(const km_kernel *k, const char *dir, const char *object)
{
	static const char *const names[] = {"Kbuild", "Makefile"};
	char *symbol = NULL;

	for (size_t i = 0; i < KM_COUNT(names) && !symbol; i++) {
		KM_AUTOFREE char *path = km_printf("%s/%s/%s", k->tree, dir, names[i]);
		uint8_t *text = NULL;
		size_t size;
		km_error *err = km_exists(path) ? km_file_read(path, &text, &size) : NULL;

		for (const char *at = (char *)text; at && !symbol; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
			symbol = symbol_of_line(k, at, object);
		km_error_free(err);
		free(text);
	}
	return symbol;
}

/* The composite object that lists `object`: "foo-y += x.o" → "foo.o"; the caller's. */
static char *composite_of(const km_kernel *k, const char *dir, const char *object)
{
	KM_AUTOFREE char *path = km_printf("%s/%s/Makefile", k->tree, dir);
	uint8_t *text = NULL;
	size_t size;
	km_error *err = km_exists(path) ? km_file_read(path, &text, &size) : NULL;
	const char *at = text ? strstr((char *)text, object) : NULL;
	char *name = NULL;
	size_t n;

	while (at && at > (char *)text && !(at[-1] == '\n' && (at - 2 < (char *)text || at[-2] != '\\')))
		at--;
	n = at ? strcspn(at, " \t:+=\n") : 0;
	if (n > 2 && !strncmp(at + n - 2, "-y", 2))
		name = km_printf("%.*s.o", (int)n - 2, at);
	else if (n > 5 && !strncmp(at + n - 5, "-objs", 5))
		name = km_printf("%.*s.o", (int)n - 5, at);
	km_error_free(err);
	free(text);
	return name;
}

/* Up from the file: its own object, the composite it is part of, then each directory on the way. */
static char *why_not(const km_kernel *k, const char *source)
{
	KM_AUTOFREE char *dir = parent(source);
	const char *base = strrchr(source, '/') ? strrchr(source, '/') + 1 : source;
	KM_AUTOFREE char *word = km_printf("%.*so", (int)strlen(base) - 1, base);

	while (true) {
		KM_AUTOFREE char *composite = composite_of(k, dir, word);
		char *symbol = symbol_that_is_off(k, dir, word);
		char *up;

		if (!symbol && composite)
			symbol = symbol_that_is_off(k, dir, composite);
		if (symbol) {
			char *reason = km_printf("not built by this configuration (%s is not set)", symbol);

			free(symbol);
			return reason;
		}
		if (!strcmp(dir, "."))
			return km_strdup("not built by this configuration");
		up = parent(dir);
		free(word);
		word = km_printf("%s/", strrchr(dir, '/') ? strrchr(dir, '/') + 1 : dir);
		free(dir);
		dir = up;
	}
}

km_error *kbuild_place_of(km_kernel *k, const char *source, struct kbuild_place *ret, char **reason)
{
	const struct kbuild_dir *d;
	const struct way *way;

	*ret = (struct kbuild_place){0};
	*reason = NULL;
	KM_TRY(find_builder(k, source, &d));
	if (!d) {
		*reason = why_not(k, source);
		return NULL;
	}
	KM_TRY(way_to(k, d->dir, &way));
	*ret = (struct kbuild_place){.dir = d,
				     .only_modules = way->only_modules,
				     .cflags = km_strdup(way->cflags.at ? way->cflags.at : ""),
				     .aflags = km_strdup(way->aflags.at ? way->aflags.at : "")};
	return NULL;
}
