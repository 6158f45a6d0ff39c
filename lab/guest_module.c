/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules: in and out. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"

int module_init(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (syscall(SYS_finit_module, fd, "", 0))
		err = errno;
	close(fd);
	return err;
}

int module_delete(const char *name)
{
	/* A reader in sysfs, or the work that ends a transition, holds a reference for a moment. */
	for (double end = now() + 5;; nap(0.01)) {
		if (!syscall(SYS_delete_module, name, O_NONBLOCK))
			return 0;
		if ((errno != EAGAIN && errno != EBUSY) || now() >= end)
			return errno;
		report_beat();
	}
}

int module_insert(struct step *s)
{
	int err = module_init(s->argv[0]);

	if (!err || err == EEXIST)
		return 0;
	report_text("out", s->number, "%s: %s\n", s->argv[0], strerror(err));
	return 1;
}

int module_remove(struct step *s)
{
	int err = module_delete(s->argv[0]);

	if (!err || err == ENOENT)
		return 0;
	report_text("out", s->number, "%s: %s\n", s->argv[0], strerror(err));
	return 1;
}
