/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which patch modules are in the kernel. */
#include "internal.h"

static void object_end(struct km_applied_object *o)
{
	for (size_t i = 0; i < o->funcs.n; i++)
		free(o->funcs.at[i].name);
	km_vec_free(&o->funcs);
	free(o->name);
}

static void applied_end(struct km_applied *p)
{
	for (size_t i = 0; i < p->objects.n; i++)
		object_end(&p->objects.at[i]);
	km_vec_free(&p->objects);
	free(p->name);
	free(p->build_id);
	free(p->srcversion);
	free(p->version);
	free(p->description);
	free(p->severity);
	free(p->path);
	free(p->sha256);
	km_strv_free(&p->cves);
}

void km_applied_list_free(km_applied_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		applied_end(&l->at[i]);
	km_vec_free(l);
}

const struct km_applied *km_applied_find(const km_applied_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->at[i].name, name))
			return &l->at[i];
	return NULL;
}

static void add_module_facts(const km_host *host, struct km_applied *patch)
{
	km_str note = {0};

	if (host_bytes(host, &note, "/sys/module/%s/notes/.note.gnu.build-id", patch->name))
		patch->build_id = notes_build_id(note.at, note.n);
	km_str_free(&note);
	patch->srcversion = host_text(host, "/sys/module/%s/srcversion", patch->name);
	patch->refcount = (unsigned)host_number(host, 0, "/sys/module/%s/refcnt", patch->name);
}

/* It uses what its back end exports; the kernel's own livepatch is no module. */
static const char *backend_of_left(const km_host *host, const char *name)
{
	KM_AUTOFREE char *holder = host_path(host, "/sys/module/" KM_CORE_MODULE "/holders/%s", name);

	return km_exists(holder) ? km_backend_core.name : km_backend_livepatch.name;
}

/*
 * A module with the taint 'K' (TAINT_LIVEPATCH) that live patching does not know is what stays after a patch was
 * disabled or replaced, or between the end of a transition and the removal of the module.
 */
static km_error *add_left_modules(const km_host *host, km_applied_list *all)
{
	KM_AUTOFREE char *dir = host_path(host, "/sys/module");
	km_strv names = {0};

	if (!km_is_dir(dir))
		return NULL;
	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *taint = host_text(host, "/sys/module/%s/taint", names.at[i]);

		if (taint && strchr(taint, 'K') && !km_applied_find(all, names.at[i]))
			km_vec_push(all, (struct km_applied){.name = km_strdup(names.at[i]),
							     .backend = backend_of_left(host, names.at[i]),
							     .replace = -1,
							     .uid = -1});
	}
	km_strv_free(&names);
	return NULL;
}

static km_error *list_all(km_host *host, km_applied_list *all)
{
	for (size_t i = 0; host_backends[i]; i++)
		if (host_backends[i]->present(host))
			KM_TRY(host_backends[i]->list(host, all));
	KM_TRY(add_left_modules(host, all));
	for (size_t i = 0; i < all->n; i++) {
		add_module_facts(host, &all->at[i]);
		record_read(host, &all->at[i]);
	}
	return NULL;
}

km_error *km_host_list(km_host *host, km_applied_list *ret)
{
	km_applied_list all = {0};
	km_error *err = list_all(host, &all);

	if (err) {
		km_applied_list_free(&all);
		return err;
	}
	*ret = all;
	return NULL;
}
