/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content.h"
#include "internal.h"

enum { DISK_DEFAULT = 64 << 20, DISK_MIN = 1 << 20, FORMAT_SECONDS = 120 };
#define DISK_MAX ((uint64_t)1 << 40)

void lab_devices_free(struct lab_devices *d)
{
	km_strv_free(&d->disks);
	km_vec_free(&d->ports);
	free(d->busybox);
	d->busybox = NULL;
}

/* ---- QEMU's words ---------------------------------------------------------------------------------------- */

/* In a value of a list of values a comma stands for itself when it is doubled. */
static char *escaped(const char *text)
{
	km_str s = {0};

	km_str_add(&s, "");
	for (; *text; text++)
		km_str_addn(&s, *text == ',' ? ",," : text, *text == ',' ? 2 : 1);
	return s.at;
}

/* What a disk is told to flush is in the page cache at the latest when the guest goes on: that outlives QEMU, however that ends,
 * and costs nothing. Only this machine's own crash would be another matter. */
static void disk_args(const char *file, size_t i, km_strv *ret)
{
	KM_AUTOFREE char *name = escaped(file);

	km_strv_push(ret, "-drive");
	km_strv_printf(ret, "if=none,id=disk%zu,format=raw,cache=unsafe,file=%s", i, name);
	km_strv_push(ret, "-device");
	km_strv_printf(ret, "virtio-blk-pci,drive=disk%zu", i);
}

/* restrict=on drops all but the forwarded ports, each connection to which is a program's standard input and output. */
static void net_args(const struct lab_devices *d, km_strv *ret)
{
	KM_AUTOFREE char *busybox = escaped(d->busybox);
	km_str net = {0};

	km_str_add(&net, "user,id=net,restrict=on,ipv6=off");
	for (size_t i = 0; i < d->ports.n; i++)
		km_str_printf(&net, ",guestfwd=tcp:" LAB_NET_HOST ":%u-cmd:sh -c '\"$0\" nc 127.0.0.1 %u 2>/dev/null' '%s'",
			      d->ports.at[i], d->ports.at[i], busybox);
	km_strv_push(ret, "-netdev");
	km_strv_push(ret, net.at);
	km_strv_push(ret, "-device");
	km_strv_push(ret, "virtio-net-pci,netdev=net,romfile=");
	km_str_free(&net);
}

void lab_devices_args(const struct lab_devices *d, km_strv *ret)
{
	for (size_t i = 0; i < d->disks.n; i++)
		disk_args(d->disks.at[i], i, ret);
	if (d->busybox)
		net_args(d, ret);
}

/* ---- words of the user ----------------------------------------------------------------------------------- */

km_error *lab_ports_parse(const char *text, struct lab_devices *d)
{
	for (const char *p = text; p;) {
		char *end;
		unsigned long port = strtoul(p, &end, 10);

		if (*p < '0' || *p > '9' || (*end && *end != ',') || !port || port > 65535)
			return km_error_new(KM_USAGE, "'%s' is no list of ports, as 8080,9090 is", text);
		if (d->ports.n == LAB_PORTS)
			return km_error_new(KM_USAGE, "a guest reaches at most %d ports", LAB_PORTS);
		km_vec_push(&d->ports, port);
		p = *end ? end + 1 : NULL;
	}
	return NULL;
}

/* Bytes, or a number with K, M or G behind it; 0 for anything else. */
static uint64_t parse_size(const char *text)
{
	static const char units[] = "KMG";
	const char *unit;
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	uint64_t factor = 1;

	if (*text < '0' || *text > '9' || n > DISK_MAX)
		return 0;
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		factor = (uint64_t)1 << 10 * (unit - units + 1);
		end++;
	}
	return *end || n > DISK_MAX / factor ? 0 : n * factor;
}

km_error *lab_disk_parse(const char *word, struct lab_disk *ret)
{
	const char *at = strchr(word, ':'), *size = at ? strchr(at + 1, ':') : NULL;
	uint64_t bytes = size ? parse_size(size + 1) : 0;

	if (!at || at == word || at[1] != '/')
		return km_error_new(KM_USAGE, "'%s' is not FILE:GUESTPATH[:SIZE], with an absolute GUESTPATH", word);
	if (size && bytes < DISK_MIN)
		return km_error_new(KM_USAGE, "'%s' is no size of a disk: from 1M to 1024G", size + 1);
	*ret = (struct lab_disk){
		.file = km_strndup(word, at - word),
		.at = size ? km_strndup(at + 1, size - at - 1) : km_strdup(at + 1),
		.size = bytes,
	};
	return NULL;
}

void lab_disk_free(struct lab_disk *disk)
{
	free(disk->file);
	free(disk->at);
	*disk = (struct lab_disk){0};
}

/* ---- images ---------------------------------------------------------------------------------------------- */

static km_error *format(const char *path, uint64_t size)
{
	/* Reserved blocks and a lazily written inode table are for big disks; the guest would go on writing the latter. */
	char *const argv[] = {"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", (char *)path, NULL};
	KM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	km_error *err;

	if (fd < 0 || ftruncate(fd, size))
		return km_error_sys(errno, "cannot make the disk %s", path);
	err = km_run_ok(&(struct km_cmd){.argv = argv, .timeout = FORMAT_SECONDS}, NULL);
	return err ? km_error_hint(km_error_add(err, "cannot format the disk %s", path), "apt install e2fsprogs") : NULL;
}

km_error *lab_disk_make(const struct lab_disk *disk)
{
	KM_AUTOFREE char *part = km_printf("%s.part.%d", disk->file, (int)getpid());
	struct stat st;
	km_error *err;

	if (!stat(disk->file, &st))
		return S_ISREG(st.st_mode) ? NULL : km_error_new(KM_USAGE, "the disk %s is no regular file", disk->file);
	if (errno != ENOENT)
		return km_error_sys(errno, "cannot use the disk %s", disk->file);
	err = format(part, disk->size ? disk->size : DISK_DEFAULT);
	if (!err && rename(part, disk->file))
		err = km_error_sys(errno, "cannot make the disk %s", disk->file);
	if (err)
		unlink(part);
	return err;
}

/* ---- a lab's ---------------------------------------------------------------------------------------------- */

static km_error *insert(km_lab *lab, const struct km_lab_step *like, const char *name)
{
	return km_lab_has_module(lab, name) ? km_lab_module(lab, like, name) : NULL; /* else it is built in, or missed later */
}

/* The bus, once, and the driver. */
static km_error *drive(km_lab *lab, const struct km_lab_step *like, const char *driver)
{
	if (!km_strv_has(&lab->carried, "virtio_pci"))
		KM_TRY(insert(lab, like, "virtio_pci"));
	return km_strv_has(&lab->carried, driver) ? NULL : insert(lab, like, driver);
}

static void shell_step(km_lab *lab, const struct km_lab_step *like, const char *name, const char *script, const char *a,
		       const char *b)
{
	struct km_lab_step step = *like;

	step.kind = KM_LAB_RUN;
	step.name = name;
	km_lab_step(lab, &step, (const char *const[]){"sh", "-ec", script, "sh", a, b, NULL});
}

km_error *km_lab_disk(km_lab *lab, const struct km_lab_step *like, const char *word)
{
	KM_CLEANUP(lab_disk_free) struct lab_disk disk = {0};
	KM_AUTOFREE char *device = km_printf("/dev/vd%c", (int)('a' + lab->devices.disks.n));
	KM_AUTOFREE char *name = NULL;

	if (lab->devices.disks.n == LAB_DISKS)
		return km_error_new(KM_USAGE, "a guest has at most %d disks", LAB_DISKS);
	KM_TRY(lab_disk_parse(word, &disk));
	KM_TRY(lab_disk_make(&disk));
	KM_TRY(drive(lab, like, "virtio_blk"));
	km_strv_push(&lab->devices.disks, disk.file);
	name = km_printf("mount %s", disk.at);
	shell_step(lab, like, name, "mkdir -p \"$1\"; mount -t ext4 \"$2\" \"$1\"", disk.at, device);
	return NULL;
}

km_error *km_lab_net(km_lab *lab, const struct km_lab_step *like, const char *ports)
{
	static const char hosts[] = "127.0.0.1 localhost\n" LAB_NET_HOST " host\n", order[] = "hosts: files\n";

	if (lab->devices.busybox)
		return km_error_new(KM_USAGE, "a guest has one network");
	KM_TRY(lab_ports_parse(ports, &lab->devices));
	KM_TRY(lab_content_busybox(&lab->devices.busybox));
	KM_TRY(drive(lab, like, "virtio_net"));
	km_lab_carry_bytes(lab, "/etc/hosts", 0644, hosts, sizeof(hosts) - 1);
	km_lab_carry_bytes(lab, "/etc/nsswitch.conf", 0644, order, sizeof(order) - 1);
	shell_step(lab, like, "network", "ip address add \"$1\" dev eth0; ip link set eth0 up", LAB_NET_GUEST "/24", NULL);
	return NULL;
}
