// SPDX-License-Identifier: GPL-2.0-only
/*
 * A patch from kmend_enable_patch() until its module may go. What comes in which order, and why:
 *
 *	enabling	1 checks, names to addresses, hashes: whatever can fail and shows nothing outside
 *			2 km_redirect_prepare(): the functions are hooked and go where they went before. It fails now or never, and before a
 *			  callback has changed anything
 *			3 pre_patch, in the order of the objects; the first error ends it
 *			4 km_transition_start(); from here on it can be turned round but not fail, but for mode stop, which gives up here
 *			5 all have switched: post_patch; replaced patches leave the stack without callbacks, after post_patch, so that it can
 *			  read their states
 *			6 settled: nobody is in the old side: what was replaced is freed
 *	disabling	the same with pre_unpatch and post_unpatch. When it comes to nothing, post_patch is called: pre_unpatch is undone.
 *
 * A version leaves its site with 5, while tasks may still pass the handler: from and to keep its address until 6. A patch leaves sysfs after 6
 * and from a queue, since whoever wrote 0 to `enabled` is inside a file of that directory; only then is the module let go. That of a patch
 * which was forced away is never let go.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <uapi/kmend.h>

#include "internal.h"

LIST_HEAD(km_patches);
struct km_change km_change;
static LIST_HEAD(leaving); /* disabled or replaced, not settled yet; under km_mutex */
static struct workqueue_struct *free_queue;

#define for_each_object(api, o) for ((o) = (api)->objs; (o)->name || (o)->funcs; (o)++)
#define for_each_function(o, f) for ((f) = (o)->funcs; (f)->old_name; (f)++)

/* ---- is it well-formed? ------------------------------------------------------------------------------------------------------------- */
static int malformed(const struct kmend_patch *api, const char *object, const char *what)
{
	pr_err("'%s': object '%s': %s\n", api->mod->name, object ?: "vmlinux", what);
	return -EINVAL;
}

static unsigned long position(const struct kmend_func *f)
{
	return f->old_sympos ?: 1; /* a name that is unique has position 1 */
}

static bool is_listed_before(const struct kmend_object *obj, const struct kmend_func *func)
{
	const struct kmend_func *f;

	for (f = obj->funcs; f < func; f++)
		if (!strcmp(f->old_name, func->old_name) && position(f) == position(func))
			return true;
	return false;
}

static bool has_slash(const char *name)
{
	return strchr(name, '/');
}

static int check_functions(const struct kmend_patch *api, const struct kmend_object *obj)
{
	const struct kmend_func *f;

	for_each_function(obj, f) {
		if (!*f->old_name || strlen(f->old_name) >= KSYM_NAME_LEN || has_slash(f->old_name))
			return malformed(api, obj->name, "the name of a function is empty, too long or has a slash");
		if (!f->new_func)
			return malformed(api, obj->name, "a function has no replacement");
		if (is_listed_before(obj, f))
			return malformed(api, obj->name, "a function is listed twice");
		if (f->expect && f->expect->n_masks && !f->expect->masks)
			return malformed(api, obj->name, "the masks of a function are missing");
	}
	return 0;
}

static bool is_same_object(const struct kmend_object *a, const struct kmend_object *b)
{
	if (!a->name || !b->name)
		return !a->name && !b->name;
	return !strcmp(a->name, b->name);
}

static int check_object(const struct kmend_patch *api, const struct kmend_object *obj)
{
	const struct kmend_object *o;

	if (!obj->funcs)
		return malformed(api, obj->name, "it has no array of functions");
	if (obj->name && (!*obj->name || strlen(obj->name) >= MODULE_NAME_LEN || has_slash(obj->name)))
		return malformed(api, obj->name, "this cannot be the name of a module");
	if (obj->name && !strcmp(obj->name, "vmlinux"))
		return malformed(api, obj->name, "the kernel itself has no name here, but NULL");
	if (obj->name && (!strcmp(obj->name, api->mod->name) || !strcmp(obj->name, THIS_MODULE->name)))
		return malformed(api, obj->name, "a patch cannot change itself or kmend");
	for (o = api->objs; o < obj; o++)
		if (is_same_object(o, obj))
			return malformed(api, obj->name, "it is listed twice");
	return check_functions(api, obj);
}

static int check_states(const struct kmend_patch *api)
{
	const struct kmend_state *s, *t;

	for (s = api->states; s && s->id; s++)
		for (t = api->states; t < s; t++)
			if (t->id == s->id) {
				pr_err("'%s': state %lu is listed twice\n", api->mod->name, s->id);
				return -EINVAL;
			}
	return 0;
}

static int check_patch(const struct kmend_patch *api)
{
	const struct kmend_object *obj;
	int err;

	/* Of a module for another ABI only the first member is understood. */
	if (!api || api->abi != KMEND_ABI) {
		pr_err("a patch is made for version %u of the ABI, kmend has %u\n", api ? api->abi : 0, KMEND_ABI);
		return -ENOEXEC;
	}
	if (!api->mod || !api->objs || (unsigned int)api->mode > KMEND_MODE_DEADLINE) {
		pr_err("a patch without module or objects, or with an unknown mode\n");
		return -EINVAL;
	}
	for_each_object(api, obj) {
		err = check_object(api, obj);
		if (err)
			return err;
	}
	err = check_states(api);
	return err ?: km_build_id_check(api->mod->name, api->build_id);
}

/* ---- freeing ------------------------------------------------------------------------------------------------------------------------ */
static void forget_modules(struct km_patch *patch)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		obj->api->mod = NULL;
}

static void free_patch(struct km_patch *patch)
{
	struct module *mod = patch->forced ? NULL : patch->api->mod;

	patch->api->priv = NULL;
	km_sysfs_remove_patch(patch);
	module_put(mod); /* its data were read up to here */
}

static void free_later(struct work_struct *work)
{
	free_patch(container_of(work, struct km_patch, free_work));
}

/* The transition is done with them. */
static void release_sites(void)
{
	struct km_site *site, *next;

	list_for_each_entry_safe(site, next, &km_transition.sites, transition)
		list_del_init(&site->transition);
}

void km_patch_settled(struct km_patch *patch, bool reached)
{
	struct km_patch *p, *next;

	release_sites();
	km_sites_sweep();
	list_for_each_entry_safe(p, next, &leaving, node) {
		forget_modules(p);
		list_del_init(&p->node);
		queue_work(free_queue, &p->free_work);
	}
}

int km_patches_init(void)
{
	free_queue = alloc_workqueue("kmend_free", 0, 0);
	return free_queue ? 0 : -ENOMEM;
}

void km_patches_exit(void)
{
	destroy_workqueue(free_queue);
}

/* ---- the change of the stack -------------------------------------------------------------------------------------------------------- */
static void begin_change(struct km_patch *patch, bool enabling)
{
	struct km_site *site;

	km_change = (struct km_change){.patch = patch, .enabling = enabling};
	list_for_each_entry(site, &km_sites, node) {
		site->next = km_site_side(site, true);
		if (site->next != site->to)
			list_add_tail(&site->transition, &km_transition.sites);
	}
}

/* Nothing has become of it: the sites go where they went. */
static void cancel_change(void)
{
	if (!list_empty(&km_transition.sites))
		km_redirect_settle(&km_transition.sites);
	release_sites();
	km_change.patch = NULL;
}

static int hook_sites(void)
{
	if (km_fails("prepare"))
		return -ENOMEM;
	return list_empty(&km_transition.sites) ? 0 : km_redirect_prepare(&km_transition.sites);
}

static int start(struct km_patch *patch)
{
	enum kmend_mode mode = patch->mode ?: patch->api->mode;
	unsigned int deadline_ms = patch->deadline_ms ?: patch->api->deadline_ms;
	int err = km_fails("start") ? -ENOMEM : km_transition_start(patch, km_change.enabling, mode, deadline_ms);

	if (err == -EBUSY)
		km_sysfs_event(patch, KMEND_EVENT_BLOCKED);
	return err;
}

/* ---- enabling ----------------------------------------------------------------------------------------------------------------------- */
static void set_patched(struct km_patch *patch, bool patched)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		WRITE_ONCE(obj->patched, patched && km_object_loaded(obj));
}

static void call_all(struct km_patch *patch, void (*callback)(struct km_object *))
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		if (km_object_loaded(obj))
			callback(obj);
}

static int pre_patch_all(struct km_patch *patch)
{
	struct km_object *obj;
	int err;

	list_for_each_entry(obj, &patch->objects, node) {
		err = km_object_loaded(obj) ? km_call_pre_patch(obj) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* The log names the object that is to blame when there is just one. */
static void tell_unhooked(struct km_patch *patch)
{
	struct km_object *obj, *found = NULL;
	unsigned int n = 0;

	list_for_each_entry(obj, &patch->objects, node)
		if (km_object_loaded(obj) && !list_empty(&obj->funcs)) {
			found = obj;
			n++;
		}
	pr_warn("failed to patch object '%s'\n", n == 1 ? km_object_name(found) : "vmlinux or a module");
}

static void taint(struct module *mod)
{
	add_taint(TAINT_LIVEPATCH, LOCKDEP_STILL_OK);
	set_bit(TAINT_LIVEPATCH, &mod->taints);
}

static int enable(struct km_patch *patch)
{
	const char *name = km_patch_name(patch);
	int err;

	pr_notice("enabling patch '%s'\n", name);
	pr_debug("'%s': initializing patching transition\n", name);
	begin_change(patch, true);
	err = hook_sites();
	if (err) {
		tell_unhooked(patch);
		goto cancel;
	}
	err = pre_patch_all(patch);
	if (err)
		goto cancel;
	taint(patch->api->mod);
	set_patched(patch, true);
	err = start(patch);
	if (!err)
		return 0;

cancel:
	pr_warn("failed to enable patch '%s'\n", name);
	pr_debug("'%s': canceling patching transition, going to unpatch\n", name);
	pr_debug("'%s': completing unpatching transition\n", name);
	call_all(patch, km_call_post_unpatch); /* of those whose pre_patch was run with success */
	cancel_change();
	set_patched(patch, false);
	pr_notice("'%s': unpatching complete\n", name);
	return err;
}

static bool is_registered(const struct list_head *list, const char *name)
{
	struct km_patch *p;

	list_for_each_entry(p, list, node)
		if (!strcmp(km_patch_name(p), name))
			return true;
	return false;
}

/* Under km_mutex, settled. */
static int check_place(const struct kmend_patch *api)
{
	if (km_change.patch) {
		pr_err("'%s': the transition of '%s' is under way\n", api->mod->name, km_patch_name(km_change.patch));
		return -EBUSY;
	}
	if (is_registered(&km_patches, api->mod->name) || is_registered(&leaving, api->mod->name)) {
		pr_err("'%s': a patch of that name is in\n", api->mod->name);
		return -EEXIST;
	}
	return km_states_check(api);
}

static int load_objects(struct km_patch *patch)
{
	struct km_object *obj;
	int err;

	list_for_each_entry(obj, &patch->objects, node) {
		err = km_object_find_module(obj);
		if (err)
			goto forget;
	}
	err = km_objects_resolve(patch, NULL);
	if (!err)
		return 0;

forget:
	forget_modules(patch);
	return err;
}

static void unload_objects(struct km_patch *patch)
{
	km_objects_release(patch, NULL);
	forget_modules(patch);
}

static struct km_patch *create_patch(struct kmend_patch *api)
{
	struct kmend_object *obj;
	struct km_patch *patch = km_fails("create") ? NULL : km_sysfs_create_patch(api, free_later);

	if (!patch) {
		pr_err("'%s': no memory\n", api->mod->name);
		return NULL;
	}
	for_each_object(api, obj) {
		obj->mod = NULL;
		obj->callbacks.post_unpatch_enabled = false;
	}
	api->priv = patch;
	return patch;
}

/* Under km_mutex. *ret is to be freed without it when there is an error. */
static int register_patch(struct kmend_patch *api, struct km_patch **ret)
{
	struct km_patch *patch;
	int err = check_place(api);

	if (err)
		return err;
	if (!try_module_get(api->mod))
		return -ENODEV;
	patch = create_patch(api);
	if (!patch) {
		module_put(api->mod);
		return -ENOMEM;
	}
	*ret = patch;
	err = load_objects(patch);
	if (err)
		return err;
	err = km_fails("jump") ? -ENOMEM : km_jump_table_add(api);
	if (err)
		goto unload;
	err = km_fails("sysfs") ? -ENOMEM : km_sysfs_add_patch(patch);
	if (err) {
		pr_err("'%s': no place in sysfs: error %d\n", api->mod->name, err);
		goto unload;
	}
	list_add_tail(&patch->node, &km_patches);
	err = enable(patch);
	if (err)
		goto remove;
	return 0;

remove:
	list_del_init(&patch->node);
unload:
	unload_objects(patch);
	return err;
}

int kmend_enable_patch(struct kmend_patch *api)
{
	struct km_patch *patch = NULL;
	int err = check_patch(api);

	if (err)
		return err;
	mutex_lock(&km_mutex);
	km_transition_wait_settled();
	err = register_patch(api, &patch);
	mutex_unlock(&km_mutex);
	if (err && patch)
		free_patch(patch);
	return err;
}
EXPORT_SYMBOL_GPL(kmend_enable_patch);

/* ---- disabling ---------------------------------------------------------------------------------------------------------------------- */
/* The newer patch was written on top of this one, or would bring back what it does when it goes. */
static int check_uncovered(const struct km_patch *patch)
{
	const struct km_object *obj;
	const struct km_func *func, *top;

	list_for_each_entry(obj, &patch->objects, node)
		list_for_each_entry(func, &obj->funcs, node) {
			if (!func->site)
				continue;
			top = list_first_entry(&func->site->versions, struct km_func, version);
			if (top == func)
				continue;
			pr_err("'%s': patch '%s' covers its '%s': disable that one first\n", km_patch_name(patch),
			       km_patch_name(top->object->patch), func->api->old_name);
			return -EBUSY;
		}
	return 0;
}

static int disable(struct km_patch *patch)
{
	int err = check_uncovered(patch);

	if (err)
		return err;
	pr_debug("'%s': initializing unpatching transition\n", km_patch_name(patch));
	begin_change(patch, false);
	err = hook_sites();
	if (err)
		goto cancel;
	call_all(patch, km_call_pre_unpatch);
	err = start(patch);
	if (err)
		goto post_patch;
	return 0;

post_patch:
	call_all(patch, km_call_post_patch);
cancel:
	pr_warn("failed to disable patch '%s'\n", km_patch_name(patch));
	cancel_change();
	return err;
}

/* Up to now; a transition that was turned round goes to where it came from. Without km_mutex: km_change.patch is let go of after `enabled` was
 * set, in km_patch_transition_done(), and the target stays until the next transition. */
bool km_patch_is_enabled(const struct km_patch *patch)
{
	if (km_patch_in_transition(patch) && READ_ONCE(km_transition.patch) == patch)
		return km_transition.enabling == READ_ONCE(km_transition.target);
	return READ_ONCE(patch->enabled);
}

bool km_patch_in_transition(const struct km_patch *patch)
{
	return smp_load_acquire(&km_change.patch) == patch; /* pairs with km_patch_transition_done() */
}

int km_patch_set_enabled(struct km_patch *patch, bool enable)
{
	lockdep_assert_held(&km_mutex);
	km_transition_wait_settled();
	if (km_patch_is_enabled(patch) == enable)
		return -EINVAL;
	if (km_change.patch == patch)
		return km_transition_reverse();
	if (enable)
		return -EINVAL; /* it is gone, but for its files */
	if (km_change.patch) {
		pr_err("'%s': the transition of '%s' is under way\n", km_patch_name(patch), km_patch_name(km_change.patch));
		return -EBUSY;
	}
	return disable(patch);
}

/* ---- a patch module that goes before its time -------------------------------------------------------------------------------------- */
static struct km_patch *find_patch(const struct list_head *list, const struct module *mod)
{
	struct km_patch *p;

	list_for_each_entry(p, list, node)
		if (p->api->mod == mod)
			return p;
	return NULL;
}

/* Not by mode stop, which may give up. */
static void begin_to_leave(struct km_patch *patch)
{
	if (!km_patch_is_enabled(patch))
		return;
	pr_err("'%s': its module goes although it is enabled: that has to wait until it is disabled\n", km_patch_name(patch));
	patch->mode = KMEND_MODE_HYBRID;
	km_patch_set_enabled(patch, false);
}

void km_patch_module_goes(const struct module *mod)
{
	struct km_patch *patch;

	for (;;) {
		mutex_lock(&km_mutex);
		patch = find_patch(&km_patches, mod) ?: find_patch(&leaving, mod);
		if (patch)
			begin_to_leave(patch);
		mutex_unlock(&km_mutex);
		if (!patch)
			break;
		msleep(100);
	}
	flush_workqueue(free_queue);
}

/* ---- the end of a transition -------------------------------------------------------------------------------------------------------- */
static void leave_sites(struct km_patch *patch)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		km_object_drop_versions(obj);
	set_patched(patch, false);
	WRITE_ONCE(patch->enabled, false);
}

/* Tasks may be left in their code when the transition was forced. */
static void replace_all_below(struct km_patch *patch)
{
	struct km_patch *p, *next;

	list_for_each_entry_safe(p, next, &km_patches, node) {
		if (p == patch)
			break;
		p->replaced = true;
		p->forced |= km_transition.forced;
		list_move_tail(&p->node, &leaving);
		km_sysfs_event(p, KMEND_EVENT_DISABLED);
	}
}

static const char *outcome(bool enabled)
{
	if (km_transition.forced)
		return KMEND_EVENT_FORCED;
	if (enabled != km_change.enabling)
		return KMEND_EVENT_REVERTED;
	return enabled ? KMEND_EVENT_ENABLED : KMEND_EVENT_DISABLED;
}

void km_patch_transition_done(struct km_patch *patch, bool reached)
{
	bool enabled = km_change.enabling == reached;
	bool replaces = enabled && km_change.enabling && patch->api->replace;
	struct km_patch *p;

	if (replaces)
		list_for_each_entry(p, &km_patches, node)
			if (p != patch)
				leave_sites(p);
	if (enabled) {
		WRITE_ONCE(patch->enabled, true);
		call_all(patch, km_call_post_patch);
	} else {
		leave_sites(patch);
		call_all(patch, km_call_post_unpatch);
		list_move_tail(&patch->node, &leaving);
	}
	if (replaces)
		replace_all_below(patch);
	pr_notice("'%s': %s complete\n", km_patch_name(patch), enabled ? "patching" : "unpatching");
	km_sysfs_event(patch, outcome(enabled));
	/* Whoever reads 0 from `transition` finds all of it done, and the log complete; pairs with km_patch_in_transition(). */
	smp_store_release(&km_change.patch, NULL);
}
