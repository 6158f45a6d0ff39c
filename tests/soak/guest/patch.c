/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "patch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ORACLE "/proc/kmend_oracle"

double soak_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

void soak_sleep_ms(unsigned ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000l};

	nanosleep(&t, NULL);
}

int module_insert(const char *name, const char *format, ...)
{
	char path[128], args[256];
	va_list list;
	int fd, err;

	va_start(list, format);
	vsnprintf(args, sizeof(args), format, list);
	va_end(list);
	snprintf(path, sizeof(path), MODULES "/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, args, 0) ? -errno : 0;
	close(fd);
	return err;
}

int module_remove(const char *name, unsigned ms)
{
	double end = soak_now() + ms / 1e3;

	while (syscall(SYS_delete_module, name, O_NONBLOCK)) {
		if ((errno != EAGAIN && errno != EBUSY && errno != EWOULDBLOCK) || soak_now() > end)
			return -errno;
		soak_sleep_ms(1);
	}
	return 0;
}

bool module_present(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return !access(path, F_OK);
}

int file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0)
		n += got;
	got = got < 0 ? -errno : 0;
	close(fd);
	if (got < 0)
		return got;
	while (n && text[n - 1] == '\n')
		n--;
	text[n] = 0;
	return n;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static void attribute_path(char *path, size_t size, const char *patch, const char *attribute)
{
	snprintf(path, size, CORE_SYSFS "/%s/%s", patch, attribute);
}

bool patch_present(const char *patch)
{
	char path[128];

	attribute_path(path, sizeof(path), patch, "");
	return !access(path, F_OK);
}

int patch_get(const char *patch, const char *attribute)
{
	char path[128], text[32];
	int err;

	attribute_path(path, sizeof(path), patch, attribute);
	err = file_read(path, text, sizeof(text));
	return err < 0 ? err : atoi(text);
}

int patch_set(const char *patch, const char *attribute, const char *value)
{
	char path[128];

	attribute_path(path, sizeof(path), patch, attribute);
	return file_write(path, value);
}

int patch_settle(const char *patch, unsigned ms)
{
	double begin = soak_now();

	while (patch_get(patch, "transition") == 1) {
		if (soak_now() > begin + ms / 1e3)
			return -ETIMEDOUT;
		soak_sleep_ms(1);
	}
	return 1e3 * (soak_now() - begin);
}

static int oracle_ioctl(unsigned cmd, unsigned us)
{
	int fd = open(ORACLE, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, cmd, (unsigned long)us);
	ret = ret < 0 ? -errno : ret;
	close(fd);
	return ret;
}

int oracle_call(enum oracle_rest rest, unsigned us)
{
	return oracle_ioctl(ORACLE_CALL + rest, us);
}

int oracle_below(enum oracle_rest rest, unsigned us)
{
	return oracle_ioctl(ORACLE_BELOW + rest, us);
}

int oracle_steer(const char *word)
{
	return file_write(ORACLE, word);
}

void oracle_pace(unsigned us)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", us);
	file_write("/sys/module/kmend_oracle/parameters/gap_us", text);
}

int oracle_read(struct oracle_counts ret[ORACLE_CONTEXTS])
{
	static char names[ORACLE_CONTEXTS][16];
	char text[1024], *line = text;
	int err = file_read(ORACLE, text, sizeof(text));

	if (err < 0)
		return err;
	for (int i = 0; i < ORACLE_CONTEXTS; i++) {
		struct oracle_counts *c = &ret[i];

		if (!line || sscanf(line, "%15s %ld %ld %ld mixes %ld lost %ld", names[i], &c->calls[1], &c->calls[2],
				    &c->calls[3], &c->mixes, &c->lost) != 6)
			return -EPROTO;
		c->context = names[i];
		line = strchr(line, '\n');
		line += !!line;
	}
	return 0;
}
