// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A patch of functions that every machine runs all the time: system calls, callers of the scheduler, timer callbacks in soft and hard
 * interrupts, and one that NMIs reach. Each new function counts and goes on in the original, behind its call of fentry, so that both are
 * on the stack for as long as the original takes. Parameters: functions, a mask of the table below (all); mode, deadline_ms as of struct
 * kmend_patch; calls (read-only): how often the new functions ran.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/timer.h>

#include "kmend.h"

#define FENTRY_CALL 5
#define ENDBR64 0xfa1e0ff3u
#define ENDBR_SEALED 0x001f0f66u /* what the kernel writes over it where nobody takes the address */

static DEFINE_PER_CPU(unsigned long, calls);

/* Where the original goes on behind its fentry call. */
static __always_inline void *body_of(unsigned long func)
{
	u32 landing = *(const u32 *)func;

	return (void *)(func + FENTRY_CALL + (landing == ENDBR64 || landing == ENDBR_SEALED ? 4 : 0));
}

/* `at` is filled in by a relocation. */
#define HOT(type, name, params, args)                                              \
	static unsigned long at_##name;                                            \
	static __attribute__((__noipa__)) type new_##name params                   \
	{                                                                          \
		type (*body) params = body_of(READ_ONCE(at_##name));               \
		type ret;                                                          \
                                                                                   \
		this_cpu_inc(calls);                                               \
		ret = body args;                                                   \
		barrier();                                                         \
		return ret;                                                        \
	}

struct hrtimer_sleeper;
struct open_how;
struct pt_regs;

HOT(ssize_t, vfs_read, (struct file * file, char __user *buf, size_t n, loff_t *pos), (file, buf, n, pos))
HOT(long, do_sys_openat2, (int dfd, const char __user *name, struct open_how *how), (dfd, name, how))
HOT(int, do_nanosleep, (struct hrtimer_sleeper * t, enum hrtimer_mode mode), (t, mode))
HOT(long, process_timeout, (struct timer_list * t), (t))
HOT(int, hrtimer_wakeup, (struct hrtimer * t), (t))
HOT(int, nmi_handle, (unsigned int type, struct pt_regs *regs), (type, regs))
HOT(long, schedule_timeout, (long timeout), (timeout))

#define FUNC(func) {.old_name = #func, .new_func = new_##func}
#define RELOC(func) {.place = &at_##func, .name = #func, .type = 1 /* R_X86_64_64 */}
static const struct kmend_func all_funcs[] = {
	FUNC(vfs_read),	      FUNC(do_sys_openat2), FUNC(do_nanosleep),	   FUNC(process_timeout),
	FUNC(hrtimer_wakeup), FUNC(nmi_handle),	    FUNC(schedule_timeout),
};
static const struct kmend_reloc all_relocs[] = {
	RELOC(vfs_read),       RELOC(do_sys_openat2), RELOC(do_nanosleep),     RELOC(process_timeout),
	RELOC(hrtimer_wakeup), RELOC(nmi_handle),     RELOC(schedule_timeout),
};
#define ALL ARRAY_SIZE(all_funcs)
static struct kmend_func funcs[ALL + 1];
static struct kmend_reloc relocs[ALL + 1];

static unsigned int functions = BIT(ALL) - 1;
module_param(functions, uint, 0444);
static char *mode = "";
module_param(mode, charp, 0444);
static unsigned int deadline_ms;
module_param(deadline_ms, uint, 0444);

static int get_calls(char *buffer, const struct kernel_param *unused)
{
	unsigned long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&calls, cpu));
	return sysfs_emit(buffer, "%lu\n", sum);
}
static const struct kernel_param_ops calls_ops = {.get = get_calls};
module_param_cb(calls, &calls_ops, NULL, 0444);

static struct kmend_object objs[] = {
	{.funcs = funcs, .relocs = relocs},
	{},
};
static struct kmend_patch patch = {KMEND_PATCH_INIT, .objs = objs};

static int __init hot_init(void)
{
	static const char *const modes[] = {"", "stop", "lazy", "hybrid", "deadline"};
	int m = match_string(modes, ARRAY_SIZE(modes), mode), n = 0;

	if (m < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < ALL; i++)
		if (functions & BIT(i)) {
			funcs[n] = all_funcs[i];
			relocs[n++] = all_relocs[i];
		}
	patch.mode = (enum kmend_mode)m;
	patch.deadline_ms = deadline_ms;
	return kmend_enable_patch(&patch);
}

static void __exit hot_exit(void)
{
}

module_init(hot_init);
module_exit(hot_exit);
MODULE_DESCRIPTION("patch of the busiest functions");
MODULE_LICENSE("GPL");
