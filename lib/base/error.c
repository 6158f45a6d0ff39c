/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors that gather context on their way up. */
#include <errno.h>
#include <kmend/base.h>
#include <unistd.h>

#include "terminal.h"

static km_error *make(enum km_code code, int sys, char *message)
{
	km_error *err = km_calloc(1, sizeof(*err));

	err->code = code;
	err->sys = sys;
	err->message = message;
	return err;
}

km_error *km_error_new(enum km_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *message = km_vprintf(fmt, ap);
	va_end(ap);
	return make(code, 0, message);
}

km_error *km_error_sys(int sys, const char *fmt, ...)
{
	KM_AUTOFREE char *what = NULL;
	char reason[128];
	va_list ap;

	va_start(ap, fmt);
	what = km_vprintf(fmt, ap);
	va_end(ap);
	/* The GNU strerror_r(): strerror() shares its buffer between threads. */
	return make(KM_ENV, sys, km_printf("%s: %s", what, strerror_r(sys, reason, sizeof(reason))));
}

km_error *km_error_add(km_error *err, const char *fmt, ...)
{
	KM_AUTOFREE char *context = NULL;
	char *message;
	va_list ap;

	va_start(ap, fmt);
	context = km_vprintf(fmt, ap);
	va_end(ap);
	message = km_printf("%s: %s", context, err->message);
	free(err->message);
	err->message = message;
	return err;
}

km_error *km_error_hint(km_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err->hint)
		return err;
	va_start(ap, fmt);
	err->hint = km_vprintf(fmt, ap);
	va_end(ap);
	return err;
}

void km_error_free(km_error *err)
{
	if (!err)
		return;
	free(err->message);
	free(err->hint);
	free(err);
}

static void add_indented(km_str *s, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		km_str_printf(s, "  %.*s\n", (int)n, text);
		text += n;
		text += *text == '\n';
	}
}

void km_error_print(const char *program, const km_error *err)
{
	km_str s = {0};

	km_str_printf(&s, "%s: %serror:%s %s\n", program, km_colour_on(stderr, KM_RED), km_colour_off(stderr),
		      err->message);
	if (err->hint)
		add_indented(&s, err->hint);
	km_line_interrupt(s.at);
	km_str_free(&s);
}

int km_error_exit(const km_error *err)
{
	if (!err)
		return 0;
	switch (err->code) {
	case KM_REFUSED:
		return 2;
	case KM_NOTHING:
		return 3;
	default:
		return 1;
	}
}
