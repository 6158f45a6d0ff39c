/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bench_flavour.h - one source of a patch, compiled for the kernel's live patching, or with BENCH_CORE for kmend.ko. */
#ifndef BENCH_FLAVOUR_H
#define BENCH_FLAVOUR_H

#include <linux/module.h>

#ifdef BENCH_CORE
#include <kmend.h>
static char *mode = "";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "stop, lazy, hybrid or deadline");
static unsigned int deadline_ms;
module_param(deadline_ms, uint, 0444);

typedef struct kmend_func bench_func;
typedef struct kmend_object bench_object;

static enum kmend_mode bench_mode(void)
{
	switch (*mode) {
	case 's': return KMEND_MODE_STOP;
	case 'l': return KMEND_MODE_LAZY;
	case 'h': return KMEND_MODE_HYBRID;
	case 'd': return KMEND_MODE_DEADLINE;
	}
	return KMEND_MODE_DEFAULT;
}

static int bench_enable(bench_object *objs)
{
	static struct kmend_patch patch = {KMEND_PATCH_INIT};

	patch.objs = objs;
	patch.mode = bench_mode();
	patch.deadline_ms = deadline_ms;
	return kmend_enable_patch(&patch);
}
#else
#include <linux/livepatch.h>
typedef struct klp_func bench_func;
typedef struct klp_object bench_object;

static int bench_enable(bench_object *objs)
{
	static struct klp_patch patch = {.mod = THIS_MODULE};

	patch.objs = objs;
	return klp_enable_patch(&patch);
}
MODULE_INFO(livepatch, "Y");
#endif

#define BENCH_MODULE(objects)                   \
	static int __init bench_init(void)      \
	{                                       \
		return bench_enable(objects);   \
	}                                       \
	static void __exit bench_exit(void)     \
	{                                       \
	}                                       \
	module_init(bench_init);                \
	module_exit(bench_exit);                \
	MODULE_LICENSE("GPL")

#endif
