/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records on the second serial line; job.h draws them. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"

static int line = -1;
static double last; /* when something last went out */

void report_open(const char *tty)
{
	struct termios t;

	line = open(tty, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	if (line < 0 || tcgetattr(line, &t))
		return;
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	t.c_cflag |= CLOCAL;
	tcsetattr(line, TCSANOW, &t);
}

void report_drain(void)
{
	if (line >= 0)
		tcdrain(line);
}

static void put(const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(line, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* nobody to tell it to */
		bytes += done;
		n -= done;
	}
}

static void put_record(const char *kind, unsigned step, const char *bytes, size_t n)
{
	char record[LAB_HEADER_MAX + LAB_FRAME_MAX + 2];
	int head = snprintf(record, LAB_HEADER_MAX, "\n@km %s %u %zu\n", kind, step, n);

	memcpy(record + head, bytes, n);
	record[head + n] = '\n';
	put(record, head + n + 1);
	last = now();
}

void report(const char *kind, unsigned step, const void *bytes, size_t n)
{
	const char *p = bytes;

	do {
		size_t part = n < LAB_FRAME_MAX ? n : LAB_FRAME_MAX;

		put_record(kind, step, p, part);
		p += part;
		n -= part;
	} while (n > 0);
}

void report_text(const char *kind, unsigned step, const char *fmt, ...)
{
	char text[LAB_FRAME_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	report(kind, step, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void report_beat(void)
{
	if (now() - last >= 1)
		put_record("beat", LAB_NO_STEP, "", 0);
}
