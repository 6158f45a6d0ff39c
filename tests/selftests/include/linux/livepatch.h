/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * livepatch.h - patch modules that were written for the kernel's own live patching, compiled unchanged for kmend.ko. Stands before the
 * kernel's header in the include path; its guard is the kernel's, so that an indirect include brings no second one.
 */
#ifndef _LINUX_LIVEPATCH_H_
#define _LINUX_LIVEPATCH_H_

#include <linux/ftrace.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <kmend.h>

/* types */
#define klp_func kmend_func
#define klp_callbacks kmend_callbacks
#define klp_object kmend_object
#define klp_state kmend_state
#define klp_patch kmend_patch
#define klp_shadow_ctor_t kmend_shadow_ctor_t
#define klp_shadow_dtor_t kmend_shadow_dtor_t

/* functions */
#define klp_get_state kmend_get_state
#define klp_get_prev_state kmend_get_prev_state
#define klp_shadow_get kmend_shadow_get
#define klp_shadow_alloc kmend_shadow_alloc
#define klp_shadow_get_or_alloc kmend_shadow_get_or_alloc
#define klp_shadow_free kmend_shadow_free
#define klp_shadow_free_all kmend_shadow_free_all

/* A patch for the kernel's own has no field that tells the ABI: it is the one that it is compiled with. */
static inline int klp_enable_patch(struct kmend_patch *patch)
{
	patch->abi = KMEND_ABI;
	return kmend_enable_patch(patch);
}

#endif
