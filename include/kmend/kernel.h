/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/kernel.h - one exact kernel: its image and symbols, its prepared source tree, and the units compiled from it.
 *
 * Three nouns carry everything:
 *   km_image   the shipped vmlinux and the shipped modules: bytes, symbols in the kernel's own order, build-ids;
 *   km_kernel  a kernel that was located and prepared in the cache: release, image, tree, Kbuild environment, exports;
 *   km_work    one build's private copy of the tree, in which a diff is applied and units are compiled.
 */
#ifndef KMEND_KERNEL_H
#define KMEND_KERNEL_H

#include <kmend/base.h>
#include <kmend/elf.h>

/* ---- the image ---------------------------------------------------------------------------------------------------
 * An object is "vmlinux" or a module, under the name the kernel knows it by ('-' turned into '_').
 */
struct km_ksym {
	const char *name;
	uint64_t addr;           /* vmlinux: link-time virtual address, or the per-CPU offset; module: offset in sec */
	uint64_t size;           /* vmlinux: to the next higher address or the end of the segment (kallsyms has no sizes),
	                            0 outside of all segments; module: st_size */
	const struct km_sec *sec; /* modules only */
	char type;               /* as in /proc/kallsyms: t T d D b B r R a A w W v V … */
	unsigned sympos;         /* 0 when the name is unique in its object, else 1, 2, … in the order in which the kernel's
	                            livepatch counts (kallsyms order; a module's symbol table order, of what stays
	                            after init: the count once the module is live) */
	unsigned sympos_coming;  /* the same, as counted while the module is being loaded, when its .init sections and the like
	                            count as well. Where it differs from sympos the name cannot be resolved in both
	                            states. vmlinux: equal to sympos */
};

typedef struct km_object {
	const char *name;
	bool is_vmlinux;
	const char *path;              /* of the .ko, or of the vmlinuz/vmlinux */
	uint8_t build_id[20];
	size_t build_id_len;
	km_elf *elf;                   /* modules: the shipped .ko as a model; NULL for vmlinux */
	km_vec(struct km_ksym) syms;   /* in the kernel's order: ascending address for vmlinux; the symbol table's for a module,
	                                  without those of sections that are discarded after init */
	void *priv;
} km_object;

/* Opens a vmlinuz (bzImage: gzip, bzip2 not needed, lzma, xz, lz4, zstd as Debian's kernels use) or a vmlinux ELF file, and parses
 * the kallsyms tables in it (layouts of Linux 6.1 through 6.12: with absolute-percpu/base-relative offsets, token tables; order
 * of tables differs between versions). No debug symbols are needed; with a vmlinux that has a symbol table the result is the same. */
KM_CHECKED km_error *km_vmlinux_open(const char *path, km_object **ret);
/* Opens a .ko, .ko.xz, .ko.zst or .ko.gz. */
KM_CHECKED km_error *km_module_open(const char *path, km_object **ret);
/* Frees the object with its symbols; what look-ups gave is gone with it. */
void km_object_destroy(km_object *obj);
/* All symbols of that name, in order; *n may be 0. The array belongs to obj. */
const struct km_ksym *const *km_ksyms_named(const km_object *obj, const char *name, size_t *n);
/* vmlinux only: all symbols at exactly this address (aliases); then the one that covers it. */
const struct km_ksym *const *km_ksyms_at(const km_object *obj, uint64_t addr, size_t *n);
/* vmlinux only: the symbol whose [addr, addr + size) holds this address; NULL for none. Of aliases the first in
 * order. */
const struct km_ksym *km_ksym_covering(const km_object *obj, uint64_t addr);
/* vmlinux only: n shipped bytes at a link-time address; NULL where nothing is loaded (bss gives NULL too). */
const uint8_t *km_vmlinux_bytes(const km_object *obj, uint64_t addr, size_t n);
/* From the image's own banner ("Linux version …"): release, whole banner (compiler, package version). */
const char *km_vmlinux_release(const km_object *obj);
/* From the image's banner: the whole line, "Linux version …"; it names the compiler and the package's version. */
const char *km_vmlinux_banner(const km_object *obj);

/* Parsers of the above, open to tests and fuzzers. */
/* As km_vmlinux_open() for the bytes of an ELF file, which it copies; path is "". */
KM_CHECKED km_error *km_vmlinux_parse(const uint8_t *bytes, size_t size, km_object **ret);
/* The payload of a bzImage, unpacked: the vmlinux ELF file, with what the kernel's build appended to it. *vmlinux is the
 * caller's; at most 512 MiB. */
KM_CHECKED km_error *km_vmlinuz_extract(const uint8_t *bytes, size_t size, uint8_t **vmlinux, size_t *vmlinux_size);
/* Decompresses by magic: xz, zstd, gzip; plain bytes are copied. More than `limit` bytes of output
 * are KM_INPUT. *out is the caller's. */
KM_CHECKED km_error *km_decompress(const uint8_t *bytes, size_t size, size_t limit, uint8_t **out, size_t *out_size);

/* One line of Module.symvers. */
struct km_export {
	const char *name, *owner; /* owner: "vmlinux" or a module's name ('-' turned into '_') */
	uint32_t crc;
	bool gpl;
	const char *ns;
};
typedef struct km_exports km_exports;
/* Reads a Module.symvers file. A damaged line is KM_INPUT with its number, and so is a file without an export. */
KM_CHECKED km_error *km_exports_read(const char *path, km_exports **ret);
/* Frees all lines; NULL is fine. */
void km_exports_destroy(km_exports *e);
/* The export of that name, owned by e; NULL when the kernel exports no such symbol. */
const struct km_export *km_export_find(const km_exports *e, const char *name);

/* ---- the kernel: located, prepared, cached -------------------------------------------------------------------------
 * The cache ($KMEND_CACHE …, km_cache_dir()) holds:
 *   debs/                      packages, each checked against the archive's SHA-256
 *   kernels/<id>/              one prepared kernel; <id> = <release>-<first 12 hex digits of a hash of all inputs>
 *       tree/                  prepared source, never written to after `ready` exists
 *       env                    the environment Kbuild runs units with, NUL-separated
 *       image/                 vmlinuz and lib/modules/<release>/ from the image package
 *       objects/               original objects, compiled on demand, by unit (km_unit_compile_original)
 *       generated/             files that Kbuild generated for single units, for all working copies
 *       core/<hash>/           kmend.ko for it (km_core_open)
 *       work/<n>/              working copies (hard links), reused; each with a lock and a journal
 *       kernel.json, ready
 * It is made in a temporary directory and renamed, under a lock: two runs prepare a kernel once, a killed run leaves nothing that
 * a later run takes for finished.
 */
struct km_kernel_source { /* what the user named; all NULL: the running kernel */
	const char *release;                                 /* --kernel */
	const char *source, *config, *vmlinux, *symvers;     /* --source DIR --config FILE --vmlinux FILE --symvers FILE */
	const char *modules;                                 /* --modules DIR with the .ko files, optional */
	const char *debs;                                    /* directory with .deb files to use instead of apt, optional */
};
typedef struct km_kernel {
	char *id, *release, *package_version; /* package_version "6.1.176-1", or "" */
	char *arch;                          /* "x86_64" */
	char *dir, *tree, *module_dir;       /* absolute; module_dir may be NULL */
	char *headers;                       /* tree to build external modules against: has Module.symvers, scripts, module.lds */
	char *compiler;                      /* "gcc-12" */
	char *compiler_text;                 /* CONFIG_CC_VERSION_TEXT */
	km_object *vmlinux;
	km_exports *exports;
	void *priv;
} km_kernel;

/* Locates and, where needed, fetches (apt-get download, checked) and prepares. Errors: an unknown release names near ones; no
 * network; full disk; compiler missing or of another version (hint: the package). Stages are shown through `stages` (may be NULL). */
KM_CHECKED km_error *km_kernel_open(const struct km_kernel_source *src, km_stages *stages, km_kernel **ret);
/* Frees the kernel with its image and opened modules; the cache stays. NULL is fine. */
void km_kernel_close(km_kernel *k);
/* The shipped module of that name, opened once and kept. NULL-safe errors: KM_INPUT when this kernel ships no such module. */
KM_CHECKED km_error *km_kernel_module(km_kernel *k, const char *name, km_object **ret);
/* Names of all modules shipped, sorted. */
KM_CHECKED km_error *km_kernel_modules(km_kernel *k, km_strv *ret);

/* For `kmend kernels`. */
struct km_kernel_info {
	char *release, *version;
	bool running, installed, cached, offered; /* offered: image, headers and source of one version by apt */
};
typedef km_vec(struct km_kernel_info) km_kernel_list;
/* All kernels that something is known of, oldest release first. Without apt a warning, and what is left: not an
 * error. */
KM_CHECKED km_error *km_kernels_list(km_kernel_list *ret);
/* Frees the list; *l is empty. */
void km_kernel_list_free(km_kernel_list *l);

/* ---- a working copy ------------------------------------------------------------------------------------------------ */
typedef struct km_work km_work;
/* Takes a free working copy (making one if all are locked), and restores whatever a killed run left in it. */
KM_CHECKED km_error *km_work_open(km_kernel *k, km_work **ret);
/* Restores the copy to the pristine text, unlocks it, removes what was scratch. NULL is fine. */
void km_work_close(km_work *w);
/* The copy's directory, absolute; valid while w is open. */
const char *km_work_tree(const km_work *w);

/* How many hunks of what was applied stand at other lines than their diff says, and how many (not counted in *moved) beside lines that
 * differ a little. */
void km_work_hunks(const km_work *w, unsigned *moved, unsigned *fuzzy);

struct km_touched {
	char *path;      /* below the tree */
	enum km_touch { KM_TOUCH_C, KM_TOUCH_HEADER, KM_TOUCH_ASM, KM_TOUCH_BUILD, KM_TOUCH_DOC, KM_TOUCH_OTHER } kind;
	bool added, removed;
	bool same_tokens; /* after comments and white space are taken away nothing changed */
	km_strv functions; /* names of top-level definitions that the changed lines lie in, as far as text shows; for reports */
};
typedef km_vec(struct km_touched) km_touched_list;
/* Frees the list; *l is empty. */
void km_touched_free(km_touched_list *l);

/* Applies unified diffs (-p1; also -p0 and git's) one after the other to the working copy. A hunk that does not apply: KM_INPUT
 * that names patch file, hunk and target file. Line numbers: `#line` directives are put where needed so that unchanged code keeps its
 * line numbers; every changed region keeps the number it has in the patched file. Directives go only where the C lexer is between
 * tokens of no macro call, directive, comment or literal. */
KM_CHECKED km_error *km_work_apply(km_work *w, const km_strv *patches, km_touched_list *ret);
/* SHA-256 (hex) over the applied diffs, in order, without anything that depends on file names or time stamps in them. */
KM_CHECKED km_error *km_patches_hash(const km_strv *patches, char out[static KM_SHA256_HEX]);

/* ---- units ---------------------------------------------------------------------------------------------------------
 * A unit is a .c file that this configuration compiles into vmlinux or into one or more modules.
 */
typedef struct km_unit {
	char *source;  /* "fs/smb/client/connect.c" */
	char *object;  /* "vmlinux" or the module's name, '-' turned into '_' */
	bool builtin;
	const char *why; /* "changed", "includes fs/smb/client/cifsglob.h" … (owned by the unit) */
	char *why_text;
} km_unit;
typedef km_vec(km_unit) km_unit_list;
/* Frees the list; *l is empty. */
void km_unit_list_free(km_unit_list *l);

/* The units that a set of changed files reaches: .c files themselves; for headers and .c files that others #include, all units that include
 * them, directly or not (text scan of the tree, made once and cached), filtered to this configuration by asking Kbuild. Headers whose
 * change lies in named inline functions or macros only reach units whose preprocessor input mentions the name. `left_out` gets
 * (path, reason) pairs for touched files that reach no unit: "not built by this configuration (CONFIG_FOO is not set)",
 * "documentation", "another architecture". */
struct km_left_out { char *path, *reason; };
typedef km_vec(struct km_left_out) km_left_out_list;
/* Frees the list; *l is empty. */
void km_left_out_free(km_left_out_list *l);
/* Fills both lists, each unit once for each object it is linked into, changed .c files first. KM_ENV when Kbuild
 * cannot be asked. */
KM_CHECKED km_error *km_units_of(km_work *w, const km_touched_list *touched, km_unit_list *ret, km_left_out_list *left_out);

/* Objects of one unit. All paths are absolute. */
struct km_unit_objects {
	char *plain;    /* original, compiled exactly as the distribution did: to be matched with the image */
	char *original; /* original, plus -ffunction-sections -fdata-sections: to be compared */
	char *patched;  /* patched, the same flags; NULL when the preprocessed tokens are equal */
	bool same_tokens;
	bool from_cache;     /* plain and original came from the cache */
	double compile_cpu;  /* CPU seconds of the compiler in this run */
};
/* Frees the paths, not the files. */
void km_unit_objects_free(struct km_unit_objects *o);
/* Compiles what is needed. Originals are compiled in a pristine working copy and kept in the cache under the unit's name; patched ones go below
 * out_dir. A compile error is KM_INPUT with the compiler's own message, at the patched file's real lines (compiled once more without
 * #line to get them). Thread-safe for different units of one work. */
KM_CHECKED km_error *km_unit_compile(km_work *w, const km_unit *unit, const char *out_dir, struct km_unit_objects *ret);

/* Builds an external module from C files and ready objects with the kernel's own Kbuild: name.ko in dir. dir/Kbuild is written by the
 * caller. `more` has further words for make, or is NULL. modpost's "undefined!" is not an error here: the caller checks undefined
 * symbols (or says KBUILD_MODPOST_WARN= in `more`). */
KM_CHECKED km_error *km_module_build(km_kernel *k, const char *dir, const char *name, const km_strv *more);

/* ---- kmend.ko --------------------------------------------------------------------------------------------------------
 * The core is an external module like others: it is built for one exact kernel, once for each state of its sources, into that
 * kernel's part of the cache (core/<hash of the sources>[-test]/), atomically and under a lock.
 */
struct km_core {
	char *module;  /* kmend.ko, without debug sections */
	char *symvers; /* Module.symvers: the CRCs of what it exports */
	char *header;  /* kmend.h, of the same sources */
};
/* The directory with kmod/ and include/uapi/: $KMEND_DATADIR, the source of the build tree that this program runs from, or where
 * they were installed. KM_ENV when there is none. The caller's to free. */
KM_CHECKED km_error *km_core_sources(char **ret);
/* Builds it unless the cache has it. test: the variant whose module parameters make it fail on demand. A compile error is
 * KM_BUG with the compiler's text. */
KM_CHECKED km_error *km_core_open(km_kernel *k, bool test, struct km_core *ret);
/* Frees the paths, not the files. */
void km_core_free(struct km_core *core);

#endif
