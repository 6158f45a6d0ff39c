/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole files: read, and written so that nobody ever sees a part. */
#include <errno.h>
#include <fcntl.h>
#include <kmend/base.h>
#include <limits.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

bool km_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

bool km_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *km_path(const char *dir, const char *name)
{
	return km_printf("%s/%s", dir, name);
}

/* To the end, whatever st_size says: the files of /proc and /sys have none. */
static int read_all(int fd, size_t expected, uint8_t **bytes, size_t *size)
{
	size_t n = 0, cap = expected + 2;
	KM_AUTOFREE uint8_t *buffer = km_realloc(NULL, cap, 1);

	for (;;) {
		if (n + 1 == cap) {
			cap = cap < 4096 ? 4096 : 2 * cap;
			buffer = km_realloc(buffer, cap, 1);
		}
		ssize_t got = read(fd, buffer + n, cap - 1 - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	buffer[n] = '\0';
	*bytes = buffer;
	*size = n;
	buffer = NULL;
	return 0;
}

km_error *km_file_read(const char *path, uint8_t **bytes, size_t *size)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int sys;

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return km_error_sys(errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return km_error_sys(EISDIR, "cannot read %s", path);
	sys = read_all(fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, bytes, size);
	return sys ? km_error_sys(sys, "cannot read %s", path) : NULL;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A new file beside path, with the mode that open(2) would give it. mkstemp() would make it 0600 for good. */
static int open_beside(const char *path, mode_t mode, char **name)
{
	static atomic_uint counter;
	int fd;

	do {
		free(*name);
		*name = km_printf("%s.%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&counter, 1));
		fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	} while (fd < 0 && errno == EEXIST);
	return fd;
}

/* The rename itself survives a power cut only when the directory is synced; some file systems refuse that: no matter. */
static void sync_dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	KM_AUTOFREE char *dir = slash ? km_strndup(path, (size_t)(slash - path) + 1) : km_strdup(".");
	KM_AUTOCLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

static int replace(const char *path, mode_t mode, const void *bytes, size_t size)
{
	KM_AUTOFREE char *temporary = NULL;
	int fd = open_beside(path, mode, &temporary), sys;

	if (fd < 0)
		return errno;
	sys = write_all(fd, bytes, size);
	if (!sys && fsync(fd) < 0)
		sys = errno;
	if (close(fd) < 0 && !sys)
		sys = errno;
	if (!sys && rename(temporary, path) < 0)
		sys = errno;
	if (sys)
		unlink(temporary);
	else
		sync_dir_of(path);
	return sys;
}

static int write_in_place(const char *path, const void *bytes, size_t size)
{
	KM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? errno : write_all(fd, bytes, size);
}

static km_error *write_mode(const char *path, mode_t mode, const void *bytes, size_t size)
{
	KM_AUTOFREE char *target = NULL;
	struct stat st;
	int sys;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		/* A rename over /dev/null or a pipe would replace the device by a file. */
		sys = write_in_place(path, bytes, size);
	} else {
		/* A symlink stays one: what it points at is replaced. */
		target = realpath(path, NULL);
		sys = replace(target ? target : path, mode, bytes, size);
	}
	return sys ? km_error_sys(sys, "cannot write %s", path) : NULL;
}

km_error *km_file_write(const char *path, const void *bytes, size_t size)
{
	return write_mode(path, 0666, bytes, size);
}

km_error *km_file_copy(const char *from, const char *to)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct stat st;
	size_t size;

	KM_TRY(km_file_read(from, &bytes, &size));
	if (stat(from, &st) < 0)
		return km_error_sys(errno, "cannot read %s", from);
	KM_TRY(write_mode(to, st.st_mode & 0777, bytes, size));
	/* The umask has cut the mode. */
	if (chmod(to, st.st_mode & 0777) < 0)
		return km_error_sys(errno, "cannot set the mode of %s", to);
	return NULL;
}
