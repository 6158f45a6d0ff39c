/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Colours, and the progress line that shares stderr with warnings and errors. */
#include <kmend/base.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "terminal.h"

enum when { AUTO, ALWAYS, NEVER };

static enum when colour_when;
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static char *line; /* what is on the screen now, or NULL; under line_lock */

static const char *const escapes[] = {
	[KM_PLAIN] = "",       [KM_BOLD] = "\033[1m",   [KM_DIM] = "\033[2m",   [KM_RED] = "\033[31m",
	[KM_GREEN] = "\033[32m", [KM_YELLOW] = "\033[33m", [KM_BLUE] = "\033[34m",
};

static bool dumb(void)
{
	const char *term = getenv("TERM");

	return !term || !strcmp(term, "dumb");
}

void km_colour_setup(const char *when)
{
	if (when && !strcmp(when, "always"))
		colour_when = ALWAYS;
	else if (when && !strcmp(when, "never"))
		colour_when = NEVER;
	else
		colour_when = AUTO;
}

static bool coloured(FILE *f)
{
	const char *no_color = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */

	if (colour_when != AUTO)
		return colour_when == ALWAYS;
	return isatty(fileno(f)) && !dumb() && !(no_color && *no_color);
}

const char *km_colour_on(FILE *f, enum km_colour c)
{
	return coloured(f) && (size_t)c < KM_COUNT(escapes) ? escapes[c] : "";
}

const char *km_colour_off(FILE *f)
{
	return coloured(f) ? "\033[0m" : "";
}

bool km_line_live(void)
{
	return isatty(STDERR_FILENO) && !dumb();
}

/* A line that wraps could not be cleared with one escape sequence. */
static size_t columns(void)
{
	struct winsize ws;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 1 ? ws.ws_col - 1u : 79;
}

static void put_line(void)
{
	if (line)
		fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
}

void km_line_draw(const char *text)
{
	if (!km_line_live())
		return;
	pthread_mutex_lock(&line_lock);
	if (line)
		fputs("\r\033[K", stderr);
	free(line);
	line = *text ? km_strndup(text, columns()) : NULL;
	put_line();
	pthread_mutex_unlock(&line_lock);
}

void km_line_interrupt(const char *text)
{
	pthread_mutex_lock(&line_lock);
	if (line)
		fputs("\r\033[K", stderr);
	fputs(text, stderr);
	put_line();
	pthread_mutex_unlock(&line_lock);
}

void km_warn(const char *fmt, ...)
{
	KM_AUTOFREE char *what = NULL, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	what = km_vprintf(fmt, ap);
	va_end(ap);
	text = km_printf("%swarning:%s %s\n", km_colour_on(stderr, KM_YELLOW), km_colour_off(stderr), what);
	km_line_interrupt(text);
}
