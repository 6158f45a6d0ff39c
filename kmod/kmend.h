/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kmend.h - what a live patch tells kmend.ko: patch -> objects -> functions, in the manner of <linux/livepatch.h>.
 *
 * A patch module fills a struct kmend_patch and calls kmend_enable_patch() from its init. From then on every task goes over from the
 * original functions to the new ones, by the consistency model that was chosen, and back when 0 is written to
 * /sys/kernel/kmend/<patch>/enabled. The module can be removed once the patch is disabled. See docs/core-api.md and, for the
 * promise of the models, docs/consistency.md.
 */
#ifndef KMEND_KMEND_H
#define KMEND_KMEND_H

#include <linux/module.h>
#include <linux/types.h>

#define KMEND_ABI 1 /* of all structures here; a module built against another one is refused with -ENOEXEC */

struct kmend_object;

/**
 * struct kmend_range - bytes of a function that loading, boot or tracing may rewrite
 * @offset:	from the function's start, bytes
 * @length:	bytes
 */
struct kmend_range {
	u32 offset;
	u32 length;
};

/**
 * struct kmend_expect - what the running function must look like before it is redirected
 * @size:	bytes that are hashed, from the function's start
 * @n_masks:	length of @masks
 * @masks:	ranges taken as zero; ascending, not overlapping
 * @sha256:	of the bytes, masked
 *
 * The source is the run-pre match of the builder (kmend/patch-format.h, `expected`).
 */
struct kmend_expect {
	u32 size;
	u32 n_masks;
	const struct kmend_range *masks;
	u8 sha256[32];
};

/**
 * struct kmend_func - one function that is replaced
 * @old_name:	name of the original, in the object
 * @new_func:	what runs instead
 * @old_sympos:	which of several symbols of that name in the object, from 1 in the order of kallsyms; 0: there is just one
 * @expect:	what the running bytes must be, or NULL: they are not checked
 *
 * An array of them ends with an entry whose old_name is NULL.
 */
struct kmend_func {
	const char *old_name;
	void *new_func;
	unsigned long old_sympos;
	const struct kmend_expect *expect;
};

/**
 * struct kmend_reloc - one place in the patch module that is filled in with the address of a symbol which is not exported
 * @place:	in the patch module
 * @name:	of the symbol, in the object that holds this relocation
 * @sympos:	as old_sympos
 * @type:	ELF relocation type of the machine (R_X86_64_64, _32, _32S, _PC32, _PLT32, _PC64)
 * @addend:	bytes
 *
 * They are written when the object is there, before anything calls into the patch, and cleared when it goes. A place that is not zero
 * beforehand is an error. An array of them ends with an entry whose place is NULL.
 */
struct kmend_reloc {
	void *place;
	const char *name;
	u32 sympos;
	u32 type;
	s64 addend;
};

/**
 * struct kmend_callbacks - run in process context around the change of one object, each may sleep
 * @pre_patch:	before it; an error stops the patch (or the module that is being loaded)
 * @post_patch:	when all tasks have switched
 * @pre_unpatch:	before the way back
 * @post_unpatch:	when all tasks are back; only if pre_patch was run with success
 * @post_unpatch_enabled:	the core's own
 */
struct kmend_callbacks {
	int (*pre_patch)(struct kmend_object *obj);
	void (*post_patch)(struct kmend_object *obj);
	void (*pre_unpatch)(struct kmend_object *obj);
	void (*post_unpatch)(struct kmend_object *obj);
	bool post_unpatch_enabled;
};

/**
 * struct kmend_object - vmlinux or a module, and its functions
 * @name:	of the module; NULL is vmlinux. The module need not be loaded.
 * @funcs:	see struct kmend_func; may be empty
 * @callbacks:	all may be NULL
 * @relocs:	symbols of this object that the patch module uses, or NULL
 * @mod:	the module while it is loaded; set by the core, for callbacks to read
 *
 * An array of them ends with an entry whose name and funcs are NULL.
 */
struct kmend_object {
	const char *name;
	struct kmend_func *funcs;
	struct kmend_callbacks callbacks;
	const struct kmend_reloc *relocs;
	struct module *mod;
};

/**
 * struct kmend_state - a change of the system that callbacks make and that outlives one patch
 * @id:		not zero
 * @version:	of the change; a later patch must know every state of the patches it replaces, at no smaller version
 * @data:	the patches' own
 *
 * An array of them ends with an entry whose id is 0.
 */
struct kmend_state {
	unsigned long id;
	unsigned int version;
	void *data;
};

enum kmend_mode {
	KMEND_MODE_DEFAULT, /* the module parameter `mode` of kmend.ko */
	KMEND_MODE_STOP,
	KMEND_MODE_LAZY,
	KMEND_MODE_HYBRID,
	KMEND_MODE_DEADLINE,
};

struct km_patch;

/**
 * struct kmend_patch - all of it
 * @abi:	KMEND_ABI; KMEND_PATCH_INIT sets it
 * @mod:	THIS_MODULE
 * @objs:	see struct kmend_object
 * @states:	see struct kmend_state, or NULL
 * @replace:	cumulative: replaces all patches that are enabled
 * @mode:	the consistency model this patch asks for; the operator's choice (see <uapi/kmend.h>) goes before it
 * @deadline_ms:	for KMEND_MODE_DEADLINE; 0 takes the module parameter `deadline_ms`
 * @jump_table:	the module's struct jump_entry when some of their keys are in @relocs: an array in a section that the module loader does not
 *		know, because it would read them too early; NULL otherwise. The module has no __jump_table then.
 * @jump_table_end: behind the last of them
 * @build_id:	hex, of the vmlinux it was made for; NULL: any
 * @priv:	the core's own
 */
struct kmend_patch {
	u32 abi;
	struct module *mod;
	struct kmend_object *objs;
	struct kmend_state *states;
	bool replace;
	enum kmend_mode mode;
	unsigned int deadline_ms;
	void *jump_table, *jump_table_end;
	const char *build_id;
	struct km_patch *priv;
};

#define KMEND_PATCH_INIT .abi = KMEND_ABI, .mod = THIS_MODULE

/**
 * kmend_enable_patch() - registers and enables a patch; from the module's init only
 * @patch:	stays valid as long as the module
 *
 * Returns once the transition has begun; what is left of it goes on by itself. In mode stop it returns when all tasks have switched.
 * 0, or with nothing changed: -ENOEXEC another ABI or kernel; -EINVAL not well-formed, an ambiguous symbol, incompatible states, a
 * function without fentry; -ENOENT no such symbol; -EBUSY a transition is under way, a tracer owns the function, or (stop) a task
 * stayed inside one of the functions; -EILSEQ the running bytes are not the expected ones; -EEXIST a patch of that name; -ENOMEM;
 * what a pre_patch callback returned. One line in the kernel log tells the reason.
 */
int kmend_enable_patch(struct kmend_patch *patch);

/* Shadow variables: data that belong to <obj, id> without a place in the object's own structure. All may be called from any context that
 * their gfp flags allow; ctor and dtor run under a spinlock and may not sleep. */
typedef int (*kmend_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);
typedef void (*kmend_shadow_dtor_t)(void *obj, void *shadow_data);

/* The data of <obj, id>, or NULL. */
void *kmend_shadow_get(void *obj, unsigned long id);
/* New data, zeroed, then ctor'ed; NULL when there are some already (and a WARN), on ctor's error or without memory. */
void *kmend_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, kmend_shadow_ctor_t ctor, void *ctor_data);
/* The data of <obj, id>, made first if there are none. NULL on ctor's error or without memory. */
void *kmend_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, kmend_shadow_ctor_t ctor,
				void *ctor_data);
/* Detaches the data of <obj, id>, calls dtor (may be NULL) and frees them after a grace period; none is fine. */
void kmend_shadow_free(void *obj, unsigned long id, kmend_shadow_dtor_t dtor);
/* The same for <*, id>. */
void kmend_shadow_free_all(unsigned long id, kmend_shadow_dtor_t dtor);

/* This patch's entry for a state, or NULL. */
struct kmend_state *kmend_get_state(struct kmend_patch *patch, unsigned long id);
/* The entry of the newest patch below the one in transition, from callbacks only; NULL when no patch had it. */
struct kmend_state *kmend_get_prev_state(unsigned long id);

#endif
