/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of lib/host share. */
#ifndef KMEND_HOST_INTERNAL_H
#define KMEND_HOST_INTERNAL_H

#include <kmend/host.h>

struct km_host {
	char *root; /* "" for this machine; before every path */
	char *release, *build_id, *boot_id;
	struct km_door door;
};

/* ---- host.c: paths and small files ------------------------------------------------------------------------------ */
/* The path below the root; fmt begins with '/'. The caller's to free. */
char *host_path(const km_host *host, const char *fmt, ...) KM_PRINTF(2, 3);
/* A small file (sysfs, procfs) whole, its last newline removed; NULL when it cannot be read. The caller's to free. */
char *host_text(const km_host *host, const char *fmt, ...) KM_PRINTF(2, 3);
/* The same for bytes; *ret is added to. False when it cannot be read. */
bool host_bytes(const km_host *host, km_str *ret, const char *fmt, ...) KM_PRINTF(3, 4);
/* The number in such a file, or `missing`. */
long host_number(const km_host *host, long missing, const char *fmt, ...) KM_PRINTF(3, 4);
/* The back end of that name; they are few. */
const struct km_backend *host_backend(const char *name);
extern const struct km_backend *const host_backends[]; /* NULL-terminated */

/* ---- patches.c: what both back ends have in common; base is the directory that they show their patches in -------- */
bool patches_present(const km_host *host, const char *base);
/* The state of one patch; false: it is not there. */
bool patches_state(const km_host *host, const char *base, const char *name, bool *enabled, bool *transition);
/* Adds all patches, in the order of the stack. */
KM_CHECKED km_error *patches_list(const km_host *host, const struct km_backend *backend, const char *base,
				  km_applied_list *all);
/* One write(2) to a file of a patch; 0 or an errno. */
int patches_write(const km_host *host, const char *base, const char *name, const char *file, const char *text);
/* Is it this frame that keeps a task from following the patch? cold: "<name>.cold" belongs to the function. */
bool patches_block(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame, bool cold);

/* ---- log.c ------------------------------------------------------------------------------------------------------ */
/* The kernel log from now on; -1 when it cannot be read. */
int log_open(const km_host *host);
/* What it has got since about this module, or about live patching: lines behind a title, or NULL. The caller's. */
char *log_about(int fd, const char *name);

/* ---- notes.c ---------------------------------------------------------------------------------------------------- */
/* The build-id (hex) in a run of ELF notes, or NULL. The caller's to free. */
char *notes_build_id(const void *bytes, size_t size);

/* ---- file.c: a patch file that was read and is held open -------------------------------------------------------- */
struct patch_file {
	char *path; /* absolute */
	int fd;	    /* what was checked is what is loaded */
	struct km_info *info;
	char *build_id, *srcversion; /* of the module; NULL when it has none */
	char sha256[KM_SHA256_HEX];
	const struct km_backend *backend;
};
/* Opens, reads, hashes and checks one file. KM_INPUT when it is no live patch that some back end knows. */
KM_CHECKED km_error *patch_file_open(const char *path, struct patch_file *ret);
/* Closes and frees it; zeroed is fine. */
void patch_file_close(struct patch_file *file);
/* Is `file` what the kernel holds as `patch`? 1 yes, 0 no, -1 nothing tells. */
int patch_file_same(const struct patch_file *file, const struct km_applied *patch);

/* ---- record.c --------------------------------------------------------------------------------------------------- */
/* Writes the record of a patch that is about to be loaded: who, when, from which file. */
KM_CHECKED km_error *record_write(const km_host *host, const struct patch_file *file);
/* Fills the record's part of *patch if there is a record of this boot and of this build. */
void record_read(const km_host *host, struct km_applied *patch);
/* Forgets the patch; no record is fine. */
void record_remove(const km_host *host, const char *name);

/* ---- module.c --------------------------------------------------------------------------------------------------- */
/* Whether a module of that name is in the kernel; built-in ones do not count. */
bool module_loaded(const km_host *host, const char *name);
/* Loads it with parameters (may be NULL), with the kernel's own words in the hint when it does not want it. */
KM_CHECKED km_error *module_load(km_host *host, const struct patch_file *file, const char *parameters, double *seconds);
/* Removes it, waiting some seconds for the last references that the kernel drops after a transition. NULL in *why:
 * gone. */
void module_remove(km_host *host, const char *name, char **why);
/* Modules that use it, comma-separated, or NULL. */
char *module_holders(const km_host *host, const char *name);

/* ---- transition.c ----------------------------------------------------------------------------------------------- */
enum wait_end {
	WAIT_DONE,
	WAIT_LIMIT,
	WAIT_TURNED, /* the kernel's own deadline passed: it is back where it came from */
};
struct wait {
	const struct km_backend *backend;
	const char *name;
	bool target, reverting;
	double limit;
	double deadline;	  /* after which the kernel turns round by itself; 0: never */
	km_blocker_list *blockers; /* or NULL: gets who was in the way before it did */
};
/* Waits until the patch has reached w->target or the limit passes, showing progress. KM_REFUSED when somebody else
 * turned the patch round meanwhile. */
KM_CHECKED km_error *transition_wait(km_host *host, const struct wait *w, const struct km_host_spec *spec,
				     double *elapsed, enum wait_end *ret);
/* ---- change.c: what load and unload have in common -------------------------------------------------------------- */
struct change {
	km_host *host;
	const struct km_host_spec *spec;
	struct km_host_change out; /* given away on success */
	km_applied_list all;
	int lock;
};
/* Takes the lock, waiting for another kmend no longer than a transition may take (KM_ENV then). KM_ENV for who is
 * not root. */
KM_CHECKED km_error *change_begin(struct change *c, km_host *host, const struct km_host_spec *spec);
/* Unlocks and frees what was not given away. */
void change_end(struct change *c);
/* Refuses when a patch other than `name` is in transition. */
KM_CHECKED km_error *change_alone(const struct change *c, const char *name);
/* Tells the back end which consistency model the next transition shall have, of `name` or (NULL) of the patch that is loaded next. KM_USAGE
 * or KM_REFUSED when it cannot. */
KM_CHECKED km_error *change_choose(const struct change *c, const struct km_backend *backend, const char *name);
/* Takes that back. */
void change_unchoose(const struct change *c, const struct km_backend *backend, const char *name);
/* Waits for `patch` to reach `target`; at the limit forces it, when that was asked for, or turns it round, after the
 * step `reverting`. */
KM_CHECKED km_error *change_finish(struct change *c, const struct km_applied *patch, bool target, const char *waiting,
				   const char *reverting);

#endif
