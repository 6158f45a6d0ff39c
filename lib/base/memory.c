/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The heap, without a NULL to check for. */
#include <errno.h>
#include <kmend/base.h>
#include <unistd.h>

void km_oom(void)
{
	static const char text[] = "kmend: error: out of memory\n";
	/* Nothing that could allocate may be called here. */
	ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)ignored;
	_exit(1);
}

void *km_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		km_oom();
	return p;
}

void *km_realloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		km_oom();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		km_oom();
	return p;
}

char *km_strdup(const char *s)
{
	return km_strndup(s, strlen(s));
}

char *km_strndup(const char *s, size_t n)
{
	char *copy;

	n = strnlen(s, n);
	copy = km_calloc(n + 1, 1);
	memcpy(copy, s, n);
	return copy;
}

char *km_vprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		km_oom();
	return s;
}

char *km_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = km_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

void km_freep(void *pp)
{
	int saved = errno;

	free(*(void **)pp);
	errno = saved;
}

void km_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

void km_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}
