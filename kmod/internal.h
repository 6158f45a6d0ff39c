/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the files of kmend.ko share, from the bottom up: compat, arch, symbols, stack, tasks, redirect, transition and its
 * modes, objects, patch, state, sysfs, main. A file uses only what stands above it, but for the hooks at the end.
 *
 * Locks, outer to inner:
 *   km_mutex		all patches, objects, functions, sites and the transition's life; never held while waiting for tasks
 *   (the kernel's)	text_mutex, ftrace's locks, tasklist_lock, a task's pi_lock and its run queue's lock
 *   km_tasks_lock	raw; the target and the switched bits of a transition. Taken under run queue locks: nothing is woken,
 *			printed or allocated below it.
 */
#ifndef KMEND_INTERNAL_H
#define KMEND_INTERNAL_H

#undef pr_fmt
#define pr_fmt(fmt) "kmend: " fmt

#include <linux/ftrace.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kmend.h"

struct km_patch;
struct km_object;
struct km_site;
struct km_mode;

extern struct mutex km_mutex;

/* ---- test.c: failures on demand, only with KMEND_TEST=1 at compile time (module parameters fail_at, unsafe_flip) --------------- */
#ifdef KMEND_TEST
bool km_fails(const char *step); /* true when fail_at names the step; it then forgets it */
extern bool km_unsafe_flip;	 /* transitions end at once, whatever tasks are doing: an oracle must see it */
#else
static inline bool km_fails(const char *step) { return false; }
#define km_unsafe_flip false
#endif

/* ---- compat/kernel.c: what the kernel does not export, found once at load --------------------------------------------------------- */
struct km_kernel {
	rwlock_t *tasklist_lock;
	int (*task_call_func)(struct task_struct *, int (*)(struct task_struct *, void *), void *);
	int (*arch_stack_walk_reliable)(bool (*)(void *, unsigned long), void *, struct task_struct *);
	struct callback_head *(*task_work_cancel_match)(struct task_struct *, bool (*)(struct callback_head *, void *), void *);
	struct task_struct *(*idle_task)(int cpu);
	int (*schedule_on_each_cpu)(void (*)(struct work_struct *));
	void (*put_task_stack)(struct task_struct *);
	struct module *(*find_module)(const char *);
	struct module *(*module_text_address)(unsigned long);
	struct module *(*module_address)(unsigned long); /* __module_address() */
	int (*wake_up_state)(struct task_struct *, unsigned int);
	unsigned long (*ftrace_location)(unsigned long);
	int (*lookup_symbol_size)(unsigned long addr, unsigned long *size, unsigned long *offset); /* kallsyms_lookup_size_offset */
	void *(*text_poke_copy)(void *, const void *, size_t);
	struct kprobe *(*get_kprobe)(void *addr);
	int (*each_match_symbol)(int (*fn)(void *, unsigned long), const char *name, void *); /* vmlinux's, by address */
	void *each_module_symbol; /* see km_each_module_symbol() */
	int (*jump_label_notify)(struct notifier_block *, unsigned long, void *); /* optional: the kernel's own module notifier */
	const void *notes, *notes_end;		/* of vmlinux */
	struct km_first { /* where the stack of a task begins: what its last return address may lie in. 0: not in this kernel */
		unsigned long start, end;
	} firsts[7];
};
extern struct km_kernel km_kernel;
/* Finds them. -EOPNOTSUPP, with the names in the log, when one is missing that nothing works without; others stay NULL and their
 * feature off (text_poke_copy: no direct calls). */
int km_kernel_init(void);

/* Sets the address where a redirected call goes on. */
static __always_inline void km_set_ip(struct ftrace_regs *fregs, unsigned long ip);
/* All symbols of a loaded module in the order of its table, until fn returns other than 0. */
void km_each_module_symbol(const char *module, int (*fn)(void *data, const char *name, unsigned long addr), void *data);
/* Direct calls of a whole ftrace_ops; 6.4 renamed them. */
int km_register_direct(struct ftrace_ops *ops, unsigned long addr);
int km_unregister_direct(struct ftrace_ops *ops, unsigned long addr);
bool km_has_direct(void);
unsigned int km_direct_limit(void); /* how many at the same time are safe */
#include "compat/compat.h"

/* ---- symbols.c -------------------------------------------------------------------------------------------------------------------- */
struct km_symbol { /* a question, and its answer */
	const char *object; /* NULL: vmlinux */
	const char *name;
	unsigned long sympos;
	unsigned long addr; /* out */
	unsigned long cold, cold_size; /* out: its "<name>.cold" part; 0: none */
};
/* Finds all of them in one pass over each object. -ENOENT absent (or fewer than sympos), -EINVAL several and sympos 0; the first bad one
 * is told in the log. Modules that are not loaded are -ENOENT: ask for loaded ones only. */
int km_symbols_find(struct km_symbol *symbols, size_t n);
/* Compares the hex build-id with that of the running vmlinux: 0 or -ENOEXEC, told in the log. NULL is 0. */
int km_build_id_check(const char *patch, const char *hex);
/* Hashes size bytes at addr, the masks as zero and without what kprobes wrote there, and compares: 0, -EILSEQ (told), -EINVAL (masks
 * out of order or range). */
int km_expect_check(const char *patch, const char *func, unsigned long addr, unsigned long size, const struct kmend_expect *e);

/* ---- reloc.c + arch/ -------------------------------------------------------------------------------------------------------------- */
/* Writes (or, for 0, clears) the relocations of one object of a patch; all are checked before the first is written. -EINVAL type or
 * place, -EEXIST place not zero, -ERANGE does not reach, and what km_symbols_find says. */
int km_relocs_apply(const char *patch, const struct kmend_object *obj);
void km_relocs_clear(const struct kmend_object *obj);
/* arch: bytes of the field and its value; -EINVAL unknown type, -ERANGE overflow. */
int km_arch_reloc(const struct kmend_reloc *r, unsigned long target, u64 *value, size_t *size);
/* arch: bytes of a field of that type; 0 unknown. */
size_t km_arch_reloc_size(u32 type);
/* arch: writes into text or data of a module, read-only or not. Text that a CPU may be running is not for it. Needs text_poke_copy. */
void km_arch_write(void *place, const void *bytes, size_t n);
/* arch: what a pointer to a kernel function that was found by name must be so that C can call through it, or 0; writer: address of
 * text_poke_copy(), or 0. And a call before that. */
unsigned long km_arch_callable(unsigned long function, unsigned long writer);
asmlinkage unsigned long km_arch_call(unsigned long function, unsigned long a, unsigned long b, unsigned long c);
/* arch: puts back what a kprobe has replaced in a copy of text; at: its place there, n: bytes from there on. */
struct kprobe;
void km_arch_unprobe(u8 *at, size_t n, const struct kprobe *p);
/* arch: a stub that drops the return address of the fentry call and jumps to target. A handle, or -ENOSPC (all in use), -ERANGE,
 * -EOPNOTSUPP. */
int km_arch_stub_get(unsigned long target);
/* Gives it back; nobody may be in it any more. */
void km_arch_stub_put(int stub);
unsigned long km_arch_stub_addr(int stub);
/* All of them. A task that is stopped in any of them may be on its way to what a site pointed to before. */
void km_arch_stubs(unsigned long *start, unsigned long *end);
#define KM_STUB_SIZE 16

/* ---- stack.c ---------------------------------------------------------------------------------------------------------------------- */
struct km_range {
	unsigned long start, end; /* end is not inside */
};
struct km_ranges { /* sorted by start, not overlapping; built once per direction of a transition */
	size_t n;
	struct km_range at[];
};
/* Adds to an array under construction is the builder's; this sorts and merges. */
void km_ranges_sort(struct km_ranges *r);
bool km_ranges_hit(const struct km_ranges *r, unsigned long addr);

enum km_stack {
	KM_STACK_CLEAR,	     /* reliable, nothing hit */
	KM_STACK_HIT,	     /* at: the address */
	KM_STACK_UNRELIABLE, /* counts as hit */
};
/* Walks the whole stack of a task that is current or cannot run meanwhile. No locks, no allocation; any context, NMI too. */
enum km_stack km_stack_check(struct task_struct *task, const struct km_ranges *avoid, unsigned long *at);

/* ---- tasks.c: who has switched ---------------------------------------------------------------------------------------------------- */
/*
 * A transition knows every task that lived when it began, in a table that is never changed afterwards but for each task's bit `uses_new`.
 * A task that was born later is not in it: it has an empty stack, so it starts on the target's side. See docs/consistency.md.
 */
struct km_tasks; /* tasks.h, for the redirect handler */
extern struct km_tasks __rcu *km_tasks; /* NULL: no transition, everybody uses `to` */

/* Publishes a table that puts every task on one side: before the first task switches, and when a stop has shown that all can. Tables
 * stay behind each other until km_tasks_end(). */
int km_tasks_all(bool side);
/* Publishes a table of all tasks, each on the side where it is, towards `target`; tasks born from now on start there. `avoid` says what a
 * stack must not hold when its task switches; it is the table's from now on. -ENOMEM: nothing has changed, avoid is still the caller's. */
int km_tasks_towards(bool target, struct km_ranges *avoid, const struct km_mode *mode);
/* One look at all tasks that have not switched: those that run, by a call on their CPU, and those that sleep where the mode allows it. */
void km_tasks_pass(void);
/* From now on tasks switch by themselves as they leave a CPU, or go to user space. */
int km_tasks_watch(void);
/* Wakes those that sleep on and on, so that they pass the border; their system calls are restarted. */
void km_tasks_nudge(void);
/* How many are not at target; 0 without a table, SIZE_MAX while the table keeps all on the other side. */
size_t km_tasks_left(bool target);
/* With all CPUs stopped looks at every task that is not at target; when none stays inside `avoid`, all switch at once. Returns how many are
 * inside, or an error. *ns is the time that it took. Works with or without a table of all tasks. */
int km_tasks_stop(bool target, const struct km_ranges *avoid, u64 *ns);
/* Those that have not switched, or that the last stop found: see km_transition_blockers(). */
struct km_blocker;
size_t km_tasks_blockers(struct km_blocker *list, size_t n);
/* Ends the watching, so that `done` is not called any more, and takes the tables out of use; free() them after nobody can see them. */
void km_tasks_unwatch(void);
void km_tasks_end(void);
int km_tasks_init(void (*done)(void)); /* done: in interrupt context, when the last one has switched */
void km_tasks_exit(void);

/* ---- redirect.c: sites ------------------------------------------------------------------------------------------------------------ */
enum km_how {
	KM_HOW_NONE,	/* the original runs, nothing is hooked */
	KM_HOW_HANDLER, /* ftrace handler: from or to, by task */
	KM_HOW_DIRECT,	/* a stub straight to `to` */
};
/*
 * One function of the kernel that some patch changes. `from` and `to` are the addresses that a task uses before and after it has switched;
 * 0 is the original. Outside a transition both are the same.
 */
struct km_site {
	unsigned long func; /* the original's address as a symbol has it */
	unsigned long size;
	unsigned long ip;   /* of its fentry call, from ftrace_location() */
	unsigned long cold, cold_size; /* "<name>.cold": who is in it is in the function */
	unsigned long from, to;
	unsigned long next; /* what `to` becomes with the transition that is being made; patch.c's */
	struct list_head versions;   /* km_func.version: newest first. patch.c's */
	struct list_head node;	     /* in km_sites */
	struct list_head transition; /* in km_transition.sites; empty when it has no part in it */
	enum km_how how;
	int why_handler; /* the error that direct calls gave: -EBUSY another tracer's, -ENOSPC … 0: not tried or not needed */
	struct km_hook *hook;	  /* its handler, or NULL */
	struct km_direct *direct; /* its direct call, or NULL */
	int stub;		  /* of the direct call; -1: none */
};
extern struct list_head km_sites;
/* The site of that function, made when it is new. -EINVAL without fentry; -ENOMEM. */
int km_site_get(unsigned long func, unsigned long size, struct km_site **ret);
/* Drops it when it has no versions and no hook left. */
void km_site_put(struct km_site *site);
/* Puts all sites of the list (by .transition) under the handler, with from == to as they are now. All or, with an error, none:
 * -EBUSY when another user of ftrace changes the same function (name is told in the log). */
int km_redirect_prepare(struct list_head *sites);
/* After a transition, from == to at each site of the list: drops the handler where the original is back, changes to direct calls where the
 * kernel offers them and nobody else needs the place. Waits until nobody is in a trampoline or stub that was dropped. Never fails. */
void km_redirect_settle(struct list_head *sites);
/* Tells handlers on all CPUs apart from what comes next: waits until each has left the handler. */
void km_redirect_sync(void);
/* Off: stay with (or go back to) the handler everywhere, which leaves the place for BPF trampolines. Module parameter `direct`. */
extern bool km_direct;
/* Removes the site's redirection at once: its module goes, or is not live yet. */
void km_redirect_remove(struct list_head *sites);
/* Tries again to give direct calls to sites that had to stay with the handler. */
void km_redirect_retry(void);
void km_redirect_exit(void);

/* ---- transition.c ------------------------------------------------------------------------------------------------------------------- */
enum km_phase { KM_PHASE_NONE, KM_PHASE_RUNNING, KM_PHASE_SETTLING };
struct km_transition {
	struct km_patch *patch;
	bool enabling; /* what it began as; `target` tells where it goes now */
	bool target;   /* true: all tasks shall use `to` */
	bool forced;
	enum km_phase phase;
	const struct km_mode *mode;
	unsigned int deadline_ms; /* from the beginning; 0 none */
	unsigned int nudges;	  /* so far */
	bool late;
	struct list_head sites;
	ktime_t began;
	u64 stop_ns; /* longest time that stop_machine took */
	unsigned int attempts;
};
extern struct km_transition km_transition; /* there is at most one; under km_mutex */

/*
 * Begins a transition of km_transition.sites, each to its `next`; km_redirect_prepare() has been called by the caller. The first pass is made before it returns. When it is complete km_patch_transition_done() is called, from this call or
 * later from a work queue, with km_mutex held. 0, -ENOMEM, or with mode stop -EBUSY when the attempts were in vain: nothing has
 * switched then and the sites are as before.
 */
int km_transition_start(struct km_patch *patch, bool enabling, enum kmend_mode mode, unsigned int deadline_ms);
/* Turns the one under way round; 0, or -EINVAL when there is none, -ENOMEM. */
int km_transition_reverse(void);
/* Ends it at once, consistent or not. */
void km_transition_force(void);
/* Waits until nothing settles any more; km_mutex is dropped meanwhile and taken again. */
void km_transition_wait_settled(void);
/* While a transition runs a site joins or leaves it (its module comes or goes): under km_mutex, after from/to were set. */
void km_transition_site_added(struct km_site *site);
void km_transition_site_removed(struct km_site *site);
/* After the last site_added of a module and before anybody can enter it: stacks are looked at for the new sites as well. -ENOMEM. */
int km_transition_refresh(void);

/* For the modes. Milliseconds since it began; wakes who sleeps; one stop (0: it is over, else who is inside, or an error); the log says
 * who is left. */
unsigned int km_transition_elapsed(void);
void km_transition_nudge(void);
int km_transition_stop_attempt(void);
void km_transition_name_blockers(void);

struct km_blocker {
	pid_t pid, tgid;
	char comm[TASK_COMM_LEN];
	unsigned long at; /* address of the function that holds it; 0 unknown */
	bool running, unreliable;
};
/* Up to n of the tasks that have not switched; returns how many there are in all. */
size_t km_transition_blockers(struct km_blocker *list, size_t n);

struct km_mode {
	const char *name; /* as in sysfs and on the command line */
	enum kmend_mode id;
	bool stops;	/* only by stop_machine, in the caller's context, bounded attempts */
	bool sleepers;	/* stacks of sleeping user tasks are looked at from outside */
	bool in_kernel; /* a user task may switch inside the kernel, when its own stack is clear */
	/* Called now and then while tasks are left, under km_mutex; returns the delay to the next call in jiffies, 0 for the usual one.
	 * May be NULL. */
	unsigned long (*tick)(struct km_transition *t);
};
extern const struct km_mode km_mode_stop, km_mode_lazy, km_mode_hybrid, km_mode_deadline;
extern const struct km_mode *const km_modes[]; /* by enum kmend_mode, [0] is NULL */
/* The mode of that name, or NULL. */
const struct km_mode *km_mode_find(const char *name);
/* The operator's default: module parameters mode, deadline_ms, stop_attempts (of one transition in mode stop). */
extern enum kmend_mode km_default_mode;
extern unsigned int km_default_deadline_ms, km_stop_attempts;
int km_transition_init(void);
void km_transition_exit(void); /* after wait_settled; no patch is left */

/* ---- patch.c, object.c -------------------------------------------------------------------------------------------------------------- */
struct km_func {
	struct kobject kobj;
	struct kmend_func *api;
	struct km_object *object;
	struct km_site *site;	  /* NULL while the object is not loaded */
	struct list_head node;	  /* in km_object.funcs */
	struct list_head version; /* in km_site.versions */
	unsigned long new_size;
};
struct km_object {
	struct kobject kobj;
	struct kmend_object *api;
	struct km_patch *patch;
	struct list_head funcs;
	struct list_head node; /* in km_patch.objects */
	bool patched;	       /* its functions are in force, or becoming so */
};
struct km_patch {
	struct kobject kobj;
	struct kmend_patch *api;
	struct list_head objects;
	struct list_head node; /* in km_patches, oldest first */
	bool enabled, forced, replaced;
	enum kmend_mode mode; /* operator's choice for the next transition, DEFAULT: the patch's own */
	unsigned int deadline_ms;
	/* of its last transition, for sysfs */
	u64 transition_ns, stop_ns;
	int last_error; /* why the last one did not get there: 0, -EBUSY blocked, -ETIME deadline */
	struct work_struct free_work;
};
extern struct list_head km_patches;
/* The change that is being made to the stack of patches: from before the first callback until the last task has switched, which is longer
 * than km_transition.phase is RUNNING. patch is NULL in between. */
struct km_change {
	struct km_patch *patch;
	bool enabling;
};
extern struct km_change km_change;
/* Takes a patch back, or (while its transition runs) turns it round; true enables. -EBUSY another's transition, or a newer patch
 * covers one of its functions; -EINVAL already so. Under km_mutex. */
int km_patch_set_enabled(struct km_patch *patch, bool enable);
/* Whether it is enabled, or on the way there. No lock: may be late by a moment. */
bool km_patch_is_enabled(const struct km_patch *patch);
/* From before the first callback until after the last, and the line in the log that says so. No lock. */
bool km_patch_in_transition(const struct km_patch *patch);
/* From transition.c, under km_mutex: all tasks are at `reached` (true: the new side). Callbacks, lists, log; from and to stay as they are. */
void km_patch_transition_done(struct km_patch *patch, bool reached);
/* From transition.c, after settling, under km_mutex: nobody is in the old side any more; gives up what was kept for it. */
void km_patch_settled(struct km_patch *patch, bool reached);
/* The notifier's: a module is about to be freed whatever its count says, since its init failed after kmend_enable_patch() had succeeded, or
 * by rmmod -f. Waits until no task is in it any more. Without km_mutex. */
void km_patch_module_goes(const struct module *mod);
int km_patches_init(void); /* the queue where patches are freed */
void km_patches_exit(void);
static inline const char *km_patch_name(const struct km_patch *patch) { return patch->api->mod->name; }

/* Sets api->mod when the module is there; -EBUSY while it is on its way out. */
int km_object_find_module(struct km_object *obj);
/* vmlinux, or a module that is loaded. */
bool km_object_loaded(const struct km_object *obj);
/* Relocations, addresses, checks and sites of all loaded objects of a patch, or of that one; each site gets the patch's version as its
 * newest. All or nothing. */
int km_objects_resolve(struct km_patch *patch, struct km_object *only);
/* The reverse. */
void km_objects_release(struct km_patch *patch, struct km_object *only);
/* Takes the object's functions from the versions of their sites. Sites that have none left stay until km_sites_sweep(). */
void km_object_drop_versions(struct km_object *obj);
void km_sites_sweep(void);
/* Where a call goes that is on the old (false) or the new side of km_change; 0: the original. */
unsigned long km_site_side(const struct km_site *site, bool new_side);
/* The callbacks, each with its condition. */
int km_call_pre_patch(struct km_object *obj);
void km_call_post_patch(struct km_object *obj);
void km_call_pre_unpatch(struct km_object *obj);
void km_call_post_unpatch(struct km_object *obj);
/* The patch whose callback runs, or NULL. */
extern struct km_patch *km_callback_of;
const char *km_object_name(const struct km_object *obj); /* "vmlinux" or the module */
int km_objects_init(void); /* the module notifiers */
void km_objects_exit(void);

/* ---- jump.c ------------------------------------------------------------------------------------------------------------------------- */
/* Hands the patch's jump table to the kernel; none is fine. -EINVAL, -EOPNOTSUPP (told in the log), -ENOMEM. Under km_mutex. */
int km_jump_table_add(const struct kmend_patch *patch);
/* Takes it back, if it was handed over; before the relocations in it are cleared. */
void km_jump_table_del(const struct kmend_patch *patch);

/* ---- state.c, shadow.c -------------------------------------------------------------------------------------------------------------- */
/* Whether all states of the enabled patches allow this one: -EINVAL, told in the log. */
int km_states_check(const struct kmend_patch *patch);
void km_shadow_exit(void);

/* ---- sysfs.c: see include/uapi/kmend.h ---------------------------------------------------------------------------------------------- */
int km_sysfs_init(void);
void km_sysfs_exit(void); /* waits until the last patch is freed */
/* A patch with its objects and functions from api, not visible yet; the operator's choices of mode and deadline are taken over. NULL: no
 * memory. km_sysfs_remove_patch() frees it. */
struct km_patch *km_sysfs_create_patch(struct kmend_patch *api, void (*free)(struct work_struct *));
int km_sysfs_add_patch(struct km_patch *patch); /* makes it visible; an error leaves parts visible */
/* Makes it invisible, waits until nobody reads or writes its files and frees it. Not under km_mutex. */
void km_sysfs_remove_patch(struct km_patch *patch);
void km_sysfs_event(struct km_patch *patch, const char *what); /* uevent CHANGE with KMEND_EVENT=what */

#endif
