/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door to the running kernel. The system calls are made directly: finit_module(2) takes the very descriptor that
 * was read and checked, so that no other file can come between, which a library that opens the path itself cannot
 * promise.
 */
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static int real_load(void *ctx, int fd, const char *path, const char *parameters)
{
	(void)ctx;
	(void)path;
	return syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
}

static int real_remove(void *ctx, const char *module)
{
	(void)ctx;
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? errno : 0;
}

static struct kmod_list *look_up(struct kmod_ctx *kmod, const char *module)
{
	struct kmod_list *list = NULL;

	if (kmod)
		kmod_module_new_from_lookup(kmod, module, &list);
	return list;
}

static int real_find(void *ctx, const char *module)
{
	struct kmod_ctx *kmod = kmod_new(NULL, NULL);
	struct kmod_list *list = look_up(kmod, module);
	int sys = list ? 0 : ENOENT;

	(void)ctx;
	kmod_module_unref_list(list);
	kmod_unref(kmod);
	return sys;
}

static int real_probe(void *ctx, const char *module)
{
	struct kmod_ctx *kmod = kmod_new(NULL, NULL);
	struct kmod_list *list = look_up(kmod, module);
	int sys = ENOENT;

	(void)ctx;
	if (list) {
		struct kmod_module *first = kmod_module_get_module(list);

		sys = -kmod_module_probe_insert_module(first, 0, NULL, NULL, NULL, NULL);
		kmod_module_unref(first);
	}
	kmod_module_unref_list(list);
	kmod_unref(kmod);
	return sys;
}

static int no_module(void *ctx, const char *module)
{
	(void)ctx;
	(void)module;
	return ENOENT;
}

static int no_load(void *ctx, int fd, const char *path, const char *parameters)
{
	(void)ctx;
	(void)fd;
	(void)path;
	(void)parameters;
	return ENOSYS;
}

static int no_remove(void *ctx, const char *module)
{
	(void)ctx;
	(void)module;
	return ENOSYS;
}

static int real_write(void *ctx, const char *path, const char *text)
{
	KM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)ctx;
	if (fd < 0)
		return errno;
	return write(fd, text, strlen(text)) < 0 ? errno : 0;
}

static void real_sleep(void *ctx, double seconds)
{
	struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (time_t)seconds) * 1e9)};

	(void)ctx;
	nanosleep(&t, NULL);
}

static double real_now(void *ctx)
{
	(void)ctx;
	return km_now();
}

struct km_door km_door_real(const char *root)
{
	struct km_door door = {.load = real_load,
			       .remove = real_remove,
			       .find = real_find,
			       .probe = real_probe,
			       .write = real_write,
			       .sleep = real_sleep,
			       .now = real_now};

	if (*root) {
		door.load = no_load;
		door.remove = no_remove;
		door.find = no_module;
		door.probe = no_module;
	}
	return door;
}
