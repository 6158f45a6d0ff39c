/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All kernels that something is known of: running, installed, prepared in the cache, offered by apt. */
#include <jansson.h>
#include <sys/utsname.h>

#include "prepared.h"

void km_kernel_list_free(km_kernel_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].release);
		free(l->at[i].version);
	}
	km_vec_free(l);
}

/* version NULL: whatever version is known, or none yet. The entry stays valid until the next call. */
static struct km_kernel_info *entry(km_kernel_list *l, const char *release, const char *version)
{
	struct km_kernel_info fresh = {0};

	for (size_t i = 0; i < l->n; i++) {
		struct km_kernel_info *k = &l->at[i];

		if (strcmp(k->release, release))
			continue;
		if (version && !*k->version) {
			free(k->version);
			k->version = km_strdup(version);
		}
		if (!version || !strcmp(k->version, version))
			return k;
	}
	fresh.release = km_strdup(release);
	fresh.version = km_strdup(version ? version : "");
	km_vec_push(l, fresh);
	return &l->at[l->n - 1];
}

/* ---- apt -----------------------------------------------------------------------------------------------------------
 */
static bool is_offer(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return km_starts(name, prefix) && name[n] >= '0' && name[n] <= '9' && !km_ends(name, "-dbg") &&
	       !km_ends(name, "-unsigned") && !km_ends(name, "-common") && !km_ends(name, "-common-rt");
}

static bool has_parts(const package_list *known, const struct package *image)
{
	KM_AUTOFREE char *headers = km_printf("linux-headers-%s", image->name + strlen("linux-image-"));
	KM_AUTOFREE char *source = NULL;
	unsigned major, minor, patch;

	if (!image->architecture || strcmp(image->architecture, "amd64") ||
	    sscanf(image->version, "%u.%u", &major, &minor) != 2)
		return false;
	if (sscanf(image->name, "linux-image-%u.%u.%u", &major, &minor, &patch) !=
	    3) /* only depends on the newest of a series */
		return false;
	source = km_printf("linux-source-%u.%u", major, minor);
	return package_find(known, headers, image->version) && package_find(known, source, image->version);
}

static km_error *list_offered(km_kernel_list *l)
{
	static const char *const prefixes[] = {"linux-image-", "linux-headers-", "linux-source-"};
	KM_CLEANUP(package_list_free) package_list known = {0};
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	km_strv wanted = {0};
	km_error *err;

	for (size_t i = 0; i < KM_COUNT(prefixes); i++)
		KM_TRY(apt_names(prefixes[i], &names));
	for (size_t i = 0; i < names.n; i++)
		for (size_t p = 0; p < KM_COUNT(prefixes); p++)
			if (is_offer(names.at[i], prefixes[p]))
				km_strv_push(&wanted, names.at[i]);
	err = apt_show(&wanted, &known);
	km_strv_free(&wanted);
	for (size_t i = 0; !err && i < known.n; i++)
		if (km_starts(known.at[i].name, "linux-image-") && has_parts(&known, &known.at[i]))
			entry(l, known.at[i].name + strlen("linux-image-"), known.at[i].version)->offered = true;
	return err;
}

/* ---- the machine ---------------------------------------------------------------------------------------------------
 */
static km_error *list_cached(km_kernel_list *l)
{
	KM_AUTOFREE char *cache = NULL;
	KM_AUTOFREE char *kernels = NULL;
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	KM_TRY(km_cache_dir(&cache));
	kernels = km_path(cache, "kernels");
	if (!km_is_dir(kernels))
		return NULL;
	KM_TRY(km_listdir(kernels, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_printf("%s/%s/kernel.json", kernels, names.at[i]);
		KM_AUTOFREE char *ready = km_printf("%s/%s/ready", kernels, names.at[i]);
		json_t *j = km_exists(ready) && *names.at[i] != '.' ? json_load_file(path, 0, NULL) : NULL;
		const char *release = json_string_value(json_object_get(j, "release"));
		const char *version = json_string_value(json_object_get(j, "version"));

		if (release && version)
			entry(l, release, km_starts(version, "own") ? "" : version)->cached = true;
		json_decref(j);
	}
	return NULL;
}

static void list_installed(km_kernel_list *l)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	static const char prefix[] = "vmlinuz-";

	if (km_is_dir("/boot"))
		km_error_free(km_listdir("/boot", &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *modules = NULL;

		if (!km_starts(names.at[i], prefix))
			continue;
		modules = km_path("/lib/modules", names.at[i] + strlen(prefix));
		if (km_is_dir(modules))
			entry(l, names.at[i] + strlen(prefix), NULL)->installed = true;
	}
}

static int newest_last(const void *a, const void *b)
{
	const struct km_kernel_info *x = a, *y = b;
	int order = version_compare(x->release, y->release);

	return order ? order : version_compare(x->version, y->version);
}

km_error *km_kernels_list(km_kernel_list *ret)
{
	KM_CLEANUP(km_kernel_list_free) km_kernel_list l = {0};
	struct utsname u;
	km_error *err = list_offered(&l);

	if (err) { /* a machine without apt still has a cache */
		km_warn("%s", err->message);
		km_error_free(err);
	}
	KM_TRY(list_cached(&l));
	list_installed(&l);
	if (!uname(&u)) {
		const char *at = strstr(u.version, "Debian ");
		KM_AUTOFREE char *version = at ? km_strndup(at + 7, strcspn(at + 7, " ")) : NULL;

		entry(&l, u.release, version)->running = true;
	}
	if (l.n)
		qsort(l.at, l.n, sizeof(*l.at), newest_last);
	*ret = l;
	l = (km_kernel_list){0};
	return NULL;
}
