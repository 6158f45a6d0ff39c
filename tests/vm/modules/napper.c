// SPDX-License-Identifier: GPL-2.0
/* Reading /proc/kmend_nap sleeps, without regard to signals, inside kmend_nap() until someone writes to it. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/wait.h>

static DECLARE_WAIT_QUEUE_HEAD(wakers);
static int woken;

noinline ssize_t kmend_nap(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	wait_event(wakers, READ_ONCE(woken));
	return 0;
}

static ssize_t wake(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	WRITE_ONCE(woken, 1);
	wake_up_all(&wakers);
	return n;
}

static const struct proc_ops ops = {.proc_read = kmend_nap, .proc_write = wake};

static int __init napper_init(void)
{
	return proc_create("kmend_nap", 0666, NULL, &ops) ? 0 : -ENOMEM;
}

static void __exit napper_exit(void)
{
	remove_proc_entry("kmend_nap", NULL);
}

module_init(napper_init);
module_exit(napper_exit);
MODULE_LICENSE("GPL");
