/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host: its root, its kernel, and the small files the kernel speaks through. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

const struct km_backend *const host_backends[] = {&km_backend_livepatch, &km_backend_core, NULL};

enum { TEXT_MAX = 1 << 20 };

char *host_path(const km_host *host, const char *fmt, ...)
{
	KM_AUTOFREE char *below = NULL;
	va_list ap;

	va_start(ap, fmt);
	below = km_vprintf(fmt, ap);
	va_end(ap);
	return km_printf("%s%s", host->root, below);
}

/* Files of sysfs and procfs have no size to trust, and may vanish between open and read. */
static bool read_small(const char *path, km_str *ret)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n = -1;

	if (fd < 0)
		return false;
	while (ret->n < TEXT_MAX && (n = read(fd, part, sizeof(part))) > 0)
		km_str_addn(ret, part, n);
	return n >= 0;
}

static char *text_vat(const km_host *host, const char *fmt, va_list ap)
{
	KM_AUTOFREE char *below = km_vprintf(fmt, ap);
	KM_AUTOFREE char *path = km_printf("%s%s", host->root, below);
	km_str s = {0};

	if (!read_small(path, &s)) {
		km_str_free(&s);
		return NULL;
	}
	km_str_add(&s, "");
	if (s.n && s.at[s.n - 1] == '\n')
		s.at[s.n - 1] = '\0';
	return s.at ? s.at : km_strdup("");
}

char *host_text(const km_host *host, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = text_vat(host, fmt, ap);
	va_end(ap);
	return text;
}

bool host_bytes(const km_host *host, km_str *ret, const char *fmt, ...)
{
	KM_AUTOFREE char *below = NULL, *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	below = km_vprintf(fmt, ap);
	va_end(ap);
	path = km_printf("%s%s", host->root, below);
	return read_small(path, ret);
}

long host_number(const km_host *host, long missing, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;
	char *end;
	long n;

	va_start(ap, fmt);
	text = text_vat(host, fmt, ap);
	va_end(ap);
	if (!text)
		return missing;
	n = strtol(text, &end, 10);
	return end == text ? missing : n;
}

const struct km_backend *host_backend(const char *name)
{
	for (size_t i = 0; name && host_backends[i]; i++)
		if (!strcmp(host_backends[i]->name, name))
			return host_backends[i];
	return NULL;
}

static char *kernel_build_id(const km_host *host)
{
	km_str s = {0};
	char *id = host_bytes(host, &s, "/sys/kernel/notes") ? notes_build_id(s.at, s.n) : NULL;

	km_str_free(&s);
	return id ? id : km_strdup("");
}

km_error *km_host_open(const char *root, const struct km_door *door, km_host **ret)
{
	km_host *host = km_calloc(1, sizeof(*host));
	const char *env = getenv("KMEND_ROOT");

	host->root = km_strdup(root ? root : env ? env : "");
	while (km_ends(host->root, "/"))
		host->root[strlen(host->root) - 1] = '\0';
	host->door = door ? *door : km_door_real(host->root);
	host->release = host_text(host, "/proc/sys/kernel/osrelease");
	if (!host->release) {
		km_error *err = km_error_sys(errno, "cannot read %s/proc/sys/kernel/osrelease", host->root);

		km_host_close(host);
		return km_error_hint(err, "is /proc mounted?");
	}
	host->build_id = kernel_build_id(host);
	host->boot_id = host_text(host, "/proc/sys/kernel/random/boot_id");
	*ret = host;
	return NULL;
}

void km_host_close(km_host *host)
{
	if (!host)
		return;
	free(host->root);
	free(host->release);
	free(host->build_id);
	free(host->boot_id);
	free(host);
}

const char *km_host_release(const km_host *host)
{
	return host->release;
}

const char *km_host_build_id(const km_host *host)
{
	return host->build_id;
}

uint64_t km_host_taint(const km_host *host)
{
	return host_number(host, 0, "/proc/sys/kernel/tainted");
}

bool km_host_privileged(const km_host *host)
{
	return *host->root || geteuid() == 0;
}

bool km_host_supported(km_host *host)
{
	for (size_t i = 0; host_backends[i]; i++)
		if (host_backends[i]->present(host) || (host_backends[i]->available && host_backends[i]->available(host)))
			return true;
	return false;
}

bool km_host_core_available(km_host *host)
{
	return km_backend_core.available(host);
}
