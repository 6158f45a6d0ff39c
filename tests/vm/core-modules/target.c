// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module to be patched. /proc/kmt_value shows what its functions return; who reads /proc/kmt_wait stays in kmt_wait_here(), where no signal
 * reaches it, until something is written there.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/wait.h>

int kmt_second_twin(void);

static int init_ret;
module_param(init_ret, int, 0);

static int kmt_hidden = 5;
static bool released;
static DECLARE_WAIT_QUEUE_HEAD(waiters);

/* Two symbols of this name are in the module; this is the first. */
static noinline __noclone int kmt_twin(void)
{
	asm volatile("");
	return 21;
}

static noinline __noclone int kmt_one(void)
{
	asm volatile("");
	return 1;
}

static noinline __noclone int kmt_read_hidden(void)
{
	return READ_ONCE(kmt_hidden);
}

static noinline __noclone const char *kmt_wait_here(void)
{
	wait_event(waiters, READ_ONCE(released));
	return "old";
}

static int value_show(struct seq_file *m, void *v)
{
	seq_printf(m, "one=%d twins=%d,%d hidden=%d\n", kmt_one(), kmt_twin(), kmt_second_twin(), kmt_read_hidden());
	return 0;
}

static int wait_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s\n", kmt_wait_here());
	return 0;
}

static int wait_open(struct inode *inode, struct file *file)
{
	return single_open(file, wait_show, NULL);
}

static ssize_t wait_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	WRITE_ONCE(released, true);
	wake_up_all(&waiters);
	return count;
}

static const struct proc_ops wait_ops = {
	.proc_open = wait_open,
	.proc_read = seq_read,
	.proc_write = wait_write,
	.proc_release = single_release,
};

static int __init target_init(void)
{
	if (init_ret)
		return init_ret;
	proc_create_single("kmt_value", 0444, NULL, value_show);
	proc_create("kmt_wait", 0644, NULL, &wait_ops);
	return 0;
}

static void __exit target_exit(void)
{
	remove_proc_entry("kmt_wait", NULL);
	remove_proc_entry("kmt_value", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("GPL");
