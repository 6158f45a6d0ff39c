// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel.c - what the kernel does not export to modules, found by name once, and what is called otherwise in other kernels.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/stddef.h>

#include "../internal.h"

struct km_kernel km_kernel;

struct wanted {
	const char *name;
	size_t member; /* offset in struct km_kernel */
	enum { DATA, FUNCTION } kind;
	bool optional;
};

#define WANT(n, m, ...) { .name = n, .member = offsetof(struct km_kernel, m), ##__VA_ARGS__ }

static const struct wanted wanted[] = {
	WANT("text_poke_copy", text_poke_copy, .kind = FUNCTION, .optional = true),
	WANT("tasklist_lock", tasklist_lock, .kind = DATA),
	WANT("task_call_func", task_call_func, .kind = FUNCTION),
	WANT("arch_stack_walk_reliable", arch_stack_walk_reliable, .kind = FUNCTION),
	WANT("task_work_cancel_match", task_work_cancel_match, .kind = FUNCTION),
	WANT("idle_task", idle_task, .kind = FUNCTION),
	WANT("schedule_on_each_cpu", schedule_on_each_cpu, .kind = FUNCTION),
	WANT("put_task_stack", put_task_stack, .kind = FUNCTION),
	WANT("find_module", find_module, .kind = FUNCTION),
	WANT("__module_text_address", module_text_address, .kind = FUNCTION),
	WANT("__module_address", module_address, .kind = FUNCTION),
	WANT("wake_up_state", wake_up_state, .kind = FUNCTION),
	WANT("get_kprobe", get_kprobe, .kind = FUNCTION, .optional = true),
	WANT("ftrace_location", ftrace_location, .kind = FUNCTION),
	WANT("kallsyms_lookup_size_offset", lookup_symbol_size, .kind = FUNCTION),
	WANT("kallsyms_on_each_match_symbol", each_match_symbol, .kind = FUNCTION),
	WANT("module_kallsyms_on_each_symbol", each_module_symbol, .kind = FUNCTION),
	WANT("jump_label_module_notify", jump_label_notify, .kind = FUNCTION, .optional = true),
	WANT("__entry_text_start", firsts[0].start, .kind = DATA),
	WANT("__entry_text_end", firsts[0].end, .kind = DATA),
	WANT("ret_from_fork", firsts[1].start, .kind = DATA),
	WANT("ret_from_fork_asm", firsts[2].start, .kind = DATA, .optional = true),
	/* of idle tasks, by the way a CPU is started */
	WANT("secondary_startup_64_no_verify", firsts[3].start, .kind = DATA, .optional = true),
	WANT("common_startup_64", firsts[6].start, .kind = DATA, .optional = true),
	WANT("asm_cpu_bringup_and_idle", firsts[4].start, .kind = DATA, .optional = true),
	WANT("startup_xen", firsts[5].start, .kind = DATA, .optional = true),
	WANT("__start_notes", notes, .kind = DATA, .optional = true),
	WANT("__stop_notes", notes_end, .kind = DATA, .optional = true),
};

/* A kprobe's address may lie behind the function's landing instruction (x86 with IBT, arm64 with BTI). */
static unsigned long function_start(unsigned long addr)
{
	char text[KSYM_SYMBOL_LEN], *plus;
	unsigned long offset = 0;

	sprint_symbol(text, addr);
	plus = strrchr(text, '+');
	if (plus && sscanf(plus, "+0x%lx/", &offset) != 1)
		offset = 0;
	return addr - offset;
}

static unsigned long find_lookup_name(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long addr;
	int err;

	err = register_kprobe(&probe);
	if (err) {
		pr_err("cannot find kallsyms_lookup_name with a kprobe (error %d): this kernel needs CONFIG_KPROBES and CONFIG_KALLSYMS\n", err);
		return 0;
	}
	addr = function_start((unsigned long)probe.addr);
	unregister_kprobe(&probe);
	return addr;
}

static unsigned long find(unsigned long lookup_name, const char *name)
{
	return km_fails(name) ? 0 : km_arch_call(lookup_name, (unsigned long)name, 0, 0);
}

static int find_one(unsigned long lookup_name, unsigned long writer, const struct wanted *w)
{
	unsigned long *member = (void *)&km_kernel + w->member;
	unsigned long addr = find(lookup_name, w->name);

	if (addr && w->kind == FUNCTION)
		addr = km_arch_callable(addr, writer);
	*member = addr;
	if (addr || w->optional)
		return 0;
	pr_err("this kernel has no %s, which nothing works without\n", w->name);
	return -EOPNOTSUPP;
}

static void measure_firsts(void)
{
	unsigned long size, offset;

	for (size_t i = 0; i < ARRAY_SIZE(km_kernel.firsts); i++) {
		struct km_first *f = &km_kernel.firsts[i];

		/* A return address may be the end: what was called there does not come back. */
		if (f->start && !f->end && km_kernel.lookup_symbol_size(f->start, &size, &offset))
			f->end = f->start + size + 1;
	}
}

int km_kernel_init(void)
{
	unsigned long lookup_name = find_lookup_name(), writer;
	size_t i;
	int err = 0;

	if (!lookup_name)
		return -EOPNOTSUPP;
	writer = find(lookup_name, "text_poke_copy");
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		err = find_one(lookup_name, writer, &wanted[i]) ?: err;
	if (!err)
		measure_firsts();
	if (!km_kernel.text_poke_copy)
		pr_info("this kernel has no text_poke_copy: no direct calls, no late relocations\n");
	return err;
}

/* Linux 6.3 added the module's name and took it away from the callback. */
typedef int each_of_one(const char *module, int (*fn)(void *, const char *, unsigned long), void *data);
typedef int each_of_all(int (*fn)(void *, const char *, struct module *, unsigned long), void *data);

struct one_of_all {
	const char *module;
	int (*fn)(void *data, const char *name, unsigned long addr);
	void *data;
	bool reached;
};

static int filter_module(void *data, const char *name, struct module *mod, unsigned long addr)
{
	struct one_of_all *one = data;

	if (strcmp(mod->name, one->module))
		return one->reached; /* behind it: the end */
	one->reached = true;
	return one->fn(one->data, name, addr);
}

void km_each_module_symbol(const char *module, int (*fn)(void *data, const char *name, unsigned long addr), void *data)
{
	struct one_of_all one = { .module = module, .fn = fn, .data = data };

	if (__builtin_types_compatible_p(typeof(module_kallsyms_on_each_symbol), each_of_one))
		((each_of_one *)km_kernel.each_module_symbol)(module, fn, data);
	else
		((each_of_all *)km_kernel.each_module_symbol)(filter_module, &one);
}

bool km_has_direct(void)
{
	return IS_ENABLED(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS) && km_kernel.text_poke_copy;
}

/* Before Linux 6.4 the calls of a whole ftrace_ops are apart from those of one place. Their table of places grows in place, under its
 * readers (once it has more than 64 entries): a traced function would miss its direct call for a moment. BPF needs some of them too. */
#ifndef CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS

unsigned int km_direct_limit(void)
{
	return 0;
}

int km_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return -EOPNOTSUPP;
}

int km_unregister_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return -EOPNOTSUPP;
}

#elif defined(KM_HAVE_FTRACE_DIRECT_MULTI)

unsigned int km_direct_limit(void)
{
	return 48;
}

int km_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return register_ftrace_direct_multi(ops, addr);
}

int km_unregister_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return unregister_ftrace_direct_multi(ops, addr);
}

#else

unsigned int km_direct_limit(void)
{
	return UINT_MAX;
}

int km_register_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return register_ftrace_direct(ops, addr);
}

int km_unregister_direct(struct ftrace_ops *ops, unsigned long addr)
{
	return unregister_ftrace_direct(ops, addr, false);
}

#endif
