/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own live patching as a back end:
 *   /sys/kernel/livepatch/<patch>/enabled      0 or 1, the state it has or goes to; writing the other turns it
 *   /sys/kernel/livepatch/<patch>/transition   1 while tasks are still switching
 *   /sys/kernel/livepatch/<patch>/force        writing 1 ends the transition at once
 *   /sys/kernel/livepatch/<patch>/{replace,stack_order}   kernels after 6.11 and 6.13
 *   /sys/kernel/livepatch/<patch>/<object>/patched        kernels after 6.0
 *   /sys/kernel/livepatch/<patch>/<object>/<function,sympos>/
 *   /proc/<pid>/task/<tid>/patch_state         -1 no transition, 0 old code, 1 new code
 * A patch that was disabled loses its directory (Linux 5.1 and later); its module stays until it is removed.
 */
#include <errno.h>

#include "internal.h"

#define KLP "/sys/kernel/livepatch"

static bool klp_present(km_host *host)
{
	KM_AUTOFREE char *path = host_path(host, KLP);

	return km_is_dir(path);
}

static void add_func(struct km_applied_object *object, const char *dir)
{
	const char *comma = strrchr(dir, ',');
	size_t n = comma ? (size_t)(comma - dir) : strlen(dir);

	km_vec_push(&object->funcs, (struct km_applied_func){.name = km_strndup(dir, n),
							     .sympos = comma ? strtoul(comma + 1, NULL, 10) : 0});
}

/* Directories below an object are its functions. An error is a patch that leaves while we look: what was read stays. */
static void add_object(const km_host *host, struct km_applied *patch, const char *name)
{
	KM_AUTOFREE char *dir = host_path(host, KLP "/%s/%s", patch->name, name);
	struct km_applied_object object = {.name = km_strdup(name)};
	km_strv names = {0};

	object.patched = host_number(host, -1, KLP "/%s/%s/patched", patch->name, name);
	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_is_dir(path))
			add_func(&object, names.at[i]);
	}
	km_strv_free(&names);
	km_vec_push(&patch->objects, object);
}

static void add_objects(const km_host *host, struct km_applied *patch)
{
	KM_AUTOFREE char *dir = host_path(host, KLP "/%s", patch->name);
	km_strv names = {0};

	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_is_dir(path))
			add_object(host, patch, names.at[i]);
	}
	km_strv_free(&names);
}

static bool klp_state(km_host *host, const char *name, bool *enabled, bool *transition)
{
	long on = host_number(host, -1, KLP "/%s/enabled", name);

	if (on < 0)
		return false;
	*enabled = on;
	*transition = host_number(host, 0, KLP "/%s/transition", name) > 0;
	return true;
}

static int by_stack_order(const void *a, const void *b)
{
	const struct km_applied *x = a, *y = b;

	if (x->stack_order != y->stack_order)
		return x->stack_order < y->stack_order ? -1 : 1;
	return strcmp(x->name, y->name);
}

static km_error *klp_list(km_host *host, km_applied_list *all)
{
	KM_AUTOFREE char *dir = host_path(host, KLP);
	km_strv names = {0};
	size_t first = all->n;

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		struct km_applied patch = {.backend = km_backend_livepatch.name, .registered = true, .uid = -1};

		if (!klp_state(host, names.at[i], &patch.enabled, &patch.transition))
			continue;
		patch.name = km_strdup(names.at[i]);
		patch.replace = host_number(host, -1, KLP "/%s/replace", patch.name);
		patch.stack_order = host_number(host, 0, KLP "/%s/stack_order", patch.name);
		add_objects(host, &patch);
		km_vec_push(all, patch);
	}
	km_strv_free(&names);
	if (all->n > first)
		qsort(all->at + first, all->n - first, sizeof(*all->at), by_stack_order);
	return NULL;
}

static bool klp_accepts(const struct km_info *info)
{
	return info->livepatch;
}

static km_error *klp_enable(km_host *host, const struct km_applied *patch, bool on)
{
	KM_AUTOFREE char *path = host_path(host, KLP "/%s/enabled", patch->name);
	int sys = host->door.write(host->door.ctx, path, on ? "1" : "0");

	if (!sys)
		return NULL;
	if (sys == EBUSY)
		return km_error_hint(
			km_error_new(KM_REFUSED, "the kernel is busy: it does not %s %s now", on ? "enable" : "disable",
				     patch->name),
			"another transition has begun, or another patch lies above this one (see kmend list)");
	return km_error_add(km_error_sys(sys, "cannot write %s", path), "cannot %s %s", on ? "enable" : "disable",
			    patch->name);
}

static km_error *klp_force(km_host *host, const struct km_applied *patch)
{
	KM_AUTOFREE char *path = host_path(host, KLP "/%s/force", patch->name);
	int sys = host->door.write(host->door.ctx, path, "1");

	return sys ? km_error_sys(sys, "cannot force the transition: %s", path) : NULL;
}

static bool klp_pending(km_host *host, const char *task_dir, bool target)
{
	long state = host_number(host, -1, "%s/patch_state", task_dir + strlen(host->root));

	return state >= 0 && state != (target ? 1 : 0);
}

static bool in_object(const struct km_frame *frame, const struct km_applied_object *object)
{
	if (strcmp(object->name, "vmlinux"))
		return frame->module && !strcmp(frame->module, object->name);
	return !frame->module;
}

/*
 * On the way to the new code a task waits while it is inside the old function, or inside another patch's version of
 * it; on the way back, while it is inside this patch (klp_check_stack_func()).
 */
static bool klp_blocks(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame)
{
	if (!patch->enabled)
		return frame->module && !strcmp(frame->module, patch->name);
	if (frame->module && strcmp(frame->module, patch->name) && km_applied_find(all, frame->module))
		return true;
	for (size_t i = 0; i < patch->objects.n; i++) {
		const struct km_applied_object *object = &patch->objects.at[i];

		for (size_t j = 0; in_object(frame, object) && j < object->funcs.n; j++)
			if (!strcmp(object->funcs.at[j].name, frame->name))
				return true;
	}
	return false;
}

const struct km_backend km_backend_livepatch = {
	.name = "livepatch",
	.present = klp_present,
	.list = klp_list,
	.state = klp_state,
	.accepts = klp_accepts,
	.enable = klp_enable,
	.force = klp_force,
	.pending = klp_pending,
	.blocks = klp_blocks,
};
