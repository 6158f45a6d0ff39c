/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the kernel to boot is: prepared in the cache, installed, or named by files. */
#include <limits.h>

#include <kmend/kernel.h>
#include <kmend/lab.h>

/* Offsets of the boot protocol's header: Documentation/arch/x86/boot.rst. */
enum { SETUP_MAGIC = 0x202, SETUP_VERSION_AT = 0x20e, SETUP_HEADER_END = 0x268, SETUP_BASE = 0x200 };

void km_lab_kernel_free(struct km_lab_kernel *k)
{
	free(k->release);
	free(k->vmlinuz);
	free(k->modules);
	*k = (struct km_lab_kernel){0};
}

/* The release that a vmlinuz names in its setup code: "6.1.0-50-cloud-amd64 (debian-kernel@…) #1 …". */
static char *release_of(const uint8_t *bytes, size_t size)
{
	km_cursor c = km_cursor_of(bytes, size);
	const char *text;
	size_t n;

	if (size < SETUP_HEADER_END || memcmp(bytes + SETUP_MAGIC, "HdrS", 4))
		return NULL;
	km_seek(&c, SETUP_VERSION_AT);
	km_seek(&c, SETUP_BASE + (size_t)km_get16(&c));
	text = km_getstr(&c);
	if (c.failed)
		return NULL;
	n = strcspn(text, " ");
	return n && n < NAME_MAX ? km_strndup(text, n) : NULL;
}

static km_error *read_release(const char *vmlinuz, char **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_file_read(vmlinuz, &bytes, &size));
	*ret = release_of(bytes, size);
	if (!*ret)
		return km_error_new(KM_INPUT, "%s is no x86 kernel image (bzImage)", vmlinuz);
	return NULL;
}

km_error *km_lab_kernel_files(const char *vmlinuz, const char *modules, struct km_lab_kernel *ret)
{
	char *release = NULL;

	KM_TRY(read_release(vmlinuz, &release));
	if (modules && !km_is_dir(modules)) {
		free(release);
		return km_error_new(KM_USAGE, "%s is no directory", modules);
	}
	*ret = (struct km_lab_kernel){
		.release = release,
		.vmlinuz = km_strdup(vmlinuz),
		.modules = modules ? km_strdup(modules) : NULL,
	};
	return NULL;
}

/* A directory laid out as a package: vmlinuz (or vmlinuz-REL) in boot, modules in lib/modules/REL below lib. */
static bool try_image(const char *boot, const char *lib, const char *release, struct km_lab_kernel *ret)
{
	char *vmlinuz = km_printf("%s/vmlinuz-%s", boot, release);
	char *modules = km_printf("%s/%s", lib, release);

	if (!km_exists(vmlinuz)) {
		free(vmlinuz);
		vmlinuz = km_path(boot, "vmlinuz");
	}
	if (!km_exists(vmlinuz) || !km_is_dir(modules)) {
		free(vmlinuz);
		free(modules);
		return false;
	}
	*ret = (struct km_lab_kernel){.release = km_strdup(release), .vmlinuz = vmlinuz, .modules = modules};
	return true;
}

/* A prepared kernel, "<release>-<12 hex digits>". */
static bool try_cached(const char *kernels, const char *id, const char *release, struct km_lab_kernel *ret)
{
	KM_AUTOFREE char *ready = km_printf("%s/%s/ready", kernels, id);
	KM_AUTOFREE char *image = km_printf("%s/%s/image", kernels, id);
	KM_AUTOFREE char *boot = km_printf("%s/boot", image);
	KM_AUTOFREE char *lib = km_printf("%s/lib/modules", image);
	size_t n = strlen(release);

	if (strncmp(id, release, n) || id[n] != '-' || strlen(id + n) != 13 || !km_exists(ready))
		return false;
	return try_image(image, lib, release, ret) || try_image(boot, lib, release, ret);
}

/* Two point releases can share a name; only the build-id tells them apart. Any kernel will do when none is asked for. */
static bool has_build_id(const struct km_lab_kernel *k, const char *build_id)
{
	km_object *image = NULL;
	char hex[2 * sizeof(image->build_id) + 1];

	if (!build_id || !*build_id)
		return true;
	km_error *err = km_vmlinux_open(k->vmlinuz, &image);
	if (err) {
		km_error_free(err);
		return false;
	}
	km_hex(image->build_id, image->build_id_len, hex);
	km_object_destroy(image);
	return !strcmp(hex, build_id);
}

static bool accept(struct km_lab_kernel *k, const char *build_id, struct km_lab_kernel *ret)
{
	if (!has_build_id(k, build_id)) {
		km_lab_kernel_free(k);
		return false;
	}
	*ret = *k;
	return true;
}

km_error *km_lab_kernel_find(const char *release, const char *build_id, struct km_lab_kernel *ret)
{
	KM_AUTOFREE char *cache = NULL;
	KM_AUTOFREE char *kernels = NULL;
	struct km_lab_kernel k;
	km_strv ids = {0};
	bool found = false, other = false;

	KM_TRY(km_cache_dir(&cache));
	kernels = km_path(cache, "kernels");
	if (km_is_dir(kernels))
		KM_TRY(km_listdir(kernels, &ids));
	for (size_t i = 0; i < ids.n && !found; i++)
		if (try_cached(kernels, ids.at[i], release, &k))
			other = !(found = accept(&k, build_id, ret));
	km_strv_free(&ids);
	if (!found && try_image("/boot", "/lib/modules", release, &k))
		other = !(found = accept(&k, build_id, ret));
	if (found)
		return NULL;
	if (other)
		return km_error_hint(km_error_new(KM_ENV, "no prepared or installed kernel %s has the build-id %s", release, build_id),
				     "another point release bears the same name; `kmend prepare %s=VERSION` fetches a certain one", release);
	return km_error_hint(km_error_new(KM_ENV, "the kernel %s is neither prepared nor installed", release),
			     "`kmend prepare %s` fetches it; `kmend kernels` shows what there is", release);
}
