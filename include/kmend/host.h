/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/host.h - live patches on the running kernel: what is applied, applying, taking back, and what is in the way.
 *
 * The state is the kernel's: it is read afresh from sysfs by every call, and what kmend itself writes down (a record
 * of each patch it loaded, below /run, gone with the next boot) only adds what the kernel cannot tell: since when, by
 * whom, which CVEs. So a command that was killed at any step leaves nothing to repair but what the kernel shows, and
 * the next one goes on from there.
 *
 * Paths of the host, all below $KMEND_ROOT when that is set (tests; no module is loaded into this kernel then):
 *   /sys/kernel/livepatch/, /sys/kernel/kmend/, /sys/module/, /sys/kernel/notes, /proc/   the kernel's own
 *   /run/kmend.lock            held by a load or unload from its first look to its end
 *   /run/kmend/patches/NAME.json   the record of a patch that kmend loaded; world-readable
 *   /run/kmend/core-mode       what /sys/kernel/kmend/mode was before a load chose another one
 *   /var/lib/kmend/patches/[core/]NAME.ko    where `kmend load NAME` looks first
 * Sources: Documentation/ABI/testing/sysfs-kernel-livepatch, Documentation/livepatch/livepatch.rst,
 * kernel/livepatch/{core,transition}.c, fs/proc/base.c.
 */
#ifndef KMEND_HOST_H
#define KMEND_HOST_H

#include <kmend/base.h>
#include <kmend/patch.h>

typedef struct km_host km_host;

/* ---- the model -------------------------------------------------------------------------------------------------- */
struct km_applied_func {
	char *name;
	unsigned sympos; /* 0: the name is unique in its object */
};
struct km_applied_object {
	char *name;   /* "vmlinux" or a module's */
	int patched;  /* 1, 0 (a module that is not loaded), -1: this kernel does not tell */
	km_vec(struct km_applied_func) funcs;
};
/* A patch module that is in the kernel. */
struct km_applied {
	char *name;           /* of the module */
	const char *backend;  /* "livepatch" or "core" */
	bool registered;      /* the kernel's live patching knows it; else only the module is left in memory */
	bool enabled;         /* the state it has, or goes to when in transition */
	bool transition;
	int replace;          /* 1, 0, -1: this kernel does not tell */
	int stack_order;      /* 1 is the lowest; 0: this kernel does not tell */
	km_vec(struct km_applied_object) objects;
	char *build_id;       /* of the module in memory (hex), or NULL */
	char *srcversion;     /* or NULL */
	unsigned refcount;    /* of the module */
	/* From our record; NULL, 0 and empty for a patch that something else loaded. */
	bool ours;
	char *version, *description, *severity, *path, *sha256;
	int64_t since;        /* seconds since 1970 */
	int64_t uid;          /* the user who asked for it (through sudo: who called sudo); -1: not known */
	km_strv cves;
};
typedef km_vec(struct km_applied) km_applied_list;
/* Frees the list with all it holds; *l is empty. */
void km_applied_list_free(km_applied_list *l);
/* The patch of that module name, owned by the list, or NULL. */
const struct km_applied *km_applied_find(const km_applied_list *l, const char *name);

struct km_frame {
	char *text;      /* "do_sys_poll+0x1c/0x30 [mod]" as the kernel printed it */
	char *name;      /* "do_sys_poll" */
	char *module;    /* "mod", or NULL for the kernel itself */
	bool patched;    /* this function is what keeps the task from switching */
};
/* A task that has not reached the state that the transition goes to. */
struct km_blocker {
	long pid, tid;   /* process and thread */
	char *comm;
	char state;      /* as in /proc/PID/stat: R S D T …; '?' when not known */
	bool kthread;
	km_vec(struct km_frame) stack; /* innermost first; empty while it runs, or when the kernel shows no stacks */
};
typedef km_vec(struct km_blocker) km_blocker_list;
/* Frees the list with all stacks; *l is empty. */
void km_blocker_list_free(km_blocker_list *l);

/* ---- back ends ----------------------------------------------------------------------------------------------------
 * What redirects functions in this kernel. Loading and removing modules, waiting, limits and records are common to
 * all. A back end only reads and changes the state of patches; none of its functions waits. `all` holds every patch.
 */
struct km_backend {
	const char *name;
	const char *enables; /* what the init of its patch modules calls, for messages */
	/* Can this kernel do it? */
	bool (*present)(km_host *host);
	/* Could prepare() make it so? NULL: no. */
	bool (*available)(km_host *host);
	/* Makes it present, by loading what it needs; NULL: cannot be done. KM_REFUSED when that is not installed. */
	km_error *(*prepare)(km_host *host);
	/* Adds the patches it knows to *all, without record. */
	km_error *(*list)(km_host *host, km_applied_list *all);
	/* The state of one patch, cheap enough to poll. False: it is not registered (any more). */
	bool (*state)(km_host *host, const char *name, bool *enabled, bool *transition);
	/* Does this patch file belong to it? */
	bool (*accepts)(const struct km_info *info);
	/* The consistency model and deadline (seconds; 0: none given) for the next transition of `name`, or (NULL) of the patch that is
	 * loaded next. mode NULL: as it was before. KM_REFUSED when it has no such model. */
	km_error *(*choose)(km_host *host, const char *name, const char *mode, double deadline);
	/* Seconds after which the kernel itself turns the transition of `name` round; 0, or no function: never. */
	double (*deadline)(km_host *host, const char *name);
	/* Starts or reverses a transition. KM_REFUSED when the kernel denies it. */
	km_error *(*enable)(km_host *host, const struct km_applied *patch, bool on);
	/* Ends a transition at once without regard to the tasks. The module can never be removed afterwards. */
	km_error *(*force)(km_host *host, const struct km_applied *patch);
	/* How many tasks have yet to switch in the transition of `name` to `target`. With list, adds them: pid, tid, and in `stack` the
	 * function that holds one where only the back end can tell. It may list fewer than it counts. */
	size_t (*pending)(km_host *host, const char *name, bool target, km_blocker_list *list);
	/* Is it this stack frame that keeps a task from following `patch`? */
	bool (*blocks)(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame);
};
extern const struct km_backend km_backend_livepatch, km_backend_core;

/* ---- the door to the kernel ---------------------------------------------------------------------------------------
 * Everything that changes the running kernel, and time. Tests put a simulated kernel behind it.
 * The functions return 0 or an errno.
 */
struct km_door {
	/* finit_module(2); path is for messages */
	int (*load)(void *ctx, int fd, const char *path, const char *parameters);
	int (*remove)(void *ctx, const char *module);     /* delete_module(2), never blocking */
	int (*find)(void *ctx, const char *module);       /* is it where modprobe(8) looks? ENOENT: no */
	int (*probe)(void *ctx, const char *module);      /* loads it, as modprobe(8) does; ENOENT: not installed */
	int (*write)(void *ctx, const char *path, const char *text); /* one write(2) to a sysfs file */
	void (*sleep)(void *ctx, double seconds);
	double (*now)(void *ctx); /* monotonic, seconds */
	void *ctx;
};
/* The real one. When `root` is not "", load and remove give ENOSYS: a tree of files is no kernel. */
struct km_door km_door_real(const char *root);

/* ---- the host --------------------------------------------------------------------------------------------------- */
/* root: "" for this machine, a directory, or NULL for $KMEND_ROOT. door: NULL for the real one; copied. */
KM_CHECKED km_error *km_host_open(const char *root, const struct km_door *door, km_host **ret);
/* Frees what was read of the host; locks are those of the calls, and gone already. NULL is fine. */
void km_host_close(km_host *host);
static inline void km_host_closep(km_host **host) { km_host_close(*host); }
#define KM_AUTOHOST KM_CLEANUP(km_host_closep)

/* The running kernel's release, as `uname -r`; the host's. */
const char *km_host_release(const km_host *host);
/* The running kernel's build-id in hex, "" when it does not tell; the host's. */
const char *km_host_build_id(const km_host *host);
/* The bits of /proc/sys/kernel/tainted, read now; bit 15: live patched, or was since boot. */
uint64_t km_host_taint(const km_host *host);
/* Whether this process may load modules: root, or any user below a root of its own. */
bool km_host_privileged(const km_host *host);
/* Whether some back end is present, so that patches can be applied at all. */
bool km_host_supported(km_host *host);

/* All patch modules in the kernel: first those that are registered, in the order of the back end, then modules that
 * live patching has let go of but that are still in memory. */
KM_CHECKED km_error *km_host_list(km_host *host, km_applied_list *ret);
/* The tasks that `name` waits for. Not in transition: an empty list. `stacks` false: only counts and names are read. */
KM_CHECKED km_error *km_host_blockers(km_host *host, const char *name, bool stacks, km_blocker_list *ret);

/* Whether patches for kmend.ko can be loaded: it is in the kernel, or installed. */
bool km_host_core_available(km_host *host);
/* The file that `kmend load ARG` means. With a '/' or ending in ".ko": that path. Else /var/lib/kmend/patches/ARG.ko,
 * then ./ARG.ko; in both places core/ARG.ko goes before it where kmend.ko is available. KM_ENV that lists where was looked, with the near names that exist. */
KM_CHECKED km_error *km_host_find_file(km_host *host, const char *arg, char **ret);
/* The name of the module that ARG (a name, or a path to NAME.ko) means: no directory, no ".ko", '-' as '_'. */
char *km_host_module_name(const char *arg);
/* Refuses (KM_REFUSED) a file that is no live patch, or one for another kernel release, vermagic or build-id. */
KM_CHECKED km_error *km_host_check(km_host *host, const struct km_info *info);

/* ---- load and unload -------------------------------------------------------------------------------------------- */
struct km_progress {
	const char *patch;
	bool target;        /* true: to the new code */
	bool reverting;
	double elapsed, limit;
	size_t left;        /* tasks that have not switched; (size_t)-1: not counted yet */
};
enum { KM_HOST_TIMEOUT = 60 }; /* seconds; the default limit of a transition */
struct km_host_spec {
	double timeout;     /* seconds for the transition; <= 0: KM_HOST_TIMEOUT */
	bool no_wait;       /* return when the transition has begun */
	const char *mode;   /* consistency model for kmend.ko: stop, lazy, hybrid or deadline; NULL: as configured */
	double deadline;    /* seconds, for the mode deadline; 0: as configured */
	bool force;         /* at the limit force the transition instead of reverting it */
	const char *parameters; /* of the module, as on insmod's command line; NULL: none. A module that is in memory keeps its own. */
	void (*progress)(void *ctx, const struct km_progress *p); /* may be NULL; called about once a second */
	void (*lock_busy)(void *ctx);     /* may be NULL; called once when another kmend holds the lock */
	void *ctx;
};
enum km_host_outcome {
	KM_HOST_DONE,        /* loaded and every task switched; unloaded and out of memory */
	KM_HOST_ALREADY,     /* it was so before */
	KM_HOST_STARTED,     /* no_wait: the transition is under way */
	KM_HOST_REVERTED,    /* the limit passed; the state before is restored */
	KM_HOST_STUCK,       /* the limit passed, and the reversal is not complete either; it goes on */
	KM_HOST_KEPT,        /* unload: disabled for all tasks, but the module cannot be removed: `why` */
};
struct km_host_change {
	enum km_host_outcome outcome;
	char *name;
	bool resumed;           /* the transition, or the enabled module, was left by an earlier command */
	bool forced;
	double limit;           /* seconds that it had */
	double transition;      /* seconds from its start (or, resumed, from when we looked) to its end; 0: none */
	double load;            /* seconds in finit_module(2), which begins the transition */
	km_blocker_list blockers; /* at the limit */
	km_strv replaced;       /* patches that a cumulative one has replaced; their modules are removed */
	char *why;              /* or NULL */
};
/* Frees what a load or unload told. */
void km_host_change_free(struct km_host_change *c);

/* Takes the lock, checks the file, loads it and waits. The same build already enabled: KM_HOST_ALREADY; in transition
 * (an earlier command was killed or did not wait): goes on waiting, turning it round if it was being taken back; the
 * module in memory but not enabled: enabled, or removed and loaded anew. KM_REFUSED, before the kernel sees the file:
 * another patch of that name, a transition under way, another kernel, no live patching. KM_ENV: no permission. */
KM_CHECKED km_error *km_host_load(km_host *host, const char *path, const struct km_host_spec *spec,
				  struct km_host_change *ret);
/* Takes the lock, disables, waits, removes the module. Not in the kernel: KM_HOST_ALREADY. Works for every live
 * patch, whoever loaded it. KM_REFUSED: not a live patch, another transition under way, other modules use it. */
KM_CHECKED km_error *km_host_unload(km_host *host, const char *name, const struct km_host_spec *spec,
				    struct km_host_change *ret);

/* ---- for tests of what a kill leaves behind -----------------------------------------------------------------------
 * When the environment has KMEND_KILL_AT=<step> the process kills itself (SIGKILL) when it comes to that step; with
 * KMEND_STOP_AT=<step> it stops (SIGSTOP) and goes on when continued. The steps, in order:
 *   load:    load-locked load-checked load-recorded load-chosen load-loaded load-waiting load-reverting load-reverted
 *            load-removed load-done
 *   unload:  unload-locked unload-disabling unload-disabled unload-waiting unload-reverting unload-removing
 *            unload-removed
 */
void km_host_step(const char *step);
extern const char *const km_host_steps[]; /* NULL-terminated */

#endif
