/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decompressors with a bound: gzip, xz, lzma and zstd streams, and the legacy frames of lz4 that kernels use. */
#include "image.h"

#include <limits.h>

#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	LZ4_LEGACY_MAGIC = 0x184c2102,
	LZ4_LEGACY_BLOCK = 8 << 20, /* a block unpacks to this much at most */
};
/* Kernels are packed with dictionaries of up to 128 MiB. */
#define LZMA_MEMORY ((uint64_t)256 << 20)

void km_unpacked_reserve(struct km_unpacked *out, size_t n)
{
	if (n > out->limit)
		n = out->limit + 1;
	if (n <= out->cap)
		return;
	out->at = km_realloc(out->at, n, 1);
	out->cap = n;
}

static km_error *too_much(const struct km_unpacked *out)
{
	return km_error_new(KM_INPUT, "more than the %zu bytes allowed come out", out->limit);
}

/* Makes room when all of it is used. */
static km_error *more_room(struct km_unpacked *out)
{
	if (out->n > out->limit)
		return too_much(out);
	if (out->n == out->cap)
		km_unpacked_reserve(out, out->cap ? 2 * out->cap : 1 << 16);
	return NULL;
}

static void inflate_endp(z_stream *z)
{
	inflateEnd(z);
}

static km_error *unpack_gzip(const uint8_t *bytes, size_t size, struct km_unpacked *out)
{
	KM_CLEANUP(inflate_endp) z_stream z = {.next_in = (uint8_t *)bytes, .avail_in = (uInt)size};
	int rc = Z_OK;

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		km_oom();
	while (rc != Z_STREAM_END) {
		KM_TRY(more_room(out));
		z.next_out = out->at + out->n;
		z.avail_out = (uInt)(out->cap - out->n);
		rc = inflate(&z, Z_NO_FLUSH);
		out->n = (size_t)(z.next_out - out->at);
		if (rc == Z_BUF_ERROR || (rc == Z_OK && !z.avail_in && z.avail_out))
			return km_error_new(KM_INPUT, "cut off after %zu bytes", size);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return km_error_new(KM_INPUT, "broken at byte %zu: %s", (size_t)z.total_in,
					    z.msg ? z.msg : "no valid stream");
	}
	if (z.avail_in)
		return km_error_new(KM_INPUT, "%u stray bytes after the stream", z.avail_in);
	return NULL;
}

static const char *lzma_reason(lzma_ret rc)
{
	switch (rc) {
	case LZMA_MEMLIMIT_ERROR:
		return "its dictionary is larger than any kernel's";
	case LZMA_FORMAT_ERROR:
		return "no valid header";
	case LZMA_OPTIONS_ERROR:
		return "unsupported options";
	default:
		return "broken data";
	}
}

static km_error *lzma_run(lzma_stream *z, size_t size, struct km_unpacked *out)
{
	lzma_ret rc = LZMA_OK;

	while (rc != LZMA_STREAM_END) {
		KM_TRY(more_room(out));
		z->next_out = out->at + out->n;
		z->avail_out = out->cap - out->n;
		rc = lzma_code(z, LZMA_FINISH);
		out->n = (size_t)(z->next_out - out->at);
		if (rc == LZMA_BUF_ERROR || (rc == LZMA_OK && !z->avail_in && z->avail_out))
			return km_error_new(KM_INPUT, "cut off after %zu bytes", size);
		if (rc == LZMA_MEM_ERROR)
			km_oom();
		if (rc != LZMA_OK && rc != LZMA_STREAM_END)
			return km_error_new(KM_INPUT, "broken at byte %zu: %s", (size_t)z->total_in, lzma_reason(rc));
	}
	if (z->avail_in)
		return km_error_new(KM_INPUT, "%zu stray bytes after the stream", z->avail_in);
	return out->n > out->limit ? too_much(out) : NULL;
}

static km_error *unpack_xz(const uint8_t *bytes, size_t size, struct km_unpacked *out)
{
	KM_CLEANUP(lzma_end) lzma_stream z = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&z, LZMA_MEMORY, 0) != LZMA_OK)
		km_oom();
	z.next_in = bytes;
	z.avail_in = size;
	return lzma_run(&z, size, out);
}

static km_error *unpack_lzma(const uint8_t *bytes, size_t size, struct km_unpacked *out)
{
	KM_CLEANUP(lzma_end) lzma_stream z = LZMA_STREAM_INIT;

	if (lzma_alone_decoder(&z, LZMA_MEMORY) != LZMA_OK)
		km_oom();
	z.next_in = bytes;
	z.avail_in = size;
	return lzma_run(&z, size, out);
}

/* In one call and not as a stream: a stream needs a window of its own, of up to 128 MiB for a kernel. */
static km_error *unpack_zstd(const uint8_t *bytes, size_t size, struct km_unpacked *out)
{
	unsigned long long promised = ZSTD_getFrameContentSize(bytes, size);
	size_t got;

	if (promised == ZSTD_CONTENTSIZE_ERROR)
		return km_error_new(KM_INPUT, "no valid zstd frame header");
	if (promised != ZSTD_CONTENTSIZE_UNKNOWN) {
		if (promised > out->limit)
			return too_much(out);
		km_unpacked_reserve(out, (size_t)promised + 1);
	}
	for (;;) {
		KM_TRY(more_room(out));
		got = ZSTD_decompress(out->at, out->cap, bytes, size);
		if (!ZSTD_isError(got))
			break;
		if (ZSTD_getErrorCode(got) != ZSTD_error_dstSize_tooSmall)
			return km_error_new(KM_INPUT, "broken data: %s", ZSTD_getErrorName(got));
		out->n = out->cap;
	}
	out->n = got;
	return NULL;
}

/* magic, then blocks: size, bytes. A magic in place of a size begins a new frame. */
static km_error *unpack_lz4(const uint8_t *bytes, size_t size, struct km_unpacked *out)
{
	km_cursor c = km_cursor_of(bytes, size);

	km_seek(&c, 4);
	while (km_left(&c)) {
		size_t at = c.pos;
		uint32_t packed = km_get32(&c);
		const char *block;
		size_t room;
		int got;

		if (!c.failed && packed == LZ4_LEGACY_MAGIC)
			continue;
		block = km_get(&c, packed);
		if (c.failed || packed > INT_MAX)
			return km_error_new(KM_INPUT, "the block at byte %zu is cut off", at);
		km_unpacked_reserve(out, out->n + LZ4_LEGACY_BLOCK);
		room = out->cap - out->n < LZ4_LEGACY_BLOCK ? out->cap - out->n : LZ4_LEGACY_BLOCK;
		got = LZ4_decompress_safe(block, (char *)out->at + out->n, (int)packed, (int)room);
		if (got < 0)
			return km_error_new(KM_INPUT, "the block at byte %zu is broken, or unpacks to more than %zu bytes", at,
					    room);
		out->n += (size_t)got;
	}
	return NULL;
}

static const struct codec {
	const char *name;
	uint8_t magic[6];
	size_t magic_len;
	unsigned sets;
	km_error *(*unpack)(const uint8_t *bytes, size_t size, struct km_unpacked *out);
} codecs[] = {
	{"gzip", {0x1f, 0x8b}, 2, KM_CODECS_MODULE | KM_CODECS_KERNEL, unpack_gzip},
	{"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, KM_CODECS_MODULE | KM_CODECS_KERNEL, unpack_xz},
	{"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, KM_CODECS_MODULE | KM_CODECS_KERNEL, unpack_zstd},
	{"lzma", {0x5d, 0, 0}, 3, KM_CODECS_KERNEL, unpack_lzma},
	{"lz4", {0x02, 0x21, 0x4c, 0x18}, 4, KM_CODECS_KERNEL, unpack_lz4},
};

km_error *km_unpack(enum km_codec_set set, const uint8_t *bytes, size_t size, struct km_unpacked *out, bool *known)
{
	const struct codec *codec = NULL;
	km_error *err;

	for (size_t i = 0; i < KM_COUNT(codecs) && !codec; i++)
		if (codecs[i].sets & set && size >= codecs[i].magic_len &&
		    !memcmp(bytes, codecs[i].magic, codecs[i].magic_len))
			codec = &codecs[i];
	*known = codec;
	if (!codec)
		return NULL;
	if (size > UINT_MAX || out->limit > UINT_MAX - 1)
		return km_error_new(KM_INPUT, "%s: larger than 4 GiB", codec->name);
	err = codec->unpack(bytes, size, out);
	if (!err && out->n > out->limit)
		err = too_much(out);
	return err ? km_error_add(err, "%s", codec->name) : NULL;
}

km_error *km_decompress(const uint8_t *bytes, size_t size, size_t limit, uint8_t **out, size_t *out_size)
{
	struct km_unpacked unpacked = {.limit = limit};
	bool known;
	km_error *err = km_unpack(KM_CODECS_MODULE, bytes, size, &unpacked, &known);

	if (!err && !known) {
		if (size > limit)
			err = too_much(&unpacked);
		else {
			km_unpacked_reserve(&unpacked, size ? size : 1);
			memcpy(unpacked.at, bytes, size);
			unpacked.n = size;
		}
	}
	if (err) {
		free(unpacked.at);
		return err;
	}
	*out = unpacked.at;
	*out_size = unpacked.n;
	return NULL;
}
