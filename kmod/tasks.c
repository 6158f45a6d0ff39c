// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has switched. The proof that a task may switch is always the same: its kernel stack, walked reliably while it cannot move, holds no
 * function of the side that it leaves. The walk is made where the task cannot move:
 *   by itself	in a call on its CPU, as it leaves a CPU (sched_switch), or on its way to user space (task work);
 *   for it	by the worker, when it is off its CPU and task_call_func() keeps it there.
 * A task that was born after the table was made has an empty stack and starts on the target's side.
 *
 * One kind of task is on no list and still runs: one that was released (by itself or by its parent) and has not yet left its CPU for the
 * last time. It stays on the side that it had; km_transition keeps the table until an RCU-tasks grace period says that it is gone.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/task_work.h>
#include <linux/tracepoint.h>

#include "internal.h"
#include "tasks.h"

/* A task work lives by itself: a task may be held up in another work for ever while it has ours in its hands. */
struct km_border_work {
	struct callback_head head;
	struct km_tasks_entry *entry; /* NULL: nobody cares any more; under km_tasks_lock */
};

struct km_tasks __rcu *km_tasks;
static DEFINE_RAW_SPINLOCK(km_tasks_lock);
static void (*all_done)(void);
static struct irq_work done_work;
static atomic_t works = ATOMIC_INIT(0); /* task works that are queued or running; kmend.ko cannot go before them */
static DECLARE_WAIT_QUEUE_HEAD(works_gone);
static struct tracepoint *tp_sched_switch;
static bool watching;
static int hotplug_state = -1;

/* ---- the table ---------------------------------------------------------------------------------------------------------------------- */
/* Released before the table was made: not in it although it is older. */
static __always_inline bool left_before(const struct km_tasks *t, const struct task_struct *task)
{
	return km_tasks_is_released(task) && task->start_time < t->since && !is_idle_task(task);
}

bool notrace km_tasks_side_of_released(const struct km_tasks *t, const struct task_struct *task)
{
	while (left_before(t, task)) {
		const struct km_tasks_entry *e;

		if (!t->prev)
			return t->before;
		t = t->prev;
		e = km_tasks_find(t, task);
		if (e)
			return READ_ONCE(e->uses_new);
	}
	return t->newborn;
}

static void table_dealloc(struct km_tasks *t)
{
	kvfree(t->entries);
	kvfree(t);
}

static struct km_tasks *table_alloc(size_t tasks)
{
	unsigned int bits = order_base_2(8 * tasks + 8);
	struct km_tasks *t = km_fails("tasks") ? NULL : kvzalloc(struct_size(t, slots, 1UL << bits), GFP_KERNEL);

	if (!t)
		return NULL;
	t->entries = kvcalloc(tasks + 1, sizeof(*t->entries), GFP_KERNEL);
	if (!t->entries) {
		kvfree(t);
		return NULL;
	}
	t->shift = 64 - bits;
	t->end = t->slots + (1UL << bits);
	return t;
}

static void table_add(struct km_tasks *t, struct task_struct *task, bool uses_new)
{
	struct km_tasks_slot *slot = &t->slots[km_tasks_hash(t, task)];
	struct km_tasks_entry *e = &t->entries[t->n++];

	while (slot->task)
		slot = slot + 1 == t->end ? t->slots : slot + 1;
	*slot = (struct km_tasks_slot){.task = task, .entry = e};
	*e = (struct km_tasks_entry){.task = task, .uses_new = uses_new};
	get_task_struct(task);
	t->pending += uses_new != t->target;
}

/* Readers take the pointer with a dependency (rcu_dereference_sched(), READ_ONCE() in the redirect handler), so they see the table whole. */
static void table_publish(struct km_tasks *t)
{
	t->prev = rcu_dereference_protected(km_tasks, true);
	rcu_assign_pointer(km_tasks, t);
}

static size_t count_tasks(void)
{
	struct task_struct *process, *task;
	size_t n = 0;

	rcu_read_lock();
	for_each_process_thread(process, task)
		n++;
	rcu_read_unlock();
	return n + num_possible_cpus();
}

/* An offline CPU's idle task begins from scratch when the CPU comes back. */
static bool idle_is_fresh(int cpu)
{
	return !cpu_online(cpu);
}

/* False when more tasks live than it has room for. Nobody is born meanwhile: copy_process() takes tasklist_lock to be listed, and the
 * side of a task that is not yet listed is newborn's from the moment of publishing. */
static bool fill_and_publish(struct km_tasks *t, size_t room)
{
	struct km_tasks *prev = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex));
	struct task_struct *process, *task;
	unsigned long flags;
	size_t n = num_possible_cpus();
	int cpu;

	/* Before the lock: who is to be listed has its start time already while it waits for it, and is a newborn. */
	t->since = ktime_get_ns();
	read_lock(km_kernel.tasklist_lock);
	for_each_process_thread(process, task)
		n++;
	if (n > room) {
		read_unlock(km_kernel.tasklist_lock);
		return false;
	}
	raw_spin_lock_irqsave(&km_tasks_lock, flags);
	if (prev)
		prev->frozen = true;
	raw_spin_unlock_irqrestore(&km_tasks_lock, flags);
	for_each_process_thread(process, task)
		table_add(t, task, prev ? km_tasks_side(prev, task) : t->before);
	for_each_possible_cpu(cpu) {
		task = km_kernel.idle_task(cpu);
		if (task)
			table_add(t, task, idle_is_fresh(cpu) ? t->target : prev ? km_tasks_side(prev, task) : t->before);
	}
	raw_spin_lock_irqsave(&km_tasks_lock, flags);
	table_publish(t);
	raw_spin_unlock_irqrestore(&km_tasks_lock, flags);
	read_unlock(km_kernel.tasklist_lock);
	return true;
}

int km_tasks_towards(bool target, struct km_ranges *avoid, const struct km_mode *mode)
{
	for (;;) {
		size_t room = count_tasks() + 64;
		struct km_tasks *t = table_alloc(room);
		bool filled;

		if (!t)
			return -ENOMEM;
		t->target = t->newborn = target;
		t->before = !target;
		t->mode = mode;
		t->avoid = avoid;
		cpus_read_lock();
		filled = fill_and_publish(t, room);
		cpus_read_unlock();
		if (filled)
			return 0;
		table_dealloc(t);
	}
}

static void table_all_init(struct km_tasks *t, bool side)
{
	t->target = t->newborn = t->before = side;
	t->since = 0; /* nobody is older: not in it means newborn's side */
}

int km_tasks_all(bool side)
{
	struct km_tasks *t = table_alloc(0);
	unsigned long flags;

	if (!t)
		return -ENOMEM;
	table_all_init(t, side);
	raw_spin_lock_irqsave(&km_tasks_lock, flags);
	table_publish(t);
	raw_spin_unlock_irqrestore(&km_tasks_lock, flags);
	return 0;
}

size_t km_tasks_left(bool target)
{
	struct km_tasks *t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex));

	if (!t)
		return 0;
	return t->target == target ? READ_ONCE(t->pending) : SIZE_MAX;
}

/* ---- one task switches -------------------------------------------------------------------------------------------------------------- */
static bool is_pending(const struct km_tasks *t, const struct km_tasks_entry *e)
{
	return READ_ONCE(e->uses_new) != t->target && !READ_ONCE(e->gone);
}

/*
 * The task of e cannot move. A table that was replaced meanwhile (a reversal) is left alone: its bits are copied. Nothing may be woken here,
 * a run queue's lock may be held: irq_work wakes the worker.
 */
static void switch_entry(struct km_tasks *t, struct km_tasks_entry *e)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&km_tasks_lock, flags);
	if (rcu_access_pointer(km_tasks) == t && !t->frozen && is_pending(t, e)) {
		WRITE_ONCE(e->uses_new, t->target);
		if (!--t->pending)
			irq_work_queue(&done_work);
	}
	raw_spin_unlock_irqrestore(&km_tasks_lock, flags);
}

/* In its last switch it is still inside do_exit(): it keeps its side, and is not waited for. */
static void leave_entry(struct km_tasks *t, struct km_tasks_entry *e)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&km_tasks_lock, flags);
	if (rcu_access_pointer(km_tasks) == t && !t->frozen && is_pending(t, e)) {
		WRITE_ONCE(e->gone, true);
		if (!--t->pending)
			irq_work_queue(&done_work);
	}
	raw_spin_unlock_irqrestore(&km_tasks_lock, flags);
}

#ifndef PF_USER_WORKER
#define PF_USER_WORKER 0 /* since 6.4; vhost's threads were kthreads before */
#endif

/* Kthreads, idle tasks, the workers of io_uring and vhost, and who is exiting or a zombie never go to user space: their stack is all there is
 * to look at, in every mode. */
static bool has_no_border(const struct task_struct *task)
{
	return task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER | PF_EXITING);
}

/* Stopped by a signal or a tracer: it may be so for days, and no nudge wakes it. */
static bool is_held(const struct task_struct *task)
{
	return task_is_stopped_or_traced(task);
}

static bool may_switch_in_kernel(const struct km_tasks *t, const struct task_struct *task)
{
	return t->mode->in_kernel || has_no_border(task);
}

static bool stack_allows(struct km_tasks *t, struct km_tasks_entry *e)
{
	unsigned long at = 0;
	enum km_stack found = km_unsafe_flip ? KM_STACK_CLEAR : km_stack_check(e->task, t->avoid, &at);

	if (found == KM_STACK_CLEAR)
		return true;
	WRITE_ONCE(e->blocked_at, at);
	return false;
}

static void try_current(struct km_tasks *t, bool border)
{
	struct km_tasks_entry *e = km_tasks_find(t, current);

	if (!e || !is_pending(t, e) || (!border && !may_switch_in_kernel(t, current)))
		return;
	if (stack_allows(t, e))
		switch_entry(t, e);
}

/* On one CPU, in interrupt context or in the worker. What runs here cannot move until it returns. */
static void look_here(void *unused)
{
	struct km_tasks *t = rcu_dereference_sched(km_tasks);

	if (t && t->mode)
		try_current(t, false);
}

struct look {
	struct km_tasks *t;
	struct km_tasks_entry *e;
};

/* Under the task's pi_lock, and its run queue's lock when it is runnable: it stays off its CPU. */
static int look_at(struct task_struct *task, void *arg)
{
	struct look *look = arg;

	if (READ_ONCE(task->on_cpu) || !stack_allows(look->t, look->e))
		return -EBUSY;
	switch_entry(look->t, look->e);
	return 0;
}

static void probe_sched_switch(void *data, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state)
{
	struct km_tasks *t = rcu_dereference_sched(km_tasks);
	struct km_tasks_entry *e;

	if (!t || !t->mode)
		return;
	e = km_tasks_find(t, prev);
	if (!e || !is_pending(t, e))
		return;
	if (prev_state == TASK_DEAD)
		leave_entry(t, e);
	else
		try_current(t, false);
}

/* ---- the border: task work ---------------------------------------------------------------------------------------------------------- */
/*
 * Mostly run on the way to user space, with nothing else on the stack; but io_uring runs task work inside a system call too, and an
 * exiting task runs it in do_exit(): so the stack is looked at here as well.
 */
static void at_border(struct callback_head *head)
{
	struct km_border_work *work = container_of(head, struct km_border_work, head);
	struct km_tasks *t;

	preempt_disable();
	raw_spin_lock_irq(&km_tasks_lock);
	if (work->entry)
		work->entry->work = NULL;
	raw_spin_unlock_irq(&km_tasks_lock);
	t = rcu_dereference_sched(km_tasks);
	if (t && t->mode)
		try_current(t, true);
	preempt_enable();
	kfree_rcu(work, head); /* work_cancel() may be comparing with its address */
	if (atomic_dec_and_test(&works))
		wake_up(&works_gone);
}

/* Without memory the next pass tries again. */
static void work_add(struct km_tasks_entry *e)
{
	struct km_border_work *work;

	if (has_no_border(e->task) || READ_ONCE(e->work))
		return;
	work = km_fails("work") ? NULL : kmalloc(sizeof(*work), GFP_KERNEL);
	if (!work)
		return;
	work->entry = e;
	WRITE_ONCE(e->work, work);
	atomic_inc(&works);
	init_task_work(&work->head, at_border);
	if (!task_work_add(e->task, &work->head, TWA_RESUME))
		return;
	e->work = NULL; /* it is past its last work: it dies, which sched_switch tells */
	atomic_dec(&works);
	kfree(work);
}

static bool same_work(struct callback_head *work, void *data)
{
	return work == data;
}

/* Takes the work out of the task's list, or, when the task has it in its hands already, leaves it to itself. */
static void work_cancel(struct km_tasks_entry *e)
{
	struct km_border_work *work;

	rcu_read_lock(); /* until it is looked for, its address is no other work's */
	raw_spin_lock_irq(&km_tasks_lock);
	work = e->work;
	if (work)
		work->entry = NULL;
	e->work = NULL;
	raw_spin_unlock_irq(&km_tasks_lock);
	if (work && km_kernel.task_work_cancel_match(e->task, same_work, &work->head)) {
		kfree(work);
		atomic_dec(&works);
	}
	rcu_read_unlock();
}

/* ---- all tasks ---------------------------------------------------------------------------------------------------------------------- */
static bool idle_may_switch(const struct km_tasks *t, const struct km_tasks_entry *e)
{
	return is_idle_task(e->task) && idle_is_fresh(task_cpu(e->task));
}

static void pass_over(struct km_tasks *t, struct km_tasks_entry *e)
{
	struct look look = {.t = t, .e = e};

	if (idle_may_switch(t, e))
		switch_entry(t, e);
	else if (t->mode->sleepers || has_no_border(e->task) || is_held(e->task))
		km_kernel.task_call_func(e->task, look_at, &look);
	if (is_pending(t, e) && watching)
		work_add(e);
}

void km_tasks_pass(void)
{
	struct km_tasks *t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex));

	if (!t || !t->mode)
		return;
	cpus_read_lock();
	on_each_cpu(look_here, NULL, 1);
	for (size_t i = 0; i < t->n && READ_ONCE(t->pending); i++) {
		if (is_pending(t, &t->entries[i]))
			pass_over(t, &t->entries[i]);
		if (!(i % 256))
			cond_resched();
	}
	cpus_read_unlock();
}

/* A kthread that waits for its first wake-up sleeps uninterruptibly: it is left alone. */
static void nudge(struct km_tasks_entry *e)
{
	struct task_struct *task = e->task;

	if (task->flags & PF_KTHREAD)
		km_kernel.wake_up_state(task, TASK_INTERRUPTIBLE);
	else if (!test_and_set_tsk_thread_flag(task, TIF_NOTIFY_SIGNAL) && !km_kernel.wake_up_state(task, TASK_INTERRUPTIBLE))
		kick_process(task);
}

void km_tasks_nudge(void)
{
	struct km_tasks *t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex));

	for (size_t i = 0; t && t->mode && i < t->n; i++) {
		struct km_tasks_entry *e = &t->entries[i];

		if (is_pending(t, e) && !is_idle_task(e->task) && !READ_ONCE(e->task->exit_state))
			nudge(e);
	}
}

static void run_done(struct irq_work *work)
{
	all_done();
}

/* A CPU that went takes its idle task along, without a last sched_switch. */
static int cpu_is_dead(unsigned int cpu)
{
	if (rcu_access_pointer(km_tasks))
		all_done();
	return 0;
}

int km_tasks_watch(void)
{
	int err;

	if (watching)
		return 0;
	err = tracepoint_probe_register(tp_sched_switch, probe_sched_switch, NULL);
	if (!err)
		watching = true;
	return err;
}

void km_tasks_unwatch(void)
{
	struct km_tasks *t;

	if (watching) {
		tracepoint_probe_unregister(tp_sched_switch, probe_sched_switch, NULL);
		watching = false;
	}
	for (t = rcu_dereference_protected(km_tasks, true); t; t = t->prev)
		for (size_t i = 0; i < t->n; i++)
			work_cancel(&t->entries[i]);
}

static void table_free(struct km_tasks *t)
{
	for (size_t i = 0; i < t->n; i++)
		put_task_struct(t->entries[i].task);
	kfree(t->avoid);
	table_dealloc(t);
}

void km_tasks_end(void)
{
	struct km_tasks *t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex)), *prev;

	rcu_assign_pointer(km_tasks, NULL);
	tracepoint_synchronize_unregister();
	km_redirect_sync();
	for (; t; t = prev) {
		prev = t->prev;
		table_free(t);
	}
}

/* ---- with all CPUs stopped ---------------------------------------------------------------------------------------------------------- */
#define STOP_BLOCKERS 32
struct stop {
	struct km_tasks *t, *flipped;
	bool target;
	const struct km_ranges *avoid;
	size_t inside;
	u64 ns;
};
static struct km_blocker stop_blockers[STOP_BLOCKERS];
static size_t stop_n;

static void blocker_fill(struct km_blocker *b, struct task_struct *task, unsigned long at, bool running)
{
	b->pid = task->pid;
	b->tgid = task->tgid;
	memcpy(b->comm, task->comm, TASK_COMM_LEN);
	b->comm[TASK_COMM_LEN - 1] = 0;
	b->at = at;
	b->unreliable = !at;
	b->running = running;
}

static void stop_look(struct stop *s, struct task_struct *task)
{
	unsigned long at;

	if (km_tasks_side(s->t, task) == s->target || km_unsafe_flip)
		return;
	if (task != current && READ_ONCE(task->on_cpu)) /* another stopper: it is in the same calls as this one, which is looked at */
		return;
	if (km_stack_check(task, s->avoid, &at) == KM_STACK_CLEAR)
		return;
	if (s->inside++ < STOP_BLOCKERS)
		blocker_fill(&stop_blockers[s->inside - 1], task, at, READ_ONCE(task->__state) == TASK_RUNNING);
}

/* Every other CPU spins in its stopper thread, so that no task but the stoppers is on a CPU, and the list of tasks is not being written:
 * that is done with preemption off. Nothing is printed, allocated or called back. */
static int stopped(void *arg)
{
	struct stop *s = arg;
	struct task_struct *process, *task;
	u64 began = ktime_get_ns();
	int cpu;

	s->inside = 0;
	for_each_process_thread(process, task)
		stop_look(s, task);
	for_each_online_cpu(cpu) {
		task = km_kernel.idle_task(cpu);
		if (task)
			stop_look(s, task);
	}
	if (!s->inside) {
		s->flipped->since = ktime_get_ns();
		table_publish(s->flipped);
	}
	s->ns = ktime_get_ns() - began;
	return 0;
}

/*
 * The flip is an empty table: whoever is not in it is newborn, so on the target's side; but for the released, who are looked up in the
 * older one.
 */
int km_tasks_stop(bool target, const struct km_ranges *avoid, u64 *ns)
{
	struct stop s = {.t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex)), .target = target, .avoid = avoid};
	int err;

	s.flipped = table_alloc(0);
	if (!s.flipped)
		return -ENOMEM;
	s.flipped->target = s.flipped->newborn = target;
	s.flipped->before = !target;
	err = km_fails("stop") ? -EIO : stop_machine(stopped, &s, NULL);
	*ns = s.ns;
	stop_n = min_t(size_t, s.inside, STOP_BLOCKERS);
	if (err || s.inside)
		table_dealloc(s.flipped);
	return err ?: (int)s.inside;
}

size_t km_tasks_blockers(struct km_blocker *list, size_t n)
{
	struct km_tasks *t = rcu_dereference_protected(km_tasks, lockdep_is_held(&km_mutex));
	size_t found = 0;

	if (!t || !t->mode) {
		memcpy(list, stop_blockers, min(n, stop_n) * sizeof(*list));
		return stop_n;
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct km_tasks_entry *e = &t->entries[i];

		if (!is_pending(t, e))
			continue;
		if (found < n)
			blocker_fill(&list[found], e->task, READ_ONCE(e->blocked_at), READ_ONCE(e->task->on_cpu));
		found++;
	}
	return found;
}

/* ---- set-up ------------------------------------------------------------------------------------------------------------------------- */
static void pick_tracepoint(struct tracepoint *tp, void *unused)
{
	if (!strcmp(tp->name, "sched_switch"))
		tp_sched_switch = tp;
}

int km_tasks_init(void (*done)(void))
{
	all_done = done;
	init_irq_work(&done_work, run_done);
	for_each_kernel_tracepoint(pick_tracepoint, NULL);
	if (!tp_sched_switch) {
		pr_err("this kernel has no tracepoint sched_switch\n");
		return -EOPNOTSUPP;
	}
	hotplug_state = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "kmend:dead", NULL, cpu_is_dead);
	return hotplug_state < 0 ? hotplug_state : 0;
}

void km_tasks_exit(void)
{
	cpuhp_remove_state_nocalls(hotplug_state);
	irq_work_sync(&done_work);
	wait_event(works_gone, !atomic_read(&works));
}
