/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last files of a lab, and the whole as a descriptor that QEMU can open. */
#include "initramfs.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "content.h"
#include "job.h"

/* "kernel/a.ko: kernel/b.ko …", for `modprobe` in the guest: names of one directory that busybox and kmod
 * understand. */
static km_error *add_dep(struct km_lab *lab)
{
	KM_AUTOFREE char *path = km_printf("/lib/modules/%s/modules.dep", lab->kernel->release);
	km_error *err = NULL;
	km_str text = {0};

	for (size_t i = 0; i < lab->carried.n && !err; i++) {
		km_strv closure = {0};

		err = lab_modules_closure(lab->modules, lab->carried.at[i], &closure);
		km_str_printf(&text, "kernel/%s.ko:", lab->carried.at[i]);
		for (size_t j = closure.n; j-- > 1;) /* the last is the module itself; nearest first */
			km_str_printf(&text, " kernel/%s.ko", closure.at[j - 1]);
		km_str_add(&text, "\n");
		km_strv_free(&closure);
	}
	if (!err)
		err = lab_cpio_file(&lab->cpio, path, 0644, text.at, text.n);
	km_str_free(&text);
	return err;
}

static km_error *add_job(struct km_lab *lab)
{
	km_str job = {0};
	km_error *err;

	km_str_addn(&job, LAB_JOB_MAGIC, sizeof(LAB_JOB_MAGIC));
	km_str_addn(&job, LAB_JOB_VERSION, sizeof(LAB_JOB_VERSION));
	if (lab->job.n)
		km_str_addn(&job, lab->job.at, lab->job.n);
	err = lab_cpio_file(&lab->cpio, LAB_JOB_PATH, 0644, job.at, job.n);
	km_str_free(&job);
	return err;
}

static km_error *write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return km_error_sys(errno, "cannot write the guest's initramfs");
		bytes += done;
		n -= done;
	}
	return NULL;
}

km_error *lab_initramfs(struct km_lab *lab, int *fd)
{
	int memory;
	km_error *err;

	KM_TRY(add_job(lab));
	KM_TRY(add_dep(lab));
	KM_TRY(lab_content_programs(&lab->cpio));
	lab_cpio_end(&lab->cpio);
	memory = memfd_create("kmend-lab", MFD_CLOEXEC);
	if (memory < 0)
		return km_error_sys(errno, "cannot make memory for the guest's initramfs");
	err = write_all(memory, lab->cpio.bytes.at, lab->cpio.bytes.n);
	km_str_free(&lab->cpio.bytes);
	if (err) {
		close(memory);
		return err;
	}
	*fd = memory;
	return NULL;
}
