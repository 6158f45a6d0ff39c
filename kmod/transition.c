// SPDX-License-Identifier: GPL-2.0-only
/*
 * One transition from its first task to its last. Phases:
 *
 *   NONE		from == to at every site, no table of tasks
 *   RUNNING	each task uses `from` or `to`, by its bit. Begins with nobody switched. What moves it are events: a task that leaves its
 *		CPU, that goes to user space, that was nudged; the tick is for those that do none of it. The last one calls poke().
 *   SETTLING	all tasks have switched, and the patch's owner knows. An RCU-tasks grace period later nobody is left who was released
 *		before the table was made, and nobody is in a trampoline: from and to become one, the redirection gets its lasting form, and
 *		the old side is given up.
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "internal.h"

DEFINE_MUTEX(km_mutex);
struct km_transition km_transition = {.sites = LIST_HEAD_INIT(km_transition.sites)};
static struct workqueue_struct *wq;
static unsigned int tick_count;
static bool reached;

static void run_poke(struct work_struct *work);
static void run_tick(struct work_struct *work);
static void run_settle(struct work_struct *work);
static void run_retry(struct work_struct *work);
static DECLARE_WORK(poke_work, run_poke);
static DECLARE_DELAYED_WORK(tick_work, run_tick);
static DECLARE_WORK(settle_work, run_settle);
static DECLARE_DELAYED_WORK(retry_work, run_retry);

#define RETRY_INTERVAL (10 * HZ) /* for sites that could not have a direct call */
#define TICK_FIRST msecs_to_jiffies(10)
#define TICK_LAST HZ
#define STOP_ATTEMPTS_MAX 100u /* km_mutex is held meanwhile */

unsigned int km_stop_attempts = 10;
module_param_named(stop_attempts, km_stop_attempts, uint, 0644);
MODULE_PARM_DESC(stop_attempts, "times that mode stop tries before it gives up (default 10, about a second)");
unsigned int km_default_deadline_ms = 10000;
module_param_named(deadline_ms, km_default_deadline_ms, uint, 0644);
MODULE_PARM_DESC(deadline_ms, "time that mode deadline has (default 10000)");

enum kmend_mode km_default_mode = KMEND_MODE_HYBRID;
const struct km_mode *const km_modes[] = {NULL, &km_mode_stop, &km_mode_lazy, &km_mode_hybrid, &km_mode_deadline};

const struct km_mode *km_mode_find(const char *name)
{
	for (size_t i = 1; i < ARRAY_SIZE(km_modes); i++)
		if (sysfs_streq(name, km_modes[i]->name))
			return km_modes[i];
	return NULL;
}

static int mode_set(const char *value, const struct kernel_param *param)
{
	const struct km_mode *mode = km_mode_find(value);

	if (!mode)
		return -EINVAL;
	WRITE_ONCE(km_default_mode, mode->id);
	return 0;
}

static int mode_get(char *text, const struct kernel_param *param)
{
	return scnprintf(text, PAGE_SIZE, "%s\n", km_modes[READ_ONCE(km_default_mode)]->name);
}

static const struct kernel_param_ops mode_ops = {.set = mode_set, .get = mode_get};
module_param_cb(mode, &mode_ops, NULL, 0644);
MODULE_PARM_DESC(mode, "consistency model where neither the patch nor the operator chooses: stop, lazy, hybrid (default) or deadline");

static const char *word(bool enabling)
{
	return enabling ? "patching" : "unpatching";
}

static const char *patch_name(void)
{
	return km_transition.patch->api->mod->name;
}

/* Where the transition goes now: patching or unpatching? */
static bool goes_up(void)
{
	return km_transition.enabling == km_transition.target;
}

/* ---- what a stack must not hold ----------------------------------------------------------------------------------------------------- */
static void range_add(struct km_ranges *r, unsigned long start, unsigned long size)
{
	/* A call of a function that never returns can be the last instruction: its return address is the end. */
	r->at[r->n++] = (struct km_range){.start = start, .end = start + size + 1};
}

/* A version lives in a patch module; all of the module's code belongs to it: helpers, cold parts, callbacks. */
static void version_add(struct km_ranges *r, unsigned long version)
{
	unsigned long start, end, size, offset;
	struct module *mod;

	preempt_disable();
	mod = km_kernel.module_text_address(version);
	if (mod)
		km_module_text(mod, &start, &end);
	preempt_enable();
	if (mod)
		range_add(r, start, end - start);
	else if (km_kernel.lookup_symbol_size(version, &size, &offset))
		range_add(r, version, size);
	else
		range_add(r, version, 1);
}

#define RANGES_PER_SITE 5
static void site_ranges_add(struct km_ranges *r, const struct km_site *site, bool leaving_to)
{
	unsigned long version = leaving_to ? site->to : site->from;

	/* Who is at the original's first instructions, perhaps by a jump from the end of a function that is left, has yet to choose. The
	 * fentry call's return address is on the stack of who is in the trampoline, on its way to either side; at its end it is the first
	 * byte of the side that was chosen, which no call returns to. */
	range_add(r, site->func, site->ip + MCOUNT_INSN_SIZE - site->func);
	range_add(r, site->from ?: site->func, 0);
	range_add(r, site->to ?: site->func, 0);
	if (version) {
		version_add(r, version);
		return;
	}
	range_add(r, site->func, site->size);
	if (site->cold)
		range_add(r, site->cold, site->cold_size);
}

static struct km_ranges *ranges_create(bool target)
{
	unsigned long stubs, stubs_end;
	struct km_ranges *r;
	struct km_site *site;
	size_t sites = 0;

	list_for_each_entry(site, &km_transition.sites, transition)
		sites++;
	r = km_fails("ranges") ? NULL : kzalloc(struct_size(r, at, sites * RANGES_PER_SITE + 1), GFP_KERNEL);
	if (!r)
		return NULL;
	/* Who was preempted in a stub is on its way to the side that the site had; the site has lost the stub by now. */
	km_arch_stubs(&stubs, &stubs_end);
	range_add(r, stubs, stubs_end - stubs);
	list_for_each_entry(site, &km_transition.sites, transition)
		site_ranges_add(r, site, !target);
	km_ranges_sort(r);
	return r;
}

/* ---- the end ------------------------------------------------------------------------------------------------------------------------ */
static void complete_transition(void)
{
	struct km_transition *t = &km_transition;
	struct km_patch *patch = t->patch;

	pr_debug("'%s': completing %s transition\n", patch_name(), word(goes_up()));
	reached = t->target;
	t->phase = KM_PHASE_SETTLING;
	patch->transition_ns = ktime_to_ns(ktime_sub(ktime_get(), t->began));
	patch->stop_ns = t->stop_ns;
	cancel_delayed_work(&tick_work);
	km_patch_transition_done(patch, reached);
	queue_work(wq, &settle_work);
}

static void collapse_sites(void)
{
	struct km_site *site;

	list_for_each_entry(site, &km_transition.sites, transition) {
		if (reached)
			WRITE_ONCE(site->from, site->to);
		else
			WRITE_ONCE(site->to, site->from);
	}
}

static void run_settle(struct work_struct *work)
{
	struct km_transition *t = &km_transition;

	km_tasks_unwatch();
	/* Whoever was released before the table was made has died after this. And who holds grace periods up (a kthread that never sleeps) does
	 * it here and not below, where ftrace waits with km_mutex held, which modules need to come and go. */
	synchronize_rcu_tasks();
	mutex_lock(&km_mutex);
	collapse_sites(); /* everybody reads the one that stays: all tasks have switched */
	km_tasks_end();
	km_redirect_settle(&t->sites);
	t->phase = KM_PHASE_NONE;
	km_patch_settled(t->patch, reached); /* empties the list of sites */
	t->patch = NULL;
	mutex_unlock(&km_mutex);
}

/* ---- the middle --------------------------------------------------------------------------------------------------------------------- */
static bool is_running(void)
{
	return km_transition.phase == KM_PHASE_RUNNING;
}

static void try_complete(void)
{
	if (is_running() && !km_tasks_left(km_transition.target))
		complete_transition();
}

static void pass(void)
{
	km_tasks_pass();
	try_complete();
}

/* Any context: the last task has switched, or something has changed that is worth a look. */
static void poke(void)
{
	queue_work(wq, &poke_work);
}

static void run_poke(struct work_struct *work)
{
	mutex_lock(&km_mutex);
	if (is_running())
		pass();
	mutex_unlock(&km_mutex);
}

static void run_tick(struct work_struct *work)
{
	struct km_transition *t = &km_transition;
	unsigned long delay = 0;

	mutex_lock(&km_mutex);
	if (is_running()) {
		km_tasks_watch(); /* it may have lacked memory before */
		pass();
	}
	if (is_running() && t->mode->tick)
		delay = t->mode->tick(t);
	if (is_running())
		queue_delayed_work(wq, &tick_work, delay ?: min(TICK_FIRST << min(tick_count++, 10u), (unsigned long)TICK_LAST));
	mutex_unlock(&km_mutex);
}

/* A table towards target with the first pass over it; then whoever is left is watched. */
static int go_towards(bool target)
{
	struct km_transition *t = &km_transition;
	struct km_ranges *avoid = ranges_create(target);
	int err = avoid ? km_tasks_towards(target, avoid, t->mode) : -ENOMEM;

	if (err) {
		kfree(avoid);
		return err;
	}
	t->target = target;
	pass();
	if (!is_running())
		return 0;
	err = km_tasks_watch();
	if (err) /* the ticks try it again */
		pr_warn("'%s': cannot watch sched_switch: error %d\n", patch_name(), err);
	pass();
	tick_count = 0;
	if (is_running())
		mod_delayed_work(wq, &tick_work, TICK_FIRST);
	return 0;
}

unsigned int km_transition_elapsed(void)
{
	return ktime_ms_delta(ktime_get(), km_transition.began);
}

void km_transition_nudge(void)
{
	if (!km_transition.nudges++)
		pr_notice("signaling remaining tasks\n");
	km_tasks_nudge();
}

int km_transition_stop_attempt(void)
{
	struct km_transition *t = &km_transition;
	struct km_ranges *avoid = ranges_create(t->target);
	u64 ns = 0;
	int inside;

	if (!avoid)
		return -ENOMEM;
	inside = km_tasks_stop(t->target, avoid, &ns);
	kfree(avoid);
	t->attempts++;
	t->stop_ns = max(t->stop_ns, ns);
	try_complete();
	return inside;
}

void km_transition_name_blockers(void)
{
	struct km_blocker list[4];
	size_t n = km_tasks_blockers(list, ARRAY_SIZE(list));

	for (size_t i = 0; i < min(n, ARRAY_SIZE(list)); i++) {
		if (list[i].unreliable)
			pr_notice("'%s': %s:%d has a stack that cannot be told\n", patch_name(), list[i].comm, list[i].pid);
		else
			pr_notice("'%s': %s:%d is in %ps\n", patch_name(), list[i].comm, list[i].pid, (void *)list[i].at);
	}
	if (n > ARRAY_SIZE(list))
		pr_notice("'%s': and %zu more\n", patch_name(), n - ARRAY_SIZE(list));
}

/* Mode stop: all at one instant, or not at all. */
static int stop_all(void)
{
	struct km_transition *t = &km_transition;
	int inside = -EBUSY;

	t->target = true;
	for (unsigned int i = 0; i < min(km_stop_attempts, STOP_ATTEMPTS_MAX); i++) {
		if (i)
			msleep(10 << min(i, 4u));
		inside = km_transition_stop_attempt();
		if (inside <= 0)
			break;
	}
	if (inside > 0)
		km_transition_name_blockers();
	return inside > 0 ? -EBUSY : inside;
}

/* ---- the beginning ------------------------------------------------------------------------------------------------------------------ */
/* The table says that nobody has switched before the first `to` changes, and every handler that began without it has ended by then. */
static int open_sites(void)
{
	struct km_site *site;
	int err = km_tasks_all(false);

	if (err)
		return err;
	km_redirect_sync();
	list_for_each_entry(site, &km_transition.sites, transition) {
		WRITE_ONCE(site->from, site->to);
		WRITE_ONCE(site->to, site->next);
	}
	km_redirect_sync();
	return 0;
}

/* Nobody uses `to` yet: it can be put back. */
static void close_sites(void)
{
	struct km_site *site;

	list_for_each_entry(site, &km_transition.sites, transition)
		WRITE_ONCE(site->to, site->from);
	km_tasks_end();
	km_transition.phase = KM_PHASE_NONE;
	km_transition.patch = NULL;
}

int km_transition_start(struct km_patch *patch, bool enabling, enum kmend_mode mode, unsigned int deadline_ms)
{
	struct km_transition *t = &km_transition;
	int err;

	t->patch = patch;
	t->enabling = enabling;
	t->target = true;
	t->forced = false;
	t->mode = km_modes[mode == KMEND_MODE_DEFAULT ? km_default_mode : mode];
	t->began = ktime_get();
	t->deadline_ms = t->mode->id == KMEND_MODE_DEADLINE ? (deadline_ms ?: km_default_deadline_ms ?: 1) : 0;
	t->stop_ns = 0;
	t->attempts = 0;
	t->nudges = 0;
	t->late = false;
	patch->last_error = 0;
	err = open_sites();
	if (err)
		goto fail;
	t->phase = KM_PHASE_RUNNING;
	pr_notice("'%s': starting %s transition\n", patch_name(), word(enabling));
	err = t->mode->stops ? stop_all() : go_towards(true);
	if (err)
		goto close;
	return 0;

close:
	patch->last_error = err;
	close_sites();
fail:
	if (err != -EBUSY)
		pr_err("'%s': cannot begin the %s transition: error %d\n", patch->api->mod->name, word(enabling), err);
	else
		pr_err("'%s': tasks stayed inside its functions: the %s was given up\n", patch->api->mod->name, word(enabling));
	t->patch = NULL;
	return err;
}

int km_transition_reverse(void)
{
	struct km_transition *t = &km_transition;
	int err;

	if (!is_running())
		return -EINVAL;
	pr_debug("'%s': reversing transition from %s\n", patch_name(),
		 goes_up() ? "patching to unpatching" : "unpatching to patching");
	pr_notice("'%s': starting %s transition\n", patch_name(), word(!goes_up()));
	err = go_towards(!t->target);
	if (err)
		pr_err("'%s': cannot turn the transition round: error %d\n", patch_name(), err);
	return err;
}

void km_transition_force(void)
{
	struct km_transition *t = &km_transition;

	if (!is_running())
		return;
	pr_warn("forcing remaining tasks to the patched state\n");
	if (km_tasks_all(t->target)) {
		pr_err("'%s': no memory to force the transition: try again\n", patch_name());
		return;
	}
	t->forced = true;
	if (!goes_up()) /* somebody may be in its code for ever */
		t->patch->forced = true;
	complete_transition();
}

void km_transition_wait_settled(void)
{
	while (km_transition.phase == KM_PHASE_SETTLING) {
		mutex_unlock(&km_mutex);
		flush_work(&settle_work);
		mutex_lock(&km_mutex);
	}
}

/* ---- modules come and go in mid-transition ------------------------------------------------------------------------------------------ */
void km_transition_site_added(struct km_site *site)
{
	if (km_transition.phase != KM_PHASE_NONE)
		list_add_tail(&site->transition, &km_transition.sites);
}

/* The same target with more to avoid is a new table, in which each task has the side that it had. */
int km_transition_refresh(void)
{
	return is_running() ? go_towards(km_transition.target) : 0;
}

/* Nobody is in the module any more. */
void km_transition_site_removed(struct km_site *site)
{
	list_del_init(&site->transition);
}

size_t km_transition_blockers(struct km_blocker *list, size_t n)
{
	return is_running() || km_transition.phase == KM_PHASE_NONE ? km_tasks_blockers(list, n) : 0;
}

/* A BPF trampoline may have left a site meanwhile. */
static void run_retry(struct work_struct *work)
{
	mutex_lock(&km_mutex);
	if (km_transition.phase == KM_PHASE_NONE)
		km_redirect_retry();
	mutex_unlock(&km_mutex);
	queue_delayed_work(wq, &retry_work, RETRY_INTERVAL);
}

int km_transition_init(void)
{
	int err;

	if (!IS_ENABLED(CONFIG_TASKS_RCU)) {
		pr_err("this kernel has no RCU-tasks (CONFIG_PREEMPTION): nobody can tell when the last task has left a patch\n");
		return -EOPNOTSUPP;
	}
	wq = alloc_ordered_workqueue("kmend", 0);
	if (!wq)
		return -ENOMEM;
	err = km_tasks_init(poke);
	if (err) {
		destroy_workqueue(wq);
		return err;
	}
	queue_delayed_work(wq, &retry_work, RETRY_INTERVAL);
	return 0;
}

void km_transition_exit(void)
{
	km_tasks_exit();
	cancel_delayed_work_sync(&retry_work);
	cancel_delayed_work_sync(&tick_work);
	destroy_workqueue(wq);
	synchronize_rcu_tasks(); /* a task work that has said that it is done may still have to return */
}
