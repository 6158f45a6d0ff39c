/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this directory that deal with prepared kernels share: packages, the cache, Kbuild, working copies.
 * Paths inside a kernel's tree are relative to it ("fs/file.c") unless a comment says otherwise.
 */
#ifndef KMEND_KERNEL_PREPARED_H
#define KMEND_KERNEL_PREPARED_H

#include <kmend/kernel.h>
#include <pthread.h>

/* ---- packages (package.c, apt.c) ---- */
struct package {
	char *name, *version, *architecture, *depends;
	char *sha256; /* of the archive, in hex; NULL for a file the user named */
	char *file;   /* base name as the archive has it, or the path of a file the user named */
};
typedef km_vec(struct package) package_list;
/* Frees the packages; *l is empty. */
void package_list_free(package_list *l);
/* The package of that name and version, or its highest version when version is NULL; owned by l, and valid until
 * it grows. NULL for none. */
const struct package *package_find(const package_list *l, const char *name, const char *version);
/* Highest version first, as dpkg orders them. */
int version_compare(const char *a, const char *b);
/* The text of `apt-cache show` (or of several dpkg control files, a blank line between them). */
void packages_parse(const char *text, package_list *ret);
/* The name of the first dependency in `depends` that starts with prefix, or NULL. */
char *depends_find(const char *depends, const char *prefix);
/* Appends all versions of these names that apt knows; unknown names give nothing. */
KM_CHECKED km_error *apt_show(const km_strv *names, package_list *ret);
/* Names of all packages that start with prefix. */
KM_CHECKED km_error *apt_names(const char *prefix, km_strv *ret);
/* Sees to it that debs/ has each of these packages, with the archive's checksum. */
KM_CHECKED km_error *apt_fetch(const struct package *const *packages, size_t n, const char *debs);
/* Reads the control data of each .deb file in dir. */
KM_CHECKED km_error *debs_read(const char *dir, package_list *ret);

/* ---- locate.c: which packages make one kernel ---- */
enum { PART_IMAGE, PART_HEADERS, PART_KBUILD, PART_SOURCE, N_PARTS };
struct location {
	char *release, *version;
	struct package part[N_PARTS]; /* borrowed from `known` */
	package_list known;
	bool from_files; /* part[].file are paths */
};
/* release may be "RELEASE=VERSION"; debs: a directory of .deb files instead of apt, or NULL. */
KM_CHECKED km_error *locate(const char *release, const char *version, const char *debs, struct location *ret);
/* Frees what was learnt; the parts go with it. */
void location_end(struct location *l);

/* ---- prepare.c, prepare_own.c: into an empty directory `dir` (the future kernels/<id>) ---- */
/* To be raised with every change of what prepare.c or prepare_own.c lays out: a cache made the old way is made anew. */
enum { PREPARED_FORMAT = 2 };

struct recipe {
	char *id, *release, *version, *compiler, *compiler_text, *image,
		*module_dir; /* image, module_dir: below dir or absolute */
};
/* Frees the texts. */
void recipe_end(struct recipe *r);
/* Unpacks the parts, lays headers and programs over the source, learns Kbuild's environment. KM_INPUT when a
 * package lacks what it should hold, KM_ENV for a full disk or a missing compiler. */
KM_CHECKED km_error *prepare_packages(const struct location *l, const char *debs, const char *dir, km_stages *stages,
				      struct recipe *ret);
/* Copies the user's tree, configures and prepares the copy with its own makefiles. */
KM_CHECKED km_error *prepare_own(const struct km_kernel_source *src, const char *release, const char *dir,
				 km_stages *stages, struct recipe *ret);
/* The id of a user's own tree: a hash of its file list, config, symvers and image. */
KM_CHECKED km_error *own_hash(const struct km_kernel_source *src, char out[static KM_SHA256_HEX]);
/* The value of a quoted string in a .config file, or NULL. */
char *config_string(const char *config_text, const char *symbol);
/* Finds the compiler that CONFIG_CC_VERSION_TEXT names; another version is an error unless KMEND_ALLOW_COMPILER=1 is
 * set. */
KM_CHECKED km_error *compiler_find(const char *version_text, char **ret);

/* ---- kbuild.c ---- */
/* Runs the top Makefile of `tree` once and keeps in `to` the environment that it gives to scripts/Makefile.build. */
KM_CHECKED km_error *kbuild_capture(const char *tree, const char *release, const char *compiler, const char *to);
/* What kbuild_capture() kept, as name=value words. */
KM_CHECKED km_error *kbuild_env_read(const char *path, km_strv *ret);
/* That environment with this tree's paths; name=value pairs of `extra` replace or append ("NAME+=text" appends to a
 * value). */
void kbuild_env(const km_kernel *k, const char *tree, const km_strv *extra, km_strv *ret);
/* Runs `make ARGS` in the tree with it. A failing make is not an error here: look at done->status. */
KM_CHECKED km_error *kbuild_run(const km_kernel *k, const char *tree, const km_strv *extra, const km_strv *args,
				struct km_done *done);

/* ---- the open kernel ---- */
struct kernel_priv {
	km_strv env;
	km_map *module_paths;	  /* name → char * (owned) */
	km_map *modules;	  /* name → km_object * */
	km_map *directories;	  /* directory → struct kbuild_dir * */
	km_map *ways;		  /* directory → struct way *: how Kbuild comes there (place.c) */
	pthread_mutex_t way_lock; /* ways; taken before `lock` */
	struct include_graph *graph;
	km_strv reaching_out; /* directories whose Makefile builds files of other directories; read when first needed */
	bool reaching_read;
	pthread_mutex_t lock; /* the rest but env */
};
/* Ends each value of a map, and the map; NULL is fine. */
void kernel_map_destroy(km_map *map, void (*end)(void *));

/* ---- directory.c: what Kbuild builds in a directory ---- */
struct kbuild_part {
	char *target, *source, *object;
	bool builtin;
}; /* target: as Kbuild names it, may have ".." in it */
struct kbuild_dir {
	char *dir;
	km_vec(struct kbuild_part) parts;
	km_strv below_y, below_m; /* directories it descends into */
	char *cflags, *aflags;	  /* subdir-ccflags-y, subdir-asflags-y */
};
/* Asks the directory's Makefile, once; the answer is kept in the kernel's cache and is the kernel's. A directory
 * without a Makefile builds nothing. KM_ENV when make fails. */
KM_CHECKED km_error *kbuild_dir_get(km_kernel *k, const char *dir, const struct kbuild_dir **ret);
/* Frees the answer; NULL is fine. */
void kbuild_dir_free(struct kbuild_dir *d);
/* Reads an answer's text ("builtin fs/open.o", "module two.o a.o", …) into *ret, which is overwritten. */
void kbuild_dir_parse(const char *dir, const char *text, struct kbuild_dir *ret);
/* "a/b/../c" → "a/c"; the caller's to free. */
char *path_normal(const char *path);
/* How Kbuild reaches a source file. */
struct kbuild_place {
	const struct kbuild_dir *dir;
	char *cflags, *aflags; /* added to KBUILD_CFLAGS, KBUILD_AFLAGS by the directories above */
	bool only_modules;     /* the directory is descended into for modules alone */
};
/* ret->dir is NULL when nothing builds it; then *reason (the caller's) says why. */
KM_CHECKED km_error *kbuild_place_of(km_kernel *k, const char *source, struct kbuild_place *ret, char **reason);
/* Frees a value of kernel_priv.ways. */
void way_free(void *way);
/* Frees the flags; dir is the kernel's. */
void kbuild_place_end(struct kbuild_place *p);

/* ---- copy.c: working copies by hard links ---- */
struct copy {
	char *tree, *journal; /* absolute */
	int lock;
};
/* Takes the first free copy of that kind ("" or "original-"), makes one where all are taken. Restores it first. */
KM_CHECKED km_error *copy_open(const char *kernel_dir, const char *kind, struct copy *ret);
/* Unlocks; the files stay as they are, and the journal with them. */
void copy_close(struct copy *c);
/* Replaces the file by new bytes (a new inode; never through the hard link), after its path is safe in the journal.
 * NULL bytes: removes it. */
KM_CHECKED km_error *copy_replace(struct copy *c, const char *path, const void *bytes, size_t size);
/* Puts back all that the journal names, then removes the journal. A path in it that leads out of the tree:
 * KM_INPUT. */
KM_CHECKED km_error *copy_restore(struct copy *c, const char *pristine);

struct changed_file { /* one that a diff touched */
	char *path;
	char *old_text, *new_text; /* NULL: did not or does not exist */
	char *lined;		   /* new_text with #line directives; NULL when they are the same */
};
struct km_work {
	km_kernel *kernel;
	struct copy copy, original; /* original.tree is NULL until first needed */
	char *scratch;
	km_vec(struct changed_file) changed;
	unsigned moved_hunks, fuzzy_hunks;
	pthread_mutex_t lock;	/* original */
	pthread_rwlock_t texts; /* read: the files are as they should be compiled; write: they are being exchanged */
	pthread_mutex_t directory[16]; /* one Kbuild run in a directory of the original copy at a time; by hash */
};
/* Opens w->original, the copy that no diff touches, unless it is open. Any thread may call it. */
KM_CHECKED km_error *work_original(struct km_work *w);

/* ---- lex.c: enough of C's lexical rules for text ---- */
enum lex_kind {
	LEX_END,
	LEX_NAME,
	LEX_NUMBER,
	LEX_STRING,
	LEX_CHAR,
	LEX_PUNCT,
	LEX_HASH,
	LEX_EOD
}; /* HASH, EOD: around a directive */
struct lex {
	const char *at, *end;
	unsigned line; /* of `at`, from 1 */
	bool line_start, directive;
	bool *joined; /* when not NULL: joined[n] is set for each line n that begins inside something (n <= lines) */
};
struct token {
	enum lex_kind kind;
	const char *at;
	size_t n;
	unsigned line;
};
/* At the begin of n bytes, which are borrowed. */
struct lex lex_of(const char *text, size_t n);
/* The next token, its text a view of the bytes; LEX_END at the end and ever after. Comments and blank space are
 * passed over. */
struct token lex_next(struct lex *lx);
static inline bool token_is(const struct token *t, const char *s)
{
	return t->n == strlen(s) && !memcmp(t->at, s, t->n);
}
/* Whether both are the same tokens, whatever the blank space and comments; "# 12 "file"" markers do not count. */
bool lex_same(
	const char *a,
	const char *b);
/* Lines of the text; a last one without a newline counts. */
size_t count_lines(const char *text);

/* ---- definitions.c: top-level definitions of a C text ---- */
enum definition_kind { DEF_FUNCTION, DEF_MACRO, DEF_DECLARATION, DEF_OTHER, DEF_DIRECTIVE };
struct definition {
	enum definition_kind kind; /* DECLARATION: of one function or one extern object */
	char *name;		   /* "" where it has none that can be told */
	unsigned first, last;
	bool is_inline;
	bool made_by_macro; /* NAME(…) in capitals: the name is a guess */
};
typedef km_vec(struct definition) definition_list;
/* Appends what stands at the top of the text, in order; lines without a token lie in none. */
void definitions_of(const char *text, definition_list *ret);
/* Frees the names; *l is empty. */
void definition_list_free(definition_list *l);

/* ---- hunks.c, lines.c ---- */
struct hunk {
	unsigned old_at, old_n, new_at, new_n;
}; /* as diff -U0: with n = 0, `at` is the line before */
typedef km_vec(struct hunk) hunk_list;
/* By diff(1), through files in `scratch`. */
KM_CHECKED km_error *hunks_between(const char *scratch, const char *old_text, const char *new_text, hunk_list *ret);
/* new_text with #line directives, or NULL when none is needed. */
char *lines_insert(const char *new_text, const struct hunk *hunks, size_t n);

/* ---- diff_text.c: unified diffs ---- */
struct file_diff {
	char *old_path, *new_path; /* without a/ and b/; NULL: /dev/null, never both */
	char *text;		   /* "@@" hunks alone */
	unsigned line;		   /* of its first hunk in the patch file */
	bool rename, binary;
};
typedef km_vec(struct file_diff) file_diff_list;
/* Cuts a patch file's text into its files, hunks made uniform. KM_INPUT with the line when a hunk is damaged or
 * /dev/null stands on both sides, or when there is no hunk. */
KM_CHECKED km_error *diff_parse(const char *text, file_diff_list *ret);
/* Frees the texts; *l is empty. */
void file_diff_list_free(file_diff_list *l);
/* The text that a diff against /dev/null adds. */
char *diff_added_text(const struct file_diff *d);

/* ---- includes.c ---- */
typedef struct include_graph include_graph;
/* The kernel's graph, scanned at most once and kept in its cache; owned by the kernel. */
KM_CHECKED km_error *include_graph_get(km_kernel *k, const include_graph **ret);
/* Frees the graph; NULL is fine. */
void include_graph_free(include_graph *g);
/* All files that include `path`, directly or not, in order of the tree. */
void include_graph_reach(const include_graph *g, const char *path, km_strv *ret);
/* All files that these include, directly or not, in order of the tree. */
void include_graph_included_by(const include_graph *g, const km_strv *files, km_strv *ret);
/* Whether any file includes this one. */
bool include_graph_included(const include_graph *g, const char *path);
/* For tests: a graph over a directory. */
KM_CHECKED km_error *include_graph_scan(const char *tree, char **text);
/* The graph of what include_graph_scan() wrote. */
include_graph *include_graph_parse(const char *text);

/* ---- narrow.c ---- */
/* Drops from `files` those that cannot see the change of a header: see the file. */
KM_CHECKED km_error *narrow(km_work *w, const struct changed_file *header, const include_graph *g, km_strv *files);

#endif
