/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A patch file on its way into the kernel: found, opened once, read, and judged against the running kernel. */
#include <errno.h>
#include <fcntl.h>
#include <kmend/elf.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define STORE "/var/lib/kmend/patches"

enum { FILE_MAX = 256 << 20 };

char *km_host_module_name(const char *arg)
{
	const char *slash = strrchr(arg, '/');
	char *name = km_strdup(slash ? slash + 1 : arg);

	if (km_ends(name, ".ko"))
		name[strlen(name) - 3] = '\0';
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

static void add_names(const char *dir, km_strv *names)
{
	km_strv here = {0};

	km_error_free(km_listdir(dir, &here));
	for (size_t i = 0; i < here.n; i++)
		if (km_ends(here.at[i], ".ko"))
			km_strv_printf(names, "%.*s", (int)strlen(here.at[i]) - 3, here.at[i]);
	km_strv_free(&here);
}

/* Of both flavours in one place the core's is taken where there is a core. */
static bool find_in(km_host *host, const char *dir, const char *name, char **ret)
{
	KM_AUTOFREE char *plain = km_printf("%s/%s.ko", dir, name), *core = km_printf("%s/core/%s.ko", dir, name);
	bool use_core = km_exists(core) && km_host_core_available(host);

	if (!use_core && !km_exists(plain))
		return false;
	*ret = km_strdup(use_core ? core : plain);
	return true;
}

km_error *km_host_find_file(km_host *host, const char *arg, char **ret)
{
	KM_AUTOFREE char *store = host_path(host, STORE), *kept = km_printf("%s/%s.ko", store, arg);
	KM_AUTOFREE char *here = km_printf("./%s.ko", arg);
	km_strv names = {0};
	const char *near;
	km_error *err;

	if (strchr(arg, '/') || km_ends(arg, ".ko")) {
		*ret = km_strdup(arg);
		return NULL;
	}
	if (find_in(host, store, arg, ret) || find_in(host, ".", arg, ret))
		return NULL;
	add_names(store, &names);
	add_names(".", &names);
	near = km_nearest(arg, (const char *const *)names.at, names.n);
	err = km_error_new(KM_ENV, "no patch named '%s': neither %s nor %s exists", arg, kept, here);
	if (near)
		err = km_error_hint(err, "did you mean '%s'?", near);
	km_strv_free(&names);
	return km_error_hint(err, "give the path of the patch's .ko file, or put it into %s", store);
}

/* The value of a "key=value\0" entry in .modinfo. */
static char *modinfo(const struct km_sec *sec, const char *key)
{
	km_cursor c = km_cursor_of(sec->data, sec->size);

	while (km_left(&c)) {
		const char *entry = km_getstr(&c);

		if (c.failed)
			return NULL;
		if (km_starts(entry, key) && entry[strlen(key)] == '=')
			return km_strdup(entry + strlen(key) + 1);
	}
	return NULL;
}

/* struct module begins with its state, a list head and its name, on all 64-bit architectures since it exists. */
enum { NAME_AT = 24, NAME_SIZE = 56 };

/* What the kernel will call it; NULL when there is no such name, or one that is no file name in sysfs. */
static char *module_name(const km_elf *elf)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const struct km_sec *sec = km_elf_sec(elf, ".gnu.linkonce.this_module");
	const char *name;
	size_t n;

	if (!sec || !sec->data || sec->size < NAME_AT + NAME_SIZE)
		return NULL;
	name = (const char *)sec->data + NAME_AT;
	n = strnlen(name, NAME_SIZE);
	if (!n || n == NAME_SIZE || strspn(name, good) != n)
		return NULL;
	return km_strdup(name);
}

/* Every path and every look into sysfs goes by this name: it must be the one that the kernel takes. */
static km_error *settle_name(struct km_info *info, const km_elf *elf)
{
	KM_AUTOFREE char *name = module_name(elf);

	if (!name)
		return km_error_new(KM_INPUT, "the module has no name, or one that no module can have");
	if (info->name && strcmp(info->name, name))
		return km_error_hint(
			km_error_new(KM_INPUT, "the metadata is of %s, the module's name is %s", info->name, name),
			"the file was renamed inside, or damaged; build it again");
	if (!info->name)
		info->name = km_strdup(name);
	return NULL;
}

static km_error *read_identity(struct patch_file *file, const uint8_t *bytes, size_t size)
{
	KM_AUTOELF km_elf *elf = NULL;
	struct km_sec *sec;

	KM_TRY(km_elf_read(bytes, size, &elf));
	KM_TRY(settle_name(file->info, elf));
	sec = km_elf_sec(elf, ".note.gnu.build-id");
	if (sec && sec->data)
		file->build_id = notes_build_id(sec->data, sec->size);
	sec = km_elf_sec(elf, ".modinfo");
	if (sec && sec->data)
		file->srcversion = modinfo(sec, "srcversion");
	return NULL;
}

static km_error *open_regular(const char *path, int *ret)
{
	struct stat st;
	/* O_NONBLOCK: a FIFO must not make us wait for its writer. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), sys = errno;

	if (fd < 0)
		return km_error_sys(sys, "cannot open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		close(fd);
		return km_error_new(KM_INPUT, "%s is not a patch: it is no regular file, or larger than %d MiB", path,
				    FILE_MAX >> 20);
	}
	*ret = fd;
	return NULL;
}

static km_error *read_file(struct patch_file *file)
{
	char self[64];
	KM_AUTOFREE uint8_t *bytes = NULL;
	uint8_t digest[KM_SHA256_LEN];
	size_t size;

	KM_TRY(open_regular(file->path, &file->fd));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
	KM_TRY(km_file_read(self, &bytes, &size));
	KM_TRY(km_info_parse(bytes, size, &file->info));
	KM_TRY(read_identity(file, bytes, size));
	km_sha256_of(bytes, size, digest);
	km_hex(digest, sizeof(digest), file->sha256);
	for (size_t i = 0; host_backends[i]; i++)
		if (!file->backend && host_backends[i]->accepts(file->info))
			file->backend = host_backends[i];
	return NULL;
}

km_error *patch_file_open(const char *path, struct patch_file *ret)
{
	struct patch_file file = {.fd = -1, .path = realpath(path, NULL)};
	km_error *err;

	if (!file.path)
		return km_error_sys(errno, "cannot open %s", path);
	err = read_file(&file);
	if (err) {
		/* Errors of opening name the file already. */
		if (err->code == KM_INPUT && !strstr(err->message, file.path))
			err = km_error_add(err, "%s", path);
		patch_file_close(&file);
		return err;
	}
	*ret = file;
	return NULL;
}

void patch_file_close(struct patch_file *file)
{
	free(file->path);
	km_closep(&file->fd);
	if (file->info)
		km_info_free(file->info);
	free(file->build_id);
	free(file->srcversion);
	*file = (struct patch_file){.fd = -1};
}

int patch_file_same(const struct patch_file *file, const struct km_applied *patch)
{
	if (file->build_id && patch->build_id)
		return !strcmp(file->build_id, patch->build_id);
	if (patch->sha256)
		return !strcmp(file->sha256, patch->sha256);
	if (file->srcversion && patch->srcversion)
		return !strcmp(file->srcversion, patch->srcversion);
	return -1;
}

static const char *or_name(const struct km_info *info)
{
	return info->name && *info->name ? info->name : "the file";
}

static km_error *wrong_release(const km_host *host, const struct km_info *info, const char *theirs)
{
	return km_error_hint(
		km_error_new(KM_REFUSED, "%s is for kernel %s, this is %s", or_name(info), theirs, host->release),
		"build it for this kernel: kmend build --kernel %s PATCH...", host->release);
}

km_error *km_host_check(km_host *host, const struct km_info *info)
{
	const char *magic = info->vermagic ? info->vermagic : "";
	size_t n = strcspn(magic, " ");

	if (!info->livepatch && !info->core)
		return km_error_hint(
			km_error_new(KM_REFUSED, "%s is an ordinary kernel module, no live patch", or_name(info)),
			"its modinfo lacks 'livepatch: Y'; load such a module with modprobe(8)");
	if (info->release && *info->release && strcmp(info->release, host->release))
		return wrong_release(host, info, info->release);
	if (n && (n != strlen(host->release) || strncmp(magic, host->release, n))) {
		KM_AUTOFREE char *theirs = km_strndup(magic, n);

		return wrong_release(host, info, theirs);
	}
	if (info->build_id && *info->build_id && *host->build_id && strcasecmp(info->build_id, host->build_id))
		return km_error_hint(km_error_new(KM_REFUSED,
						  "%s is for another build of kernel %s: build-id %s, this is %s",
						  or_name(info), host->release, info->build_id, host->build_id),
				     "two builds share one release name: boot the kernel that the patch was built for, "
				     "or build the patch for the "
				     "one that runs");
	return NULL;
}
