/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks between processes. They end with the process that holds them, however it ends, and with the programs that it ran: a compiler that
 * outlives a killed build still writes into the build's directory, so the descriptor is inherited on purpose.
 */
#include <errno.h>
#include <fcntl.h>
#include <kmend/base.h>
#include <sys/file.h>
#include <unistd.h>

km_error *km_lock(const char *path, bool wait, int *fd)
{
	int lock = open(path, O_RDWR | O_CREAT, 0600), got;

	if (lock < 0)
		return km_error_sys(errno, "cannot open the lock %s", path);
	do
		got = flock(lock, wait ? LOCK_EX : LOCK_EX | LOCK_NB);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		int sys = errno;

		close(lock);
		if (sys != EWOULDBLOCK)
			return km_error_sys(sys, "cannot lock %s", path);
		lock = -1;
	}
	*fd = lock;
	return NULL;
}
