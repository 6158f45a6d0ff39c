/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab while it is described: kernels, carried files, modules with all they need, and steps as the guest reads them. */
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#include <kmend/elf.h>
#include <kmend/kernel.h>

#include "internal.h"
#include "plan.h"

static char *dir;

static void put(const char *path, const void *bytes, size_t n)
{
	char *full = km_path(dir, path), *above = km_strdup(full);

	*strrchr(above, '/') = 0;
	check_ok(km_mkdirs(above));
	check_ok(km_file_write(full, bytes, n));
	free(above);
	free(full);
}

/* A module of nothing but its own information: "key=value" words with a NUL between them. */
static void put_module(const char *name, const char *info, size_t n)
{
	char *path = km_printf("lib/kernel/%s", name);
	km_elf *ko = km_elf_create(EM_X86_64);
	uint8_t *bytes;
	size_t size;

	km_sec_append(ko, km_elf_add_sec(ko, ".modinfo", SHT_PROGBITS, SHF_ALLOC, 1), info, n);
	check_ok(km_elf_write(ko, &bytes, &size));
	put(path, bytes, size);
	km_elf_destroy(ko);
	free(bytes);
	free(path);
}
#define PUT_MODULE(name, info) put_module(name, info, sizeof(info))

static int begin(void **state)
{
	(void)state;
	dir = check_dir();
	PUT_MODULE("fs/low.ko", "license=GPL\0name=low\0depends=");
	PUT_MODULE("fs/mid-dle.ko", "license=GPL\0name=mid_dle\0depends=low");
	PUT_MODULE("net/top.ko", "license=GPL\0name=top\0depends=mid-dle,low\0softdep=pre: soft post: late");
	PUT_MODULE("net/soft.ko", "license=GPL\0name=soft\0depends=built_in");
	PUT_MODULE("net/late.ko", "license=GPL\0name=late\0depends=");
	PUT_MODULE("v/virtio_pci.ko", "license=GPL\0name=virtio_pci\0depends=");
	PUT_MODULE("v/virtio_blk.ko", "license=GPL\0name=virtio_blk\0depends=");
	PUT_MODULE("v/virtio_net.ko", "license=GPL\0name=virtio_net\0depends=");
	PUT_MODULE("a/ring1.ko", "license=GPL\0name=ring1\0depends=ring2");
	PUT_MODULE("a/ring2.ko", "license=GPL\0name=ring2\0depends=ring1");
	put("lib/kernel/broken.ko", "no ELF", 6);
	return 0;
}

static int end(void **state)
{
	(void)state;
	check_dir_end(dir);
	return 0;
}

static void modules_take_along_what_they_need(void **state)
{
	static const struct {
		const char *name, *order;
	} cases[] = {
		{"low", "low "},
		{"mid-dle", "low mid_dle "},
		{"mid_dle", "low mid_dle "},
		{"top", "low mid_dle soft top "},
		{"soft", "soft "}, /* what is no file is built in */
	};
	char *lib = km_path(dir, "lib");
	struct lab_modules *m;

	(void)state;
	check_ok(lab_modules_open(lib, &m));
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_strv closure = {0};
		km_str order = {0};

		check_ok(lab_modules_closure(m, cases[i].name, &closure));
		for (size_t j = 0; j < closure.n; j++)
			km_str_printf(&order, "%s ", closure.at[j]);
		assert_string_equal(order.at, cases[i].order);
		km_str_free(&order);
		km_strv_free(&closure);
	}
	lab_modules_close(m);
	free(lib);
}

static void modules_that_cannot_be_had_are_named(void **state)
{
	static const struct {
		const char *name;
		enum km_code code;
		const char *message;
	} cases[] = {
		{"absent", KM_INPUT, "this kernel ships no module 'absent'"},
		{"ring1", KM_INPUT, "depend on each other in a circle"},
		{"broken", KM_ENV, "the module "},
	};
	char *lib = km_path(dir, "lib");
	struct lab_modules *m;

	(void)state;
	check_ok(lab_modules_open(lib, &m));
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_strv closure = {0};

		check_error(lab_modules_closure(m, cases[i].name, &closure), cases[i].code, cases[i].message);
		km_strv_free(&closure);
	}
	lab_modules_close(m);
	free(lib);
}

static km_lab *make_lab(struct km_lab_kernel *k, bool modules)
{
	km_lab *lab;

	*k = (struct km_lab_kernel){.release = km_strdup("6.1.0-toy"),
				    .vmlinuz = km_strdup("/k"),
				    .modules = modules ? km_path(dir, "lib") : NULL};
	check_ok(km_lab_create(k, &lab));
	return lab;
}

static void unmake(km_lab *lab, struct km_lab_kernel *k)
{
	km_lab_destroy(lab);
	km_lab_kernel_free(k);
}

/* The job's fields, a '|' for each NUL. */
static char *job_of(const km_lab *lab)
{
	char *s = km_calloc(lab->job.n + 1, 1);

	for (size_t i = 0; i < lab->job.n; i++)
		s[i] = lab->job.at[i] ? lab->job.at[i] : '|';
	return s;
}

static void a_module_is_a_step_for_each_it_needs(void **state)
{
	struct km_lab_step like = {.group = 3, .soft = true};
	struct km_lab_kernel k;
	km_lab *lab = make_lab(&k, true);
	char *job;

	(void)state;
	assert_true(km_lab_has_module(lab, "mid-dle"));
	assert_false(km_lab_has_module(lab, "absent"));
	check_ok(km_lab_module_carry(lab, "low"));
	assert_int_equal(km_lab_steps(lab), 0);
	check_ok(km_lab_module(lab, &like, "mid_dle"));
	assert_int_equal(km_lab_steps(lab), 2);
	assert_string_equal(km_lab_step_at(lab, 1)->name, "insert mid_dle");
	assert_true(lab_cpio_has(&lab->cpio, "lib/modules/6.1.0-toy/kernel/low.ko"));
	job = job_of(lab);
	assert_string_equal(job, "insmod|3|s|120.000|1|/lib/modules/6.1.0-toy/kernel/low.ko|"
				 "insmod|3|s|120.000|1|/lib/modules/6.1.0-toy/kernel/mid_dle.ko|");
	free(job);
	unmake(lab, &k);
	lab = make_lab(&k, false);
	assert_false(km_lab_has_module(lab, "low"));
	check_error(km_lab_module(lab, &like, "low"), KM_USAGE, "the module low cannot be found: the kernel was given without");
	unmake(lab, &k);
}

static void disks_and_networks_are_steps_too(void **state)
{
	struct km_lab_step like = {.group = 1};
	char *word = km_printf("%s/disk:/var:1M", dir), *job;
	struct km_lab_kernel k;
	km_lab *lab = make_lab(&k, true);

	(void)state;
	check_ok(km_lab_disk(lab, &like, word));
	check_ok(km_lab_disk(lab, &like, word));
	check_ok(km_lab_net(lab, &like, "80"));
	check_error(km_lab_net(lab, &like, "81"), KM_USAGE, "a guest has one network");
	assert_string_equal(km_lab_step_at(lab, 2)->name, "mount /var");
	assert_true(lab_cpio_has(&lab->cpio, "etc/hosts"));
	job = job_of(lab);
	assert_string_equal(job,
			    "insmod|1||120.000|1|/lib/modules/6.1.0-toy/kernel/virtio_pci.ko|"
			    "insmod|1||120.000|1|/lib/modules/6.1.0-toy/kernel/virtio_blk.ko|"
			    "run|1||120.000|6|sh|-ec|mkdir -p \"$1\"; mount -t ext4 \"$2\" \"$1\"|sh|/var|/dev/vda|"
			    "run|1||120.000|6|sh|-ec|mkdir -p \"$1\"; mount -t ext4 \"$2\" \"$1\"|sh|/var|/dev/vdb|"
			    "insmod|1||120.000|1|/lib/modules/6.1.0-toy/kernel/virtio_net.ko|"
			    "run|1||120.000|5|sh|-ec|ip address add \"$1\" dev eth0; ip link set eth0 up|sh|10.0.2.15/24|");
	free(job);
	for (int i = 2; i < 8; i++)
		check_ok(km_lab_disk(lab, &like, word));
	check_error(km_lab_disk(lab, &like, word), KM_USAGE, "a guest has at most 8 disks");
	free(word);
	unmake(lab, &k);
}

static void steps_are_written_for_the_guest(void **state)
{
	struct lab_patch p = {.module = (char *)"fix", .guest = (char *)"/kmend/patches/fix.ko"};
	struct km_lab_step like = {.group = 1}, always = {.group = 2, .always = true, .name = "own name"};
	struct km_lab_kernel k;
	km_lab *lab = make_lab(&k, false);
	char *job;

	(void)state;
	km_strv_push(&p.functions, "vmlinux/f,1");
	lab_plan_load(lab, &p, &always, 2.5);
	lab_plan_patched(lab, &p, &like);
	lab_plan_unload(lab, &p, &like, 7);
	assert_int_equal(km_lab_step(lab, &(struct km_lab_step){.kind = KM_LAB_STOP, .name = "stop"}, NULL), 3);
	assert_string_equal(km_lab_step_at(lab, 0)->name, "own name");
	assert_string_equal(km_lab_step_at(lab, 2)->name, "unload");
	job = job_of(lab);
	assert_string_equal(job, "load|2|a|2.500|2|/kmend/patches/fix.ko|fix|patched|1||120.000|2|fix|vmlinux/f,1|"
				 "unload|1||7.000|1|fix|stop|0||120.000|0|");
	free(job);
	km_strv_free(&p.functions);
	unmake(lab, &k);
}

static void files_land_where_they_were_asked_for(void **state)
{
	static const struct {
		const char *word, *guest;
	} cases[] = {
		{"%s/in/one", "root/one"},	     {"%s/in/one:two", "root/two"}, {"%s/in/one:/etc/three", "etc/three"},
		{"%s/in/one:", "root/one"},	     {"%s/in", "root/in/sub/deep"}, {"%s/in/.", "root/in/one"},
		{"%s/in/link", "root/link"},	     {"%s/in/sub/..", "root/in/one"},
	};
	char *link = km_printf("%s/in/link", dir);

	(void)state;
	put("in/one", "1", 1);
	put("in/sub/deep", "2", 1);
	assert_int_equal(symlink("one", link), 0);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_lab_kernel k;
		km_lab *lab = make_lab(&k, false);
		char *word = km_printf("%s%s", dir, cases[i].word + 2);

		check_ok(km_lab_carry_word(lab, word));
		if (!lab_cpio_has(&lab->cpio, cases[i].guest))
			fail_msg("%s is not at %s", cases[i].word, cases[i].guest);
		free(word);
		unmake(lab, &k);
	}
	free(link);
}

static void what_cannot_be_carried_is_named(void **state)
{
	char *loop = km_printf("%s/loop", dir), *pipe = km_printf("%s/pipe", dir);
	struct km_lab_kernel k;
	km_lab *lab = make_lab(&k, false);

	(void)state;
	check_error(km_lab_carry(lab, "/nonexistent/x", NULL), KM_USAGE, "cannot carry /nonexistent/x: no such file");
	check_error(km_lab_carry(lab, "/nonexistent/x", "/y"), KM_ENV, "cannot carry /nonexistent/x");
	check_error(km_lab_carry(lab, "/", NULL), KM_USAGE, "cannot carry /");
	assert_int_equal(mkfifo(pipe, 0600), 0);
	check_error(km_lab_carry(lab, pipe, NULL), KM_USAGE, "is neither a file nor a directory");
	check_error(km_lab_carry(lab, pipe, "/a/../b"), KM_USAGE, "");
	check_ok(km_mkdirs(loop));
	free(pipe);
	pipe = km_printf("%s/again", loop);
	assert_int_equal(symlink("..", pipe), 0);
	assert_int_equal(unlink(pipe), 0);
	assert_int_equal(symlink(".", pipe), 0);
	check_error(km_lab_carry(lab, loop, NULL), KM_USAGE, "is nested too deeply to be carried");
	free(pipe);
	free(loop);
	unmake(lab, &k);
}

/* ---- the kernel to boot ---------------------------------------------------------------------------------- */

/* The part of a bzImage that names the release: see Documentation/arch/x86/boot.rst. */
static void put_vmlinuz(const char *path, const char *banner)
{
	uint8_t image[2048] = {0};
	uint16_t at = 0x300;

	memcpy(image + 0x202, "HdrS", 4);
	memcpy(image + 0x20e, &at, 2);
	strcpy((char *)image + 0x200 + at, banner);
	put(path, image, sizeof(image));
}

static void a_vmlinuz_names_its_release(void **state)
{
	static const struct {
		const char *banner, *release;
	} cases[] = {
		{"6.1.0-toy (toy@kmend) #1", "6.1.0-toy"},
		{"6.1.0-toy", "6.1.0-toy"},
		{"", NULL},
		{" 6.1", NULL},
	};
	char *path = km_path(dir, "vmlinuz");

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_lab_kernel k;

		put_vmlinuz("vmlinuz", cases[i].banner);
		if (!cases[i].release) {
			check_error(km_lab_kernel_files(path, NULL, &k), KM_INPUT, "is no x86 kernel image (bzImage)");
			continue;
		}
		check_ok(km_lab_kernel_files(path, dir, &k));
		assert_string_equal(k.release, cases[i].release);
		assert_string_equal(k.modules, dir);
		km_lab_kernel_free(&k);
		check_error(km_lab_kernel_files(path, path, &k), KM_USAGE, "vmlinuz is no directory");
	}
	put("vmlinuz", "short", 5);
	check_error(km_lab_kernel_files(path, NULL, &(struct km_lab_kernel){0}), KM_INPUT, "is no x86 kernel image");
	free(path);
}

static void kernels_are_found_in_the_cache(void **state)
{
	static const char id[] = "kernels/6.1.0-toy-0123456789ab";
	struct km_lab_kernel k;
	char *path;

	(void)state;
	setenv("KMEND_CACHE", dir, 1);
	path = km_printf("%s/image/boot/vmlinuz-6.1.0-toy", id);
	put_vmlinuz(path, "6.1.0-toy");
	free(path);
	path = km_printf("%s/image/lib/modules/6.1.0-toy/x.ko", id);
	put(path, "", 0);
	free(path);
	check_error(km_lab_kernel_find("6.1.0-toy", NULL, &k), KM_ENV, "the kernel 6.1.0-toy is neither prepared nor installed");
	path = km_printf("%s/ready", id);
	put(path, "", 0);
	free(path);
	check_ok(km_lab_kernel_find("6.1.0-toy", "", &k));
	assert_true(km_ends(k.vmlinuz, "image/boot/vmlinuz-6.1.0-toy"));
	assert_true(km_ends(k.modules, "image/lib/modules/6.1.0-toy"));
	km_lab_kernel_free(&k);
	check_error(km_lab_kernel_find("6.1.0-to", NULL, &k), KM_ENV, "the kernel 6.1.0-to is neither");
	check_error(km_lab_kernel_find("6.1.0-toy", "abcd", &k), KM_ENV, "no prepared or installed kernel 6.1.0-toy has the build-id");
	unsetenv("KMEND_CACHE");
}

static void last_lines_are_safe_to_print(void **state)
{
	static const struct {
		const char *output, *line;
	} cases[] = {
		{"one\ntwo\n", "two"}, {"one\n\n  \n", "one"}, {"", ""}, {"\n", ""}, {"a\033[1mb", "a?[1mb"}, {"x", "x"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_str s = {0};
		char *line;

		km_str_add(&s, cases[i].output);
		line = lab_last_line(&s);
		assert_string_equal(line, cases[i].line);
		free(line);
		km_str_free(&s);
	}
}

static void a_module_that_is_no_patch_is_not_taken(void **state)
{
	char *low = km_path(dir, "lib/kernel/fs/low.ko"), *broken = km_path(dir, "lib/kernel/broken.ko");
	struct lab_patch p;

	(void)state;
	PUT_MODULE("fs/patch.ko", "name=patch\0livepatch=Y\0vermagic=6.1.0-toy SMP");
	check_error(lab_patch_read(low, &p), KM_INPUT, "low.ko");
	check_error(lab_patch_read(broken, &p), KM_INPUT, "broken.ko");
	check_error(lab_patch_read("/nonexistent/p.ko", &p), KM_ENV, "/nonexistent/p.ko");
	free(low);
	free(broken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modules_take_along_what_they_need, begin, end),
		cmocka_unit_test_setup_teardown(modules_that_cannot_be_had_are_named, begin, end),
		cmocka_unit_test_setup_teardown(a_module_is_a_step_for_each_it_needs, begin, end),
		cmocka_unit_test_setup_teardown(disks_and_networks_are_steps_too, begin, end),
		cmocka_unit_test_setup_teardown(steps_are_written_for_the_guest, begin, end),
		cmocka_unit_test_setup_teardown(files_land_where_they_were_asked_for, begin, end),
		cmocka_unit_test_setup_teardown(what_cannot_be_carried_is_named, begin, end),
		cmocka_unit_test_setup_teardown(a_vmlinuz_names_its_release, begin, end),
		cmocka_unit_test_setup_teardown(kernels_are_found_in_the_cache, begin, end),
		cmocka_unit_test_setup_teardown(last_lines_are_safe_to_print, begin, end),
		cmocka_unit_test_setup_teardown(a_module_that_is_no_patch_is_not_taken, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
