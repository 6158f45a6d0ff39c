/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/lab.h - a VM that boots one exact kernel, runs steps in it and says what happened.
 *
 * A lab is described (which kernel, what is carried in, which steps), then run, once. The guest is QEMU's, without
 * disk and network unless it is given some; its root is an initramfs made here, in memory: no file is left behind
 * whatever happens, and labs side by side do not know of each other. QEMU dies with the thread that runs the lab. The kernel's log comes
 * out of the first serial line, the steps' results out of the second; all that comes from the guest is bounded and
 * taken as hostile bytes.
 */
#ifndef KMEND_LAB_H
#define KMEND_LAB_H

#include <kmend/base.h>

/* ---- the kernel to boot ---------------------------------------------------------------------------------- */
struct km_lab_kernel {
	char *release;
	char *vmlinuz;
	char *modules; /* directory with the modules below kernel/, or NULL: none can be loaded by name */
};
/* By release and, unless it is NULL or "", the build-id (hex) of its image: in the cache of prepared kernels, then in
 * /boot and /lib/modules. KM_ENV when there is none. */
KM_CHECKED km_error *km_lab_kernel_find(const char *release, const char *build_id, struct km_lab_kernel *ret);
/* From files. modules may be NULL. The release is read from the vmlinuz's own header. */
KM_CHECKED km_error *km_lab_kernel_files(const char *vmlinuz, const char *modules, struct km_lab_kernel *ret);
/* Frees the paths; *k is empty. */
void km_lab_kernel_free(struct km_lab_kernel *k);

/* ---- the lab --------------------------------------------------------------------------------------------- */
struct km_lab_result;
struct km_lab_options {
	unsigned smp;	      /* CPUs, 0: 2 */
	unsigned memory;      /* MiB, 0: 512 */
	double timeout;	      /* seconds for the whole run, 0: 600 */
	double silence;	      /* seconds without a sign of life until the guest counts as hung, 0: 30 */
	const char *append;   /* more of the kernel's command line, or NULL */
	bool panic_on_warn;   /* the first WARNING ends the guest */
	bool icount;	      /* emulated, with a clock that counts instructions, one a nanosecond and a tick of the
				 time stamp counter, whatever the host does; a guest that sleeps skips the time. One CPU:
				 smp is 0 or 1 */
	bool one_thread;      /* emulated, with all CPUs in one thread of the emulator. So it is anyway with QEMU before 8.1, which may go on
				 with stale code when one CPU runs text that another one changes, as ftrace does */
	bool boot_log;	      /* the whole log from the first line on (costs half a second); else it begins with init */
	int64_t date;	      /* the guest's clock begins at that many seconds since 1970; 0: this machine's time */
	const km_strv *allow; /* a log line that contains one of these is no finding; or NULL */
	/* What a step prints, as it comes; or NULL. The bytes are the guest's: a terminal wants
	 * km_lab_printable(). */
	void (*output)(void *ctx, size_t step, const char *bytes, size_t n);
	/* After each step; false ends the guest at once. Or NULL. */
	bool (*after)(void *ctx, size_t step, const struct km_lab_result *sofar);
	void *ctx;
};

typedef struct km_lab km_lab;
/* kernel must outlive the lab; strings are copied. */
KM_CHECKED km_error *km_lab_create(const struct km_lab_kernel *kernel, km_lab **ret);
/* Frees the description, run or not; NULL is fine. */
void km_lab_destroy(km_lab *lab);

/* Puts a file, a symlink's target or a directory with all below it into the guest, at guest_path (NULL: under its
 * last name in the working directory of the steps, which is in PATH). A dynamic program takes its libraries along,
 * at the paths that ldd(1) tells. */
KM_CHECKED km_error *km_lab_carry(km_lab *lab, const char *path, const char *guest_path);
/* The same from one word of a command line, "PATH[:GUESTPATH]". A PATH with a ':' in it cannot be said this way. */
KM_CHECKED km_error *km_lab_carry_word(km_lab *lab, const char *word);
/* A file made of bytes. guest_path is absolute. */
void km_lab_carry_bytes(km_lab *lab, const char *guest_path, unsigned mode, const void *bytes, size_t n);
/* Whether the kernel's package ships a module of that name; '-' and '_' are the same. */
bool km_lab_has_module(const km_lab *lab, const char *name);
/* Puts it there only: `modprobe NAME` in the guest finds it. */
KM_CHECKED km_error *km_lab_module_carry(km_lab *lab, const char *name);

enum km_lab_kind {
	KM_LAB_RUN,    /* argv: a program; its exit status is the step's */
	KM_LAB_START,  /* argv: a program that goes on in the background */
	KM_LAB_STOP,   /* ends it (SIGTERM): its whole output and its status are this step's */
	KM_LAB_INSMOD, /* PATH in the guest; present already is fine */
	KM_LAB_RMMOD,  /* NAME; absent is fine */
	KM_LAB_LOAD, /* PATH NAME: a live patch, and wait for its transition; at the step's limit it is reverted and the
			step fails */
	KM_LAB_PATCHED, /* NAME [OBJECT/FUNCTION,POS]...: ftrace redirects all that the patch NAME lists, and it lists at
			   least these */
	KM_LAB_UNLOAD,	/* NAME: disable, wait, remove */
};
struct km_lab_step {
	enum km_lab_kind kind;
	const char *name; /* for people */
	unsigned group;	  /* a failed step ends its group; ascending */
	bool always;	  /* runs even then */
	bool soft;	  /* its failure does not end the group */
	bool fatal;	  /* its failure ends the groups behind it too */
	double timeout;	  /* seconds, 0: 120 */
};
/* args are copied; NULL-terminated. Gives the step's number, from 0. */
size_t km_lab_step(km_lab *lab, const struct km_lab_step *step, const char *const *args);
/* Puts a module of the kernel and all it depends on into the guest, and adds a step that inserts each, in order;
 * group, always, soft, fatal and timeout of the steps are like's. */
KM_CHECKED km_error *km_lab_module(km_lab *lab, const struct km_lab_step *like, const char *name);
/* Adds a disk, "FILE:GUESTPATH[:SIZE]": an image that is made with an ext4 of that size (64M) when there is no FILE, and kept,
 * so that the next lab with it finds what this one wrote, also after a crash. Adds steps that mount it at GUESTPATH; they are
 * like `like`. KM_USAGE for a wrong word, KM_ENV when it cannot be made. */
KM_CHECKED km_error *km_lab_disk(km_lab *lab, const struct km_lab_step *like, const char *word);
/* Adds a network on which the guest, 10.0.2.15, reaches these ports ("8080,9090") of this machine's loopback as 10.0.2.100, by
 * name `host`, and nothing else. Where nothing listens here, a connection is closed at once. Adds steps as above. */
KM_CHECKED km_error *km_lab_net(km_lab *lab, const struct km_lab_step *like, const char *ports);
/* How many steps were added so far. */
size_t km_lab_steps(const km_lab *lab);
/* The step's kind, name and group; valid while the lab is. */
const struct km_lab_step *km_lab_step_at(const km_lab *lab, size_t i);

/* ---- what happened --------------------------------------------------------------------------------------- */
enum km_lab_end {
	KM_LAB_CLEAN,	/* all was done, the guest powered off */
	KM_LAB_PANIC,	/* the kernel panicked or rebooted */
	KM_LAB_HUNG,	/* no sign of life for options.silence */
	KM_LAB_TIMEOUT, /* options.timeout */
	KM_LAB_STOPPED, /* options.after said so */
	KM_LAB_NO_BOOT, /* it ended before init said a word */
};
struct km_lab_step_result {
	bool begun, ended;
	int status; /* 0: done; else the program's, or 1 for a step that failed; 124 killed at its limit, 126/127 not
		       run */
	double seconds;
	double transition; /* seconds, or -1 */
	km_str output;	   /* the last KM_LAB_OUTPUT_MAX bytes at most; raw */
	bool cut;	   /* more was printed */
};
struct km_lab_finding {	    /* a line of the kernel's log that should not be there */
	char *line;	    /* printable */
	const char *reason; /* "a warning", "a stalled CPU" … */
	size_t step;	    /* the step under way by the log's own order, or KM_LAB_BOOT */
};
enum { KM_LAB_OUTPUT_MAX = 1 << 20, KM_LAB_LOG_MAX = 8 << 20, KM_LAB_FINDINGS_MAX = 64 };
#define KM_LAB_BOOT ((size_t)-1)

struct km_lab_result {
	enum km_lab_end end;
	size_t last; /* the step that was under way when it ended, or KM_LAB_BOOT */
	double boot; /* seconds from the start of QEMU to the first word of init */
	double wall;
	bool kvm;
	km_vec(struct km_lab_step_result) steps; /* one for each step of the lab */
	km_vec(struct km_lab_finding) findings;
	km_str log;	/* raw; the first KM_LAB_LOG_MAX bytes */
	size_t garbage; /* bytes on the result line that were no record */
	char *qemu;	/* what QEMU itself said, or "" */
};
/* An error only when there was nothing to run: QEMU or busybox absent, a file unreadable. What the guest does is
 * in *ret. */
KM_CHECKED km_error *km_lab_run(km_lab *lab, const struct km_lab_options *options, struct km_lab_result *ret);
/* Frees logs and outputs; *r is empty. */
void km_lab_result_free(struct km_lab_result *r);
/* "the kernel panicked", … */
const char *km_lab_end_text(enum km_lab_end end);
/* Copies n bytes with all but printable ASCII, valid UTF-8, tab and newline replaced by '?'; the caller's. */
char *km_lab_printable(const char *bytes, size_t n);
/* The reason why a line of a kernel log is a finding, or NULL. */
const char *km_lab_finding(const char *line);

/* ---- proving a patch ------------------------------------------------------------------------------------- */
struct km_verify {
	const char *file;
	const struct km_lab_kernel *kernel; /* NULL: found by what the patch says it is for */
	const char *before;   /* shell; exits 0 while the patch is not applied: before the load and again after the
				 unload. Or NULL */
	const char *after;    /* shell; exits 0 while it is. Or NULL */
	const char *workload; /* shell; runs from begin to end, its status counts. Or NULL */
	km_strv carry;	      /* "PATH[:GUESTPATH]" */
	km_strv modules;      /* loaded before all else, besides those that the patch changes */
	const char *core;     /* kmend.ko for a patch of the flavour core; NULL: built for the patch's kernel when it needs one */
	double transition;    /* seconds a transition may take, 0: 60 */
	struct km_lab_options options;
};
struct km_verdict {
	bool pass;
	char *release, *name; /* of the kernel; of the patch */
	char *reason;	      /* NULL when pass; one line */
	size_t step;	      /* the failing step, or KM_LAB_BOOT */
	km_strv step_names;   /* one for each of result.steps */
	struct km_lab_result result;
};
/* An error is a matter of usage or environment; a patch that fails is a verdict. */
KM_CHECKED km_error *km_verify(const struct km_verify *v, struct km_verdict *ret);
/* Frees the verdict with its result; *v is empty. */
void km_verdict_free(struct km_verdict *v);

/* Many patches, as few boots as possible: for each in turn its modules, load, all functions in effect, a short
 * workload, unload. A guest that died or whose log has a finding is not used again; the next patch gets a new one.
 * options.smp 0 is one CPU here: half a second a patch, where two CPUs take three. */
struct km_batch_entry {
	char *file;
	char *name;
	bool pass;
	char *reason;		/* NULL when pass */
	km_strv modules_absent; /* changed by the patch, not shipped or not loadable here: that part was not exercised
				 */
	double seconds, transition, transition_back; /* -1: did not come to it */
	km_str output;				     /* of its failing step */
	km_strv findings;			     /* log lines */
};
typedef km_vec(struct km_batch_entry) km_batch_result;
struct km_batch {
	const struct km_lab_kernel *kernel;
	km_strv files;
	const char *core;  /* as in km_verify */
	double transition; /* seconds, 0: 60 */
	struct km_lab_options options;
	void (*done)(void *ctx, const struct km_batch_entry *entry); /* as each ends, or NULL */
	void *done_ctx;
};
/* *boots: guests that were started. *ret has an entry for each file: first those that could not be read, then the
 * others in order. An error is a matter of environment; a patch that fails is an entry. */
KM_CHECKED km_error *km_batch(const struct km_batch *b, size_t *boots, km_batch_result *ret);
/* Frees the entries; *r is empty. */
void km_batch_result_free(km_batch_result *r);

#endif
