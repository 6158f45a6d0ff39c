// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmlinux and the modules that patches change: finding them, resolving their functions, and modules that come and go while the patches stay.
 *
 * Which modules count as loaded when a patch is enabled? The patch must be applied to each module exactly once, by the enabling or by the
 * notifier. Both hold km_mutex, and the module cannot be freed before the notifier for GOING has had it:
 *
 *	COMING, not seen	not loaded: the notifier waits for km_mutex, or has not been called yet, and will find the patch in km_patches
 *	COMING, seen		loaded: the notifier is through and will not come again. `seen` holds them until they are LIVE or gone.
 *	LIVE			loaded
 *	GOING			whether the notifier has been called already cannot be told: the patch is refused, which is over in a moment
 *
 * A module that was COMING already when kmend.ko was loaded is never announced as such. When it is LIVE without having been seen and a patch
 * is waiting for it, the patch stays off it, which is told; tasks may be anywhere in it, and only a transition could make it right.
 */
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/notifier.h>

#include "internal.h"

struct seen {
	struct list_head node;
	struct module *mod;
};
static LIST_HEAD(seen_modules); /* under km_mutex */
struct km_patch *km_callback_of;

const char *km_object_name(const struct km_object *obj)
{
	return obj->api->name ?: "vmlinux";
}

bool km_object_loaded(const struct km_object *obj)
{
	return !obj->api->name || obj->api->mod;
}

/* ---- callbacks ---------------------------------------------------------------------------------------------------------------------- */
int km_call_pre_patch(struct km_object *obj)
{
	struct kmend_callbacks *cb = &obj->api->callbacks;
	int err = 0;

	if (cb->pre_patch) {
		km_callback_of = obj->patch;
		err = cb->pre_patch(obj->api);
		km_callback_of = NULL;
	}
	if (km_fails("pre_patch"))
		err = err ?: -ENODEV;
	cb->post_unpatch_enabled = !err;
	if (err)
		pr_warn("pre-patch callback failed for object '%s'\n", km_object_name(obj));
	return err;
}

static void call(struct km_object *obj, void (*callback)(struct kmend_object *))
{
	if (!callback)
		return;
	km_callback_of = obj->patch;
	callback(obj->api);
	km_callback_of = NULL;
}

void km_call_post_patch(struct km_object *obj)
{
	call(obj, obj->api->callbacks.post_patch);
}

void km_call_pre_unpatch(struct km_object *obj)
{
	call(obj, obj->api->callbacks.pre_unpatch);
}

void km_call_post_unpatch(struct km_object *obj)
{
	if (obj->api->callbacks.post_unpatch_enabled)
		call(obj, obj->api->callbacks.post_unpatch);
	obj->api->callbacks.post_unpatch_enabled = false;
}

/* ---- from names to sites ------------------------------------------------------------------------------------------------------------ */
/* The next object to work on: all loaded ones of the patch, or just that one. */
static bool is_meant(const struct km_object *obj, const struct km_object *only)
{
	return only ? obj == only : km_object_loaded(obj);
}

static size_t count_functions(struct km_patch *patch, struct km_object *only)
{
	struct km_object *obj;
	struct km_func *func;
	size_t n = 0;

	list_for_each_entry(obj, &patch->objects, node)
		if (is_meant(obj, only))
			list_for_each_entry(func, &obj->funcs, node)
				n++;
	return n;
}

static void ask(struct km_patch *patch, struct km_object *only, struct km_symbol *s)
{
	struct km_object *obj;
	struct km_func *func;

	list_for_each_entry(obj, &patch->objects, node) {
		if (!is_meant(obj, only))
			continue;
		list_for_each_entry(func, &obj->funcs, node)
			*s++ = (struct km_symbol){
				.object = obj->api->name,
				.name = func->api->old_name,
				.sympos = func->api->old_sympos,
			};
	}
}

/* Not in __init, which is freed before it is called; not in another module, which might go. */
static bool is_own_code(const struct km_patch *patch, unsigned long addr)
{
	unsigned long start, end;

	km_module_text(patch->api->mod, &start, &end);
	return addr >= start && addr < end;
}

static int function_sizes(struct km_func *func, unsigned long addr, unsigned long *size)
{
	const struct km_patch *patch = func->object->patch;
	unsigned long new = (unsigned long)func->api->new_func, offset = 0;

	if (!km_kernel.lookup_symbol_size(addr, size, &offset) || offset) {
		pr_err("'%s': the size of '%s' is not known\n", km_patch_name(patch), func->api->old_name);
		return -ENOENT;
	}
	if (!is_own_code(patch, new) || !km_kernel.lookup_symbol_size(new, &func->new_size, &offset) || offset) {
		pr_err("'%s': the replacement of '%s' is not a function of the patch module\n", km_patch_name(patch),
		       func->api->old_name);
		return -EINVAL;
	}
	return 0;
}

/* Something else that redirects the function has been checked against its own patch; the bytes at its start are not the original's. */
static bool is_untouched(const struct km_site *site)
{
	return list_empty(&site->versions) && site->how == KM_HOW_NONE;
}

static bool has_version_of(const struct km_site *site, const struct km_patch *patch)
{
	struct km_func *func;

	list_for_each_entry(func, &site->versions, version)
		if (func->object->patch == patch)
			return true;
	return false;
}

static int check_site(struct km_func *func, struct km_site *site)
{
	const char *patch = km_patch_name(func->object->patch), *name = func->api->old_name;

	if (has_version_of(site, func->object->patch)) {
		pr_err("'%s': '%s' is replaced twice\n", patch, name);
		return -EINVAL;
	}
	if (!func->api->expect || !is_untouched(site))
		return 0;
	return km_expect_check(patch, name, site->func, site->size, func->api->expect);
}

static int resolve_function(struct km_func *func, const struct km_symbol *s)
{
	struct km_site *site;
	unsigned long size;
	int err = function_sizes(func, s->addr, &size);

	if (err)
		return err;
	err = km_site_get(s->addr, size, &site);
	if (err)
		return err;
	site->cold = s->cold;
	site->cold_size = s->cold_size;
	err = check_site(func, site);
	if (err) {
		km_site_put(site); /* it stays when it has versions */
		return err;
	}
	func->site = site;
	list_add(&func->version, &site->versions);
	return 0;
}

static int resolve_functions(struct km_patch *patch, struct km_object *only, const struct km_symbol *s)
{
	struct km_object *obj;
	struct km_func *func;
	int err;

	list_for_each_entry(obj, &patch->objects, node) {
		if (!is_meant(obj, only))
			continue;
		list_for_each_entry(func, &obj->funcs, node) {
			err = resolve_function(func, s++);
			if (err)
				return err;
		}
	}
	return 0;
}

static void clear_relocs(struct km_patch *patch, struct km_object *only, struct km_object *until)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node) {
		if (obj == until)
			break;
		if (is_meant(obj, only) && obj->api->relocs)
			km_relocs_clear(obj->api);
	}
}

static int apply_relocs(struct km_patch *patch, struct km_object *only)
{
	struct km_object *obj;
	int err;

	list_for_each_entry(obj, &patch->objects, node) {
		if (!is_meant(obj, only) || !obj->api->relocs)
			continue;
		err = km_relocs_apply(km_patch_name(patch), obj->api);
		if (err) {
			clear_relocs(patch, only, obj);
			return err;
		}
	}
	return 0;
}

static int find_symbols(struct km_patch *patch, struct km_object *only, struct km_symbol **ret)
{
	size_t n = count_functions(patch, only);
	struct km_symbol *symbols;
	int err;

	*ret = NULL;
	if (!n)
		return 0;
	symbols = km_fails("ask") ? NULL : kvcalloc(n, sizeof(*symbols), GFP_KERNEL);
	if (!symbols)
		return -ENOMEM;
	ask(patch, only, symbols);
	err = km_symbols_find(symbols, n);
	if (err)
		kvfree(symbols);
	else
		*ret = symbols;
	return err;
}

int km_objects_resolve(struct km_patch *patch, struct km_object *only)
{
	struct km_symbol *symbols;
	int err = find_symbols(patch, only, &symbols);

	if (err)
		return err;
	err = apply_relocs(patch, only);
	if (err)
		goto free_symbols;
	err = resolve_functions(patch, only, symbols);
	if (err)
		km_objects_release(patch, only);
free_symbols:
	kvfree(symbols);
	return err;
}

void km_object_drop_versions(struct km_object *obj)
{
	struct km_func *func;

	list_for_each_entry(func, &obj->funcs, node) {
		list_del_init(&func->version);
		func->site = NULL;
	}
}

/* Sites that take part in a transition are still looked at by it. */
void km_sites_sweep(void)
{
	struct km_site *site, *next;

	list_for_each_entry_safe(site, next, &km_sites, node)
		if (list_empty(&site->versions) && list_empty(&site->transition))
			km_site_put(site);
}

void km_objects_release(struct km_patch *patch, struct km_object *only)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		if (is_meant(obj, only))
			km_object_drop_versions(obj);
	km_sites_sweep();
	if (!only)
		km_jump_table_del(patch->api);
	clear_relocs(patch, only, NULL);
}

/* ---- which version a call goes to --------------------------------------------------------------------------------------------------- */
static bool is_in_force(const struct km_patch *patch, bool new_side)
{
	if (!km_change.patch)
		return true;
	if (patch == km_change.patch)
		return new_side == km_change.enabling;
	return !(new_side && km_change.enabling && km_change.patch->api->replace);
}

unsigned long km_site_side(const struct km_site *site, bool new_side)
{
	struct km_func *func;

	list_for_each_entry(func, &site->versions, version)
		if (is_in_force(func->object->patch, new_side))
			return (unsigned long)func->api->new_func;
	return 0;
}

/* For a site of a module in which nobody can be: it is on its way in or out. */
static void set_sides(struct km_site *site)
{
	WRITE_ONCE(site->from, km_site_side(site, false));
	WRITE_ONCE(site->to, km_site_side(site, true));
}

/* ---- modules that are there --------------------------------------------------------------------------------------------------------- */
static struct seen *find_seen(const struct module *mod)
{
	struct seen *s;

	list_for_each_entry(s, &seen_modules, node)
		if (s->mod == mod)
			return s;
	return NULL;
}

static void forget(const struct module *mod)
{
	struct seen *s = find_seen(mod);

	if (s) {
		list_del(&s->node);
		kfree(s);
	}
}

int km_object_find_module(struct km_object *obj)
{
	enum module_state state = MODULE_STATE_UNFORMED;
	struct module *mod;

	lockdep_assert_held(&km_mutex);
	if (!obj->api->name)
		return 0;
	/* Against free_module(). What makes it safe to use afterwards is the notifier, see above. */
	preempt_disable();
	mod = km_kernel.find_module(obj->api->name);
	if (mod)
		state = READ_ONCE(mod->state);
	if (state == MODULE_STATE_LIVE || (state == MODULE_STATE_COMING && find_seen(mod)))
		obj->api->mod = mod;
	preempt_enable();
	if (state != MODULE_STATE_GOING)
		return 0;
	pr_err("'%s': module '%s' is being removed\n", km_patch_name(obj->patch), obj->api->name);
	return -EBUSY;
}

static struct km_object *find_object(struct km_patch *patch, const char *module)
{
	struct km_object *obj;

	list_for_each_entry(obj, &patch->objects, node)
		if (obj->api->name && !strcmp(obj->api->name, module))
			return obj;
	return NULL;
}

/* ---- a module goes ------------------------------------------------------------------------------------------------------------------ */
/* Collects by .transition, for remove_sites(). */
static void leave_transition(struct km_site *site, struct list_head *gone)
{
	if (!list_empty(&site->transition))
		km_transition_site_removed(site);
	list_add_tail(&site->transition, gone);
}

static void remove_sites(struct list_head *gone)
{
	struct km_site *site, *next;

	if (list_empty(gone))
		return;
	km_redirect_remove(gone);
	list_for_each_entry_safe(site, next, gone, transition) {
		list_del_init(&site->transition);
		km_site_put(site);
	}
}

static void unredirect(struct km_object *obj)
{
	struct km_site *site;
	struct km_func *func;
	LIST_HEAD(gone);

	list_for_each_entry(func, &obj->funcs, node) {
		site = func->site;
		if (!site)
			continue;
		list_del_init(&func->version);
		func->site = NULL;
		set_sides(site); /* to the original when this was the last version: should the handler not get off, it does no harm */
		if (list_empty(&site->versions))
			leave_transition(site, &gone);
	}
	remove_sites(&gone);
}

static void object_goes(struct km_object *obj)
{
	if (obj->patch != km_change.patch)
		km_call_pre_unpatch(obj);
	pr_notice("reverting patch '%s' on unloading module '%s'\n", km_patch_name(obj->patch), obj->api->name);
	unredirect(obj);
	km_call_post_unpatch(obj);
	if (obj->api->relocs)
		km_relocs_clear(obj->api);
	WRITE_ONCE(obj->patched, false);
	obj->api->mod = NULL;
}

/* Takes all patches below `limit` (NULL: all) from the module. */
static void patches_go(const struct module *mod, const struct km_patch *limit)
{
	struct km_patch *patch;
	struct km_object *obj;

	list_for_each_entry(patch, &km_patches, node) {
		if (patch == limit)
			break;
		obj = find_object(patch, mod->name);
		if (obj && obj->api->mod == mod)
			object_goes(obj);
	}
}

/* Patches that have left the stack may not have settled yet; their sites have no versions, but are redirected still. */
static void forget_sites(const struct module *mod)
{
	struct km_site *site;
	LIST_HEAD(gone);

	list_for_each_entry(site, &km_sites, node)
		if (within_module(site->func, mod))
			leave_transition(site, &gone);
	remove_sites(&gone);
}

/* Here and when a module comes nobody waits for a transition to settle: some task may bar that for long, and modules have to move. */
static void module_goes(const struct module *mod)
{
	mutex_lock(&km_mutex);
	forget(mod);
	patches_go(mod, NULL);
	forget_sites(mod);
	mutex_unlock(&km_mutex);
}

/* ---- a module comes ----------------------------------------------------------------------------------------------------------------- */
/* Sites that are redirected already, for a patch below, are in `done` and need nothing but new sides. */
static int redirect(struct km_object *obj, struct list_head *done)
{
	struct km_site *site, *next;
	struct km_func *func;
	LIST_HEAD(fresh);
	int err;

	list_for_each_entry(func, &obj->funcs, node) {
		set_sides(func->site);
		if (list_empty(&func->site->transition))
			list_add_tail(&func->site->transition, &fresh);
	}
	err = km_fails("late") ? -ENOMEM : km_redirect_prepare(&fresh);
	if (!err) {
		list_splice_tail(&fresh, done);
		return 0;
	}
	list_for_each_entry_safe(site, next, &fresh, transition)
		list_del_init(&site->transition);
	return err;
}

static int object_comes(struct km_object *obj, struct module *mod, struct list_head *sites)
{
	const char *patch = km_patch_name(obj->patch);
	struct km_site *site;
	int err;

	obj->api->mod = mod;
	err = km_objects_resolve(obj->patch, obj);
	if (err) {
		pr_warn("failed to initialize patch '%s' for module '%s' (%d)\n", patch, mod->name, err);
		goto unset;
	}
	pr_notice("applying patch '%s' to loading module '%s'\n", patch, mod->name);
	err = km_call_pre_patch(obj);
	if (err)
		goto release;
	err = redirect(obj, sites);
	if (err) {
		pr_warn("failed to apply patch '%s' to module '%s' (%d)\n", patch, mod->name, err);
		goto post_unpatch;
	}
	WRITE_ONCE(obj->patched, true);
	if (obj->patch != km_change.patch)
		km_call_post_patch(obj);
	return 0;

post_unpatch:
	km_call_post_unpatch(obj);
release:
	km_object_drop_versions(obj);
	list_for_each_entry(site, sites, transition) /* those that patches below have too go back to them */
		set_sides(site);
	km_objects_release(obj->patch, obj);
unset:
	obj->api->mod = NULL;
	return err;
}

/* What has the same on both sides gets its lasting form; the rest takes part in the transition. */
static int settle_or_join(struct list_head *sites)
{
	struct km_site *site, *next;
	bool joined = false;

	list_for_each_entry_safe(site, next, sites, transition) {
		if (site->from == site->to)
			continue;
		list_del_init(&site->transition);
		km_transition_site_added(site);
		joined = true;
	}
	if (!list_empty(sites))
		km_redirect_settle(sites);
	list_for_each_entry_safe(site, next, sites, transition)
		list_del_init(&site->transition);
	return joined ? km_transition_refresh() : 0;
}

static void refuse(const struct km_patch *patch, const struct module *mod)
{
	pr_warn("patch '%s' failed for module '%s', refusing to load module '%s'\n", km_patch_name(patch), mod->name, mod->name);
}

static int patches_come(struct module *mod)
{
	struct km_patch *patch;
	struct km_object *obj;
	LIST_HEAD(sites);
	int err;

	list_for_each_entry(patch, &km_patches, node) {
		obj = find_object(patch, mod->name);
		if (!obj)
			continue;
		err = object_comes(obj, mod, &sites);
		if (err) {
			refuse(patch, mod);
			patches_go(mod, patch);
			return err;
		}
	}
	err = settle_or_join(&sites);
	if (err) {
		refuse(km_change.patch, mod);
		patches_go(mod, NULL);
	}
	return err;
}

static int module_comes(struct module *mod)
{
	struct seen *s = kmalloc(sizeof(*s), GFP_KERNEL);
	int err;

	if (!s)
		return -ENOMEM;
	s->mod = mod;
	mutex_lock(&km_mutex);
	err = patches_come(mod);
	if (err)
		kfree(s);
	else
		list_add(&s->node, &seen_modules);
	mutex_unlock(&km_mutex);
	return err;
}

static void module_lives(const struct module *mod)
{
	struct km_patch *patch;
	struct km_object *obj;

	mutex_lock(&km_mutex);
	if (find_seen(mod)) {
		forget(mod);
		goto unlock;
	}
	list_for_each_entry(patch, &km_patches, node) {
		obj = find_object(patch, mod->name);
		if (obj && !obj->api->mod)
			pr_warn("module '%s' was being loaded when kmend came: patch '%s' stays off it until it is loaded again\n",
				mod->name, km_patch_name(patch));
	}
unlock:
	mutex_unlock(&km_mutex);
}

/* ---- notifiers ---------------------------------------------------------------------------------------------------------------------- */
/*
 * Two, since the patches come before any other notifier has a look at the module and go when all others are through with it. When a
 * notifier below refuses a module that is COMING, only those above it are told GOING: it is the first one then that takes the patches
 * back, and the state is still COMING.
 */
static int notify_first(struct notifier_block *nb, unsigned long event, void *data)
{
	struct module *mod = data;

	if (event == MODULE_STATE_COMING)
		return notifier_from_errno(module_comes(mod));
	if (event == MODULE_STATE_LIVE)
		module_lives(mod);
	if (event == MODULE_STATE_GOING && mod->state == MODULE_STATE_COMING)
		module_goes(mod);
	return NOTIFY_OK;
}

static int notify_last(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event == MODULE_STATE_GOING) {
		km_patch_module_goes(data); /* the patch in it */
		module_goes(data);	    /* those on it */
	}
	return NOTIFY_OK;
}

static struct notifier_block first = {.notifier_call = notify_first, .priority = INT_MAX};
static struct notifier_block last = {.notifier_call = notify_last, .priority = INT_MIN};

int km_objects_init(void)
{
	int err = register_module_notifier(&last);

	if (err)
		return err;
	err = register_module_notifier(&first);
	if (err)
		unregister_module_notifier(&last);
	return err;
}

void km_objects_exit(void)
{
	struct seen *s, *next;

	unregister_module_notifier(&first);
	unregister_module_notifier(&last);
	list_for_each_entry_safe(s, next, &seen_modules, node)
		kfree(s);
}
