/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A patch of both functions of the oracle, as ORACLE_VERSION. It finds oracle_secret by a late relocation. Parameters: replace, mode,
 * deadline_ms as of struct kmend_patch; refuse: pre_patch says no.
 */
#include <linux/string.h>

#include "kmend.h"
#include "oracle.h"

static bool replace = ORACLE_VERSION > 2;
module_param(replace, bool, 0444);
static char *mode = "";
module_param(mode, charp, 0444);
static unsigned int deadline_ms;
module_param(deadline_ms, uint, 0444);
static bool refuse;
module_param(refuse, bool, 0444);

static const volatile unsigned long *secret; /* written by the core: not a constant to the compiler */

static oracle_noipa int outer(struct oracle_chain *c)
{
	return oracle_outer_body(c, ORACLE_VERSION);
}

static oracle_noipa int inner(struct oracle_chain *c)
{
	const volatile unsigned long *at = READ_ONCE(secret);

	c->lost += !at || *at != ORACLE_SECRET;
	return oracle_inner_body(c, ORACLE_VERSION);
}

static int pre_patch(struct kmend_object *obj)
{
	return refuse ? -EPERM : 0;
}

static struct kmend_func funcs[] = {
	{.old_name = "kmend_oracle_outer", .new_func = outer},
	{.old_name = "kmend_oracle_inner", .new_func = inner},
	{},
};

static const struct kmend_reloc relocs[] = {
	{.place = &secret, .name = "oracle_secret", .type = 1 /* R_X86_64_64 */},
	{},
};

static struct kmend_object objs[] = {
	{.name = "kmend_oracle", .funcs = funcs, .callbacks = {.pre_patch = pre_patch}, .relocs = relocs},
	{},
};

static struct kmend_patch patch = {KMEND_PATCH_INIT, .objs = objs};

static int __init patch_init(void)
{
	static const char *const modes[] = {"", "stop", "lazy", "hybrid", "deadline"};
	int i = match_string(modes, ARRAY_SIZE(modes), mode);

	if (i < 0)
		return -EINVAL;
	patch.mode = (enum kmend_mode)i;
	patch.replace = replace;
	patch.deadline_ms = deadline_ms;
	return kmend_enable_patch(&patch);
}

static void __exit patch_exit(void)
{
}

module_init(patch_init);
module_exit(patch_exit);
MODULE_DESCRIPTION("patch of the consistency oracle");
MODULE_LICENSE("GPL");
