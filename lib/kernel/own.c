/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that the user built: a copy of the tree, configured and prepared by its own makefiles. The tree itself is
 * only read. */
#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

#include "prepared.h"

/* ---- the id --------------------------------------------------------------------------------------------------------
 */
static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Names, sizes and times of all files: reading 1.3 GB to find out that nothing changed would cost more than the build.
 */
static km_error *hash_tree(km_sha256 *h, const char *tree)
{
	char *const roots[] = {(char *)tree, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *e;

	if (!fts)
		return km_error_sys(errno, "cannot read %s", tree);
	while ((e = fts_read(fts))) {
		KM_AUTOFREE char *line = NULL;

		if (e->fts_info == FTS_D && !strcmp(e->fts_name, ".git"))
			fts_set(fts, e, FTS_SKIP);
		if (e->fts_info != FTS_F)
			continue;
		line = km_printf("%s %lld %lld.%ld\n", e->fts_path + strlen(tree), (long long)e->fts_statp->st_size,
				 (long long)e->fts_statp->st_mtim.tv_sec, e->fts_statp->st_mtim.tv_nsec);
		km_sha256_add(h, line, strlen(line));
	}
	fts_close(fts);
	return NULL;
}

static km_error *need(const char *value, const char *option, const char *what)
{
	if (!value)
		return km_error_new(KM_USAGE, "--source needs %s too: %s", option, what);
	if (!km_exists(value))
		return km_error_new(KM_ENV, "%s: no such file", value);
	return NULL;
}

static km_error *check_source(const struct km_kernel_source *src)
{
	KM_AUTOFREE char *makefile = km_path(src->source, "scripts/Makefile.build");

	KM_TRY(need(src->config, "--config FILE", "the configuration that the kernel was built with"));
	KM_TRY(need(src->vmlinux, "--vmlinux FILE", "the image that runs, a vmlinux or a bzImage"));
	KM_TRY(need(src->symvers, "--symvers FILE", "the Module.symvers of that build"));
	if (!km_exists(makefile))
		return km_error_new(KM_INPUT, "%s is no kernel source tree: it has no scripts/Makefile.build",
				    src->source);
	if (src->modules && !km_is_dir(src->modules))
		return km_error_new(KM_ENV, "%s is no directory", src->modules);
	return NULL;
}

km_error *own_hash(const struct km_kernel_source *src, char out[static KM_SHA256_HEX])
{
	const char *files[] = {src->config, src->symvers, src->vmlinux};
	uint8_t sum[KM_SHA256_LEN];
	km_error *err = NULL;
	km_sha256 *h;

	KM_TRY(check_source(src));
	h = km_sha256_create();
	km_sha256_add(h, &(uint8_t){PREPARED_FORMAT}, 1);
	for (size_t i = 0; i < KM_COUNT(files) && !err; i++) {
		char hex[KM_SHA256_HEX];

		err = km_sha256_file(files[i], hex);
		if (!err)
			km_sha256_add(h, hex, sizeof(hex));
	}
	if (!err)
		err = hash_tree(h, src->source);
	if (!err && src->modules) {
		KM_AUTOFREE char *real = realpath(src->modules, NULL);

		km_sha256_add(h, real ? real : "", real ? strlen(real) + 1 : 1);
	}
	km_sha256_end(h, sum);
	if (!err)
		km_hex(sum, sizeof(sum), out);
	return err;
}

/* ---- the copy ------------------------------------------------------------------------------------------------------
 */
static km_error *copy_tree(const char *from, const char *to)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_cmd cmd = {0};

	KM_TRY(km_listdir(from, &names));
	KM_TRY(km_mkdirs(to));
	km_strv_push(&args, "cp");
	km_strv_push(&args, "-a");
	km_strv_push(&args, "--reflink=auto");
	km_strv_push(&args, "-t");
	km_strv_push(&args, to);
	km_strv_push(&args, "--");
	for (size_t i = 0; i < names.n; i++)
		if (strcmp(names.at[i], ".git"))
			km_strv_printf(&args, "%s/%s", from, names.at[i]);
	cmd.argv = km_strv_argv(&args);
	return km_run_ok(&cmd, NULL);
}

static km_error *run_make(const char *tree, const char *release, const char *compiler, const char *goal,
			  const char *goal2)
{
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_cmd cmd = {.dir = tree};

	km_strv_push(&args, "make");
	km_strv_push(&args, "-s");
	km_strv_printf(&args, "-j%u", km_cpus());
	km_strv_push(&args, "ARCH=x86");
	km_strv_printf(&args, "KERNELRELEASE=%s", release);
	km_strv_printf(&args, "CC=%s", compiler);
	km_strv_push(&args, goal);
	if (goal2)
		km_strv_push(&args, goal2);
	cmd.argv = km_strv_argv(&args);
	return km_run_ok(&cmd, NULL);
}

/* Objects and generated files of the user's builds go: they may be of another configuration, and make writes over some
 * in place. */
static km_error *clean(const char *tree, const char *release, const char *compiler)
{
	KM_AUTOFREE char *generated = km_path(tree, "include/generated");
	KM_AUTOFREE char *config = km_path(tree, ".config");

	return km_exists(generated) || km_exists(config) ? run_make(tree, release, compiler, "mrproper", NULL) : NULL;
}

static km_error *configure(const struct km_kernel_source *src, const char *tree, const char *release, struct recipe *r)
{
	KM_AUTOFREE char *config = km_path(tree, ".config");
	KM_AUTOFREE char *symvers = km_path(tree, "Module.symvers");
	KM_AUTOFREE uint8_t *text = NULL;
	size_t size;

	KM_TRY(km_file_read(src->config, &text, &size));
	r->compiler_text = config_string((char *)text, "CONFIG_CC_VERSION_TEXT");
	if (!r->compiler_text)
		return km_error_hint(
			km_error_new(KM_INPUT, "%s names no compiler (CONFIG_CC_VERSION_TEXT)", src->config),
			"it must be the .config that the kernel was built with");
	KM_TRY(compiler_find(r->compiler_text, &r->compiler));
	KM_TRY(clean(tree, release, r->compiler));
	KM_TRY(km_file_copy(src->config, config));
	KM_TRY(run_make(tree, release, r->compiler, "olddefconfig", NULL));
	KM_TRY(run_make(tree, release, r->compiler, "prepare", "modules_prepare"));
	return km_file_copy(src->symvers, symvers);
}

/* Before the minutes that a copy takes, and before anything of it can be kept. */
static km_error *check_symvers(const char *path)
{
	km_exports *exports;

	KM_TRY(km_exports_read(path, &exports));
	km_exports_destroy(exports);
	return NULL;
}

km_error *prepare_own(const struct km_kernel_source *src, const char *release, const char *dir, km_stages *stages,
		      struct recipe *ret)
{
	KM_CLEANUP(recipe_end)
	struct recipe r = {
		.release = km_strdup(release), .version = km_strdup("own"), .image = km_strdup("image/vmlinux")};
	KM_AUTOFREE char *tree = km_path(dir, "tree");
	KM_AUTOFREE char *image_dir = km_path(dir, "image");
	KM_AUTOFREE char *image = km_path(dir, r.image);
	KM_AUTOFREE char *env = km_path(dir, "env");

	KM_TRY(check_symvers(src->symvers));
	if (stages)
		km_stage(stages, "copy");
	KM_TRY(copy_tree(src->source, tree));
	if (stages)
		km_stage(stages, "prepare");
	KM_TRY(km_mkdirs(image_dir));
	KM_TRY(km_file_copy(src->vmlinux, image));
	KM_TRY(configure(src, tree, release, &r));
	r.module_dir = src->modules ? realpath(src->modules, NULL) : NULL;
	KM_TRY(kbuild_capture(tree, release, r.compiler, env));
	*ret = r;
	r = (struct recipe){0};
	return NULL;
}
