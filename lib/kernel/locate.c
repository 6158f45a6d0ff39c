/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packages make one exact kernel: its image names the version, and all others follow from it. */
#include "prepared.h"

void location_end(struct location *l)
{
	free(l->release);
	free(l->version);
	package_list_free(&l->known);
}

/* "linux-image-6.1.0-50-cloud-amd64" → true; the packages with debug symbols, unsigned images and templates do not
 * count. */
static bool is_image(const char *package)
{
	return km_starts(package, "linux-image-") && package[12] >= '0' && package[12] <= '9' &&
	       !km_ends(package, "-dbg") && !km_ends(package, "-unsigned") && !km_ends(package, "-signed-template");
}

static km_error *unknown(const char *release, const km_strv *names)
{
	km_vec(const char *) releases = {0};
	const char *near;
	km_error *err;

	for (size_t i = 0; i < names->n; i++)
		if (is_image(names->at[i]))
			km_vec_push(&releases, names->at[i] + strlen("linux-image-"));
	near = km_nearest(release, releases.at, releases.n);
	err = km_error_new(KM_ENV, "no package for kernel %s is known", release);
	if (!releases.n)
		err = km_error_hint(
			err,
			"apt knows no kernel at all: run `apt-get update` as root; packages that you have can be used "
			"with --debs DIR");
	else if (near)
		err = km_error_hint(err, "did you mean %s? `kmend kernels` lists all", near);
	else
		err = km_error_hint(
			err, "`kmend kernels` lists those that can be built for; `apt-get update` may know more; for a "
			     "kernel of your own use --source, --config, --vmlinux and --symvers");
	km_vec_free(&releases);
	return err;
}

static km_error *no_image(const struct location *l, const char *release)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	if (l->from_files)
		for (size_t i = 0; i < l->known.n; i++)
			km_strv_push(&names, l->known.at[i].name);
	else
		KM_TRY(apt_names("linux-image-", &names));
	return unknown(release, &names);
}

static km_error *part_missing(const struct location *l, const char *name)
{
	km_error *err = km_error_new(KM_ENV, "kernel %s %s: package %s of that version is not %s", l->release,
				     l->version, name, l->from_files ? "in the directory" : "offered by apt");

	return km_error_hint(
		err, "the archive keeps only some versions; packages that you have can be used with --debs DIR");
}

/* Reads into l->known what is said of this name, unless it is there, or all came from files. */
static km_error *learn(struct location *l, const char *name)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	if (l->from_files || package_find(&l->known, name, NULL))
		return NULL;
	km_strv_push(&names, name);
	return apt_show(&names, &l->known);
}

/* All that a release of Debian's usual form leads to, at once: each question to apt costs half a second. */
static km_error *learn_usual(struct location *l, const char *release)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	unsigned major, minor;

	if (l->from_files)
		return NULL;
	km_strv_printf(&names, "linux-image-%s", release);
	km_strv_printf(&names, "linux-headers-%s", release);
	if (sscanf(release, "%u.%u", &major, &minor) == 2) {
		km_strv_printf(&names, "linux-source-%u.%u", major, minor);
		km_strv_printf(&names, "linux-kbuild-%u.%u", major, minor);
	}
	return apt_show(&names, &l->known);
}

/* The tools that were built along with the kernel where they are still offered, else the newest ones, which serve all
 * of a series. */
static const struct package *find_kbuild(const struct location *l, const char *name)
{
	const struct package *exact = package_find(&l->known, name, l->version);

	return exact ? exact : package_find(&l->known, name, NULL);
}

static km_error *find_parts(struct location *l)
{
	KM_AUTOFREE char *headers = km_printf("linux-headers-%s", l->release);
	KM_AUTOFREE char *source = NULL;
	KM_AUTOFREE char *kbuild = NULL;
	const struct package *part[N_PARTS] = {0};
	unsigned major, minor;

	if (sscanf(l->version, "%u.%u", &major, &minor) != 2)
		return km_error_new(KM_INPUT, "the image's version %s does not begin with a kernel version",
				    l->version);
	source = km_printf("linux-source-%u.%u", major, minor);
	KM_TRY(learn(l, headers));
	KM_TRY(learn(l, source));
	part[PART_HEADERS] = package_find(&l->known, headers, l->version);
	if (!part[PART_HEADERS])
		return part_missing(l, headers);
	part[PART_SOURCE] = package_find(&l->known, source, l->version);
	if (!part[PART_SOURCE])
		return part_missing(l, source);
	kbuild = depends_find(part[PART_HEADERS]->depends, "linux-kbuild-");
	if (!kbuild)
		return km_error_new(KM_INPUT, "%s %s names no linux-kbuild package", headers, l->version);
	KM_TRY(learn(l, kbuild));
	part[PART_KBUILD] = find_kbuild(l, kbuild);
	if (!part[PART_KBUILD])
		return part_missing(l, kbuild);
	l->part[PART_KBUILD] = *part[PART_KBUILD];
	l->part[PART_HEADERS] = *package_find(&l->known, headers, l->version); /* l->known may have moved meanwhile */
	l->part[PART_SOURCE] = *package_find(&l->known, source, l->version);
	return NULL;
}

km_error *locate(const char *release, const char *version, const char *debs, struct location *ret)
{
	KM_CLEANUP(location_end) struct location l = {.from_files = debs};
	KM_AUTOFREE char *image = km_printf("linux-image-%s", release);
	KM_AUTOFREE char *unsigned_image = km_printf("linux-image-%s-unsigned", release);
	const struct package *p;

	if (debs)
		KM_TRY(debs_read(debs, &l.known));
	KM_TRY(learn_usual(&l, release));
	p = package_find(&l.known, image, version);
	if (!p && debs)
		p = package_find(&l.known, unsigned_image, version);
	if (!p && version && package_find(&l.known, image, NULL))
		return km_error_hint(
			km_error_new(KM_ENV, "kernel %s is not offered in version %s any more", release, version),
			"the newest that is: %s", package_find(&l.known, image, NULL)->version);
	if (!p)
		return no_image(&l, release);
	l.release = km_strdup(release);
	l.version = km_strdup(p->version);
	image = (free(image), km_strdup(p->name));
	KM_TRY(find_parts(&l));
	l.part[PART_IMAGE] = *package_find(&l.known, image, l.version);
	*ret = l;
	l = (struct location){0};
	return NULL;
}
