/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "content.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"

enum { CARRY_DEPTH = 40 };

/* ---- programs of the host -------------------------------------------------------------------------------- */

/* Where a build tree or a copied installation has a program of ours, seen from this executable; then where it was
 * installed to. */
static char *own_program(const char *name)
{
	static const char *const beside[] = {"", "../lab/", "../../lab/", "../libexec/kmend/"};
	const char *env = getenv("KMEND_LIBEXECDIR");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash, *path;

	if (env && *env)
		return km_path(env, name);
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < KM_COUNT(beside); i++) {
		path = km_printf("%.*s/%s%s", (int)(slash - self), self, beside[i], name);
		if (km_exists(path) && !km_is_dir(path))
			return path;
		free(path);
	}
	return km_path(KMEND_LIBEXECDIR, name);
}

static km_error *add_program(struct lab_cpio *c, const char *name, const char *guest)
{
	KM_AUTOFREE char *path = own_program(name);
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t n;
	km_error *err = km_file_read(path, &bytes, &n);

	if (err)
		return km_error_add(err, "the lab needs its program %s", name);
	return lab_cpio_file(c, guest, 0755, bytes, n);
}

/* ---- libraries ------------------------------------------------------------------------------------------- */

/* Lines: "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)", "\t/lib64/ld-linux-x86-64.so.2 (0x…)",
 * "\tlinux-vdso.so.1 (0x…)", "\tlibfoo.so => not found". */
km_error *lab_content_libraries(const char *program, const char *text, km_strv *ret)
{
	for (const char *line = text; *line;) {
		size_t width = strcspn(line, "\n");
		KM_AUTOFREE char *s = km_strndup(line, width);
		char *arrow = strstr(s, " => "), *path = arrow ? arrow + 4 : s + strspn(s, " \t");

		line += width + (line[width] == '\n');
		if (arrow && km_starts(path, "not found")) {
			*arrow = '\0';
			return km_error_new(KM_ENV, "%s needs the library %s, which this machine does not have",
					    program, s + strspn(s, " \t"));
		}
		path[strcspn(path, " ")] = '\0';
		if (*path == '/' && !km_strv_has(ret, path))
			km_strv_push(ret, path);
	}
	return NULL;
}

/* An ELF program or library of this machine that the dynamic loader would have to load. */
static bool is_dynamic(const uint8_t *bytes, size_t n)
{
	km_cursor c = km_cursor_of(bytes, n);
	uint64_t at;
	unsigned count, size;

	if (n < sizeof(Elf64_Ehdr) || memcmp(bytes, ELFMAG, SELFMAG) || bytes[EI_CLASS] != ELFCLASS64)
		return false;
	km_seek(&c, offsetof(Elf64_Ehdr, e_phoff));
	at = km_get64(&c);
	km_seek(&c, offsetof(Elf64_Ehdr, e_phentsize));
	size = km_get16(&c);
	count = km_get16(&c);
	for (unsigned i = 0; i < count && size >= sizeof(Elf64_Phdr); i++) {
		km_seek(&c, at + (uint64_t)i * size);
		if (km_get32(&c) == PT_DYNAMIC && !c.failed)
			return true;
	}
	return false;
}

static km_error *carry(struct lab_cpio *c, const char *path, const char *guest, unsigned depth);

static km_error *carry_libraries(struct lab_cpio *c, const char *path, unsigned depth)
{
	char *const argv[] = {"ldd", (char *)path, NULL};
	km_strv libraries = {0};
	struct km_done done;
	km_error *err;

	KM_TRY(km_run(&(struct km_cmd){.argv = argv, .timeout = 30}, &done));
	/* A non-zero status is ldd's word for "not a dynamic executable", as a static-pie program is. */
	err = done.status ? NULL : lab_content_libraries(path, done.out, &libraries);
	for (size_t i = 0; i < libraries.n && !err; i++)
		if (!lab_cpio_has(c, libraries.at[i]))
			err = carry(c, libraries.at[i], libraries.at[i], depth + 1);
	km_strv_free(&libraries);
	km_done_free(&done);
	return err;
}

/* ---- what is carried ------------------------------------------------------------------------------------- */

static km_error *carry_dir(struct lab_cpio *c, const char *path, const char *guest, unsigned depth)
{
	km_strv names = {0};
	km_error *err = lab_cpio_dir(c, guest);

	if (!err)
		err = km_listdir(path, &names);
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *from = km_path(path, names.at[i]);
		KM_AUTOFREE char *to = km_path(guest, names.at[i]);

		err = carry(c, from, to, depth + 1);
	}
	km_strv_free(&names);
	return err;
}

static km_error *carry_file(struct lab_cpio *c, const char *path, const char *guest, unsigned mode, unsigned depth)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t n;

	KM_TRY(km_file_read(path, &bytes, &n));
	KM_TRY(lab_cpio_file(c, guest, mode, bytes, n));
	return is_dynamic(bytes, n) ? carry_libraries(c, path, depth) : NULL;
}

static km_error *carry(struct lab_cpio *c, const char *path, const char *guest, unsigned depth)
{
	struct stat st;

	if (depth > CARRY_DEPTH)
		return km_error_new(KM_USAGE, "%s is nested too deeply to be carried", path);
	if (stat(path, &st))
		return km_error_sys(errno, "cannot carry %s", path);
	if (S_ISDIR(st.st_mode))
		return carry_dir(c, path, guest, depth);
	if (!S_ISREG(st.st_mode))
		return km_error_new(KM_USAGE, "%s is neither a file nor a directory", path);
	return carry_file(c, path, guest, st.st_mode, depth);
}

km_error *lab_content_carry(struct lab_cpio *c, const char *path, const char *guest)
{
	return carry(c, path, guest, 0);
}

/* ---- the base -------------------------------------------------------------------------------------------- */

km_error *lab_content_busybox(char **ret)
{
	static const char *const places[] = {"/bin/busybox", "/usr/bin/busybox", "/sbin/busybox",
					     "/usr/lib/initramfs-tools/bin/busybox"};

	for (size_t i = 0; i < KM_COUNT(places); i++) {
		if (!access(places[i], X_OK)) {
			*ret = km_strdup(places[i]);
			return NULL;
		}
	}
	return km_error_hint(km_error_new(KM_ENV, "the lab needs busybox"), "apt install busybox-static");
}

static km_error *add_applets(struct lab_cpio *c, const char *busybox)
{
	char *const argv[] = {(char *)busybox, "--list", NULL};
	km_error *err = NULL;
	struct km_done done;

	KM_TRY(km_run_ok(&(struct km_cmd){.argv = argv, .timeout = 30}, &done));
	for (char *save = NULL, *name = strtok_r(done.out, "\n", &save); name && !err;
	     name = strtok_r(NULL, "\n", &save)) {
		KM_AUTOFREE char *link = km_printf("bin/%s", name);

		err = lab_cpio_symlink(c, link, "/bin/busybox");
	}
	km_done_free(&done);
	return err;
}

static km_error *add_busybox(struct lab_cpio *c)
{
	KM_AUTOFREE char *path = NULL;
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t n;

	KM_TRY(lab_content_busybox(&path));
	KM_TRY(km_file_read(path, &bytes, &n));
	KM_TRY(lab_cpio_file(c, "bin/busybox", 0755, bytes, n));
	if (is_dynamic(bytes, n))
		KM_TRY(carry_libraries(c, path, 0));
	return add_applets(c, path);
}

km_error *lab_content_skeleton(struct lab_cpio *c)
{
	static const char *const dirs[] = {"bin", "dev", "etc",	    "proc",   "run",	  "sys",
					   "tmp", "usr", "var/tmp", LAB_HOME, LAB_BIN_DIR};

	for (size_t i = 0; i < KM_COUNT(dirs); i++)
		KM_TRY(lab_cpio_dir(c, dirs[i]));
	/* One directory of programs under all its names. */
	KM_TRY(lab_cpio_symlink(c, "sbin", "bin"));
	KM_TRY(lab_cpio_symlink(c, "usr/bin", "../bin"));
	KM_TRY(lab_cpio_symlink(c, "usr/sbin", "../bin"));
	/* For the kernel itself, before devtmpfs is there. */
	return lab_cpio_device(c, "dev/console", 0600, 5, 1);
}

km_error *lab_content_programs(struct lab_cpio *c)
{
	static const char passwd[] = "root:x:0:0:root:" LAB_HOME ":/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n";
	static const char group[] = "root:x:0:\nnogroup:x:65534:\n";

	KM_TRY(lab_cpio_file(c, "etc/passwd", 0644, passwd, sizeof(passwd) - 1));
	KM_TRY(lab_cpio_file(c, "etc/group", 0644, group, sizeof(group) - 1));
	KM_TRY(add_program(c, "kmend-lab-init", "init"));
	KM_TRY(add_program(c, "kmend-workload", LAB_BIN_DIR "/kmend-workload"));
	return add_busybox(c);
}
