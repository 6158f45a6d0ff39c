/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Debian kernel's tree, prepared without compiling anything: the source package holds the text, the headers package
 * what the configuration made of it (include/generated, auto.conf, module.lds, Module.symvers), and linux-kbuild the
 * programs (objtool, modpost, genksyms, fixdep).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

void recipe_end(struct recipe *r)
{
	free(r->id);
	free(r->release);
	free(r->version);
	free(r->compiler);
	free(r->compiler_text);
	free(r->image);
	free(r->module_dir);
}

char *config_string(const char *config_text, const char *symbol)
{
	KM_AUTOFREE char *key = km_printf("%s=\"", symbol);
	const char *at = strstr(config_text, key);

	at = at ? at + strlen(key) : NULL;
	return at ? km_strndup(at, strcspn(at, "\"\n")) : NULL;
}

static char *first_line_of_version(const char *compiler)
{
	char *const argv[] = {(char *)compiler, "--version", NULL};
	struct km_cmd cmd = {.argv = argv, .timeout = 30};
	struct km_done done;
	km_error *err = km_run(&cmd, &done);
	char *line = err || done.status ? NULL : km_strndup(done.out, strcspn(done.out, "\n"));

	if (!err)
		km_done_free(&done);
	km_error_free(err);
	return line;
}

/* "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0" and the same compiler under the name gcc differ only in the first word. */
static bool same_compiler(const char *line, const char *version_text)
{
	const char *a = strchr(line, ' '), *b = strchr(version_text, ' ');

	return a && b && !strcmp(a, b);
}

km_error *compiler_find(const char *version_text, char **ret)
{
	KM_AUTOFREE char *name = km_strndup(version_text, strcspn(version_text, " "));
	const char *const candidates[] = {name, "gcc", "cc"};
	KM_AUTOFREE char *found = NULL;
	const char *allow = getenv("KMEND_ALLOW_COMPILER");

	for (size_t i = 0; i < KM_COUNT(candidates); i++) {
		KM_AUTOFREE char *line = first_line_of_version(candidates[i]);

		if (line && (same_compiler(line, version_text) || (allow && !strcmp(allow, "1")))) {
			*ret = km_strdup(candidates[i]);
			return NULL;
		}
		if (line && !found)
			found = km_strdup(line);
	}
	if (!found)
		return km_error_hint(
			km_error_new(KM_ENV, "the kernel was built by %s, which is not installed", version_text),
			"apt-get install %s", name);
	return km_error_hint(
		km_error_new(KM_ENV, "the kernel was built by %s, and this machine has %s", version_text, found),
		"install that version of %s; KMEND_ALLOW_COMPILER=1 tries with the one that is there (functions that "
		"it "
		"compiles otherwise are refused when they are matched with the image)",
		name);
}

static km_error *run(const char *const *argv)
{
	struct km_cmd cmd = {.argv = (char *const *)argv};

	return km_run_ok(&cmd, NULL);
}

static km_error *unpack(const char *deb, const char *to)
{
	const char *const argv[] = {"dpkg-deb", "-x", deb, to, NULL};

	return run(argv);
}

/* The only .tar.xz in usr/src of the source package. */
static km_error *unpack_source(const char *deb, const char *scratch, const char *tree)
{
	KM_AUTOFREE char *src = km_path(scratch, "usr/src");
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	KM_TRY(unpack(deb, scratch));
	KM_TRY(km_listdir(src, &names));
	KM_TRY(km_mkdirs(tree));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *tar = km_path(src, names.at[i]);
		const char *const argv[] = {"tar", "-xJf", tar, "-C", tree, "--strip-components=1", "--no-same-owner",
					    NULL};

		if (!km_ends(tar, ".tar.xz"))
			continue;
		KM_TRY(run(argv));
		return unlink(tar) ? km_error_sys(errno, "cannot remove %s", tar) : NULL;
	}
	return km_error_new(KM_INPUT, "%s holds no usr/src/*.tar.xz", deb);
}

/* Copies what `from` has and `to` has not; `over` also replaces. */
static km_error *overlay(const char *from, const char *to, bool over)
{
	KM_AUTOFREE char *all = km_printf("%s/.", from);
	const char *const argv[] = {"cp", over ? "-aT" : "-anT", all, to, NULL};

	if (!km_is_dir(from))
		return NULL;
	KM_TRY(km_mkdirs(to));
	return run(argv);
}

static km_error *copy_into(const char *from_dir, const char *to_dir, const char *name)
{
	KM_AUTOFREE char *from = km_path(from_dir, name);
	KM_AUTOFREE char *to = km_path(to_dir, name);

	return km_file_copy(from, to);
}

static km_error *overlay_headers(const char *scratch, const char *release, const char *tree)
{
	static const char *const dirs[] = {"include", "arch"}, *const files[] = {".config", "Module.symvers"};
	KM_AUTOFREE char *headers = km_printf("%s/usr/src/linux-headers-%s", scratch, release);

	for (size_t i = 0; i < KM_COUNT(dirs); i++) {
		KM_AUTOFREE char *from = km_path(headers, dirs[i]);
		KM_AUTOFREE char *to = km_path(tree, dirs[i]);

		KM_TRY(overlay(from, to, true));
	}
	for (size_t i = 0; i < KM_COUNT(files); i++)
		KM_TRY(copy_into(headers, tree, files[i]));
	return NULL;
}

/* Only what the source lacks: the programs. A newer package's makefiles are not those of this kernel. */
static km_error *overlay_kbuild(const char *scratch, const char *tree)
{
	KM_AUTOFREE char *lib = km_path(scratch, "usr/lib");
	KM_CLEANUP(km_strv_free) km_strv names = {0};

	KM_TRY(km_listdir(lib, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *from = km_path(lib, names.at[i]);

		if (km_starts(names.at[i], "linux-kbuild-"))
			return overlay(from, tree, false);
	}
	return km_error_new(KM_INPUT, "the linux-kbuild package holds no usr/lib/linux-kbuild-*");
}

/* The programs of scripts/ that units need and linux-kbuild lacks: one makes the .asn1.c files of cifs and others, one the headers of
 * security/selinux. */
static km_error *compile_host_programs(const char *tree)
{
	static const struct {
		const char *program;
		const char *argv[12];
	} hosts[] = {
		{"scripts/asn1_compiler",
		 {"gcc", "-O2", "-std=gnu11", "-I", "include", "-o", "scripts/asn1_compiler", "scripts/asn1_compiler.c"}},
		{"scripts/selinux/genheaders/genheaders",
		 {"gcc", "-O2", "-std=gnu11", "-Iinclude/uapi", "-Iinclude", "-Isecurity/selinux/include", "-o",
		  "scripts/selinux/genheaders/genheaders", "scripts/selinux/genheaders/genheaders.c"}},
	};

	for (size_t i = 0; i < KM_COUNT(hosts); i++) {
		KM_AUTOFREE char *source = km_printf("%s/%s.c", tree, hosts[i].program);
		KM_AUTOFREE char *program = km_path(tree, hosts[i].program);
		struct km_cmd cmd = {.argv = (char *const *)hosts[i].argv, .dir = tree, .timeout = 120};

		if (km_exists(source) && !km_exists(program))
			KM_TRY(km_run_ok(&cmd, NULL));
	}
	return NULL;
}

/* Kbuild compares the configuration's time stamps, and would compile kconfig to make these files again were they not
 * the newest. */
static km_error *freshen(const char *tree)
{
	static const char *const names[] = {"include/config/auto.conf", "include/config/auto.conf.cmd",
					    "include/generated/autoconf.h", "include/generated/rustc_cfg"};

	for (size_t i = 0; i < KM_COUNT(names); i++) {
		KM_AUTOFREE char *path = km_path(tree, names[i]);
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0)
			return km_error_sys(errno, "cannot make %s", path);
		futimens(fd, NULL);
		close(fd);
	}
	return NULL;
}

static km_error *describe(const struct location *l, const char *dir, struct recipe *r)
{
	KM_AUTOFREE char *config = km_printf("%s/tree/.config", dir);
	KM_AUTOFREE uint8_t *text = NULL;
	size_t size;

	KM_TRY(km_file_read(config, &text, &size));
	r->compiler_text = config_string((char *)text, "CONFIG_CC_VERSION_TEXT");
	if (!r->compiler_text)
		return km_error_new(KM_INPUT, "%s names no compiler (CONFIG_CC_VERSION_TEXT)", config);
	r->release = km_strdup(l->release);
	r->version = km_strdup(l->version);
	r->image = km_printf("image/boot/vmlinuz-%s", l->release);
	r->module_dir = km_printf("image/lib/modules/%s", l->release);
	return compiler_find(r->compiler_text, &r->compiler);
}

/* Debian 13 and later keep modules in usr/lib. */
static km_error *settle_modules(const char *dir, struct recipe *r)
{
	KM_AUTOFREE char *there = km_path(dir, r->module_dir);
	KM_AUTOFREE char *usr = km_printf("image/usr/lib/modules/%s", r->release);
	KM_AUTOFREE char *usr_there = km_path(dir, usr);

	if (!km_is_dir(there) && km_is_dir(usr_there)) {
		free(r->module_dir);
		r->module_dir = km_strdup(usr);
	}
	return NULL;
}

km_error *prepare_packages(const struct location *l, const char *debs, const char *dir, km_stages *stages,
			   struct recipe *ret)
{
	KM_CLEANUP(recipe_end) struct recipe r = {0};
	KM_AUTOFREE char *tree = km_path(dir, "tree");
	KM_AUTOFREE char *image = km_path(dir, "image");
	KM_AUTOFREE char *scratch = km_path(dir, "scratch");
	KM_AUTOFREE char *env = km_path(dir, "env");
	char *deb[N_PARTS];
	km_error *err = NULL;

	for (int i = 0; i < N_PARTS; i++)
		deb[i] = l->from_files ? km_strdup(l->part[i].file) : km_path(debs, l->part[i].file);
	if (stages)
		km_stage(stages, "unpack");
	err = km_mkdirs(image);
	err = err ? err : unpack(deb[PART_IMAGE], image);
	err = err ? err : km_mkdirs(scratch);
	err = err ? err : unpack(deb[PART_HEADERS], scratch);
	err = err ? err : unpack(deb[PART_KBUILD], scratch);
	err = err ? err : unpack_source(deb[PART_SOURCE], scratch, tree);
	for (int i = 0; i < N_PARTS; i++)
		free(deb[i]);
	KM_TRY(err);
	if (stages)
		km_stage(stages, "prepare");
	KM_TRY(overlay_headers(scratch, l->release, tree));
	KM_TRY(overlay_kbuild(scratch, tree));
	KM_TRY(compile_host_programs(tree));
	KM_TRY(freshen(tree));
	KM_TRY(describe(l, dir, &r));
	KM_TRY(settle_modules(dir, &r));
	KM_TRY(kbuild_capture(tree, l->release, r.compiler, env));
	KM_TRY(km_remove_tree(scratch));
	*ret = r;
	r = (struct recipe){0};
	return NULL;
}
