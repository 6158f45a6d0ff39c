// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The oracle: runs chains (oracle.h) in every context that a kernel has, and counts versions and mixes by context.
 *
 * /proc/kmend_oracle: reading gives a line for each context; ioctl() runs a chain in the caller; writing a word steers:
 *   arm       chains that rest with HOLD or BUSY are held from now on
 *   release   they go on
 *   stuck     begins a kthread that runs one chain with BUSY: it never passes a safe point while held
 *   reset     counters to 0
 * Parameters, writable: gap_us between two chains of a kernel context; contexts, a mask of those that run.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "oracle.h"

enum context { IN_TASK, IN_KTHREAD, IN_WORK, IN_TIMER, IN_HRTIMER, IN_NMI, CONTEXTS };
static const char *const names[CONTEXTS] = {"task", "kthread", "work", "timer", "hrtimer", "nmi"};

static unsigned int gap_us = 2000;
module_param(gap_us, uint, 0644);
static unsigned int contexts = ~0u;
module_param(contexts, uint, 0644);

/* Reached only by relocations of the patches: nothing exports it. */
static unsigned long oracle_secret __used = ORACLE_SECRET;

static struct {
	atomic_long_t calls[ORACLE_VERSIONS], mixes, lost;
} counts[CONTEXTS];

static DECLARE_WAIT_QUEUE_HEAD(holders);
static int held; /* READ_ONCE/WRITE_ONCE; waits of holders are woken after a change */

static oracle_noipa int deep(struct oracle_chain *c, int frames)
{
	int n = 0;

	if (!frames)
		c->relax(c);
	else
		n = deep(c, frames - 1);
	barrier(); /* a real frame each: no tail call, no loop */
	return n + 1;
}

static void yield_for(unsigned long us)
{
	ktime_t end = ktime_add_us(ktime_get(), us);

	while (ktime_before(ktime_get(), end))
		cond_resched();
}

static void relax(struct oracle_chain *c)
{
	switch (c->rest) {
	case ORACLE_SPIN:
		udelay(min(c->us, 1000ul));
		break;
	case ORACLE_SLEEP:
	case ORACLE_DEEP:
		usleep_range(c->us, c->us + c->us / 4 + 1);
		break;
	case ORACLE_INTERRUPTIBLE:
		schedule_timeout_interruptible(usecs_to_jiffies(c->us));
		break;
	case ORACLE_YIELD:
		yield_for(c->us);
		break;
	case ORACLE_HOLD:
		wait_event(holders, !READ_ONCE(held));
		break;
	case ORACLE_BUSY: /* ftrace waits for everybody to leave a CPU once by itself, which cond_resched() is not; and emulated CPUs that
			   * share a thread wait long for one that never rests */
		for (unsigned int turns = 1; READ_ONCE(held); turns++) {
			yield();
			if (!(turns % 64))
				usleep_range(500, 1000);
		}
		break;
	default:
		break;
	}
}

oracle_noipa int kmend_oracle_inner(struct oracle_chain *c)
{
	return oracle_inner_body(c, 1);
}

static oracle_noipa void oracle_middle(struct oracle_chain *c)
{
	if (c->rest == ORACLE_DEEP)
		deep(c, ORACLE_FRAMES);
	else
		c->relax(c);
	kmend_oracle_inner(c);
	barrier();
}

oracle_noipa int kmend_oracle_outer(struct oracle_chain *c)
{
	return oracle_outer_body(c, 1);
}

static int run_chain(enum context where, enum oracle_rest rest, unsigned long us)
{
	struct oracle_chain c = {.rest = rest, .us = us, .middle = oracle_middle, .relax = relax};
	int version = kmend_oracle_outer(&c);

	atomic_long_inc(&counts[where].calls[version]);
	if (c.mixes) {
		atomic_long_inc(&counts[where].mixes);
		pr_notice("kmend_oracle: mixed in context %s: %s:%d, rest %d: inner %d in outer %d\n", names[where], current->comm,
			  current->pid, rest, c.inner, version);
	}
	if (c.lost)
		atomic_long_inc(&counts[where].lost);
	return version;
}

static bool wanted(enum context where)
{
	return READ_ONCE(contexts) & BIT(where);
}

/* ---- kthreads ---- */
static struct task_struct *sleeper, *yielder, *nmi_sender, *stuck;

static int kthread_main(void *rest)
{
	while (!kthread_should_stop()) {
		if (wanted(IN_KTHREAD))
			run_chain(IN_KTHREAD, (enum oracle_rest)(unsigned long)rest, 200);
		usleep_range(READ_ONCE(gap_us), READ_ONCE(gap_us) + 50);
	}
	return 0;
}

static int stuck_main(void *unused)
{
	run_chain(IN_KTHREAD, ORACLE_BUSY, 0);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* ---- workqueue ---- */
static struct workqueue_struct *queue;
static void work_main(struct work_struct *work);
static DECLARE_DELAYED_WORK(work, work_main);

static void work_main(struct work_struct *unused)
{
	if (wanted(IN_WORK))
		run_chain(IN_WORK, ORACLE_SLEEP, 100);
	queue_delayed_work(queue, &work, max(1ul, usecs_to_jiffies(READ_ONCE(gap_us))));
}

/* ---- softirq and hard interrupt ---- */
static void timer_main(struct timer_list *timer);
static DEFINE_TIMER(timer, timer_main);
static struct hrtimer hrtimer;

static void timer_main(struct timer_list *unused)
{
	if (wanted(IN_TIMER))
		run_chain(IN_TIMER, ORACLE_SPIN, 10);
	mod_timer(&timer, jiffies + max(1ul, usecs_to_jiffies(READ_ONCE(gap_us))));
}

static enum hrtimer_restart hrtimer_main(struct hrtimer *t)
{
	if (wanted(IN_HRTIMER))
		run_chain(IN_HRTIMER, ORACLE_SPIN, 5);
	hrtimer_forward_now(t, ns_to_ktime(1000ull * max(READ_ONCE(gap_us), 500u))); /* never back to back */
	return HRTIMER_RESTART;
}

/* ---- NMI ---- */
/* Claims every one: nobody else sends them to this machine. */
static int nmi_main(unsigned int type, struct pt_regs *regs)
{
	run_chain(IN_NMI, ORACLE_SPIN, 2);
	return NMI_HANDLED;
}

static int nmi_sender_main(void *unused)
{
	int cpu;

	while (!kthread_should_stop()) {
		cpus_read_lock();
		for_each_online_cpu(cpu) {
			if (!wanted(IN_NMI))
				break;
			preempt_disable();
			if (cpu != smp_processor_id())
				apic->send_IPI(cpu, NMI_VECTOR);
			preempt_enable();
		}
		cpus_read_unlock();
		usleep_range(2 * READ_ONCE(gap_us), 2 * READ_ONCE(gap_us) + 100);
	}
	return 0;
}

/* ---- /proc/kmend_oracle ---- */
static long oracle_ioctl(struct file *file, unsigned int cmd, unsigned long us)
{
	struct oracle_chain below = {.us = us, .relax = relax};

	if (us > USEC_PER_SEC)
		return -EINVAL;
	if (cmd >= ORACLE_CALL && cmd < ORACLE_CALL + ORACLE_RESTS)
		return run_chain(IN_TASK, cmd - ORACLE_CALL, us);
	if (cmd >= ORACLE_BELOW && cmd < ORACLE_BELOW + ORACLE_RESTS) {
		below.rest = cmd - ORACLE_BELOW;
		deep(&below, ORACLE_FRAMES);
		return 0;
	}
	return -ENOTTY;
}

static int begin_stuck(void)
{
	struct task_struct *t;

	if (stuck)
		return -EBUSY;
	t = kthread_run(stuck_main, NULL, "kmend_stuck");
	if (IS_ERR(t))
		return PTR_ERR(t);
	stuck = t;
	return 0;
}

static void hold(int on)
{
	WRITE_ONCE(held, on);
	if (!on)
		wake_up_all(&holders);
}

static void end_stuck(void)
{
	hold(0);
	if (stuck)
		kthread_stop(stuck);
	stuck = NULL;
}

static ssize_t oracle_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char word[16] = "";
	int err = 0;

	if (n >= sizeof(word) || copy_from_user(word, buf, n))
		return -EINVAL;
	if (!strcmp(strim(word), "arm"))
		hold(1);
	else if (!strcmp(strim(word), "release"))
		end_stuck();
	else if (!strcmp(strim(word), "stuck"))
		err = begin_stuck();
	else if (!strcmp(strim(word), "reset"))
		memset(counts, 0, sizeof(counts));
	else
		err = -EINVAL;
	return err ? err : n;
}

static int oracle_show(struct seq_file *m, void *unused)
{
	for (int i = 0; i < CONTEXTS; i++)
		seq_printf(m, "%s %ld %ld %ld mixes %ld lost %ld\n", names[i], atomic_long_read(&counts[i].calls[1]),
			   atomic_long_read(&counts[i].calls[2]), atomic_long_read(&counts[i].calls[3]),
			   atomic_long_read(&counts[i].mixes), atomic_long_read(&counts[i].lost));
	return 0;
}

static int oracle_open(struct inode *inode, struct file *file)
{
	return single_open(file, oracle_show, NULL);
}

static const struct proc_ops ops = {
	.proc_open = oracle_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_write = oracle_write,
	.proc_release = single_release,
	.proc_ioctl = oracle_ioctl,
};

static void stop(struct task_struct **t)
{
	if (!IS_ERR_OR_NULL(*t))
		kthread_stop(*t);
	*t = NULL;
}

static void end_all(void)
{
	end_stuck();
	stop(&nmi_sender);
	unregister_nmi_handler(NMI_LOCAL, "kmend_oracle");
	stop(&yielder);
	stop(&sleeper);
	hrtimer_cancel(&hrtimer);
	del_timer_sync(&timer);
	cancel_delayed_work_sync(&work);
	destroy_workqueue(queue);
}

static int __init oracle_init(void)
{
	queue = alloc_workqueue("kmend_oracle", 0, 0);
	if (!queue)
		return -ENOMEM;
	queue_delayed_work(queue, &work, 1);
	mod_timer(&timer, jiffies + 1);
	hrtimer_init(&hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer.function = hrtimer_main;
	hrtimer_start(&hrtimer, ms_to_ktime(1), HRTIMER_MODE_REL);
	sleeper = kthread_run(kthread_main, (void *)ORACLE_SLEEP, "kmend_sleeper");
	yielder = kthread_run(kthread_main, (void *)ORACLE_YIELD, "kmend_yielder");
	register_nmi_handler(NMI_LOCAL, nmi_main, 0, "kmend_oracle");
	nmi_sender = kthread_run(nmi_sender_main, NULL, "kmend_nmi");
	if (!IS_ERR(sleeper) && !IS_ERR(yielder) && !IS_ERR(nmi_sender) && proc_create("kmend_oracle", 0666, NULL, &ops))
		return 0;
	end_all();
	return -ENOMEM;
}

static void __exit oracle_exit(void)
{
	hold(0);
	remove_proc_entry("kmend_oracle", NULL);
	end_all();
	/* What was counted goes with the module: nobody could read it any more. */
	for (int i = 0; i < CONTEXTS; i++)
		WARN(atomic_long_read(&counts[i].mixes) || atomic_long_read(&counts[i].lost), "mixed chains in context %s", names[i]);
}

module_init(oracle_init);
module_exit(oracle_exit);
MODULE_DESCRIPTION("consistency oracle");
MODULE_LICENSE("GPL");
