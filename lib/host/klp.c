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
#include <ctype.h>
#include <errno.h>

#include "internal.h"

#define KLP "/sys/kernel/livepatch"

static bool klp_present(km_host *host)
{
	return patches_present(host, KLP);
}

static km_error *klp_list(km_host *host, km_applied_list *all)
{
	return patches_list(host, &km_backend_livepatch, KLP, all);
}

static bool klp_state(km_host *host, const char *name, bool *enabled, bool *transition)
{
	return patches_state(host, KLP, name, enabled, transition);
}

static bool klp_accepts(const struct km_info *info)
{
	return info->livepatch && !info->core;
}

/* There is one consistency model, and it has no deadline. */
static km_error *klp_choose(km_host *host, const char *name, const char *mode, double deadline)
{
	(void)host;
	if (!mode || (!strcmp(mode, "hybrid") && deadline <= 0))
		return NULL;
	return km_error_hint(km_error_new(KM_REFUSED, "the kernel's own live patching has the mode hybrid alone, not %s", mode),
			     "%s is for it; a patch of the flavour core can do more: kmend build --flavour core, with kmend.ko",
			     name ? name : "this patch");
}

static km_error *klp_enable(km_host *host, const struct km_applied *patch, bool on)
{
	int sys = patches_write(host, KLP, patch->name, "enabled", on ? "1" : "0");

	if (!sys)
		return NULL;
	if (sys == EBUSY)
		return km_error_hint(
			km_error_new(KM_REFUSED, "the kernel is busy: it does not %s %s now", on ? "enable" : "disable",
				     patch->name),
			"another transition has begun, or another patch lies above this one (see kmend list)");
	return km_error_sys(sys, "cannot %s %s: " KLP "/%s/enabled", on ? "enable" : "disable", patch->name, patch->name);
}

static km_error *klp_force(km_host *host, const struct km_applied *patch)
{
	int sys = patches_write(host, KLP, patch->name, "force", "1");

	return sys ? km_error_sys(sys, "cannot force the transition: " KLP "/%s/force", patch->name) : NULL;
}

/* ---- tasks that have yet to switch ------------------------------------------------------------------------------- */
struct walk {
	km_host *host;
	bool target;
	size_t count;
	km_blocker_list *list; /* or NULL: only count */
};

static void visit_task(struct walk *w, const char *pid, const char *tid)
{
	long state = host_number(w->host, -1, "/proc/%s/task/%s/patch_state", pid, tid);

	if (state < 0 || state == (w->target ? 1 : 0))
		return;
	w->count++;
	if (w->list)
		km_vec_push(w->list, (struct km_blocker){.pid = atol(pid), .tid = atol(tid)});
}

/* Tasks and processes may end between two looks: what cannot be read is gone. */
static size_t klp_pending(km_host *host, const char *name, bool target, km_blocker_list *list)
{
	struct walk w = {.host = host, .target = target, .list = list};
	KM_AUTOFREE char *proc = host_path(host, "/proc");
	km_strv pids = {0};

	(void)name; /* there is one transition at a time */
	km_error_free(km_listdir(proc, &pids));
	for (size_t i = 0; i < pids.n; i++) {
		KM_AUTOFREE char *dir = km_printf("%s/%s/task", proc, pids.at[i]);
		km_strv tids = {0};

		if (!isdigit((unsigned char)pids.at[i][0]))
			continue;
		km_error_free(km_listdir(dir, &tids));
		for (size_t j = 0; j < tids.n; j++)
			visit_task(&w, pids.at[i], tids.at[j]);
		km_strv_free(&tids);
	}
	km_strv_free(&pids);
	return w.count;
}

static bool klp_blocks(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame)
{
	return patches_block(patch, all, frame, false);
}

const struct km_backend km_backend_livepatch = {
	.name = "livepatch",
	.enables = "klp_enable_patch()",
	.present = klp_present,
	.list = klp_list,
	.state = klp_state,
	.accepts = klp_accepts,
	.choose = klp_choose,
	.enable = klp_enable,
	.force = klp_force,
	.pending = klp_pending,
	.blocks = klp_blocks,
};
