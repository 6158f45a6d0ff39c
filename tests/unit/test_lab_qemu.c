/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <unistd.h>

#include "../../lib/lab/content.h"
#include "../../lib/lab/modules.h"
#include "../../lib/lab/qemu.h"

static const struct {
	const char *cpuinfo;
	bool yes;
} cpus[] = {
	{"processor\t: 0\nflags\t\t: fpu vmx sse\n", true},
	{"processor\t: 0\nflags\t\t: fpu sse svm\n", true},
	{"processor\t: 0\nflags\t\t: svm\nbugs\t\t: none\n", true},
	{"processor\t: 0\nflags\t\t: fpu sse\nvmx flags\t: vnmi\n", false},
	{"processor\t: 0\nflags\t\t: fpu vmxnot xsvm svm_lock\n", false},
	{"processor\t: 0\nmodel name\t: vmx svm\nflags\t\t: fpu\n", false},
	{"", false},
};

static void test_kvm(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(cpus); i++)
		if (lab_cpu_virtualizes(cpus[i].cpuinfo) != cpus[i].yes)
			fail_msg("case %zu", i);
}

static const struct {
	const char *version;
	bool stale;
} versions[] = {
	{"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright", true},
	{"QEMU emulator version 8.0.5\n", true},
	{"QEMU emulator version 8.1.0\n", false},
	{"QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n", false},
	{"QEMU emulator version nine\n", true},
	{"", true},
};

static void test_stale(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(versions); i++)
		if (lab_qemu_stale(versions[i].version) != versions[i].stale)
			fail_msg("case %zu", i);
}

static char *one_disk[] = {(char *)"/d"}, *two_disks[] = {(char *)"/a,b", (char *)"c"};
static unsigned ports[] = {80, 9090};
static const struct lab_devices no_devices, disk = {.disks = {one_disk, 1, 1}}, disks = {.disks = {two_disks, 2, 2}},
			       net = {.ports = {ports, 2, 2}, .busybox = (char *)"/bin/busybox"},
			       closed_net = {.busybox = (char *)"/bin/busybox"};

static const struct {
	struct lab_qemu_spec spec;
	const char *has, *has_not; /* of the words joined by '|' */
} args[] = {
	{{.vmlinuz = "/k", .smp = 2, .memory = 512},
	 "|-accel|tcg,thread=multi|-cpu|max|-smp|2|-m|512M|-kernel|/k|",
	 "kvm"},
	{{.vmlinuz = "/k", .smp = 1, .icount = true}, "|-accel|tcg,thread=single|-icount|shift=0,sleep=off|", "multi"},
	{{.vmlinuz = "/k", .smp = 4, .one_thread = true}, "|-accel|tcg,thread=single|-cpu|max|-smp|4|", "icount"},
	{{.vmlinuz = "/k", .smp = 1, .tsc_khz = 5}, "|-accel|tcg,thread=multi|-cpu|", "icount"},
	{{.vmlinuz = "/k", .smp = 8, .memory = 64, .kvm = true}, "|-accel|kvm|-cpu|host|-smp|8|-m|64M|", "tcg"},
	{{.vmlinuz = "/k", .initrd = 9, .log = 10, .result = 11},
	 "|-initrd|/proc/self/fd/9|-chardev|socket,id=log,fd=10|-serial|chardev:log|",
	 "net"},
	{{.vmlinuz = "/k", .result = 11}, "|-chardev|socket,id=result,fd=11|-serial|chardev:result|", "nokaslr"},
	{{.vmlinuz = "/k"}, " quiet panic=-1 oops=panic ", "panic_on_warn"},
	{{.vmlinuz = "/k", .panic_on_warn = true}, " panic_on_warn=1", "loglevel"},
	{{.vmlinuz = "/k", .boot_log = true}, " loglevel=8 ", "quiet"},
	{{.vmlinuz = "/k", .tsc_khz = 2600000}, " tsc_early_khz=2600000", "zzz"},
	{{.vmlinuz = "/k", .tsc_khz = 2600000, .kvm = true}, "-append|console=ttyS0", "tsc"},
	{{.vmlinuz = "/k", .append = "a=1 b"}, " a=1 b|", "zzz"},
	{{.vmlinuz = "/k"}, "|-no-reboot|", "(null)"},
	{{.vmlinuz = "/k", .devices = &no_devices}, "|-append|", "-device"},
	{{.vmlinuz = "/k"}, "|-append|", "-rtc"},
	{{.vmlinuz = "/k", .date = 1798761845}, "|-rtc|base=2027-01-01T00:04:05|", "localtime"},
	{{.vmlinuz = "/k", .devices = &disk},
	 "|-drive|if=none,id=disk0,format=raw,cache=unsafe,file=/d|-device|virtio-blk-pci,drive=disk0|",
	 "net"},
	{{.vmlinuz = "/k", .devices = &disks}, ",file=/a,,b|-device|virtio-blk-pci,drive=disk0|-drive|if=none,id=disk1,", "disk2"},
	{{.vmlinuz = "/k", .devices = &net},
	 "|-netdev|user,id=net,restrict=on,ipv6=off,guestfwd=tcp:10.0.2.100:80-cmd:sh -c '\"$0\" nc 127.0.0.1 80 2>/dev/null' "
	 "'/bin/busybox',guestfwd=tcp:10.0.2.100:9090-cmd:",
	 "-drive"},
	{{.vmlinuz = "/k", .devices = &closed_net}, "restrict=on,ipv6=off|-device|virtio-net-pci,netdev=net,romfile=|", "guestfwd"},
};

static void test_args(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(args); i++) {
		km_strv words = {0};
		km_str line = {0};

		lab_qemu_args(&args[i].spec, &words);
		for (size_t j = 0; j < words.n; j++)
			km_str_printf(&line, "%s|", words.at[j]);
		if (!strstr(line.at, args[i].has) || strstr(line.at, args[i].has_not))
			fail_msg("case %zu: %s", i, line.at);
		km_str_free(&line);
		km_strv_free(&words);
	}
}

static void test_ports(void **state)
{
	static const char *const wrong[] = {"", "0", "65536", "80,", ",80", "80;81", "-1", " 80", "0x50", "80 ", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
	struct lab_devices d = {0};

	(void)state;
	check_ok(lab_ports_parse("80,65535", &d));
	assert_int_equal(d.ports.n, 2);
	assert_int_equal(d.ports.at[1], 65535);
	lab_devices_free(&d);
	for (size_t i = 0; i < KM_COUNT(wrong); i++) {
		check_error(lab_ports_parse(wrong[i], &d), KM_USAGE, "ports");
		lab_devices_free(&d);
	}
}

static const struct {
	const char *word, *file, *at;
	uint64_t size;
} disk_words[] = {
	{"a.img:/var", "a.img", "/var", 0},
	{"/x/a:/v:16M", "/x/a", "/v", 16 << 20},
	{"a:/:1G", "a", "/", 1 << 30},
	{"a:/v:1024K", "a", "/v", 1 << 20},
	{"a:/v:1048577", "a", "/v", (1 << 20) + 1},
	{"a:/v:1024G", "a", "/v", (uint64_t)1 << 40},
	{"a", NULL, "is not FILE:GUESTPATH", 0},
	{":/v", NULL, "is not FILE:GUESTPATH", 0},
	{"a:v", NULL, "is not FILE:GUESTPATH", 0},
	{"a:/v:", NULL, "is no size", 0},
	{"a:/v:1023K", NULL, "is no size", 0},
	{"a:/v:1025G", NULL, "is no size", 0},
	{"a:/v:18446744073709551617G", NULL, "is no size", 0},
	{"a:/v:16X", NULL, "is no size", 0},
	{"a:/v:16MB", NULL, "is no size", 0},
	{"a:/v:-16M", NULL, "is no size", 0},
};

static void test_disk_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(disk_words); i++) {
		struct lab_disk d = {0};

		if (!disk_words[i].file) {
			check_error(lab_disk_parse(disk_words[i].word, &d), KM_USAGE, disk_words[i].at);
			continue;
		}
		check_ok(lab_disk_parse(disk_words[i].word, &d));
		assert_string_equal(d.file, disk_words[i].file);
		assert_string_equal(d.at, disk_words[i].at);
		assert_int_equal(d.size, disk_words[i].size);
		lab_disk_free(&d);
	}
}

/* The superblock's magic, 0xef53 at 1080. */
static bool has_ext4(const char *path, size_t size)
{
	uint8_t *bytes;
	size_t n;
	bool yes;

	check_ok(km_file_read(path, &bytes, &n));
	yes = n == size && bytes[1080] == 0x53 && bytes[1081] == 0xef;
	free(bytes);
	return yes;
}

static void test_disks_are_made_once(void **state)
{
	char *dir = check_dir(), *file = km_path(dir, "disk"), *old_path = km_strdup(getenv("PATH"));
	struct lab_disk d = {.file = file, .at = (char *)"/v", .size = 2 << 20}, in_dir = {.file = dir, .at = (char *)"/v"};
	char sum[KM_SHA256_HEX];
	km_strv names = {0};

	(void)state;
	check_ok(lab_disk_make(&d));
	assert_true(has_ext4(file, 2 << 20));
	check_ok(km_file_write(file, "mine", 4));
	check_ok(lab_disk_make(&d)); /* what is there stays */
	check_ok(km_sha256_file(file, sum));
	assert_string_equal(sum, "3fd30542fe3f61b14bd4a4b2dc0b6fb30fa6f63ebce52dd1778aaa8c4dc02cff");
	check_error(lab_disk_make(&in_dir), KM_USAGE, "is no regular file");
	assert_int_equal(unlink(file), 0);
	setenv("PATH", dir, 1); /* no mkfs.ext4 there */
	check_error(lab_disk_make(&d), KM_ENV, "cannot format the disk");
	setenv("PATH", old_path, 1);
	check_ok(km_listdir(dir, &names));
	assert_int_equal(names.n, 0); /* nothing half-made */
	d.file = (char *)"/nonexistent/disk";
	check_error(lab_disk_make(&d), KM_ENV, "cannot make the disk /nonexistent/disk");
	check_dir_end(dir);
	free(file);
	free(old_path);
}

static void test_libraries(void **state)
{
	static const char text[] =
		"\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n"
		"\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n"
		"\tstatically linked\n";
	km_strv libraries = {0};
	km_error *err = lab_content_libraries("prog", text, &libraries);

	(void)state;
	assert_null(err);
	assert_int_equal(libraries.n, 2);
	assert_string_equal(libraries.at[0], "/lib/x86_64-linux-gnu/libc.so.6");
	assert_string_equal(libraries.at[1], "/lib64/ld-linux-x86-64.so.2");
	err = lab_content_libraries("prog", "\tlibfoo.so.1 => not found\n", &libraries);
	assert_non_null(err);
	assert_string_equal(err->message, "prog needs the library libfoo.so.1, which this machine does not have");
	km_error_free(err);
	km_strv_free(&libraries);
}

static void test_module_names(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"kernel/net/nf-tables.ko", "nf_tables"},
		{"/a/b.ko.xz", "b"},
		{"b.ko.zst", "b"},
		{"b.kos", NULL},
		{".ko", NULL},
		{"dir.ko/plain", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *name = lab_module_name(cases[i].path);

		if (!cases[i].name != !name || (name && strcmp(name, cases[i].name)))
			fail_msg("%s: %s", cases[i].path, name ? name : "none");
	}
}

static void test_tsc(void **state)
{
	unsigned a = lab_tsc_khz(), b = lab_tsc_khz();

	(void)state;
	if (a && b)
		assert_true(a > b ? (a - b) < a / 100 : (b - a) < a / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kvm), cmocka_unit_test(test_stale),	     cmocka_unit_test(test_args), cmocka_unit_test(test_libraries),
		cmocka_unit_test(test_module_names), cmocka_unit_test(test_tsc),  cmocka_unit_test(test_ports),
		cmocka_unit_test(test_disk_words),   cmocka_unit_test(test_disks_are_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
