/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packages from apt or from a directory of .deb files. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

static const char no_lists[] =
	"run `apt-get update` as root, and see that /etc/apt/sources.list names your release's security pool";

/* apt-cache's exit status is 100 when a single name is unknown: the text is what counts. */
static km_error *apt_cache(km_strv *args, struct km_done *done)
{
	km_error *err;
	struct km_cmd cmd = {.argv = km_strv_argv(args), .timeout = 120};

	setenv("LC_ALL", "C", 1);
	err = km_run(&cmd, done);
	return err ? km_error_hint(km_error_add(err, "cannot ask apt"), "install apt, or name a directory with --debs")
		   : NULL;
}

km_error *apt_show(const km_strv *names, package_list *ret)
{
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_done done;

	if (!names->n)
		return NULL;
	km_strv_push(&args, "apt-cache");
	km_strv_push(&args, "show");
	for (size_t i = 0; i < names->n; i++)
		km_strv_push(&args, names->at[i]);
	KM_TRY(apt_cache(&args, &done));
	packages_parse(done.out, ret);
	km_done_free(&done);
	return NULL;
}

km_error *apt_names(const char *prefix, km_strv *ret)
{
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_done done;
	char *save = NULL;

	km_strv_push(&args, "apt-cache");
	km_strv_push(&args, "pkgnames");
	km_strv_push(&args, prefix);
	KM_TRY(apt_cache(&args, &done));
	for (char *name = strtok_r(done.out, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
		km_strv_push(ret, name);
	km_done_free(&done);
	km_strv_sort(ret);
	return NULL;
}

static km_error *check_sum(const struct package *p, const char *path)
{
	char sum[KM_SHA256_HEX];

	if (!p->sha256)
		return km_error_new(KM_INPUT, "apt names no SHA-256 for %s %s", p->name, p->version);
	KM_TRY(km_sha256_file(path, sum));
	if (strcmp(sum, p->sha256))
		return km_error_hint(
			km_error_new(KM_INPUT, "%s: SHA-256 is %s, the archive says %s", path, sum, p->sha256),
			"remove the file, then try again");
	return NULL;
}

/* A file in debs/ from an earlier run: used when it is whole, and fetched anew when it is not. */
static bool have(const struct package *p, const char *debs)
{
	KM_AUTOFREE char *path = km_path(debs, p->file);
	km_error *err;

	if (!km_exists(path))
		return false;
	err = check_sum(p, path);
	if (err)
		km_warn("%s; it is fetched again", err->message);
	km_error_free(err);
	return !err;
}

/* apt names files "<name>_<version>_<arch>.deb", with ':' in the version written %3a; the archive's own name lacks the
 * epoch. */
static km_error *take(const struct package *p, const char *from, const char *debs)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	KM_AUTOFREE char *prefix = km_printf("%s_", p->name);
	KM_AUTOFREE char *to = km_path(debs, p->file);

	KM_TRY(km_listdir(from, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(from, names.at[i]);

		if (!km_starts(names.at[i], prefix))
			continue;
		KM_TRY(check_sum(p, path));
		return rename(path, to) ? km_error_sys(errno, "cannot move %s to %s", path, to) : NULL;
	}
	return km_error_new(KM_ENV, "apt-get download gave no file for %s", p->name);
}

/* apt also shows versions that are installed and in no archive any more; they come without a file. */
static km_error *not_offered(const struct package *p)
{
	return km_error_hint(km_error_new(KM_ENV, "%s %s is not in the archive any more", p->name, p->version),
			     "packages that you have can be used with --debs DIR");
}

static km_error *download(const struct package *const *packages, size_t n, const char *dir)
{
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_cmd cmd = {.dir = dir};
	km_error *err;

	km_strv_push(&args, "apt-get");
	if (!geteuid())
		km_strv_push(&args, "-oAPT::Sandbox::User=root");
	km_strv_push(&args, "-qq");
	km_strv_push(&args, "download");
	for (size_t i = 0; i < n; i++)
		km_strv_printf(&args, "%s=%s", packages[i]->name, packages[i]->version);
	cmd.argv = km_strv_argv(&args);
	err = km_run_ok(&cmd, NULL);
	return err ? km_error_hint(err,
				   "no network, or the archive no longer has this version (%s); packages that you have "
				   "can be used with --debs DIR",
				   no_lists)
		   : NULL;
}

km_error *apt_fetch(const struct package *const *packages, size_t n, const char *debs)
{
	KM_AUTOFREE char *dir = km_printf("%s/.fetch-%d", debs, (int)getpid());
	km_vec(const struct package *) missing = {0};
	km_error *err = NULL;

	for (size_t i = 0; i < n && !err; i++) {
		if (!packages[i]->file)
			err = not_offered(packages[i]);
		else if (!have(packages[i], debs))
			km_vec_push(&missing, packages[i]);
	}
	if (missing.n && !err) {
		err = km_mkdirs(dir);
		if (!err)
			err = download(missing.at, missing.n, dir);
		for (size_t i = 0; i < missing.n && !err; i++)
			err = take(missing.at[i], dir, debs);
		km_error_free(km_remove_tree(dir));
	}
	km_vec_free(&missing);
	return err;
}

km_error *debs_read(const char *dir, package_list *ret)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);
		char *const argv[] = {"dpkg-deb", "-f", path, NULL};
		struct km_cmd cmd = {.argv = argv, .timeout = 60};
		struct km_done done;
		size_t first = ret->n;

		if (!km_ends(path, ".deb") || !km_starts(names.at[i], "linux-"))
			continue;
		KM_TRY(km_run_ok(&cmd, &done));
		packages_parse(done.out, ret);
		km_done_free(&done);
		for (size_t j = first; j < ret->n; j++) {
			free(ret->at[j].file);
			ret->at[j].file = km_strdup(path);
		}
	}
	return NULL;
}
