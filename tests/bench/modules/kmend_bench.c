// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the bench patches, and what it does with it. /proc/kmend_bench takes
 *	count		calls bench_target() with interrupts off and remembers the ticks of the time stamp counter that a call took
 *	hold		enters bench_hold(), and stays there, deaf to signals, until someone writes
 *	release		which may also be
 *	measure		it counts, from in there, and stays
 *	nap MS		enters bench_nap() and sleeps there for so long, deaf to signals
 * A read gives what was counted last, by the thousand calls.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/timex.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "bench.h"

#define CALLS 1000

static DECLARE_WAIT_QUEUE_HEAD(holders);
static DECLARE_COMPLETION(measured);
static unsigned int holding; /* tasks inside bench_hold() */
static bool released, measure;
static u64 ticks;

noinline int bench_target(int x);
noinline int bench_target(int x)
{
	return bench_body(x);
}

static u64 run_calls(void)
{
	u64 begin = get_cycles();

	for (int i = 0; i < CALLS; i++)
		barrier_data((void *)(long)bench_target(i));
	return get_cycles() - begin;
}

static u64 run_nothing(void)
{
	u64 begin = get_cycles();

	for (int i = 0; i < CALLS; i++)
		barrier_data((void *)(long)i);
	return get_cycles() - begin;
}

/* The second round is the one that counts: the first has what happens once. */
static void count(void)
{
	unsigned long flags;
	u64 with, without;

	local_irq_save(flags);
	run_nothing();
	run_calls();
	without = run_nothing();
	with = run_calls();
	local_irq_restore(flags);
	WRITE_ONCE(ticks, with - without);
}

noinline int bench_hold(int x);
noinline int bench_hold(int x)
{
	WRITE_ONCE(holding, holding + 1);
	while (!READ_ONCE(released)) {
		wait_event(holders, READ_ONCE(released) || READ_ONCE(measure));
		if (!READ_ONCE(measure))
			continue;
		WRITE_ONCE(measure, false);
		count();
		complete(&measured);
	}
	WRITE_ONCE(holding, holding - 1);
	return bench_body(x);
}

noinline int bench_nap(int ms);
noinline int bench_nap(int ms)
{
	msleep(ms);
	return bench_body(ms);
}

static void let_measure(void)
{
	if (!READ_ONCE(holding))
		return;
	reinit_completion(&measured);
	WRITE_ONCE(measure, true);
	wake_up_all(&holders);
	wait_for_completion(&measured);
}

static void let_go(void)
{
	WRITE_ONCE(released, true);
	wake_up_all(&holders);
	while (READ_ONCE(holding))
		msleep(1);
	WRITE_ONCE(released, false);
}

static ssize_t bench_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	char word[32] = "";
	int ms;

	if (n >= sizeof(word) || copy_from_user(word, buf, n))
		return -EINVAL;
	if (sysfs_streq(word, "count"))
		count();
	else if (sysfs_streq(word, "hold"))
		bench_hold(0);
	else if (sysfs_streq(word, "measure"))
		let_measure();
	else if (sysfs_streq(word, "release"))
		let_go();
	else if (sscanf(word, "nap %d", &ms) == 1)
		bench_nap(ms);
	else
		return -EINVAL;
	return n;
}

static int bench_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%llu\n", READ_ONCE(ticks));
	return 0;
}

static int bench_open(struct inode *inode, struct file *file)
{
	return single_open(file, bench_show, NULL);
}

static const struct proc_ops ops = {
	.proc_open = bench_open,
	.proc_read = seq_read,
	.proc_write = bench_write,
	.proc_release = single_release,
};

static int __init kmend_bench_init(void)
{
	return proc_create("kmend_bench", 0600, NULL, &ops) ? 0 : -ENOMEM;
}

static void __exit kmend_bench_exit(void)
{
	remove_proc_entry("kmend_bench", NULL);
}

module_init(kmend_bench_init);
module_exit(kmend_bench_exit);
MODULE_DESCRIPTION("Functions to be patched, and what measures their calls");
MODULE_LICENSE("GPL");
