/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patches as sysfs shows them, in the same way below the directory of either back end: see klp.c. */
#include "internal.h"

bool patches_present(const km_host *host, const char *base)
{
	KM_AUTOFREE char *path = host_path(host, "%s", base);

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
static void add_object(const km_host *host, const char *base, struct km_applied *patch, const char *name)
{
	KM_AUTOFREE char *dir = host_path(host, "%s/%s/%s", base, patch->name, name);
	struct km_applied_object object = {.name = km_strdup(name)};
	km_strv names = {0};

	object.patched = host_number(host, -1, "%s/%s/%s/patched", base, patch->name, name);
	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_is_dir(path))
			add_func(&object, names.at[i]);
	}
	km_strv_free(&names);
	km_vec_push(&patch->objects, object);
}

static void add_objects(const km_host *host, const char *base, struct km_applied *patch)
{
	KM_AUTOFREE char *dir = host_path(host, "%s/%s", base, patch->name);
	km_strv names = {0};

	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_is_dir(path))
			add_object(host, base, patch, names.at[i]);
	}
	km_strv_free(&names);
}

bool patches_state(const km_host *host, const char *base, const char *name, bool *enabled, bool *transition)
{
	/* First, for once it is 0 the other one stays what it is. */
	long moving = host_number(host, 0, "%s/%s/transition", base, name);
	long on = host_number(host, -1, "%s/%s/enabled", base, name);

	if (on < 0)
		return false;
	*enabled = on;
	*transition = moving > 0;
	return true;
}

static int by_stack_order(const void *a, const void *b)
{
	const struct km_applied *x = a, *y = b;

	if (x->stack_order != y->stack_order)
		return x->stack_order < y->stack_order ? -1 : 1;
	return strcmp(x->name, y->name);
}

km_error *patches_list(const km_host *host, const struct km_backend *backend, const char *base, km_applied_list *all)
{
	KM_AUTOFREE char *dir = host_path(host, "%s", base);
	km_strv names = {0};
	size_t first = all->n;

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		struct km_applied patch = {.backend = backend->name, .registered = true, .uid = -1};

		if (!patches_state(host, base, names.at[i], &patch.enabled, &patch.transition))
			continue;
		patch.name = km_strdup(names.at[i]);
		patch.replace = host_number(host, -1, "%s/%s/replace", base, patch.name);
		patch.stack_order = host_number(host, 0, "%s/%s/stack_order", base, patch.name);
		add_objects(host, base, &patch);
		km_vec_push(all, patch);
	}
	km_strv_free(&names);
	if (all->n > first)
		qsort(all->at + first, all->n - first, sizeof(*all->at), by_stack_order);
	return NULL;
}

int patches_write(const km_host *host, const char *base, const char *name, const char *file, const char *text)
{
	KM_AUTOFREE char *path = host_path(host, "%s/%s/%s", base, name, file);

	return host->door.write(host->door.ctx, path, text);
}

static bool in_object(const struct km_frame *frame, const struct km_applied_object *object)
{
	if (strcmp(object->name, "vmlinux"))
		return frame->module && !strcmp(frame->module, object->name);
	return !frame->module;
}

/* Is it the function, or the part that the compiler put out of the way? */
static bool is_in(const char *frame, const char *func, bool cold)
{
	size_t n = strlen(func);

	return !strncmp(frame, func, n) && (!frame[n] || (cold && !strcmp(frame + n, ".cold")));
}

/*
 * On the way to the new code a task waits while it is inside the old function, or inside another patch's version of
 * it; on the way back, while it is inside this patch (klp_check_stack_func()).
 */
bool patches_block(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame,
		   bool cold)
{
	if (!patch->enabled)
		return frame->module && !strcmp(frame->module, patch->name);
	if (frame->module && strcmp(frame->module, patch->name) && km_applied_find(all, frame->module))
		return true;
	for (size_t i = 0; i < patch->objects.n; i++) {
		const struct km_applied_object *object = &patch->objects.at[i];

		for (size_t j = 0; in_object(frame, object) && j < object->funcs.n; j++)
			if (is_in(frame->name, object->funcs.at[j].name, cold))
				return true;
	}
	return false;
}
