/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between kernels and must be inline; the rest of it is in compat/kernel.c.
 */
#ifndef KMEND_COMPAT_H
#define KMEND_COMPAT_H

#include <linux/ftrace.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/version.h>

/* Linux 6.2 renamed it; both are macros on every architecture. */
static __always_inline void km_set_ip(struct ftrace_regs *fregs, unsigned long ip)
{
#ifdef ftrace_regs_set_instruction_pointer
	ftrace_regs_set_instruction_pointer(fregs, ip);
#else
	ftrace_instruction_pointer_set(fregs, ip);
#endif
}

/* The code of a module but for its init's; 6.4 made an array of its parts. */
static inline void km_module_text(const struct module *mod, unsigned long *start, unsigned long *end)
{
#ifdef KM_HAVE_MODULE_MEM
	*start = (unsigned long)mod->mem[MOD_TEXT].base;
	*end = *start + mod->mem[MOD_TEXT].size;
#else
	*start = (unsigned long)mod->core_layout.base;
	*end = *start + mod->core_layout.text_size;
#endif
}

/* Until 6.10 a walk WARNs about the return address of a kretprobe or fprobe on the stack of a task that is runnable. */
static inline bool km_walk_warns(const struct task_struct *task)
{
#if defined(CONFIG_RETHOOK) && LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	return task != current && task_is_running(task) && !llist_empty(&task->rethooks);
#else
	return false;
#endif
}

/* What a handler that changes the instruction pointer has to ask for: where ftrace passes arguments only, that includes it. */
#ifdef CONFIG_HAVE_DYNAMIC_FTRACE_WITH_ARGS
#define KM_FTRACE_FLAGS (FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT)
#else
#define KM_FTRACE_FLAGS (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT)
#endif

#endif
