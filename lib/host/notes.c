/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF notes. One after the other, each part padded to 4 bytes:
 *   u32 namesz, u32 descsz, u32 type, name[namesz], desc[descsz]
 */
#include <elf.h>

#include "internal.h"

static size_t padded(uint32_t n)
{
	return ((size_t)n + 3) & ~(size_t)3;
}

char *notes_build_id(const void *bytes, size_t size)
{
	km_cursor c = km_cursor_of(bytes, size);

	while (km_left(&c) >= sizeof(Elf64_Nhdr)) {
		uint32_t namesz = km_get32(&c), descsz = km_get32(&c), type = km_get32(&c);
		const char *name = km_get(&c, padded(namesz));
		/* The last note's padding may be missing. */
		const uint8_t *desc = km_get(&c, padded(descsz) <= km_left(&c) ? padded(descsz) : descsz);

		if (c.failed)
			return NULL;
		if (type == NT_GNU_BUILD_ID && namesz == 4 && !memcmp(name, "GNU", 4) && descsz && descsz <= 64) {
			char *hex = km_calloc(2 * descsz + 1, 1);

			km_hex(desc, descsz, hex);
			return hex;
		}
	}
	return NULL;
}
