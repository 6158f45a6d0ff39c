/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bzImage that x86 boots (Documentation/arch/x86/boot.rst):
 *
 *   0x1f1  setup_sects (0 means 4)      the real-mode part is setup_sects + 1 sectors of 512 bytes
 *   0x1fe  0xaa55
 *   0x202  "HdrS"
 *   0x206  version; the payload's fields exist from 2.08 on
 *   0x248  payload_offset               from the end of the real-mode part
 *   0x24c  payload_length
 *
 * The payload is vmlinux (stripped, its relocations appended), packed. Its last four bytes are the unpacked size: part
 * of the format for gzip, appended by the kernel's build for all others.
 */
#include "image.h"

enum { SECTOR = 512, SETUP_VERSION_PAYLOAD = 0x0208 };

struct payload {
	const uint8_t *bytes;
	size_t size;
};

static km_error *find_payload(const uint8_t *bytes, size_t size, struct payload *ret)
{
	km_cursor c = km_cursor_of(bytes, size);
	uint16_t boot_flag, version;
	uint32_t magic, offset, length;
	uint8_t sectors;

	km_seek(&c, 0x1f1);
	sectors = km_get8(&c);
	km_seek(&c, 0x1fe);
	boot_flag = km_get16(&c);
	km_seek(&c, 0x202);
	magic = km_get32(&c);
	version = km_get16(&c);
	km_seek(&c, 0x248);
	offset = km_get32(&c);
	length = km_get32(&c);
	if (c.failed)
		return km_error_new(KM_INPUT, "%zu bytes are too few for a bzImage's setup header", size);
	if (boot_flag != 0xaa55 || magic != 0x53726448) /* "HdrS" */
		return km_error_new(KM_INPUT, "neither a bzImage nor an ELF file");
	if (version < SETUP_VERSION_PAYLOAD)
		return km_error_new(KM_INPUT, "boot protocol %u.%02u is too old: it does not tell where the payload is",
				    version >> 8, version & 0xff);
	km_seek(&c, ((size_t)(sectors ? sectors : 4) + 1) * SECTOR + offset);
	ret->bytes = km_get(&c, length);
	ret->size = length;
	if (c.failed)
		return km_error_new(KM_INPUT, "payload_offset 0x%x and payload_length 0x%x point past the end (%zu bytes)",
				    offset, length, size);
	return NULL;
}

static km_error *unpack_payload(struct payload payload, struct km_unpacked *out)
{
	km_cursor c = km_cursor_of(payload.bytes, payload.size);
	bool gzip = payload.size > 2 && payload.bytes[0] == 0x1f && payload.bytes[1] == 0x8b;
	uint32_t promised;
	km_error *err;
	bool known;

	if (payload.size < 8)
		return km_error_new(KM_INPUT, "a payload of %zu bytes is too short", payload.size);
	km_seek(&c, payload.size - 4);
	promised = km_get32(&c);
	if (promised > KM_IMAGE_LIMIT)
		return km_error_new(KM_INPUT, "the payload says it unpacks to %u bytes, more than any kernel", promised);
	out->limit = promised;
	/* The right size at once, unless a few bytes claim to be a large kernel. */
	km_unpacked_reserve(out, promised / 64 < payload.size ? (size_t)promised + 1 : 64 * payload.size);
	err = km_unpack(KM_CODECS_KERNEL, payload.bytes, gzip ? payload.size : payload.size - 4, out, &known);
	if (err)
		return km_error_add(err, "cannot unpack the payload");
	if (!known)
		return km_error_hint(km_error_new(KM_INPUT, "the payload is packed in an unknown way (it begins %02x %02x %02x %02x)",
						  payload.bytes[0], payload.bytes[1], payload.bytes[2], payload.bytes[3]),
				     "gzip, lzma, xz, lz4 and zstd are known; bzip2 and lzo are not: give the vmlinux itself");
	if (out->n != promised)
		return km_error_new(KM_INPUT, "the payload unpacks to %zu bytes, but says %u", out->n, promised);
	return NULL;
}

km_error *km_vmlinuz_extract(const uint8_t *bytes, size_t size, uint8_t **vmlinux, size_t *vmlinux_size)
{
	struct km_unpacked out = {0};
	struct payload payload = {0};
	km_error *err = find_payload(bytes, size, &payload);

	if (!err)
		err = unpack_payload(payload, &out);
	if (err) {
		free(out.at);
		return err;
	}
	*vmlinux = out.at;
	*vmlinux_size = out.n;
	return NULL;
}
