/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

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
		cmocka_unit_test(test_module_names), cmocka_unit_test(test_tsc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
