// SPDX-License-Identifier: GPL-2.0-only
/*
 * jump.c - branches on static keys that are not exported. The module loader reads a module's __jump_table before the module's init; the keys
 * that the core relocates are not there yet. A patch that needs some keeps the whole table in a section that the loader does not know, and it is
 * handed to the kernel here, when the relocations have been written, and taken back before they are cleared.
 */
#include "internal.h"

#ifdef CONFIG_JUMP_LABEL

static bool has_table(const struct kmend_patch *patch)
{
	return patch->jump_table && patch->jump_table_end > patch->jump_table;
}

int km_jump_table_add(const struct kmend_patch *patch)
{
	struct module *mod = patch->mod;
	size_t size = patch->jump_table_end - patch->jump_table;
	int err;

	if (!has_table(patch))
		return 0;
	if (!km_kernel.jump_label_notify || mod->num_jump_entries || size % sizeof(struct jump_entry)) {
		pr_err("'%s': %s\n", mod->name, km_kernel.jump_label_notify ? "its jump table is not well-formed"
			: "this kernel offers no way to take its jump table");
		return km_kernel.jump_label_notify ? -EINVAL : -EOPNOTSUPP;
	}
	mod->jump_entries = patch->jump_table;
	mod->num_jump_entries = size / sizeof(struct jump_entry);
	err = notifier_to_errno(km_kernel.jump_label_notify(NULL, MODULE_STATE_COMING, mod));
	if (err) { /* the kernel has taken back what it had done */
		mod->jump_entries = NULL;
		mod->num_jump_entries = 0;
	}
	return err;
}

void km_jump_table_del(const struct kmend_patch *patch)
{
	struct module *mod = patch->mod;

	if (!has_table(patch) || mod->jump_entries != patch->jump_table)
		return;
	km_kernel.jump_label_notify(NULL, MODULE_STATE_GOING, mod);
	mod->jump_entries = NULL;
	mod->num_jump_entries = 0;
}

#else

int km_jump_table_add(const struct kmend_patch *patch)
{
	return 0;
}

void km_jump_table_del(const struct kmend_patch *patch)
{
}

#endif
