/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image.h - what the readers of the shipped image share: unpacked bytes, the segments of a vmlinux, the tables of
 * kallsyms, and the index behind an object's look-ups.
 */
#ifndef KMEND_KERNEL_IMAGE_H
#define KMEND_KERNEL_IMAGE_H

#include <kmend/kernel.h>

/* No kernel image and no module unpacks to more; what claims to is hostile. */
#define KM_IMAGE_LIMIT ((size_t)512 << 20)

/* Output of a decompressor: n bytes so far, and never more than limit. */
struct km_unpacked {
	uint8_t *at;
	size_t n, cap, limit;
};

enum km_codec_set {
	KM_CODECS_MODULE = 1, /* what a .ko may be packed with */
	KM_CODECS_KERNEL = 2, /* what the payload of a bzImage may be packed with */
};

/* Unpacks all of bytes by their magic. *known is false, and nothing is done, when no decompressor of the set knows
 * it. The caller sets out->limit, may have reserved room, and frees out->at also after an error. */
KM_CHECKED km_error *km_unpack(enum km_codec_set set, const uint8_t *bytes, size_t size, struct km_unpacked *out,
			       bool *known);

/* Room for at least n bytes in all, or for limit + 1 when that is less: the one byte more lets a decompressor that
 * fills the limit exactly see its end mark. */
void km_unpacked_reserve(struct km_unpacked *out, size_t n);

/* A PT_LOAD segment; its bytes from file_size to mem_size are zero (bss). */
struct km_segment {
	uint64_t addr, mem_size;
	const uint8_t *bytes;
	size_t file_size;
};

/* The symbols that kallsyms holds, in its order: ascending address. size and sympos are not set yet. */
struct km_kallsyms {
	struct km_ksym *syms;
	size_t n;
	char *strings;       /* the names lie in it */
	const uint8_t *seqs; /* 3 n bytes in the segment: positions in order of names, big-endian; NULL before 6.2 */
};
/* Finds the tables in a segment by their content. *ret is written only on success; syms and strings are the caller's. */
KM_CHECKED km_error *km_kallsyms_parse(const struct km_segment *segment, struct km_kallsyms *ret);

struct km_group { /* the symbols of one name */
	uint32_t hash, first, n; /* first: in km_index.by_name */
};
struct km_index {
	const struct km_ksym **in_order; /* &syms.at[i] */
	const struct km_ksym **by_name;  /* group after group; inside one, in order */
	uint32_t *group_of;              /* the group of syms.at[i] */
	km_vec(struct km_group) groups;
	uint32_t *slots; /* group number plus one; 0 is free */
	size_t n_slots;  /* a power of two */
};

struct km_image { /* km_object.priv */
	struct km_index index;
	char *strings; /* of km_kallsyms */
	uint8_t *bytes; /* vmlinux: the ELF file up to the end of its segments */
	km_vec(struct km_segment) segments;
	char *release, *banner;
};
static inline struct km_image *km_image_of(const km_object *obj) { return obj->priv; }

/* An empty object that owns copies of name and path. */
km_object *km_object_create(const char *name, const char *path);
static inline void km_object_destroyp(km_object **obj) { km_object_destroy(*obj); }
#define KM_AUTOOBJECT KM_CLEANUP(km_object_destroyp)
/* Builds the index of obj->syms, which must not change any more, and sets each sympos. */
void km_object_index(km_object *obj);
/* Takes the build-id out of ELF notes, if there is one of at most 20 bytes. */
void km_object_build_id(km_object *obj, const uint8_t *notes, size_t size);

#endif
