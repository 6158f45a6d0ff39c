// SPDX-License-Identifier: GPL-2.0-only
/*
 * What patches have changed in the system besides code, and whether a newer one can take it over.
 */
#include "internal.h"

#define for_each_state(patch, s) for ((s) = (patch)->states; (s) && (s)->id; (s)++)

struct kmend_state *kmend_get_state(struct kmend_patch *patch, unsigned long id)
{
	struct kmend_state *s;

	for_each_state(patch, s)
		if (s->id == id)
			return s;
	return NULL;
}
EXPORT_SYMBOL_GPL(kmend_get_state);

struct kmend_state *kmend_get_prev_state(unsigned long id)
{
	struct kmend_state *newest = NULL, *s;
	struct km_patch *patch;

	/* Callbacks are called under km_mutex, which keeps the list as it is. */
	if (WARN_ON_ONCE(!km_callback_of))
		return NULL;
	list_for_each_entry(patch, &km_patches, node) {
		if (patch == km_callback_of)
			break;
		s = kmend_get_state(patch->api, id);
		if (s)
			newest = s;
	}
	return newest;
}
EXPORT_SYMBOL_GPL(kmend_get_prev_state);

/* A cumulative patch is alone afterwards: it must know every state. Any other may know it, but not in an older form. */
static bool takes_over(struct kmend_patch *patch, const struct kmend_state *old)
{
	const struct kmend_state *s = kmend_get_state(patch, old->id);

	return s ? s->version >= old->version : !patch->replace;
}

int km_states_check(const struct kmend_patch *patch)
{
	struct km_patch *below;
	struct kmend_state *s;

	list_for_each_entry(below, &km_patches, node) {
		for_each_state(below->api, s) {
			if (takes_over((struct kmend_patch *)patch, s))
				continue;
			pr_err("Livepatch patch (%s) is not compatible with the already installed livepatches.\n", patch->mod->name);
			pr_debug("'%s': state %lu of '%s' has version %u\n", patch->mod->name, s->id, km_patch_name(below),
				 s->version);
			return -EINVAL;
		}
	}
	return 0;
}
