/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shipped kernel: an ELF file, or the one inside a bzImage. Its program headers are all that is needed of it. */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BANNER "Linux version "

enum { MAX_SEGMENTS = 64 };

static bool is_elf(const uint8_t *bytes, size_t size)
{
	return size >= SELFMAG && !memcmp(bytes, ELFMAG, SELFMAG);
}

/* ---- segments ---- */

static km_error *read_header(const uint8_t *bytes, size_t size, Elf64_Ehdr *ret)
{
	if (size < sizeof(*ret))
		return km_error_new(KM_INPUT, "%zu bytes are too few for an ELF header", size);
	memcpy(ret, bytes, sizeof(*ret));
	if (!is_elf(bytes, size) || ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_ident[EI_DATA] != ELFDATA2LSB)
		return km_error_new(KM_INPUT, "not a 64-bit little-endian ELF file");
	if (ret->e_type != ET_EXEC && ret->e_type != ET_DYN)
		return km_error_new(KM_INPUT, "an ELF file of type %u is not a linked kernel", ret->e_type);
	if (!ret->e_phnum || ret->e_phnum > MAX_SEGMENTS || ret->e_phentsize != sizeof(Elf64_Phdr))
		return km_error_new(KM_INPUT, "%u program headers of %u bytes are not a kernel's", ret->e_phnum,
				    ret->e_phentsize);
	if (ret->e_phoff > size || ret->e_phnum > (size - ret->e_phoff) / sizeof(Elf64_Phdr))
		return km_error_new(KM_INPUT, "the program headers lie past the end of the file");
	return NULL;
}

static km_error *read_segments(km_object *obj, size_t size)
{
	struct km_image *image = km_image_of(obj);
	Elf64_Ehdr header;

	KM_TRY(read_header(image->bytes, size, &header));
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, image->bytes + header.e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD && ph.p_type != PT_NOTE)
			continue;
		if (ph.p_offset > size || ph.p_filesz > size - ph.p_offset)
			return km_error_new(KM_INPUT, "segment %u ends past the end of the file (%zu bytes)", i, size);
		if (ph.p_type == PT_NOTE && !obj->build_id_len)
			km_object_build_id(obj, image->bytes + ph.p_offset, ph.p_filesz);
		if (ph.p_type != PT_LOAD)
			continue;
		if (ph.p_memsz < ph.p_filesz || ph.p_vaddr + ph.p_memsz < ph.p_vaddr)
			return km_error_new(KM_INPUT, "segment %u has an impossible size", i);
		km_vec_push(&image->segments,
			    (struct km_segment){ph.p_vaddr, ph.p_memsz, image->bytes + ph.p_offset, ph.p_filesz});
	}
	return image->segments.n ? NULL : km_error_new(KM_INPUT, "no segment to load");
}

static const struct km_segment *segment_at(const km_object *obj, uint64_t addr)
{
	const struct km_image *image = km_image_of(obj);

	for (size_t i = 0; i < image->segments.n; i++)
		if (addr - image->segments.at[i].addr < image->segments.at[i].mem_size)
			return &image->segments.at[i];
	return NULL;
}

const uint8_t *km_vmlinux_bytes(const km_object *obj, uint64_t addr, size_t n)
{
	const struct km_segment *s = obj->is_vmlinux ? segment_at(obj, addr) : NULL;
	uint64_t at = s ? addr - s->addr : 0;

	return s && at < s->file_size && n <= s->file_size - at ? s->bytes + at : NULL;
}

/* ---- symbols ---- */

/* To the next higher address, but not past the end of the segment; 0 outside of all segments (_end and its like). */
static void set_sizes(km_object *obj)
{
	uint64_t next = 0;

	for (size_t i = obj->syms.n; i > 0; i--) {
		struct km_ksym *sym = &obj->syms.at[i - 1];
		const struct km_segment *s = segment_at(obj, sym->addr);
		uint64_t end = s ? s->addr + s->mem_size : sym->addr;

		if (i < obj->syms.n && obj->syms.at[i].addr != sym->addr)
			next = obj->syms.at[i].addr;
		if (next && next < end)
			end = next;
		sym->size = end - sym->addr;
	}
}

/* seqs_of_names must be a permutation that has equal names in our order: it is what livepatch counts in since 6.12. */
static km_error *check_seqs(const km_object *obj, const uint8_t *seqs)
{
	const struct km_index *index = &km_image_of(obj)->index;
	size_t n = obj->syms.n;
	KM_AUTOFREE uint32_t *seen = km_calloc(index->groups.n + 1, sizeof(*seen));

	for (size_t i = 0; i < n; i++, seqs += 3) {
		uint32_t seq = (uint32_t)seqs[0] << 16 | (uint32_t)seqs[1] << 8 | seqs[2];
		uint32_t group, rank;

		if (seq >= n)
			return km_error_new(KM_INPUT, "kallsyms: seqs_of_names: entry %zu is %u of %zu symbols", i, seq, n);
		group = index->group_of[seq];
		rank = seen[group]++;
		/* Each symbol in its turn inside its name's group: with n entries in all, this makes it a permutation. */
		if (rank >= index->groups.at[group].n ||
		    index->by_name[index->groups.at[group].first + rank] != &obj->syms.at[seq])
			return km_error_new(KM_INPUT, "kallsyms: seqs_of_names: entry %zu has %s out of turn", i,
					    obj->syms.at[seq].name);
	}
	return NULL;
}

/* The segment with the tables is not known beforehand: the error of the one that came furthest would be guesswork, that
 * of the first is the rule, as it holds .rodata in all kernels. */
static km_error *read_symbols(km_object *obj)
{
	struct km_image *image = km_image_of(obj);
	struct km_kallsyms k = {0};
	km_error *first = NULL;

	for (size_t i = 0; i < image->segments.n && !k.syms; i++) {
		km_error *err = km_kallsyms_parse(&image->segments.at[i], &k);

		if (err && first)
			km_error_free(err);
		else if (err)
			first = err;
	}
	if (!k.syms)
		return km_error_hint(first, "is it a whole kernel image of Linux 6.1 to 6.12 with CONFIG_KALLSYMS?");
	km_error_free(first);
	obj->syms.at = k.syms;
	obj->syms.n = obj->syms.cap = k.n;
	image->strings = k.strings;
	set_sizes(obj);
	km_object_index(obj);
	return k.seqs ? check_seqs(obj, k.seqs) : NULL;
}

/* ---- banner ---- */

static bool take_banner(struct km_image *image, const char *at, size_t size)
{
	const char *release = at + strlen(BANNER);
	const char *end = memchr(at, 0, size < 1024 ? size : 1024);
	const char *space;

	if (!end)
		return false;
	space = memchr(release, ' ', (size_t)(end - release));
	/* Not a format such as "Linux version %s". */
	if (!space || space == release || *release < '0' || *release > '9' || space[1] != '(')
		return false;
	image->release = km_strndup(release, (size_t)(space - release));
	while (end > space && end[-1] == '\n')
		end--;
	image->banner = km_strndup(at, (size_t)(end - at));
	return true;
}

/* By its symbol first: 6.1's images hold a second banner, without a build number, from an earlier link step. */
static km_error *read_banner(km_object *obj)
{
	struct km_image *image = km_image_of(obj);
	const struct km_ksym *const *sym;
	size_t n;

	sym = km_ksyms_named(obj, "linux_banner", &n);
	for (size_t i = 0; i < n; i++) {
		const struct km_segment *s = segment_at(obj, sym[i]->addr);
		const uint8_t *at = km_vmlinux_bytes(obj, sym[i]->addr, sizeof(BANNER));

		if (at && !memcmp(at, BANNER, strlen(BANNER)) &&
		    take_banner(image, (const char *)at, (size_t)(s->bytes + s->file_size - at)))
			return NULL;
	}
	for (size_t i = 0; i < image->segments.n; i++) {
		const char *at = (const char *)image->segments.at[i].bytes, *end = at + image->segments.at[i].file_size;

		while ((at = memmem(at, (size_t)(end - at), BANNER, strlen(BANNER)))) {
			if (take_banner(image, at, (size_t)(end - at)))
				return NULL;
			at++;
		}
	}
	return km_error_new(KM_INPUT, "no \"Linux version\" banner in it: not a Linux kernel");
}

const char *km_vmlinux_release(const km_object *obj)
{
	return km_image_of(obj)->release;
}

const char *km_vmlinux_banner(const km_object *obj)
{
	return km_image_of(obj)->banner;
}

/* ---- opening ---- */

/* Takes over bytes, on an error as well. */
static km_error *parse(const char *path, uint8_t *bytes, size_t size, km_object **ret)
{
	KM_AUTOOBJECT km_object *obj = km_object_create("vmlinux", path);

	obj->is_vmlinux = true;
	km_image_of(obj)->bytes = bytes;
	KM_TRY(read_segments(obj, size));
	KM_TRY(read_symbols(obj));
	KM_TRY(read_banner(obj));
	*ret = obj;
	obj = NULL;
	return NULL;
}

km_error *km_vmlinux_parse(const uint8_t *bytes, size_t size, km_object **ret)
{
	uint8_t *copy = km_calloc(size + 1, 1);

	memcpy(copy, bytes, size);
	return parse("", copy, size, ret);
}

static km_error *read_range(int fd, size_t from, size_t size, uint8_t **ret)
{
	KM_AUTOFREE uint8_t *bytes = km_realloc(NULL, size + 1, 1);
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(fd, bytes + done, size - done, (off_t)(from + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return km_error_sys(errno, "read");
		if (!n)
			return km_error_new(KM_INPUT, "cut off at byte %zu", from + done);
		done += (size_t)n;
	}
	*ret = bytes;
	bytes = NULL;
	return NULL;
}

/* The end of the segments in the file: what follows, up to hundreds of megabytes of debug information, is not read. */
static km_error *loaded_size(int fd, size_t file_size, size_t *ret)
{
	KM_AUTOFREE uint8_t *start = NULL, *headers = NULL;
	size_t end = 0;
	Elf64_Ehdr header;

	KM_TRY(read_range(fd, 0, file_size < sizeof(header) ? file_size : sizeof(header), &start));
	if (file_size < sizeof(header))
		return km_error_new(KM_INPUT, "%zu bytes are too few for an ELF header", file_size);
	memcpy(&header, start, sizeof(header));
	if (header.e_phoff > file_size || header.e_phnum > (file_size - header.e_phoff) / sizeof(Elf64_Phdr))
		return km_error_new(KM_INPUT, "the program headers lie past the end of the file");
	end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
	KM_TRY(read_range(fd, header.e_phoff, end - header.e_phoff, &headers));
	end = end > sizeof(header) ? end : sizeof(header);
	for (unsigned i = 0; i < header.e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, headers + i * sizeof(ph), sizeof(ph));
		if (ph.p_type != PT_LOAD && ph.p_type != PT_NOTE)
			continue;
		if (ph.p_offset > file_size || ph.p_filesz > file_size - ph.p_offset)
			return km_error_new(KM_INPUT, "segment %u ends past the end of the file (%zu bytes)", i, file_size);
		if (ph.p_offset + ph.p_filesz > end)
			end = ph.p_offset + ph.p_filesz;
	}
	*ret = end;
	return NULL;
}

/* The bytes of the vmlinux in the file, unpacked. */
static km_error *load(int fd, uint8_t **bytes, size_t *size)
{
	KM_AUTOFREE uint8_t *packed = NULL;
	uint8_t magic[SELFMAG] = {0};
	struct stat st;
	size_t want;

	if (fstat(fd, &st) < 0)
		return km_error_sys(errno, "stat");
	if (!S_ISREG(st.st_mode))
		return km_error_new(KM_INPUT, "not a regular file");
	want = (size_t)st.st_size;
	if (pread(fd, magic, sizeof(magic), 0) < 0)
		return km_error_sys(errno, "read");
	if (is_elf(magic, sizeof(magic)))
		KM_TRY(loaded_size(fd, want, &want));
	if (want > KM_IMAGE_LIMIT)
		return km_error_new(KM_INPUT, "%zu bytes are more than any kernel has", want);
	KM_TRY(read_range(fd, 0, want, &packed));
	if (!is_elf(magic, sizeof(magic)))
		return km_vmlinuz_extract(packed, want, bytes, size);
	*bytes = packed;
	*size = want;
	packed = NULL;
	return NULL;
}

km_error *km_vmlinux_open(const char *path, km_object **ret)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes = NULL;
	size_t size = 0;
	km_error *err;

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	err = load(fd, &bytes, &size);
	if (!err)
		err = parse(path, bytes, size, ret);
	return err ? km_error_add(err, "cannot read kernel image %s", path) : NULL;
}
