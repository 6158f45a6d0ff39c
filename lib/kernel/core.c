/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend.ko for one prepared kernel, built once for each state of its sources: kernels/<id>/core/<hash>[-test]/ holds the
 * module, the Module.symvers that patches are linked against, and the header that they are compiled with.
 */
#include <errno.h>
#include <unistd.h>

#include "prepared.h"

#define UAPI "include/uapi/kmend.h"

/* One file of the sources. */
struct source {
	char *path; /* below the root */
	uint8_t *bytes;
	size_t size;
};
typedef km_vec(struct source) source_list;

static void sources_end(source_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].path);
		free(l->at[i].bytes);
	}
	km_vec_free(l);
}

/* ---- where the sources are --------------------------------------------------------------------------------------- */
/* Seen from the program: a build tree has a link to its sources, an installation that was copied has them in share. */
static const char *const beside[] = {"../kmod/root", "../../kmod/root", "../../share/kmend", "../share/kmend"};

static bool is_root(const char *path)
{
	KM_AUTOFREE char *kbuild = km_path(path, "kmod/Kbuild");

	return km_exists(kbuild);
}

static char *own_dir(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return slash ? km_strndup(path, (size_t)(slash - path)) : NULL;
}

km_error *km_core_sources(char **ret)
{
	const char *env = getenv("KMEND_DATADIR");
	KM_AUTOFREE char *own = own_dir();

	if (env && *env) {
		if (!is_root(env))
			return km_error_new(KM_ENV, "KMEND_DATADIR is %s, which has no kmod/Kbuild", env);
		*ret = km_strdup(env);
		return NULL;
	}
	for (size_t i = 0; own && i < KM_COUNT(beside); i++) {
		KM_AUTOFREE char *path = km_path(own, beside[i]);

		if (is_root(path)) {
			*ret = km_strdup(path);
			return NULL;
		}
	}
	if (!is_root(KMEND_DATADIR))
		return km_error_hint(km_error_new(KM_ENV, "the sources of kmend.ko are not installed"),
				     "they belong into " KMEND_DATADIR "; $KMEND_DATADIR names another place");
	*ret = km_strdup(KMEND_DATADIR);
	return NULL;
}

/* ---- reading them ------------------------------------------------------------------------------------------------ */
/* What a build by hand leaves beside the sources is none. */
static bool is_source(const char *name)
{
	if (*name == '.' || km_ends(name, ".mod.c"))
		return false;
	return km_ends(name, ".c") || km_ends(name, ".h") || km_ends(name, ".S") || km_ends(name, ".mk") || !strcmp(name, "Kbuild");
}

static km_error *read_one(const char *root, const char *path, source_list *to)
{
	KM_AUTOFREE char *full = km_path(root, path);
	struct source s = {0};

	KM_TRY(km_file_read(full, &s.bytes, &s.size));
	s.path = km_strdup(path);
	km_vec_push(to, s);
	return NULL;
}

static km_error *read_below(const char *root, const char *below, source_list *to)
{
	KM_AUTOFREE char *dir = km_path(root, below);
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	KM_TRY(km_listdir(dir, &names));
	km_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(below, names.at[i]), *full = km_path(root, path);

		if (*names.at[i] != '.' && km_is_dir(full))
			KM_TRY(read_below(root, path, to));
		else if (is_source(names.at[i]))
			KM_TRY(read_one(root, path, to));
	}
	return NULL;
}

static void hash_sources(const source_list *l, char out[static KM_SHA256_HEX])
{
	km_sha256 *h = km_sha256_create();
	uint8_t sum[KM_SHA256_LEN];

	for (size_t i = 0; i < l->n; i++) {
		uint64_t size = l->at[i].size;

		km_sha256_add(h, l->at[i].path, strlen(l->at[i].path) + 1);
		km_sha256_add(h, &size, sizeof(size));
		km_sha256_add(h, l->at[i].bytes, l->at[i].size);
	}
	km_sha256_end(h, sum);
	km_hex(sum, sizeof(sum), out);
}

/* ---- building ---------------------------------------------------------------------------------------------------- */
static km_error *write_sources(const source_list *l, const char *dir)
{
	for (size_t i = 0; i < l->n; i++) {
		KM_AUTOFREE char *path = km_path(dir, l->at[i].path);
		KM_AUTOFREE char *parent = km_strndup(path, (size_t)(strrchr(path, '/') - path));

		KM_TRY(km_mkdirs(parent));
		KM_TRY(km_file_write(path, l->at[i].bytes, l->at[i].size));
	}
	return NULL;
}

static km_error *strip_debug(const char *ko)
{
	char *const argv[] = {"strip", "--strip-debug", (char *)ko, NULL};

	return km_run_ok(&(struct km_cmd){.argv = argv}, NULL);
}

static km_error *keep(const char *from, const char *below, const char *to, const char *name)
{
	KM_AUTOFREE char *source = km_path(from, below), *path = km_path(to, name);

	return km_file_copy(source, path);
}

/* The module has to be the same wherever it is built: the directory must not get into it. */
static km_error *build(km_kernel *k, const source_list *l, bool test, const char *fresh)
{
	KM_AUTOFREE char *work = km_path(fresh, "work"), *kmod = km_path(work, "kmod");
	KM_AUTOFREE char *ko = km_path(fresh, "kmend.ko"), *real = NULL;
	KM_CLEANUP(km_strv_free) km_strv more = {0};

	KM_TRY(km_mkdirs(kmod));
	KM_TRY(write_sources(l, work));
	real = realpath(work, NULL);
	if (!real)
		return km_error_sys(errno, "cannot enter %s", work);
	km_strv_printf(&more, "KCFLAGS=-ffile-prefix-map=%s/=", real);
	km_strv_printf(&more, "-j%u", km_cpus());
	km_strv_push(&more, "KBUILD_MODPOST_WARN=");
	if (test)
		km_strv_push(&more, "KMEND_TEST=1");
	KM_TRY(km_module_build(k, kmod, "kmend", &more));
	KM_TRY(keep(kmod, "kmend.ko", fresh, "kmend.ko"));
	KM_TRY(keep(kmod, "Module.symvers", fresh, "Module.symvers"));
	KM_TRY(keep(kmod, "kmend.h", fresh, "kmend.h"));
	KM_TRY(strip_debug(ko));
	return km_remove_tree(work);
}

static km_error *build_into(km_kernel *k, const source_list *l, bool test, const char *cores, const char *dir)
{
	KM_AUTOFREE char *fresh = km_path(cores, ".new"); /* a killed run's is removed: the lock is ours */

	KM_TRY(km_remove_tree(fresh));
	KM_TRY(km_mkdirs(fresh));
	KM_TRY(build(k, l, test, fresh));
	return rename(fresh, dir) ? km_error_sys(errno, "cannot rename %s to %s", fresh, dir) : NULL;
}

static km_error *open_read(km_kernel *k, const source_list *l, bool test, struct km_core *ret)
{
	char hash[KM_SHA256_HEX];
	KM_AUTOFREE char *cores = km_path(k->dir, "core"), *lock_path = km_path(cores, ".lock"), *dir = NULL;
	KM_AUTOCLOSE int lock = -1;

	hash_sources(l, hash);
	dir = km_printf("%s/%.12s%s", cores, hash, test ? "-test" : "");
	if (!km_is_dir(dir)) {
		KM_TRY(km_mkdirs(cores));
		KM_TRY(km_lock(lock_path, true, &lock));
		if (!km_is_dir(dir))
			KM_TRY(build_into(k, l, test, cores, dir));
	}
	*ret = (struct km_core){
		.module = km_path(dir, "kmend.ko"), .symvers = km_path(dir, "Module.symvers"), .header = km_path(dir, "kmend.h")};
	return NULL;
}

km_error *km_core_open(km_kernel *k, bool test, struct km_core *ret)
{
	KM_CLEANUP(sources_end) source_list sources = {0};
	KM_AUTOFREE char *root = NULL;
	km_error *err;

	KM_TRY(km_core_sources(&root));
	err = read_below(root, "kmod", &sources);
	if (!err)
		err = read_one(root, UAPI, &sources);
	if (!err)
		err = open_read(k, &sources, test, ret);
	return err ? km_error_add(err, "cannot make kmend.ko for %s", k->release) : NULL;
}

void km_core_free(struct km_core *core)
{
	free(core->module);
	free(core->symvers);
	free(core->header);
	*core = (struct km_core){0};
}
