/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu.h - the emulator's process: its command line, its two serial lines, its end. */
#ifndef LAB_QEMU_H
#define LAB_QEMU_H

#include <kmend/lab.h>

#include "devices.h"

struct lab_qemu_spec {
	const char *vmlinuz;
	int initrd, log, result; /* descriptors as the child has them: a file, two sockets */
	unsigned smp, memory;
	unsigned tsc_khz;   /* of an emulated guest; 0: it finds out by itself */
	const char *append; /* or NULL */
	int64_t date;	    /* seconds since 1970 that the guest's clock begins with; 0: this machine's */
	const struct lab_devices *devices; /* or NULL */
	bool kvm, panic_on_warn, boot_log;
	bool one_thread; /* of the emulator, for all CPUs; without kvm */
	bool icount;	 /* an instruction takes a nanosecond of the guest's time; without kvm */
};
/* Appends the words of the command line. */
void lab_qemu_args(const struct lab_qemu_spec *spec, km_strv *ret);
/* A /dev/kvm that opens is not enough: CPUs without vmx and svm have been seen with one that fails later. */
bool lab_qemu_kvm(void);
/* What lab_qemu_kvm() looks at: the text of /proc/cpuinfo. */
bool lab_cpu_virtualizes(const char *cpuinfo);
/* Whether the QEMU that says this of its version (`--version`) may go on with stale code when one CPU runs text that another one changes: all
 * before 8.1, and what cannot be told. */
bool lab_qemu_stale(const char *version);

/* Of this machine, measured in 20 ms; 0 when it cannot be told. */
unsigned lab_tsc_khz(void);

struct lab_qemu {
	pid_t pid; /* 0: none */
	int log, result, err;
	bool kvm;
};
/* initrd is a descriptor of the caller's. KM_ENV when there is no QEMU. */
KM_CHECKED km_error *lab_qemu_start(const char *vmlinuz, int initrd, const struct lab_devices *devices,
				    const struct km_lab_options *o, struct lab_qemu *ret);
/* Kills it if it runs. */
void lab_qemu_end(struct lab_qemu *q);

#endif
