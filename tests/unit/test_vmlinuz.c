/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"
#include "toy_image.h"

#include <kmend/kernel.h>
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

enum { HEADER = 1024, PAYLOAD = HEADER + 16, ROOM = 1 << 20 };

static size_t pack_gzip(const void *from, size_t n, uint8_t *to)
{
	z_stream z = {.next_in = (uint8_t *)from, .avail_in = (uInt)n, .next_out = to, .avail_out = ROOM};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return z.total_out;
}

static size_t pack_xz(const void *from, size_t n, uint8_t *to)
{
	size_t size = 0;

	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, from, n, to, &size, ROOM), LZMA_OK);
	return size;
}

static size_t pack_lzma(const void *from, size_t n, uint8_t *to)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	lzma_lzma_preset(&options, 6);
	assert_int_equal(lzma_alone_encoder(&z, &options), LZMA_OK);
	z.next_in = from;
	z.avail_in = n;
	z.next_out = to;
	z.avail_out = ROOM;
	assert_int_equal(lzma_code(&z, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&z);
	return ROOM - z.avail_out;
}

static size_t pack_zstd(const void *from, size_t n, uint8_t *to)
{
	return ZSTD_compress(to, ROOM, from, n, 19);
}

/* One block a frame, so that a magic in the middle is met as well; only the blocks' sum has to be right. */
static size_t pack_lz4(const void *from, size_t n, uint8_t *to)
{
	uint8_t *at = to;

	for (size_t done = 0; done < n;) {
		size_t part = n - done < 5000 ? n - done : 5000;
		int size = LZ4_compress_default((const char *)from + done, (char *)at + 8, (int)part, ROOM / 2);

		memcpy(at, "\x02\x21\x4c\x18", 4);
		memcpy(at + 4, &size, 4);
		at += 8 + size;
		done += part;
	}
	return (size_t)(at - to);
}

static const struct packer {
	const char *name;
	size_t (*pack)(const void *from, size_t n, uint8_t *to);
	bool size_appended;
} packers[] = {
	{"gzip", pack_gzip, false}, {"xz", pack_xz, true},   {"lzma", pack_lzma, true},
	{"zstd", pack_zstd, true},  {"lz4", pack_lz4, true},
};

static void put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, 4);
}

/* A bzImage around the packed bytes; the caller frees it. */
static uint8_t *make_bzimage(const struct packer *packer, const void *from, size_t n, size_t *size)
{
	uint8_t *image = km_calloc(1, ROOM + PAYLOAD + 4);
	size_t length = packer->pack(from, n, image + PAYLOAD);

	if (packer->size_appended) {
		put32(image + PAYLOAD + length, (uint32_t)n);
		length += 4;
	}
	image[0x1f1] = 1;
	memcpy(image + 0x1fe, "\x55\xaa", 2);
	memcpy(image + 0x202, "HdrS\x0f\x02", 6);
	put32(image + 0x248, PAYLOAD - HEADER);
	put32(image + 0x24c, (uint32_t)length);
	*size = PAYLOAD + length;
	return image;
}

static void every_packing_unpacks(void **state)
{
	struct toy_image t;

	(void)state;
	toy_make(&t, TOY_NEW);
	for (size_t i = 0; i < KM_COUNT(packers); i++) {
		size_t size, out_size;
		uint8_t *image = make_bzimage(&packers[i], t.bytes.at, t.bytes.n, &size), *out;

		check_ok(km_vmlinuz_extract(image, size, &out, &out_size));
		assert_int_equal(out_size, t.bytes.n);
		assert_memory_equal(out, t.bytes.at, out_size);
		free(out);
		free(image);
	}
	toy_free(&t);
}

/* A vmlinuz and the vmlinux with what a debugger adds behind it give the same object. */
static void files_open(void **state)
{
	char *dir = check_dir(), *packed = km_path(dir, "vmlinuz"), *plain = km_path(dir, "vmlinux");
	km_object *a, *b;
	struct toy_image t;
	uint8_t *image;
	size_t size;

	(void)state;
	toy_make(&t, TOY_SEQS);
	image = make_bzimage(&packers[4], t.bytes.at, t.bytes.n, &size);
	check_ok(km_file_write(packed, image, size));
	km_str_add(&t.bytes, "debug information");
	check_ok(km_file_write(plain, t.bytes.at, t.bytes.n));
	check_ok(km_vmlinux_open(packed, &a));
	check_ok(km_vmlinux_open(plain, &b));
	assert_int_equal(a->syms.n, b->syms.n);
	assert_string_equal(a->path, packed);
	assert_string_equal(a->name, "vmlinux");
	for (size_t i = 0; i < a->syms.n; i++) {
		assert_string_equal(a->syms.at[i].name, b->syms.at[i].name);
		assert_true(a->syms.at[i].addr == b->syms.at[i].addr && a->syms.at[i].sympos == b->syms.at[i].sympos);
	}
	km_object_destroy(a);
	km_object_destroy(b);
	check_ok(km_file_write(plain, t.bytes.at, 40));
	check_error(km_vmlinux_open(plain, &a), KM_INPUT, "too few for an ELF header");
	check_ok(km_file_write(plain, t.bytes.at, TOY_SEGMENT));
	check_error(km_vmlinux_open(plain, &a), KM_INPUT, "segment 0 ends past the end");
	check_ok(km_file_write(plain, "", 0));
	check_error(km_vmlinux_open(plain, &a), KM_INPUT, "too few for a bzImage");
	check_error(km_vmlinux_open(dir, &a), KM_INPUT, "not a regular file");
	toy_free(&t);
	free(image);
	free(packed);
	free(plain);
	check_dir_end(dir);
}

static void broken_headers_are_named(void **state)
{
	static const struct {
		size_t at;
		uint8_t bytes[4];
		size_t n;
		const char *message;
	} cases[] = {
		{0x1fe, {0}, 1, "neither a bzImage nor an ELF file"},
		{0x202, {'h'}, 1, "neither a bzImage nor an ELF file"},
		{0x206, {4, 2}, 2, "boot protocol 2.04 is too old"},
		{0x248, {0, 0, 0, 0x10}, 4, "point past the end"},
		{0x24c, {0xff, 0xff, 0xff, 0xff}, 4, "point past the end"},
		{0x24c, {4, 0, 0, 0}, 4, "too short"},
		{PAYLOAD, {'B', 'Z', 'h', '9'}, 4, "packed in an unknown way"},
	};
	struct toy_image t;

	(void)state;
	toy_make(&t, TOY_NEW);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		size_t size, out_size;
		uint8_t *image = make_bzimage(&packers[3], t.bytes.at, t.bytes.n, &size), *out;

		memcpy(image + cases[i].at, cases[i].bytes, cases[i].n);
		check_error(km_vmlinuz_extract(image, size, &out, &out_size), KM_INPUT, cases[i].message);
		free(image);
	}
	toy_free(&t);
}

/* For each packing: another size promised, a stream cut in the middle, one broken byte in it. */
static void broken_payloads_are_refused(void **state)
{
	struct toy_image t;

	(void)state;
	toy_make(&t, TOY_NEW);
	for (size_t i = 0; i < KM_COUNT(packers); i++) {
		size_t size, out_size, half;
		uint8_t *image = make_bzimage(&packers[i], t.bytes.at, t.bytes.n, &size), *out;

		put32(image + size - 4, (uint32_t)t.bytes.n - 1);
		check_error(km_vmlinuz_extract(image, size, &out, &out_size), KM_INPUT, packers[i].name);
		put32(image + size - 4, 0xffffffff);
		check_error(km_vmlinuz_extract(image, size, &out, &out_size), KM_INPUT, "more than any kernel");
		half = (size - PAYLOAD) / 2;
		put32(image + PAYLOAD + half - 4, (uint32_t)t.bytes.n);
		put32(image + 0x24c, (uint32_t)half);
		check_error(km_vmlinuz_extract(image, size, &out, &out_size), KM_INPUT, packers[i].name);
		free(image);
	}
	toy_free(&t);
}

static void decompress_knows_modules(void **state)
{
	static const char text[] = "a module, a module, a module, a module";
	uint8_t *packed = km_calloc(1, ROOM), *out;
	size_t size;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(packers); i++) {
		size_t n = packers[i].pack(text, sizeof(text), packed);

		if (packers[i].pack == pack_lzma || packers[i].pack == pack_lz4)
			continue;
		check_ok(km_decompress(packed, n, sizeof(text), &out, &size));
		assert_int_equal(size, sizeof(text));
		assert_memory_equal(out, text, size);
		free(out);
		check_error(km_decompress(packed, n, sizeof(text) - 1, &out, &size), KM_INPUT, "bytes allowed");
		packed[n] = 'x';
		check_error(km_decompress(packed, n + 1, ROOM, &out, &size), KM_INPUT, packers[i].name);
	}
	check_ok(km_decompress((const uint8_t *)text, sizeof(text), sizeof(text), &out, &size));
	assert_memory_equal(out, text, sizeof(text));
	free(out);
	check_error(km_decompress((const uint8_t *)text, sizeof(text), 3, &out, &size), KM_INPUT, "bytes allowed");
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_packing_unpacks),       cmocka_unit_test(files_open),
		cmocka_unit_test(broken_headers_are_named),    cmocka_unit_test(broken_payloads_are_refused),
		cmocka_unit_test(decompress_knows_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
