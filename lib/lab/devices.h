/* SPDX-License-Identifier: GPL-2.0-or-later */
/* devices.h - what a guest has beyond memory and serial lines: disks, and a network that ends at this machine's loopback. */
#ifndef LAB_DEVICES_H
#define LAB_DEVICES_H

#include <kmend/base.h>

/* The guest's side of the network; LAB_NET_HOST is this machine. Other addresses of 10.0.2.0/24 lead nowhere. */
#define LAB_NET_GUEST "10.0.2.15"
#define LAB_NET_HOST  "10.0.2.100"
enum { LAB_DISKS = 8, LAB_PORTS = 16 };

struct lab_devices {
	km_strv disks; /* image files; the i-th is /dev/vd<'a' + i> */
	km_vec(unsigned) ports;
	char *busybox; /* carries a connection's bytes to the loopback; NULL: no network */
};
/* Frees the lists; *d is empty. */
void lab_devices_free(struct lab_devices *d);
/* Appends QEMU's words for them. */
void lab_devices_args(const struct lab_devices *d, km_strv *ret);
/* "8080,9090" into ports, which must be empty. KM_USAGE. */
KM_CHECKED km_error *lab_ports_parse(const char *text, struct lab_devices *d);

/* "FILE:GUESTPATH[:SIZE]"; for lab_disk_free(). size 0: not said. KM_USAGE. */
struct lab_disk {
	char *file, *at;
	uint64_t size;
};
KM_CHECKED km_error *lab_disk_parse(const char *word, struct lab_disk *ret);
void lab_disk_free(struct lab_disk *disk);
/* Makes the image, sparse and with an ext4 in it, unless there is a file already; whole or not at all. */
KM_CHECKED km_error *lab_disk_make(const struct lab_disk *disk);

#endif
