/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/base.h - what every part of kmend stands on: errors with context, memory, containers, strings,
 * hostile bytes, files, processes and what a person sees while they wait. It knows nothing of kernels.
 *
 * Memory: running out of it ends the program (km_oom() says so, exit status 1); no function below returns NULL for it.
 * Ownership: a pointer that comes out of a `_create`, `_new`, `_dup` or `_printf` belongs to the caller, unless an arena
 * was passed in, which then owns it.
 */
#ifndef KMEND_BASE_H
#define KMEND_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define KM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define KM_CHECKED __attribute__((warn_unused_result))
#define KM_CLEANUP(fn) __attribute__((cleanup(fn)))
#define KM_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- errors ------------------------------------------------------------------------------------------------------
 * A function that can fail returns `km_error *`: NULL is success. Results are written only on success, and the out
 * parameter stands last. Each layer adds what it was doing: km_error_add(err, "cannot read %s", path) gives
 * "cannot read vmlinuz: truncated at byte 12".
 */
enum km_code {
	KM_USAGE = 1,  /* the words on the command line */
	KM_ENV,        /* the machine: a file, a program, the disk, the network */
	KM_INPUT,      /* bytes that are not what they should be: a broken ELF file, a patch that does not apply */
	KM_REFUSED,    /* all is readable, and the answer is no; the message says why */
	KM_NOTHING,    /* there is nothing to do */
	KM_BUG,        /* a state that should be impossible */
};

typedef struct km_error {
	enum km_code code;
	int sys;        /* errno at the time, or 0 */
	char *message;  /* one line, no newline at the end, unless it quotes a tool's own output */
	char *hint;     /* what the user can do next, or NULL */
} km_error;

KM_CHECKED km_error *km_error_new(enum km_code code, const char *fmt, ...) KM_PRINTF(2, 3);
/* Appends ": " and strerror(sys); code is KM_ENV. */
KM_CHECKED km_error *km_error_sys(int sys, const char *fmt, ...) KM_PRINTF(2, 3);
/* Puts "<fmt>: " before the message. err must not be NULL. Returns err. */
KM_CHECKED km_error *km_error_add(km_error *err, const char *fmt, ...) KM_PRINTF(2, 3);
/* Sets the hint if none was set deeper down. Returns err. */
KM_CHECKED km_error *km_error_hint(km_error *err, const char *fmt, ...) KM_PRINTF(2, 3);
void km_error_free(km_error *err);
/* Prints "<program>: error: <message>" and, indented, the hint to stderr, coloured on a terminal. */
void km_error_print(const char *program, const km_error *err);
/* The exit status for a code, as `kmend build` documents it: usage, env, input and bug 1, refused 2, nothing 3. */
int km_error_exit(const km_error *err);

#define KM_TRY(expr)                           \
	do {                                   \
		km_error *km_try_ = (expr);    \
		if (km_try_)                   \
			return km_try_;        \
	} while (0)

/* ---- memory ------------------------------------------------------------------------------------------------------ */
_Noreturn void km_oom(void);
void *km_calloc(size_t n, size_t size);            /* zeroed; n * size is checked for overflow */
void *km_realloc(void *p, size_t n, size_t size);  /* the new part is not zeroed */
char *km_strdup(const char *s);
char *km_strndup(const char *s, size_t n);
char *km_printf(const char *fmt, ...) KM_PRINTF(1, 2);
char *km_vprintf(const char *fmt, va_list ap);

/* For KM_CLEANUP. */
void km_freep(void *pp); /* free(*(void **)pp) */
void km_closep(int *fd); /* closes when >= 0 */
void km_fclosep(FILE **f);
#define KM_AUTOFREE KM_CLEANUP(km_freep)
#define KM_AUTOCLOSE KM_CLEANUP(km_closep)

/* A region that is freed as a whole. Allocations are zeroed and aligned for any type. */
typedef struct km_arena km_arena;
km_arena *km_arena_create(void);
void km_arena_destroy(km_arena *arena); /* NULL is fine */
void *km_arena_alloc(km_arena *arena, size_t size);
void *km_arena_copy(km_arena *arena, const void *from, size_t size);
char *km_arena_strdup(km_arena *arena, const char *s);
char *km_arena_strndup(km_arena *arena, const char *s, size_t n);
char *km_arena_printf(km_arena *arena, const char *fmt, ...) KM_PRINTF(2, 3);
#define km_arena_new(arena, type) ((type *)km_arena_alloc((arena), sizeof(type)))

/* ---- containers --------------------------------------------------------------------------------------------------
 * km_vec(T) is a growing array on the heap: v.at[i], v.n. Zero-initialise it; km_vec_free() ends it.
 */
#define km_vec(type)           \
	struct {               \
		type *at;      \
		size_t n, cap; \
	}
#define km_vec_push(v, ...)                                                                                   \
	do {                                                                                                  \
		if ((v)->n == (v)->cap) {                                                                     \
			(v)->cap = (v)->cap ? 2 * (v)->cap : 8;                                               \
			(v)->at = km_realloc((v)->at, (v)->cap, sizeof(*(v)->at));                            \
		}                                                                                             \
		(v)->at[(v)->n++] = (__VA_ARGS__);                                                            \
	} while (0)
#define km_vec_free(v)                                          \
	do {                                                    \
		free((v)->at);                                  \
		(v)->at = NULL;                                 \
		(v)->n = (v)->cap = 0;                          \
	} while (0)
typedef km_vec(char *) km_strv; /* a vector of strings that it owns */
void km_strv_push(km_strv *v, const char *s); /* copies s */
void km_strv_printf(km_strv *v, const char *fmt, ...) KM_PRINTF(2, 3);
void km_strv_free(km_strv *v);
bool km_strv_has(const km_strv *v, const char *s);
void km_strv_sort(km_strv *v);
/* A NULL-terminated view, valid until the next push; v->n does not count the NULL. For km_run(). */
char *const *km_strv_argv(km_strv *v);

/* A map from string to pointer; keys are copied, values are the caller's. Iterates in the order of insertion. */
typedef struct km_map km_map;
km_map *km_map_create(void);
void km_map_destroy(km_map *map);
void *km_map_get(const km_map *map, const char *key); /* NULL when absent */
bool km_map_has(const km_map *map, const char *key);
void km_map_put(km_map *map, const char *key, void *value); /* replaces */
size_t km_map_count(const km_map *map);
const char *km_map_at(const km_map *map, size_t i, void **value); /* i < count; value may be NULL */

/* ---- strings ----------------------------------------------------------------------------------------------------- */
bool km_starts(const char *s, const char *prefix);
bool km_ends(const char *s, const char *suffix);
/* A growing string: zero-initialise; s.at is NUL-terminated once anything was added. */
typedef struct km_str {
	char *at;
	size_t n, cap;
} km_str;
void km_str_add(km_str *s, const char *text);
void km_str_addn(km_str *s, const void *bytes, size_t n);
void km_str_printf(km_str *s, const char *fmt, ...) KM_PRINTF(2, 3);
void km_str_free(km_str *s);
/* The candidate nearest to word by edit distance if it is near enough to be meant, else NULL. */
const char *km_nearest(const char *word, const char *const *candidates, size_t n);

/* ---- hashes (OpenSSL) -------------------------------------------------------------------------------------------- */
enum { KM_SHA256_LEN = 32, KM_SHA256_HEX = 65 };
typedef struct km_sha256 km_sha256;
km_sha256 *km_sha256_create(void);
void km_sha256_add(km_sha256 *h, const void *bytes, size_t n);
void km_sha256_end(km_sha256 *h, uint8_t out[static KM_SHA256_LEN]); /* destroys h */
void km_sha256_of(const void *bytes, size_t n, uint8_t out[static KM_SHA256_LEN]);
void km_hex(const uint8_t *bytes, size_t n, char *out); /* 2n + 1 chars */
KM_CHECKED km_error *km_sha256_file(const char *path, char out[static KM_SHA256_HEX]);

/* ---- hostile bytes -----------------------------------------------------------------------------------------------
 * A cursor never reads past its end. A read past it sets `failed`, gives 0 or NULL, and so do all reads after it: check
 * `failed` once, at the end of a structure. Integers are little-endian.
 */
typedef struct km_cursor {
	const uint8_t *bytes;
	size_t size, pos;
	bool failed;
} km_cursor;
km_cursor km_cursor_of(const void *bytes, size_t size);
uint8_t km_get8(km_cursor *c);
uint16_t km_get16(km_cursor *c);
uint32_t km_get32(km_cursor *c);
uint64_t km_get64(km_cursor *c);
const void *km_get(km_cursor *c, size_t n);   /* a view of the next n bytes */
const char *km_getstr(km_cursor *c);          /* a view of a NUL-terminated string, the NUL inside the bounds */
void km_seek(km_cursor *c, size_t pos);       /* pos > size fails */
size_t km_left(const km_cursor *c);

/* ---- files ------------------------------------------------------------------------------------------------------- */
/* The whole file; *bytes is NUL-terminated past its end and the caller's to free. */
KM_CHECKED km_error *km_file_read(const char *path, uint8_t **bytes, size_t *size);
/* Writes beside path, syncs, renames over it: path holds the old bytes or the new ones, never a part. Through symlinks;
 * what is not a regular file (a pipe, /dev/stdout) is written as it stands. */
KM_CHECKED km_error *km_file_write(const char *path, const void *bytes, size_t size);
KM_CHECKED km_error *km_file_copy(const char *from, const char *to); /* atomic as km_file_write; keeps the mode */
KM_CHECKED km_error *km_mkdirs(const char *path);                     /* as mkdir -p */
KM_CHECKED km_error *km_remove_tree(const char *path);                /* as rm -rf; no symlinks followed */
bool km_exists(const char *path);
bool km_is_dir(const char *path);
char *km_path(const char *dir, const char *name); /* dir + "/" + name */
/* Names in dir but . and .., sorted. */
KM_CHECKED km_error *km_listdir(const char *dir, km_strv *ret);
/* Locks path (made if absent) with flock(2), exclusive. wait=false: *fd is -1 when another holds it. Closing unlocks. */
KM_CHECKED km_error *km_lock(const char *path, bool wait, int *fd);
/* $KMEND_CACHE, else $XDG_CACHE_HOME/kmend, else ~/.cache/kmend (root: /var/cache/kmend); made if absent. */
KM_CHECKED km_error *km_cache_dir(char **ret);

/* ---- processes --------------------------------------------------------------------------------------------------- */
struct km_cmd {
	char *const *argv;       /* NULL-terminated; argv[0] is looked up in PATH */
	const char *dir;         /* working directory, or NULL */
	char *const *env;        /* the whole environment, or NULL to inherit */
	const char *stdin_path;  /* or NULL for /dev/null */
	const char *log_path;    /* both outputs go to this file, or NULL to capture them */
	double timeout;          /* seconds, 0 for none; the process group is killed at it */
};
struct km_done {
	int status;        /* exit status, or 128 + signal */
	bool timed_out;
	char *out, *err;   /* captured, NUL-terminated; never NULL after km_run() */
	double wall, user, sys; /* seconds */
	long peak_kb;      /* largest resident size of one process, KiB */
};
/* Runs it to its end. An error only when it could not be started; look at done->status for the rest. */
KM_CHECKED km_error *km_run(const struct km_cmd *cmd, struct km_done *done);
/* As km_run(), and a non-zero status is an error (KM_ENV) that quotes the last lines of what it printed; *done is written
 * only on success, and done may be NULL. */
KM_CHECKED km_error *km_run_ok(const struct km_cmd *cmd, struct km_done *done);
void km_done_free(struct km_done *done);
/* Signals the process groups of all km_run() that are under way; async-signal-safe. The first km_run() catches SIGINT,
 * SIGTERM and SIGHUP where their action is the default one, to end the children with this process; a program with
 * handlers of its own calls this in them. */
void km_kill_children(int sig);
/* Calls work(ctx, i) for i in [0, n) on up to `jobs` threads, begun in the order of i, and waits for all of them. After an
 * error none is begun any more; the error of the lowest i is given, which is the same one on every run. */
KM_CHECKED km_error *km_parallel(size_t n, unsigned jobs, km_error *(*work)(void *ctx, size_t i), void *ctx);
unsigned km_cpus(void);
double km_now(void); /* monotonic, seconds */
/* User + system seconds of this process, and of its children that ended. */
void km_cpu_used(double *own, double *children);

/* ---- what a person sees ------------------------------------------------------------------------------------------
 * Stages of long work on stderr: one line that is redrawn on a terminal, one line a stage in a pipe.
 */
enum km_colour { KM_PLAIN, KM_BOLD, KM_DIM, KM_RED, KM_GREEN, KM_YELLOW, KM_BLUE };
void km_colour_setup(const char *when); /* "auto" (default; NO_COLOR is obeyed), "always", "never" */
const char *km_colour_on(FILE *f, enum km_colour c); /* the escape sequence, or "" */
const char *km_colour_off(FILE *f);
typedef struct km_stages km_stages; /* names and times of stages, in order; a running one's so far */
km_stages *km_stages_create(bool quiet);
void km_stages_destroy(km_stages *s);
void km_stage(km_stages *s, const char *name);                       /* ends the one before, starts this */
void km_stage_unit(km_stages *s, size_t done, size_t total, const char *unit); /* progress inside; thread-safe */
void km_stages_end(km_stages *s);
size_t km_stages_count(const km_stages *s);
const char *km_stages_at(const km_stages *s, size_t i, double *wall, double *own_cpu, double *child_cpu);
void km_warn(const char *fmt, ...) KM_PRINTF(1, 2); /* "warning: ..." on stderr, does not tear a progress line */

#endif
