/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says while something is asked of it. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

enum { WORDS_MAX = 2000 };

int log_open(const km_host *host)
{
	KM_AUTOFREE char *path = host_path(host, "/dev/kmsg");
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

static bool is_about(const char *text, const char *name)
{
	return strstr(text, name) || strstr(text, "livepatch") || strstr(text, "module") || km_starts(text, "kmend: ");
}

/* Each read(2) gives one record, "level,seq,time,flags;text\n". */
char *log_about(int fd, const char *name)
{
	char record[8192];
	km_str s = {0};
	ssize_t n;

	while (fd >= 0 && ((n = read(fd, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE))) {
		char *text;

		if (n < 0)
			continue; /* records were lost; the next read goes on behind them */
		record[n] = '\0';
		text = strchr(record, ';');
		if (text && is_about(text + 1, name) && s.n < WORDS_MAX)
			km_str_printf(&s, "%s%.*s", s.n ? "\n" : "the kernel says:\n", (int)strcspn(text + 1, "\n"),
				      text + 1);
	}
	return s.at;
}
