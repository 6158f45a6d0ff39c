/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel from packages or from an own tree to an open km_kernel: the packages, the tree and the image are made here,
 * a few files each. What a run that was killed, another run at the same time or a broken package leave behind is checked.
 */
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "toy_image.h"
#include "toy_tree.h"

#define REL "6.1.0-toy"
#define VERSION "6.1.9-1"

static char *top, *debs, *cache, *compiler;

/* Runs a shell command in `top`. */
static void shell(const char *command)
{
	char *const argv[] = {"sh", "-ec", (char *)command, NULL};

	check_ok(km_run_ok(&(struct km_cmd){.argv = argv, .dir = top}, NULL));
}

static void make_deb(const char *name, const char *version, const char *more)
{
	char *control = km_printf("%s/DEBIAN/control", name);
	char *text = km_printf("Package: %s\nVersion: %s\nArchitecture: amd64\nMaintainer: toy <toy@kmend.invalid>\n"
			       "Description: toy\n%s",
			       name, version, more);
	char *command = km_printf("chmod -R go-w %s; dpkg-deb -Znone --root-owner-group -b %s debs >/dev/null; rm -r %s", name,
				  name, name);

	toy_file_put(top, control, text);
	shell(command);
	free(control);
	free(text);
	free(command);
}

static void put_image(const char *path)
{
	char *full = km_path(top, path), *above = km_strdup(full);
	struct toy_image t;

	*strrchr(above, '/') = 0;
	check_ok(km_mkdirs(above));
	toy_make(&t, TOY_PLAIN);
	check_ok(km_file_write(full, t.bytes.at, t.bytes.n));
	toy_free(&t);
	free(above);
	free(full);
}

static void make_image_deb(void)
{
	put_image("linux-image-" REL "/boot/vmlinuz-" REL);
	toy_file_put(top, "linux-image-" REL "/lib/modules/" REL "/kernel/one-a.ko", "");
	make_deb("linux-image-" REL, VERSION, "");
}

static void make_headers_deb(const char *config)
{
	static const char dir[] = "linux-headers-" REL "/usr/src/linux-headers-" REL "/";
	char *path = km_printf("%s.config", dir);

	toy_file_put(top, path, config);
	free(path);
	path = km_printf("%sModule.symvers", dir);
	toy_file_put(top, path, "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
	free(path);
	path = km_printf("%sinclude/generated/made.h", dir);
	toy_file_put(top, path, "made\n");
	free(path);
	path = km_printf("%sinclude/config/auto.conf", dir);
	toy_file_put(top, path, "CONFIG_X86=y\n");
	free(path);
	make_deb("linux-headers-" REL, VERSION, "Depends: linux-kbuild-6.1\n");
}

static const char makefile[] = "export TOY_FLAGS := -DTOY=$(KERNELRELEASE)\nexport CC\n"
			       "modules_prepare: prepare\n"
			       "mrproper olddefconfig prepare modules_prepare:\n\t@echo $@ >> made\n";

static void make_source_deb(const char *archive)
{
	char *command = km_printf("cd source; mkdir -p ../linux-source-6.1/usr/src; tar -cJf ../linux-source-6.1/usr/src/%s s; cd ..; "
				  "rm -r source",
				  archive);

	toy_file_put(top, "source/s/Makefile", makefile);
	toy_file_put(top, "source/s/fs/open.c", "int open;\n");
	toy_file_put(top, "source/s/scripts/mod.sh", "source\n");
	shell(command);
	make_deb("linux-source-6.1", VERSION, "");
	free(command);
}

static void make_kbuild_deb(const char *dir)
{
	char *path = km_printf("linux-kbuild-6.1/usr/lib/%s/scripts/fixdep", dir);

	toy_file_put(top, path, "program\n");
	free(path);
	path = km_printf("linux-kbuild-6.1/usr/lib/%s/scripts/mod.sh", dir);
	toy_file_put(top, path, "kbuild\n");
	free(path);
	make_deb("linux-kbuild-6.1", VERSION, "");
}

static char *config_of(const char *text)
{
	return km_printf("CONFIG_X86=y\nCONFIG_CC_VERSION_TEXT=\"%s\"\nCONFIG_MODULES=y\n", text);
}

static int begin(void **state)
{
	char *const argv[] = {"gcc", "--version", NULL};
	struct km_done done;
	char *config;

	(void)state;
	top = check_dir();
	debs = km_path(top, "debs");
	cache = km_path(top, "cache");
	check_ok(km_mkdirs(debs));
	setenv("KMEND_CACHE", cache, 1);
	check_ok(km_run_ok(&(struct km_cmd){.argv = argv}, &done));
	compiler = km_strndup(done.out, strcspn(done.out, "\n"));
	km_done_free(&done);
	config = config_of(compiler);
	make_image_deb();
	make_headers_deb(config);
	make_source_deb("linux-source-6.1.tar.xz");
	make_kbuild_deb("linux-kbuild-6.1");
	free(config);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unsetenv("KMEND_CACHE");
	free(compiler);
	free(cache);
	free(debs);
	check_dir_end(top);
	return 0;
}

static km_error *open_release(const char *release, km_kernel **ret)
{
	struct km_kernel_source src = {.release = release, .debs = debs};

	return km_kernel_open(&src, NULL, ret);
}

/* The names in kernels/ but locks. */
static char *kernels(void)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	KM_AUTOFREE char *dir = km_path(cache, "kernels");
	km_str s = {0};

	check_ok(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++)
		if (!km_starts(names.at[i], ".lock-"))
			km_str_printf(&s, "%s ", names.at[i]);
	return s.at ? s.at : km_strdup("");
}

static void assert_one_kernel(const km_kernel *k)
{
	char *all = kernels(), *expected = km_printf("%s ", k->id);

	assert_string_equal(all, expected);
	free(expected);
	free(all);
}

static void assert_file(const char *dir, const char *name, const char *text)
{
	char *path = km_path(dir, name);
	uint8_t *bytes;
	size_t size;

	check_ok(km_file_read(path, &bytes, &size));
	assert_string_equal((char *)bytes, text);
	free(bytes);
	free(path);
}

static bool env_has(const km_kernel *k, const char *prefix)
{
	const struct kernel_priv *p = k->priv;

	for (size_t i = 0; i < p->env.n; i++)
		if (km_starts(p->env.at[i], prefix))
			return true;
	return false;
}

static void packages_become_a_kernel(void **state)
{
	km_strv modules = {0};
	km_object *obj;
	km_error *err;
	km_kernel *k;

	(void)state;
	check_ok(open_release(REL, &k));
	assert_true(km_starts(k->id, REL "-"));
	assert_string_equal(k->release, REL);
	assert_string_equal(k->package_version, VERSION);
	assert_string_equal(k->compiler_text, compiler);
	assert_string_equal(km_vmlinux_release(k->vmlinux), REL);
	assert_int_equal(km_export_find(k->exports, "printk")->crc, 0x12345678);
	assert_file(k->tree, "fs/open.c", "int open;\n");
	assert_file(k->tree, "include/generated/made.h", "made\n");
	assert_file(k->tree, "scripts/fixdep", "program\n");
	assert_file(k->tree, "scripts/mod.sh", "source\n"); /* linux-kbuild only adds what the source lacks */
	assert_true(env_has(k, "TOY_FLAGS=-DTOY=" REL));
	assert_true(env_has(k, "MAKEFLAGS=rR"));
	assert_false(env_has(k, "KMEND_OUT="));
	assert_false(env_has(k, "MAKELEVEL="));
	assert_one_kernel(k);
	check_ok(km_kernel_modules(k, &modules));
	assert_int_equal(modules.n, 1);
	assert_string_equal(modules.at[0], "one_a");
	err = km_kernel_module(k, "one_b", &obj);
	assert_string_equal(err->hint, "the nearest name is one_a");
	check_error(err, KM_INPUT, "kernel " REL " ships no module one_b");
	check_error(km_kernel_module(k, "one_a", &obj), KM_INPUT, "one-a.ko");
	km_strv_free(&modules);
	km_kernel_close(k);
}

static void a_ready_kernel_needs_no_packages(void **state)
{
	km_kernel *k;
	char *id;

	(void)state;
	check_ok(open_release(REL, &k));
	id = km_strdup(k->id);
	km_kernel_close(k);
	check_ok(km_remove_tree(debs));
	check_ok(open_release(REL "=" VERSION, &k));
	assert_string_equal(k->id, id);
	km_kernel_close(k);
	check_error(open_release(REL "=6.1.10-1", &k), KM_ENV, "cannot list"); /* no such directory of packages */
	free(id);
}

static void odd_names_are_no_release(void **state)
{
	static const char *const names[] = {"", "../x", "a/b", "=1"};
	km_kernel *k;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(names); i++)
		check_error(open_release(names[i], &k), KM_USAGE, "is no kernel release");
}

static void unknown_kernels_leave_nothing(void **state)
{
	km_kernel *k;
	km_error *err = open_release("6.1.0-toz", &k);
	char *dir = km_path(cache, "kernels"), *all;
	km_strv names = {0};

	(void)state;
	assert_non_null(strstr(err->hint, "did you mean " REL));
	check_error(err, KM_ENV, "no package for kernel 6.1.0-toz is known");
	check_ok(km_listdir(dir, &names));
	assert_int_equal(names.n, 0); /* not even a lock */
	km_strv_free(&names);
	all = kernels();
	assert_string_equal(all, "");
	free(all);
	free(dir);
}

/* What a killed run left is taken for nothing, and swept; a kernel of an older form is made anew. */
static void remains_of_other_runs_do_no_harm(void **state)
{
	char *ready, *json;
	km_kernel *k;

	(void)state;
	toy_file_put(cache, "kernels/.new-" REL "-1/ready", "");
	toy_file_put(cache, "kernels/.new-" REL "-1/kernel.json", "{}");
	check_ok(open_release(REL, &k));
	assert_one_kernel(k);
	ready = km_path(k->dir, "ready");
	json = km_path(k->dir, "kernel.json");
	km_kernel_close(k);
	assert_int_equal(unlink(ready), 0);
	check_ok(open_release(REL, &k));
	assert_true(km_exists(ready));
	km_kernel_close(k);
	check_ok(km_file_write(json, "{\"format\": 0}", 13));
	check_ok(open_release(REL, &k));
	assert_one_kernel(k);
	km_kernel_close(k);
	free(ready);
	free(json);
}

static void runs_at_once_make_it_once(void **state)
{
	pid_t pids[3];
	km_kernel *k;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(pids); i++) {
		pids[i] = fork();
		if (!pids[i]) {
			km_error *err = open_release(REL, &k);

			_exit(err ? 1 : 0);
		}
	}
	for (size_t i = 0; i < KM_COUNT(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	check_ok(open_release(REL, &k));
	assert_one_kernel(k);
	km_kernel_close(k);
}

static void remake_headers(const char *compiler_text)
{
	char *config = config_of(compiler_text);

	make_headers_deb(config);
	free(config);
}

static void no_compiler_named(void)
{
	make_headers_deb("CONFIG_X86=y\n");
}

static void compiler_absent(void)
{
	remake_headers("nocc-77 (Toy 7.7) 7.7");
}

static void source_without_archive(void)
{
	make_source_deb("linux-source-6.1.tar");
}

static void kbuild_elsewhere(void)
{
	make_kbuild_deb("kbuild-6.1");
}

static void truncated_package(void)
{
	shell("truncate -s 300 debs/linux-source-6.1_*.deb");
}

static void broken_makefile(void)
{
	toy_file_put(top, "src/s/Makefile", "$(error no such architecture)\n");
	shell("mkdir -p linux-source-6.1/usr/src; tar -C src -cJf linux-source-6.1/usr/src/l.tar.xz s; rm -r src");
	make_deb("linux-source-6.1", VERSION, "");
}

static void broken_packages_are_named_and_leave_nothing(void **state)
{
	static const struct {
		void (*spoil)(void);
		enum km_code code;
		const char *message;
	} cases[] = {
		{no_compiler_named, KM_INPUT, "names no compiler (CONFIG_CC_VERSION_TEXT)"},
		{source_without_archive, KM_INPUT, "holds no usr/src/*.tar.xz"},
		{kbuild_elsewhere, KM_INPUT, "the linux-kbuild package holds no usr/lib/linux-kbuild-*"},
		{broken_makefile, KM_ENV, "no such architecture"},
		{truncated_package, KM_ENV, "dpkg-deb"},
	};

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_kernel *k;
		char *all;

		if (i) {
			end(state);
			begin(state);
		}
		cases[i].spoil();
		check_error(open_release(REL, &k), cases[i].code, cases[i].message);
		all = kernels();
		assert_string_equal(all, "");
		free(all);
	}
}

static void another_compiler_is_refused_unless_told(void **state)
{
	km_kernel *k;
	km_error *err;

	(void)state;
	compiler_absent();
	err = open_release(REL, &k);
	assert_non_null(strstr(err->hint, "KMEND_ALLOW_COMPILER=1"));
	check_error(err, KM_ENV, "the kernel was built by nocc-77 (Toy 7.7) 7.7, and this machine has gcc");
	setenv("KMEND_ALLOW_COMPILER", "1", 1);
	check_ok(open_release(REL, &k));
	assert_string_equal(k->compiler, "gcc");
	km_kernel_close(k);
	unsetenv("KMEND_ALLOW_COMPILER");
}

static void a_directory_without_a_part_is_told(void **state)
{
	static const struct {
		const char *remove, *message;
	} cases[] = {
		{"rm debs/linux-source-*", "package linux-source-6.1 of that version is not in the directory"},
		{"rm debs/linux-kbuild-*", "package linux-kbuild-6.1 of that version is not in the directory"},
		{"rm debs/linux-headers-*", "package linux-headers-" REL " of that version is not in the directory"},
		{"rm debs/*", "no package for kernel " REL " is known"},
	};
	km_kernel *k;

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		if (i) {
			end(state);
			begin(state);
		}
		shell(cases[i].remove);
		check_error(open_release(REL, &k), KM_ENV, cases[i].message);
	}
}

/* ---- a kernel of one's own ------------------------------------------------------------------------------- */

struct own {
	char *source, *config, *vmlinux, *symvers, *modules;
};

static struct own make_own(void)
{
	struct own o = {.source = km_path(top, "own"),
			.config = km_path(top, "own.config"),
			.vmlinux = km_path(top, "own/vmlinux"),
			.symvers = km_path(top, "own.symvers"),
			.modules = km_path(top, "modules")};
	char *config = config_of(compiler);

	put_image("own/vmlinux");
	toy_file_put(top, "own/Makefile", makefile);
	toy_file_put(top, "own/scripts/Makefile.build", "");
	toy_file_put(top, "own/.config", "stale\n");
	toy_file_put(top, "own/.git/HEAD", "x\n");
	toy_file_put(top, "own.config", config);
	toy_file_put(top, "own.symvers", "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n");
	toy_file_put(top, "modules/a.ko", "");
	free(config);
	return o;
}

static void own_end(struct own *o)
{
	free(o->source);
	free(o->config);
	free(o->vmlinux);
	free(o->symvers);
	free(o->modules);
}

static km_error *open_own(const struct own *o, km_kernel **ret)
{
	struct km_kernel_source src = {
		.source = o->source, .config = o->config, .vmlinux = o->vmlinux, .symvers = o->symvers, .modules = o->modules};

	return km_kernel_open(&src, NULL, ret);
}

static void an_own_tree_is_copied_and_prepared(void **state)
{
	struct own o = make_own();
	km_kernel *k;
	char *id, *git, *made = km_path(o.source, "made");

	(void)state;
	check_ok(open_own(&o, &k));
	assert_string_equal(k->release, REL);
	assert_string_equal(k->package_version, "");
	assert_file(k->tree, "made", "mrproper\nolddefconfig\nprepare\nmodules_prepare\n");
	git = km_path(k->tree, ".git");
	assert_false(km_exists(git));
	assert_false(km_exists(made)); /* the user's tree is only read */
	assert_string_equal(k->module_dir, o.modules);
	id = km_strdup(k->id);
	km_kernel_close(k);
	check_ok(open_own(&o, &k));
	assert_string_equal(k->id, id);
	km_kernel_close(k);
	toy_file_put(o.source, "fs/new.c", "int n;\n"); /* another tree now */
	check_ok(open_own(&o, &k));
	assert_string_not_equal(k->id, id);
	km_kernel_close(k);
	check_error(open_release(REL "=own", &k), KM_ENV, "is not offered in version own any more");
	free(id);
	free(git);
	free(made);
	own_end(&o);
}

static void an_own_tree_needs_all_its_files(void **state)
{
	struct own whole = make_own(), o;
	km_kernel *k;

	(void)state;
	o = whole;
	o.config = NULL;
	check_error(open_own(&o, &k), KM_USAGE, "--source needs --config FILE too");
	o = whole;
	o.vmlinux = NULL;
	check_error(open_own(&o, &k), KM_USAGE, "--source needs --vmlinux FILE too");
	o = whole;
	o.symvers = NULL;
	check_error(open_own(&o, &k), KM_USAGE, "--source needs --symvers FILE too");
	o = whole;
	o.symvers = (char *)"/nonexistent/symvers";
	check_error(open_own(&o, &k), KM_ENV, "/nonexistent/symvers: no such file");
	o = whole;
	o.source = top;
	check_error(open_own(&o, &k), KM_INPUT, "is no kernel source tree: it has no scripts/Makefile.build");
	o = whole;
	o.modules = whole.config;
	check_error(open_own(&o, &k), KM_ENV, "own.config is no directory");
	check_ok(km_file_write(whole.config, "CONFIG_X86=y\n", 13));
	check_error(open_own(&whole, &k), KM_INPUT, "own.config names no compiler");
	own_end(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packages_become_a_kernel, begin, end),
		cmocka_unit_test_setup_teardown(a_ready_kernel_needs_no_packages, begin, end),
		cmocka_unit_test_setup_teardown(odd_names_are_no_release, begin, end),
		cmocka_unit_test_setup_teardown(unknown_kernels_leave_nothing, begin, end),
		cmocka_unit_test_setup_teardown(remains_of_other_runs_do_no_harm, begin, end),
		cmocka_unit_test_setup_teardown(runs_at_once_make_it_once, begin, end),
		cmocka_unit_test_setup_teardown(broken_packages_are_named_and_leave_nothing, begin, end),
		cmocka_unit_test_setup_teardown(another_compiler_is_refused_unless_told, begin, end),
		cmocka_unit_test_setup_teardown(a_directory_without_a_part_is_told, begin, end),
		cmocka_unit_test_setup_teardown(an_own_tree_is_copied_and_prepared, begin, end),
		cmocka_unit_test_setup_teardown(an_own_tree_needs_all_its_files, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
