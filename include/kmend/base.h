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

/* An error with that message (one line, no full stop); sys 0, no hint. Freed with km_error_free(). */
KM_CHECKED km_error *km_error_new(enum km_code code, const char *fmt, ...) KM_PRINTF(2, 3);
/* Appends ": " and strerror(sys); code is KM_ENV. */
KM_CHECKED km_error *km_error_sys(int sys, const char *fmt, ...) KM_PRINTF(2, 3);
/* Puts "<fmt>: " before the message. err must not be NULL. Returns err. */
KM_CHECKED km_error *km_error_add(km_error *err, const char *fmt, ...) KM_PRINTF(2, 3);
/* Sets the hint if none was set deeper down. Returns err. */
KM_CHECKED km_error *km_error_hint(km_error *err, const char *fmt, ...) KM_PRINTF(2, 3);
/* Frees it with its texts; NULL is fine. */
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
/* Says "out of memory" on stderr and ends the program with status 1; allocates nothing and runs no atexit handler. */
_Noreturn void km_oom(void);
/* n * size zeroed bytes, for free(). Never NULL, not even for 0 bytes; an overflowing product is km_oom(). */
void *km_calloc(size_t n, size_t size);
/* As realloc() to n * size bytes, checked for overflow; what is new is not zeroed. p is not valid any more. */
void *km_realloc(void *p, size_t n, size_t size);
/* A copy for free(); s must not be NULL. */
char *km_strdup(const char *s);
/* A copy of the first n bytes at most, ended with a NUL; for free(). */
char *km_strndup(const char *s, size_t n);
/* The formatted text, for free(). */
char *km_printf(const char *fmt, ...) KM_PRINTF(1, 2);
/* The same from a va_list, which is used up. */
char *km_vprintf(const char *fmt, va_list ap);

/* For KM_AUTOFREE: frees the pointer that pp points at. */
void km_freep(void *pp);
/* For KM_AUTOCLOSE: closes *fd unless it is negative. */
void km_closep(int *fd);
/* For KM_CLEANUP: closes *f unless it is NULL; a failing last write goes unnoticed, so writers call fclose()
 * themselves. */
void km_fclosep(FILE **f);
#define KM_AUTOFREE KM_CLEANUP(km_freep)
#define KM_AUTOCLOSE KM_CLEANUP(km_closep)

/* A region that is freed as a whole. Allocations are zeroed and aligned for any type. */
typedef struct km_arena km_arena;
/* An empty region; ended with km_arena_destroy(). */
km_arena *km_arena_create(void);
/* Frees all that was allocated in it, and itself; NULL is fine. */
void km_arena_destroy(km_arena *arena);
/* size zeroed bytes that live as long as the arena. An arena is one thread's at a time. */
void *km_arena_alloc(km_arena *arena, size_t size);
/* A copy of size bytes, aligned for any type. */
void *km_arena_copy(km_arena *arena, const void *from, size_t size);
/* A copy of the string that lives as long as the arena. */
char *km_arena_strdup(km_arena *arena, const char *s);
/* A copy of the first n bytes at most, ended with a NUL. */
char *km_arena_strndup(km_arena *arena, const char *s, size_t n);
/* The formatted text, which lives as long as the arena. */
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
/* Appends a copy of s. */
void km_strv_push(km_strv *v, const char *s);
/* Appends the formatted text. */
void km_strv_printf(km_strv *v, const char *fmt, ...) KM_PRINTF(2, 3);
/* Frees the strings and the array; *v is empty and can be used again. */
void km_strv_free(km_strv *v);
/* Whether one of them equals s. Looks at each: for large sets take a km_map. */
bool km_strv_has(const km_strv *v, const char *s);
/* By strcmp(), ascending. */
void km_strv_sort(km_strv *v);
/* A NULL-terminated view, valid until the next push; v->n does not count the NULL. For km_run(). */
char *const *km_strv_argv(km_strv *v);

/* A map from string to pointer; keys are copied, values are the caller's. Iterates in the order of insertion. */
typedef struct km_map km_map;
/* An empty map; ended with km_map_destroy(). */
km_map *km_map_create(void);
/* Frees the map and its keys, never the values. */
void km_map_destroy(km_map *map);
/* The value, or NULL when the key is absent; a value may be NULL itself, which km_map_has() tells apart. */
void *km_map_get(const km_map *map, const char *key);
/* Whether the key is there, whatever its value. */
bool km_map_has(const km_map *map, const char *key);
/* Enters the value; one that the key had is replaced and keeps its place in the order. */
void km_map_put(km_map *map, const char *key, void *value);
/* How many keys there are. */
size_t km_map_count(const km_map *map);
/* The i-th key in the order of insertion, i < km_map_count(); *value gets its value, unless value is NULL. The key
 * is the map's. */
const char *km_map_at(const km_map *map, size_t i, void **value);

/* ---- strings ----------------------------------------------------------------------------------------------------- */
/* Whether s begins with prefix; every string begins with "". */
bool km_starts(const char *s, const char *prefix);
/* Whether s ends with suffix. */
bool km_ends(const char *s, const char *suffix);
/* Whether s is UTF-8: shortest forms, no surrogates. */
bool km_utf8_ok(const char *s);
/* Whether s, which is UTF-8, has at most max bytes and no control characters: it cannot move a terminal's cursor or break a line. */
bool km_plain(const char *s, size_t max);
/* Any bytes as UTF-8 without control characters and of at most max bytes: what cannot stay becomes '?', and what is too long ends with
 * a whole character. For free(). */
char *km_plain_of(const char *s, size_t max);
/* A growing string: zero-initialise; s.at is NUL-terminated once anything was added. */
typedef struct km_str {
	char *at;
	size_t n, cap;
} km_str;
/* Appends the text. */
void km_str_add(km_str *s, const char *text);
/* Appends n bytes, NULs among them as they are; s->n counts all. */
void km_str_addn(km_str *s, const void *bytes, size_t n);
/* Appends the formatted text. */
void km_str_printf(km_str *s, const char *fmt, ...) KM_PRINTF(2, 3);
/* Frees the bytes; *s is empty and can be used again. */
void km_str_free(km_str *s);
/* The candidate nearest to word by edit distance if it is near enough to be meant, else NULL. */
const char *km_nearest(const char *word, const char *const *candidates, size_t n);

/* ---- hashes (OpenSSL) -------------------------------------------------------------------------------------------- */
enum { KM_SHA256_LEN = 32, KM_SHA256_HEX = 65 };
typedef struct km_sha256 km_sha256;
/* A sum under way; km_sha256_end() ends and frees it. */
km_sha256 *km_sha256_create(void);
/* Takes n more bytes into the sum. */
void km_sha256_add(km_sha256 *h, const void *bytes, size_t n);
/* Writes the sum and destroys h. */
void km_sha256_end(km_sha256 *h, uint8_t out[static KM_SHA256_LEN]);
/* The sum of n bytes at once. */
void km_sha256_of(const void *bytes, size_t n, uint8_t out[static KM_SHA256_LEN]);
/* Lower-case hex digits of n bytes and a NUL: out has room for 2n + 1. */
void km_hex(const uint8_t *bytes, size_t n, char *out);
/* Whether text is n lower-case hex digits and nothing more: two spellings of one id would be two ids. */
bool km_hex_ok(const char *text, size_t n);
/* The n bytes that exactly 2n lower-case hex digits stand for. */
bool km_hex_read(const char *text, size_t length, uint8_t *ret, size_t n);
/* The sum of a file's bytes in hex, read piece by piece. KM_ENV when it cannot be read. */
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
/* A cursor at the begin of size bytes, which it borrows. */
km_cursor km_cursor_of(const void *bytes, size_t size);
/* The next byte; 0 past the end. */
uint8_t km_get8(km_cursor *c);
/* The next 2 bytes; 0 past the end. */
uint16_t km_get16(km_cursor *c);
/* The next 4 bytes; 0 past the end. */
uint32_t km_get32(km_cursor *c);
/* The next 8 bytes; 0 past the end. */
uint64_t km_get64(km_cursor *c);
/* A view of the next n bytes, valid while the bytes are; NULL past the end. */
const void *km_get(km_cursor *c, size_t n);
/* A view of the NUL-terminated string that begins here; NULL when no NUL lies inside the bounds. */
const char *km_getstr(km_cursor *c);
/* Goes to a place counted from the begin; one past the size fails, the size itself does not. */
void km_seek(km_cursor *c, size_t pos);
/* Bytes from here to the end; 0 after a failure. */
size_t km_left(const km_cursor *c);

/* ---- files ------------------------------------------------------------------------------------------------------- */
/* The whole file; *bytes is NUL-terminated past its end and the caller's to free. */
KM_CHECKED km_error *km_file_read(const char *path, uint8_t **bytes, size_t *size);
/* Writes beside path, syncs, renames over it: path holds the old bytes or the new ones, never a part. Through symlinks;
 * what is not a regular file (a pipe, /dev/stdout) is written as it stands. */
KM_CHECKED km_error *km_file_write(const char *path, const void *bytes, size_t size);
/* Copies bytes and mode; `to` is written as km_file_write() does, whole or not at all. */
KM_CHECKED km_error *km_file_copy(const char *from, const char *to);
/* Makes the directory and those above it, as mkdir -p; what is there already is fine. */
KM_CHECKED km_error *km_mkdirs(const char *path);
/* As rm -rf: what does not exist is fine, symlinks are removed and not followed. */
KM_CHECKED km_error *km_remove_tree(const char *path);
/* Whether something is there, after following symlinks. */
bool km_exists(const char *path);
/* Whether it is a directory, after following symlinks. */
bool km_is_dir(const char *path);
/* dir + "/" + name, for free(); nothing is normalised. */
char *km_path(const char *dir, const char *name);
/* Names in dir but . and .., sorted. */
KM_CHECKED km_error *km_listdir(const char *dir, km_strv *ret);
/* Locks path (made if absent, for its owner alone: who can open it can hold it) with flock(2), exclusive. wait=false: *fd is -1 when another holds it. Closing unlocks, once all programs
 * that were run meanwhile have ended, too: they inherit the lock. */
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
/* Frees what was captured. */
void km_done_free(struct km_done *done);
/* Signals the process groups of all km_run() that are under way; async-signal-safe. The first km_run() catches SIGINT,
 * SIGTERM and SIGHUP where their action is the default one, to end the children with this process; a program with
 * handlers of its own calls this in them. */
void km_kill_children(int sig);
/* Calls work(ctx, i) for i in [0, n) on up to `jobs` threads, begun in the order of i, and waits for all of them. After an
 * error none is begun any more; the error of the lowest i is given, which is the same one on every run. */
KM_CHECKED km_error *km_parallel(size_t n, unsigned jobs, km_error *(*work)(void *ctx, size_t i), void *ctx);
/* CPUs that this process may run on, at least 1: in a container fewer than the machine has. */
unsigned km_cpus(void);
/* Seconds on a clock that never goes back; only differences mean something. */
double km_now(void);
/* User + system seconds of this process, and of its children that ended. */
void km_cpu_used(double *own, double *children);

/* ---- what a person sees ------------------------------------------------------------------------------------------
 * Stages of long work on stderr: one line that is redrawn on a terminal, one line a stage in a pipe.
 */
enum km_colour { KM_PLAIN, KM_BOLD, KM_DIM, KM_RED, KM_GREEN, KM_YELLOW, KM_BLUE };
/* For the whole process: "always", "never", or "auto" (the default, and any other word), which means terminals
 * that are not dumb, unless NO_COLOR is set. */
void km_colour_setup(const char *when);
/* The escape sequence that begins the colour on f, or "" when f gets no colours. */
const char *km_colour_on(FILE *f, enum km_colour c);
/* The escape sequence that ends any colour on f, or "". */
const char *km_colour_off(FILE *f);
typedef struct km_stages km_stages; /* names and times of stages, in order; a running one's so far */
/* No stage runs yet. quiet: times are kept, nothing is shown. Ended with km_stages_destroy(). */
km_stages *km_stages_create(bool quiet);
/* Takes the progress line away and frees all; NULL is fine. */
void km_stages_destroy(km_stages *s);
/* Ends the stage before, prints its time, and begins this one. The name is copied. */
void km_stage(km_stages *s, const char *name);
/* Shows "done/total unit" beside the running stage's name, on terminals only, ten times a second at most. Any
 * thread may call it. */
void km_stage_unit(km_stages *s, size_t done, size_t total, const char *unit);
/* Ends the last stage, if one runs, and prints its time. */
void km_stages_end(km_stages *s);
/* Stages begun so far, the running one included. */
size_t km_stages_count(const km_stages *s);
/* The i-th stage's name and its seconds so far or in all: wall clock, CPU of this process, CPU of its ended
 * children. Each pointer may be NULL. The name is the stages'. */
const char *km_stages_at(const km_stages *s, size_t i, double *wall, double *own_cpu, double *child_cpu);
/* Prints "warning: …" on stderr, whole even beside a progress line. */
void km_warn(const char *fmt, ...) KM_PRINTF(1, 2);

#endif
