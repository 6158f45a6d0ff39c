// SPDX-License-Identifier: GPL-2.0-only
/*
 * redirect.c - sites: functions that are changed, and how their calls get to what stands for them.
 *
 * While a transition runs a site is under a handler of ftrace, which chooses `from` or `to` by the task. Outside of it a direct call to a
 * stub does, which costs three instructions, unless somebody else (a BPF trampoline) has the place. From one to the other both
 * are in place for a while and agree, as from and to are the same then; so there is no moment without redirection.
 *
 * ftrace calls whoever is registered through one of three ways, and the handler must work by each: a trampoline of the hook's own when
 * nobody else looks at the function, the list of all ops when there are others (tracers, kprobes), and that list together with a direct
 * call, which then goes before the handler's choice. Hence a direct call must be gone before `from` and `to` may differ.
 */
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>

#include "internal.h"
#include "tasks.h"

/* All sites that came under the handler together. */
struct km_hook {
	struct ftrace_ops ops;
	unsigned int n_sites; /* in the filter; never 0 while registered, as an empty filter means all functions */
	struct list_head node; /* in hooks */
};

/* A direct call of one site. It outlives its time at the site: see settle(). */
struct km_direct {
	struct ftrace_ops ops;
	int stub;
	struct list_head node; /* in dropped_directs */
};

/* What the handler looks up: open addressing, at most an eighth full. */
struct km_slot {
	unsigned long ip; /* 0: an empty slot */
	struct km_site *site;
};
#define IP_LEFT 1ul /* the site has left; the slot stays, so that those behind it are found */

struct km_table {
	unsigned int shift; /* of the hash */
	struct km_slot *end;
	struct km_table *next; /* in dropped_tables */
	struct km_slot slots[];
};

LIST_HEAD(km_sites);
bool km_direct = true;

/* All under km_mutex, but for the handler's look at the table. */
static struct km_table __rcu *table;
static struct km_table *dropped_tables;
static LIST_HEAD(dropped_directs);
static LIST_HEAD(hooks);
static unsigned int n_directs;
static struct task_struct *registrar; /* who registers a hook of ours; read by direct_ops_func() */

static __always_inline size_t hash_of(const struct km_table *t, unsigned long ip)
{
	return ip * GOLDEN_RATIO_64 >> t->shift;
}

static __always_inline const struct km_slot *lookup(const struct km_table *t, unsigned long ip)
{
	const struct km_slot *slot = &t->slots[hash_of(t, ip)];

	while (unlikely(READ_ONCE(slot->ip) != ip)) {
		if (!slot->ip)
			return NULL;
		if (++slot == t->end)
			slot = t->slots;
	}
	return slot;
}

static __always_inline void go_on(struct ftrace_regs *fregs, const struct km_site *site, bool uses_new)
{
	unsigned long target = uses_new ? READ_ONCE(site->to) : READ_ONCE(site->from);

	if (target)
		km_set_ip(fregs, target);
}

/* Apart, so that the others need not save registers. */
static noinline void notrace go_on_released(struct ftrace_regs *fregs, const struct km_site *site, const struct km_tasks *tasks)
{
	go_on(fregs, site, km_tasks_side(tasks, current));
}

static __always_inline void choose(struct ftrace_regs *fregs, const struct km_site *site, const struct km_tasks *tasks)
{
	const struct km_tasks_entry *e;

	if (!tasks) {
		go_on(fregs, site, true);
		return;
	}
	e = km_tasks_find(tasks, current);
	if (likely(e))
		go_on(fregs, site, READ_ONCE(e->uses_new));
	else if (!km_tasks_is_released(current))
		go_on(fregs, site, tasks->newborn);
	else
		go_on_released(fregs, site, tasks);
}

/*
 * The handler. Any context, NMI and those where RCU is not watching; nothing that ftrace traces may be called. Preemption is off from the
 * look at km_tasks to the choice: km_redirect_sync() waits for that.
 */
static void notrace handle(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct km_slot *slot;

	preempt_disable_notrace();
	slot = lookup(rcu_dereference_raw_check(table), ip);
	/* The table of tasks before the site's addresses: whoever begins or ends a transition changes these with a table in force. */
	if (likely(slot))
		choose(fregs, slot->site, smp_load_acquire((struct km_tasks **)&km_tasks));
	preempt_enable_notrace();
}

static struct km_table *table_now(void)
{
	return rcu_dereference_protected(table, lockdep_is_held(&km_mutex));
}

static void table_put(struct km_table *t, struct km_site *site)
{
	struct km_slot *slot = &t->slots[hash_of(t, site->ip)];

	while (slot->ip)
		slot = slot + 1 == t->end ? t->slots : slot + 1;
	*slot = (struct km_slot){.ip = site->ip, .site = site};
}

static struct km_table *table_alloc(size_t n_sites)
{
	unsigned int bits = max(4, order_base_2(8 * n_sites));
	struct km_table *t = kvzalloc(struct_size(t, slots, 1ul << bits), GFP_KERNEL);

	if (!t)
		return NULL;
	t->shift = 64 - bits;
	t->end = t->slots + (1ul << bits);
	return t;
}

/* Publishes a table of all sites that are under a handler, and those of the list. */
static int table_extend(struct list_head *sites)
{
	struct km_table *t, *old = table_now();
	struct km_site *site;
	size_t n = 0;

	list_for_each_entry(site, &km_sites, node)
		n++;
	t = km_fails("table") ? NULL : table_alloc(n);
	if (!t)
		return -ENOMEM;
	list_for_each_entry(site, &km_sites, node) {
		if (site->hook)
			table_put(t, site);
	}
	list_for_each_entry(site, sites, transition) {
		if (!site->hook)
			table_put(t, site);
	}
	rcu_assign_pointer(table, t); /* with handle() */
	if (old) {
		old->next = dropped_tables;
		dropped_tables = old;
	}
	return 0;
}

static void table_remove(const struct km_site *site)
{
	struct km_slot *slot;

	for (slot = table_now()->slots; slot < table_now()->end; slot++) {
		if (slot->site == site)
			WRITE_ONCE(slot->ip, IP_LEFT); /* with lookup(); who has found it goes on with the site, which is waited for */
	}
}

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS

/*
 * ftrace asks whether a direct call of ours may share its place with somebody who changes the instruction pointer: with our own hook
 * it may (SELF: the hook is there and the direct call comes; PEER: the other way round), with anybody else's it may not, for the direct
 * call would go before it.
 */
static int direct_ops_func(struct ftrace_ops *ops, enum ftrace_ops_cmd cmd)
{
	if (cmd == FTRACE_OPS_CMD_ENABLE_SHARE_IPMODIFY_PEER && READ_ONCE(registrar) != current)
		return -EBUSY;
	return 0;
}

#define SET_OPS_FUNC(ops) ((ops)->ops_func = direct_ops_func)

#else
#define SET_OPS_FUNC(ops) do { } while (0)
#endif

static void direct_free(struct km_direct *d)
{
	ftrace_free_filter(&d->ops);
	km_arch_stub_put(d->stub);
	kfree(d);
}

static struct km_direct *direct_make(const struct km_site *site, int *err)
{
	struct km_direct *d;

	*err = -ENOSPC;
	if (n_directs >= km_direct_limit())
		return NULL;
	*err = -ENOMEM;
	d = km_fails("direct") ? NULL : kzalloc(sizeof(*d), GFP_KERNEL);
	if (!d)
		return NULL;
	SET_OPS_FUNC(&d->ops);
	*err = ftrace_set_filter_ip(&d->ops, site->ip, 0, 0);
	if (*err)
		goto free;
	d->stub = *err = km_arch_stub_get(site->to);
	if (*err < 0)
		goto free_filter;
	*err = 0;
	return d;
free_filter:
	ftrace_free_filter(&d->ops);
free:
	kfree(d);
	return NULL;
}

/* Adds a direct call to a site that stays under the handler until the caller takes it off. */
static int direct_attach(struct km_site *site)
{
	struct km_direct *d;
	int err;

	d = direct_make(site, &err);
	if (!d)
		return err;
	err = km_register_direct(&d->ops, km_arch_stub_addr(d->stub));
	if (err) {
		/* -EBUSY comes before anything is done; otherwise somebody may be in the stub. */
		if (err == -EBUSY)
			direct_free(d);
		else
			list_add(&d->node, &dropped_directs);
		return err;
	}
	/* Registering sets the flags. From now on ftrace_enabled=0 is refused: it would put the original back without asking. */
	d->ops.flags |= FTRACE_OPS_FL_PERMANENT;
	site->direct = d;
	site->stub = d->stub;
	n_directs++;
	return 0;
}

/* Takes them off all sites of the list, which are under the handler, or whose module goes. What was taken off is freed by settle(). */
static void directs_detach(struct list_head *sites)
{
	struct km_site *site;
	unsigned int n = 0;

	/* Unregistering makes ops->func NULL, at which __ftrace_ops_list_func() stumbles if it is about to call it. For a dynamic ops
	 * ftrace waits for that: two grace periods, for each function. So these are made invisible first and waited for once. */
	list_for_each_entry(site, sites, transition) {
		if (!site->direct)
			continue;
		site->direct->ops.flags |= FTRACE_OPS_FL_STUB;
		n++;
	}
	if (!n)
		return;
	km_redirect_sync();
	list_for_each_entry(site, sites, transition) {
		struct km_direct *d = site->direct;

		if (!d)
			continue;
		d->ops.flags &= ~FTRACE_OPS_FL_DYNAMIC;
		WARN_ON_ONCE(km_unregister_direct(&d->ops, km_arch_stub_addr(d->stub)));
		list_add(&d->node, &dropped_directs);
		site->direct = NULL;
		site->stub = -1;
		n_directs--;
	}
}

static int hook_register(struct km_hook *hook)
{
	int err;

	if (km_fails("hook"))
		return -ENOMEM;
	WRITE_ONCE(registrar, current); /* with direct_ops_func() */
	err = register_ftrace_function(&hook->ops);
	WRITE_ONCE(registrar, NULL);
	return err;
}

static void hook_free(struct km_hook *hook)
{
	ftrace_free_filter(&hook->ops);
	kfree(hook);
}

/* ftrace waits until nobody is in its trampoline. */
static void hook_unregister(struct km_hook *hook)
{
	WARN_ON_ONCE(unregister_ftrace_function(&hook->ops));
	list_del(&hook->node);
	hook_free(hook);
}

static struct km_hook *hook_make(unsigned long *ips, unsigned int n, int *err)
{
	struct km_hook *hook = kzalloc(sizeof(*hook), GFP_KERNEL);

	*err = -ENOMEM;
	if (!hook)
		return NULL;
	hook->ops.func = handle;
	hook->ops.flags = KM_FTRACE_FLAGS;
	hook->n_sites = n;
	*err = ftrace_set_filter_ips(&hook->ops, ips, n, 0, 1);
	if (!*err)
		return hook;
	hook_free(hook);
	return NULL;
}

static bool is_busy(unsigned long *ips, unsigned int n)
{
	struct km_hook *hook;
	int err;

	hook = hook_make(ips, n, &err);
	if (!hook)
		return false;
	err = hook_register(hook);
	if (!err)
		unregister_ftrace_function(&hook->ops);
	hook_free(hook);
	return err == -EBUSY;
}

/* ftrace does not say which of them somebody else has: halves are tried until one is left. */
static void tell_busy(unsigned long *ips, unsigned int n)
{
	while (n > 1) {
		unsigned int half = n / 2;

		if (is_busy(ips, half)) {
			n = half;
		} else {
			ips += half;
			n -= half;
		}
	}
	pr_err("%ps is changed by somebody else (livepatch, a kprobe with a post_handler), or ftrace_enabled is 0\n", (void *)ips[0]);
}

/* The places of the sites that `has` says; NULL without memory. The caller frees them. */
static unsigned long *ips_of(struct list_head *sites, bool (*has)(const struct km_site *, const struct km_hook *),
			     const struct km_hook *hook, unsigned int *ret_n)
{
	struct km_site *site;
	unsigned long *ips;
	unsigned int n = 0;

	list_for_each_entry(site, sites, transition)
		n += has(site, hook);
	ips = kvmalloc_array(max(n, 1u), sizeof(*ips), GFP_KERNEL);
	if (!ips)
		return NULL;
	n = 0;
	list_for_each_entry(site, sites, transition) {
		if (has(site, hook))
			ips[n++] = site->ip;
	}
	*ret_n = n;
	return ips;
}

static bool is_new(const struct km_site *site, const struct km_hook *hook)
{
	return !site->hook;
}

int km_redirect_prepare(struct list_head *sites)
{
	struct km_hook *hook = NULL;
	struct km_site *site;
	unsigned long *ips;
	unsigned int n;
	int err = -ENOMEM;

	ips = ips_of(sites, is_new, NULL, &n);
	if (!ips)
		return -ENOMEM;
	if (!n)
		goto detach;
	hook = hook_make(ips, n, &err);
	if (!hook)
		goto free_ips;
	err = table_extend(sites);
	if (err)
		goto free_hook;
	err = hook_register(hook);
	if (err)
		goto table;
	list_add(&hook->node, &hooks);
	list_for_each_entry(site, sites, transition) {
		if (!site->hook) {
			site->hook = hook;
			site->how = KM_HOW_HANDLER;
		}
	}
detach:
	directs_detach(sites);
	kvfree(ips);
	return 0;
table:
	list_for_each_entry(site, sites, transition) {
		if (!site->hook)
			table_remove(site);
	}
free_hook:
	hook_free(hook);
free_ips:
	if (err == -EBUSY)
		tell_busy(ips, n);
	else
		pr_err("the functions cannot be redirected (error %d)\n", err);
	kvfree(ips);
	return err;
}

static bool leaves(const struct km_site *site, const struct km_hook *hook)
{
	return site->hook == hook && (!site->to || site->direct);
}

static bool belongs(const struct km_site *site, const struct km_hook *hook)
{
	return site->hook == hook;
}

enum left { LEFT_NONE, LEFT_SOME, LEFT_ALL };

/* Takes sites off one hook; without memory they stay. After LEFT_ALL nobody is in a trampoline that was dropped before. */
static enum left hook_leave(struct km_hook *hook, struct list_head *sites, bool (*has)(const struct km_site *, const struct km_hook *),
			    enum left how)
{
	struct km_site *site;
	unsigned long *ips;
	unsigned int n;
	int err = 0;

	ips = ips_of(sites, has, hook, &n);
	if (!ips || !n || (n == hook->n_sites ? LEFT_ALL : LEFT_SOME) != how) {
		kvfree(ips);
		return LEFT_NONE;
	}
	if (how == LEFT_SOME)
		err = km_fails("leave") ? -ENOMEM : ftrace_set_filter_ips(&hook->ops, ips, n, 1, 0);
	kvfree(ips);
	if (err)
		return LEFT_NONE;
	list_for_each_entry(site, sites, transition) {
		if (!has(site, hook))
			continue;
		site->hook = NULL;
		site->how = site->direct ? KM_HOW_DIRECT : KM_HOW_NONE;
	}
	hook->n_sites -= n;
	if (how == LEFT_ALL)
		hook_unregister(hook);
	return how;
}

/* Those that stay behind first, so that the wait of the last unregistering covers them. */
static enum left hooks_leave(struct list_head *sites, bool (*has)(const struct km_site *, const struct km_hook *))
{
	struct km_hook *hook, *next;
	enum left left = LEFT_NONE;

	list_for_each_entry(hook, &hooks, node)
		left = max(left, hook_leave(hook, sites, has, LEFT_SOME));
	list_for_each_entry_safe(hook, next, &hooks, node)
		left = max(left, hook_leave(hook, sites, has, LEFT_ALL));
	return left;
}

/* Waits until nobody is in a trampoline, a stub or the handler that was dropped before. Idle tasks and code that RCU does not watch are
 * waited for by km_redirect_sync(), tasks that were preempted there by the other. */
static void wait_for_all(void)
{
	km_redirect_sync();
	if (IS_ENABLED(CONFIG_PREEMPTION))
		synchronize_rcu_tasks();
}

/* After the wait. */
static void free_dropped(struct list_head *sites)
{
	struct km_direct *d, *next;
	struct km_site *site;

	if (table_now()) {
		list_for_each_entry(site, sites, transition) {
			if (!site->hook)
				table_remove(site);
		}
	}
	list_for_each_entry_safe(d, next, &dropped_directs, node) {
		list_del(&d->node);
		direct_free(d);
	}
	while (dropped_tables) {
		struct km_table *t = dropped_tables;

		dropped_tables = t->next;
		kvfree(t);
	}
}

/* Gives direct calls to those that can have one; whether any got it. */
static bool directs_attach(struct list_head *sites)
{
	struct km_site *site;
	bool any = false;

	list_for_each_entry(site, sites, transition) {
		site->why_handler = 0;
		if (!site->to || !site->hook || site->direct || !km_direct || !km_has_direct())
			continue;
		site->why_handler = direct_attach(site);
		any |= !site->why_handler;
	}
	return any;
}

void km_redirect_settle(struct list_head *sites)
{
	directs_attach(sites);
	if (hooks_leave(sites, leaves) != LEFT_ALL)
		wait_for_all();
	free_dropped(sites);
}

static void noop(struct work_struct *work)
{
}

/* As the kernel's livepatch does: handlers run with preemption off, also where RCU is not watching, so RCU cannot tell. */
void km_redirect_sync(void)
{
	while (km_kernel.schedule_on_each_cpu(noop)) /* no memory; nothing may go on without it */
		msleep(10);
}

/* A list of sites without a part in a transition. */
static void collect(struct list_head *ret, bool (*wanted)(const struct km_site *))
{
	struct km_site *site;

	list_for_each_entry(site, &km_sites, node) {
		if (list_empty(&site->transition) && wanted(site))
			list_add_tail(&site->transition, ret);
	}
}

static void release(struct list_head *sites)
{
	struct km_site *site, *next;

	list_for_each_entry_safe(site, next, sites, transition)
		list_del_init(&site->transition);
}

static bool may_leave_handler(const struct km_site *site)
{
	return site->hook && site->from == site->to && (!site->to || site->direct || km_direct);
}

void km_redirect_retry(void)
{
	LIST_HEAD(sites);
	enum left left;

	collect(&sites, may_leave_handler);
	if (list_empty(&sites))
		return;
	directs_attach(&sites);
	left = hooks_leave(&sites, leaves);
	if (left == LEFT_SOME)
		wait_for_all();
	if (left != LEFT_NONE)
		free_dropped(&sites);
	release(&sites);
}

static bool has_direct(const struct km_site *site)
{
	return site->direct;
}

static int set_direct(const char *text, const struct kernel_param *param)
{
	LIST_HEAD(sites);
	int err;

	mutex_lock(&km_mutex);
	err = param_set_bool(text, param);
	if (!err && km_direct)
		km_redirect_retry();
	if (!err && !km_direct) {
		collect(&sites, has_direct);
		/* On the command line of insmod it is set before init has found what these two call. */
		if (!list_empty(&sites))
			err = km_redirect_prepare(&sites);
		if (!err && !list_empty(&sites))
			km_redirect_settle(&sites);
		release(&sites);
	}
	mutex_unlock(&km_mutex);
	return err;
}

static const struct kernel_param_ops direct_param = {
	.set = set_direct,
	.get = param_get_bool,
};
module_param_cb(direct, &direct_param, &km_direct, 0644);
MODULE_PARM_DESC(direct, "direct calls to new functions outside of transitions; off leaves the place to BPF trampolines");

void km_redirect_remove(struct list_head *sites)
{
	directs_detach(sites);
	if (hooks_leave(sites, belongs) != LEFT_ALL)
		wait_for_all();
	free_dropped(sites);
}

static struct km_site *site_find(unsigned long func)
{
	struct km_site *site;

	list_for_each_entry(site, &km_sites, node) {
		if (site->func == func)
			return site;
	}
	return NULL;
}

int km_site_get(unsigned long func, unsigned long size, struct km_site **ret)
{
	unsigned long ip = km_kernel.ftrace_location(func);
	struct km_site *site = site_find(func);

	if (site) {
		*ret = site;
		return 0;
	}
	if (!ip) {
		pr_err("%ps cannot be redirected: it does not call fentry\n", (void *)func);
		return -EINVAL;
	}
	site = km_fails("site") ? NULL : kzalloc(sizeof(*site), GFP_KERNEL);
	if (!site)
		return -ENOMEM;
	site->func = func;
	site->size = size;
	site->ip = ip;
	site->stub = -1;
	INIT_LIST_HEAD(&site->versions);
	INIT_LIST_HEAD(&site->transition);
	list_add_tail(&site->node, &km_sites);
	*ret = site;
	return 0;
}

void km_site_put(struct km_site *site)
{
	if (!list_empty(&site->versions) || site->hook || site->direct)
		return;
	list_del(&site->transition);
	list_del(&site->node);
	kfree(site);
}

void km_redirect_exit(void)
{
	struct km_hook *hook, *next;
	LIST_HEAD(none);

	list_for_each_entry_safe(hook, next, &hooks, node)
		hook_unregister(hook);
	wait_for_all();
	free_dropped(&none);
	kvfree(rcu_dereference_protected(table, true));
	RCU_INIT_POINTER(table, NULL);
}
