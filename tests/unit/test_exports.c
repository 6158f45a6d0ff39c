/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include <kmend/kernel.h>

static void lines_are_read(void **state)
{
	static const char text[] = "0x12345678\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n"
				   "0x00000001\tvirtio_add\tdrivers/virtio/virtio-ring\tEXPORT_SYMBOL_GPL\tVIRTIO\n"
				   "0xffffffff\told\tvmlinux\tEXPORT_SYMBOL_GPL\n";
	char *dir = check_dir(), *path = km_path(dir, "Module.symvers");
	const struct km_export *e;
	km_exports *exports;

	(void)state;
	check_ok(km_file_write(path, text, strlen(text)));
	check_ok(km_exports_read(path, &exports));
	e = km_export_find(exports, "kfree");
	assert_non_null(e);
	assert_string_equal(e->owner, "vmlinux");
	assert_string_equal(e->ns, "");
	assert_int_equal(e->crc, 0x12345678);
	assert_false(e->gpl);
	e = km_export_find(exports, "virtio_add");
	assert_string_equal(e->owner, "virtio_ring");
	assert_string_equal(e->ns, "VIRTIO");
	assert_true(e->gpl);
	assert_true(km_export_find(exports, "old")->crc == 0xffffffff);
	assert_null(km_export_find(exports, "absent"));
	km_exports_destroy(exports);
	free(path);
	check_dir_end(dir);
}

static void broken_lines_are_named(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "no exported symbol"},
		{"0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n\n", "symvers:2: not CRC, symbol"},
		{"0x1\ta\tvmlinux\n", "symvers:1: not CRC"},
		{"0x1\t\tvmlinux\tEXPORT_SYMBOL\t\n", "symvers:1: not CRC"},
		{"0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\tmore\n", "symvers:1: not CRC"},
		{"0x1g\ta\tvmlinux\tEXPORT_SYMBOL\t\n", "\"0x1g\" is not a CRC"},
		{"1\ta\tvmlinux\tEXPORT_SYMBOL\t\n", "\"1\" is not a CRC"},
		{"0x123456789\ta\tvmlinux\tEXPORT_SYMBOL\t\n", "is not a CRC"},
		{"0x1\ta\tvmlinux\tEXPORT_ALL\t\n", "\"EXPORT_ALL\" is no type of export"},
		{"0x1\ta\tvmlinux\tEXPORT_SYMBOL\t\n0x1\ta\tfs/x\tEXPORT_SYMBOL\t\n", "a is exported twice, by vmlinux and by x"},
	};
	char *dir = check_dir(), *path = km_path(dir, "symvers");
	km_exports *exports;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		check_ok(km_file_write(path, cases[i].text, strlen(cases[i].text)));
		check_error(km_exports_read(path, &exports), KM_INPUT, cases[i].message);
	}
	check_ok(km_file_write(path, "a\0b\n", 4));
	check_error(km_exports_read(path, &exports), KM_INPUT, "NUL byte");
	free(path);
	check_dir_end(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(broken_lines_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
