/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who includes whom, by the text of the #include lines alone: conditions are not looked at, and a name that could mean
 * several files means all of them, so the graph holds at least what the compiler sees. It is scanned once and kept as
 * lines of
 * "<file>\t<name>\t<name>…", a name with its quotes or angle brackets.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

/* ---- scanning ------------------------------------------------------------------------------------------------------
 */
/* Not part of this kernel, and large. */
static bool is_skipped(const char *path)
{
	static const char *const dirs[] = {
		"Documentation", "LICENSES", "samples", "scripts",	 "tools",
		"usr",		 "rust",     ".git",	"arch/x86/boot", "arch/x86/purgatory"};

	for (size_t i = 0; i < KM_COUNT(dirs); i++)
		if (!strcmp(path, dirs[i]))
			return true;
	return km_starts(path, "arch/") && strcmp(path, "arch/x86") && !km_starts(path, "arch/x86/");
}

struct scanner {
	km_str out;
	char *buffer;
	size_t size;
};

static const char *skip_blank(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* The name on an #include line that begins with the '#' at `at`, or NULL. */
static const char *include_name(const char *at, const char *end, size_t *n)
{
	const char *close;

	at = skip_blank(at + 1, end);
	if (end - at < 9 || memcmp(at, "include", 7))
		return NULL;
	at = skip_blank(at + 7, end);
	if (at >= end || (*at != '"' && *at != '<'))
		return NULL;
	close = memchr(at + 1, *at == '"' ? '"' : '>', (size_t)(end - at - 1));
	if (!close || memchr(at, '\n', (size_t)(close - at)))
		return NULL;
	*n = (size_t)(close - at);
	return at;
}

static void scan_text(struct scanner *s, const char *path, const char *text, size_t size)
{
	const char *end = text + size;

	km_str_add(&s->out, path);
	for (const char *at = text; at < end && (at = memchr(at, '#', (size_t)(end - at))); at++) {
		const char *before = at;
		const char *name;
		size_t n;

		while (before > text && (before[-1] == ' ' || before[-1] == '\t'))
			before--;
		if (before > text && before[-1] != '\n')
			continue;
		name = include_name(at, end, &n);
		if (name) {
			km_str_add(&s->out, "\t");
			km_str_addn(&s->out, name, n); /* without the closing one */
		}
	}
	km_str_add(&s->out, "\n");
}

static km_error *scan_file(struct scanner *s, int dir, const char *name, const char *path)
{
	KM_AUTOCLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ELOOP)
		return NULL;
	if (fd < 0 || fstat(fd, &st))
		return km_error_sys(errno, "cannot read %s", path);
	if ((size_t)st.st_size > s->size) {
		s->size = (size_t)st.st_size * 2;
		s->buffer = km_realloc(s->buffer, s->size, 1);
	}
	n = st.st_size ? read(fd, s->buffer, (size_t)st.st_size) : 0;
	if (n < 0)
		return km_error_sys(errno, "cannot read %s", path);
	scan_text(s, path, s->buffer, (size_t)n);
	return NULL;
}

static bool is_source(const char *name)
{
	size_t n = strlen(name);

	return n > 2 && name[n - 2] == '.' && strchr("chS", name[n - 1]);
}

static km_error *scan_dir(struct scanner *s, const char *tree, const char *path)
{
	KM_AUTOFREE char *full = *path ? km_path(tree, path) : km_strdup(tree);
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	KM_AUTOCLOSE int fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = opendir(full);
	struct dirent *e;

	if (fd < 0 || !d) {
		km_error *err = km_error_sys(errno, "cannot read %s", full);

		if (d)
			closedir(d);
		return err;
	}
	while ((e = readdir(d)))
		if ((e->d_type == DT_DIR && *e->d_name != '.') || (e->d_type == DT_REG && is_source(e->d_name)))
			km_strv_printf(&names, "%s%s", e->d_name, e->d_type == DT_DIR ? "/" : "");
	closedir(d);
	km_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		size_t n = strlen(names.at[i]);
		bool is_dir = names.at[i][n - 1] == '/';
		KM_AUTOFREE char *below = NULL;

		names.at[i][n - is_dir] = 0;
		below = *path ? km_path(path, names.at[i]) : km_strdup(names.at[i]);
		if (is_dir && !is_skipped(below))
			KM_TRY(scan_dir(s, tree, below));
		else if (!is_dir)
			KM_TRY(scan_file(s, fd, names.at[i], below));
	}
	return NULL;
}

km_error *include_graph_scan(const char *tree, char **text)
{
	struct scanner s = {0};
	km_error *err = scan_dir(&s, tree, "");

	free(s.buffer);
	if (err)
		km_str_free(&s.out);
	else
		*text = s.out.at ? s.out.at : km_strdup("");
	return err;
}

/* ---- the graph -----------------------------------------------------------------------------------------------------
 */
struct node {
	char *path;
	km_vec(unsigned) includes, included_by;
	unsigned same_name; /* the next file with this base name, + 1 */
};

struct include_graph {
	char *text;
	km_vec(struct node) nodes;
	km_map *by_path, *by_name; /* → index + 1 */
};

static unsigned index_of(const km_map *map, const char *key)
{
	return (unsigned)(uintptr_t)km_map_get(map, key);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void add_edge(include_graph *g, unsigned from, unsigned to)
{
	struct node *n = &g->nodes.at[from];

	for (size_t i = 0; i < n->includes.n; i++)
		if (n->includes.at[i] == to)
			return;
	km_vec_push(&n->includes, to);
	km_vec_push(&g->nodes.at[to].included_by, from);
}

static bool try_path(include_graph *g, unsigned from, const char *dir, const char *name)
{
	KM_AUTOFREE char *joined = km_path(dir, name);
	KM_AUTOFREE char *path = strstr(joined, "..") || strstr(joined, "./") ? path_normal(joined) : km_strdup(joined);
	unsigned to = index_of(g->by_path, path);

	if (to)
		add_edge(g, from, to - 1);
	return to;
}

/* Any file whose path ends so: for directories named with -I in some Makefile. */
static void try_suffix(include_graph *g, unsigned from, const char *name)
{
	size_t n;

	while (km_starts(name, "../") || km_starts(name, "./"))
		name = strchr(name, '/') + 1;
	n = strlen(name);
	for (unsigned i = index_of(g->by_name, base_name(name)); i; i = g->nodes.at[i - 1].same_name) {
		const char *path = g->nodes.at[i - 1].path;
		size_t m = strlen(path);

		if (m > n && path[m - n - 1] == '/' && !strcmp(path + m - n, name))
			add_edge(g, from, i - 1);
	}
}

static void resolve(include_graph *g, unsigned from, const char *name)
{
	static const char *const dirs[] = {"include",
					   "arch/x86/include",
					   "arch/x86/include/generated",
					   "include/uapi",
					   "arch/x86/include/uapi",
					   "arch/x86/include/generated/uapi",
					   "include/generated/uapi"};
	bool quoted = *name == '"', found = false;

	name++;
	if (quoted) {
		const char *path = g->nodes.at[from].path, *slash = strrchr(path, '/');
		KM_AUTOFREE char *dir = slash ? km_strndup(path, (size_t)(slash - path)) : km_strdup(".");

		found = try_path(g, from, dir, name);
	}
	for (size_t i = 0; i < KM_COUNT(dirs) && !found; i++)
		found = try_path(g, from, dirs[i], name) &&
			i > 2; /* <linux/x.h> may be in include/ and, through it, in uapi/ */
	if (!g->nodes.at[from].includes.n || !found)
		try_suffix(g, from, name);
}

static void add_node(include_graph *g, char *path)
{
	unsigned at = (unsigned)g->nodes.n + 1;
	struct node n = {.path = path, .same_name = index_of(g->by_name, base_name(path))};

	km_vec_push(&g->nodes, n);
	km_map_put(g->by_path, path, (void *)(uintptr_t)at);
	km_map_put(g->by_name, base_name(path), (void *)(uintptr_t)at);
}

include_graph *include_graph_parse(const char *text)
{
	include_graph *g = km_calloc(1, sizeof(*g));
	char *save = NULL, *line;
	km_vec(char *) rest = {0};

	g->text = km_strdup(text);
	g->by_path = km_map_create();
	g->by_name = km_map_create();
	for (line = strtok_r(g->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *tab = strchr(line, '\t');

		if (tab)
			*tab++ = 0;
		add_node(g, line);
		km_vec_push(&rest, tab);
	}
	for (unsigned i = 0; i < g->nodes.n; i++) {
		save = NULL;
		for (char *name = rest.at[i] ? strtok_r(rest.at[i], "\t", &save) : NULL; name;
		     name = strtok_r(NULL, "\t", &save))
			resolve(g, i, name);
	}
	km_vec_free(&rest);
	return g;
}

void include_graph_free(include_graph *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->nodes.n; i++) {
		km_vec_free(&g->nodes.at[i].includes);
		km_vec_free(&g->nodes.at[i].included_by);
	}
	km_vec_free(&g->nodes);
	km_map_destroy(g->by_path);
	km_map_destroy(g->by_name);
	free(g->text);
	free(g);
}

/* Marks all that can be reached from the marked ones. */
static void spread(const include_graph *g, bool *marked, bool upwards)
{
	km_vec(unsigned) todo = {0};

	for (unsigned i = 0; i < g->nodes.n; i++)
		if (marked[i])
			km_vec_push(&todo, i);
	while (todo.n) {
		const struct node *n = &g->nodes.at[todo.at[--todo.n]];
		const unsigned *next = upwards ? n->included_by.at : n->includes.at;
		size_t count = upwards ? n->included_by.n : n->includes.n;

		for (size_t i = 0; i < count; i++) {
			if (marked[next[i]])
				continue;
			marked[next[i]] = true;
			km_vec_push(&todo, next[i]);
		}
	}
	km_vec_free(&todo);
}

/* The compiler includes these itself, before the first line of every unit. */
static const char *const forced[] = {"include/linux/compiler-version.h", "include/linux/kconfig.h",
				     "include/linux/compiler_types.h"};

static bool marked_path(const include_graph *g, const bool *marked, const char *path)
{
	unsigned at = index_of(g->by_path, path);

	return at && marked[at - 1];
}

static void collect(const include_graph *g, const bool *marked, km_strv *ret)
{
	for (size_t i = 0; i < g->nodes.n; i++)
		if (marked[i])
			km_strv_push(ret, g->nodes.at[i].path);
}

void include_graph_reach(const include_graph *g, const char *path, km_strv *ret)
{
	KM_AUTOFREE bool *marked = km_calloc(g->nodes.n + 1, sizeof(*marked));
	unsigned at = index_of(g->by_path, path);
	bool all = false;

	if (!at)
		return;
	marked[at - 1] = true;
	spread(g, marked, true);
	for (size_t i = 0; i < KM_COUNT(forced); i++)
		all |= marked_path(g, marked, forced[i]);
	for (size_t i = 0; all && i < g->nodes.n; i++)
		marked[i] |= km_ends(g->nodes.at[i].path, ".c");
	marked[at - 1] = false;
	collect(g, marked, ret);
}

void include_graph_included_by(const include_graph *g, const km_strv *files, km_strv *ret)
{
	KM_AUTOFREE bool *marked = km_calloc(g->nodes.n + 1, sizeof(*marked));

	for (size_t i = 0; i < files->n + KM_COUNT(forced); i++) {
		unsigned at = index_of(g->by_path, i < files->n ? files->at[i] : forced[i - files->n]);

		if (at)
			marked[at - 1] = true;
	}
	spread(g, marked, false);
	collect(g, marked, ret);
}

bool include_graph_included(const include_graph *g, const char *path)
{
	unsigned at = index_of(g->by_path, path);

	return at && g->nodes.at[at - 1].included_by.n;
}

km_error *include_graph_get(km_kernel *k, const include_graph **ret)
{
	struct kernel_priv *priv = k->priv;
	KM_AUTOFREE char *path = km_path(k->dir, "includes");
	KM_AUTOFREE char *text = NULL;
	km_error *err = NULL;
	size_t size;

	pthread_mutex_lock(&priv->lock);
	if (!priv->graph && km_exists(path)) {
		err = km_file_read(path, (uint8_t **)&text, &size);
	} else if (!priv->graph) {
		err = include_graph_scan(k->tree, &text);
		if (!err)
			err = km_file_write(path, text, strlen(text));
	}
	if (!err && !priv->graph)
		priv->graph = include_graph_parse(text);
	*ret = priv->graph;
	pthread_mutex_unlock(&priv->lock);
	return err;
}
