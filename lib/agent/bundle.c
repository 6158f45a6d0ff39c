/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle: "kmend bundle 1\n", then for each file "file NAME SIZE\n" and SIZE bytes, then "end\n" and nothing more. One
 * spelling: single blanks, no leading zeros. It carries no trust of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"
#include "source.h"

static const char magic[] = "kmend bundle 1\n";
enum { LINE = 128 }; /* longest line of the frame */

km_error *bundle_pread(int fd, void *bytes, size_t size, uint64_t at)
{
	char *to = bytes;

	while (size) {
		ssize_t n = pread(fd, to, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return km_error_sys(errno, "cannot read the bundle");
		if (!n)
			return km_error_new(KM_INPUT, "the bundle ends at byte %llu", (unsigned long long)at);
		to += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return NULL;
}

const struct bundle_file *bundle_find(const struct bundle_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->at[i].name, name))
			return &list->at[i];
	return NULL;
}

static km_error *broken(uint64_t at, const char *what)
{
	return km_error_new(KM_INPUT, "this is no bundle: %s at byte %llu", what, (unsigned long long)at);
}

/* The line that begins at *at, without its newline. */
static km_error *next_line(int fd, uint64_t size, uint64_t *at, char line[static LINE + 1])
{
	size_t n = size - *at < LINE ? (size_t)(size - *at) : LINE;
	char *end;

	KM_TRY(bundle_pread(fd, line, n, *at));
	end = memchr(line, '\n', n);
	if (!end || memchr(line, '\0', (size_t)(end - line)))
		return broken(*at, "no line");
	*end = '\0';
	*at += (uint64_t)(end - line) + 1;
	return NULL;
}

static km_error *parse_file(char *line, uint64_t at, struct bundle_file *ret)
{
	char *name = line + strlen("file "), *number = strchr(name, ' '), *end;
	KM_AUTOFREE char *again = NULL;

	if (!number)
		return broken(at, "no size");
	*number++ = '\0';
	if (!km_source_name_ok(name) || !agent_copy(ret->name, sizeof(ret->name), name))
		return broken(at, "a name that it cannot have");
	errno = 0;
	ret->size = strtoull(number, &end, 10);
	again = km_printf("%llu", (unsigned long long)ret->size);
	if (errno || *end || strcmp(again, number) || ret->size > KM_PAYLOAD_MAX)
		return broken(at, "a size that it cannot have");
	return NULL;
}

static km_error *scan(int fd, uint64_t size, struct bundle_list *list)
{
	char line[LINE + 1];
	uint64_t at = strlen(magic), begin;

	for (;;) {
		struct bundle_file file = {0};

		begin = at;
		KM_TRY(next_line(fd, size, &at, line));
		if (!strcmp(line, "end"))
			return at == size ? NULL : broken(at, "bytes behind its end");
		if (!km_starts(line, "file "))
			return broken(begin, "an unknown word");
		KM_TRY(parse_file(line, begin, &file));
		if (file.size > size - at)
			return broken(at, "less than the size says");
		if (list->n == KM_BUNDLE_FILES)
			return broken(begin, "too many files");
		if (bundle_find(list, file.name))
			return broken(begin, "the same name again");
		file.at = at;
		at += file.size;
		km_vec_push(list, file);
	}
}

km_error *bundle_scan(int fd, uint64_t size, struct bundle_list *ret)
{
	char head[sizeof(magic)] = "";
	struct bundle_list list = {0};
	km_error *err;

	if (size < strlen(magic))
		return broken(0, "no first line");
	KM_TRY(bundle_pread(fd, head, strlen(magic), 0));
	if (strcmp(head, magic))
		return broken(0, "another first line");
	err = scan(fd, size, &list);
	if (err) {
		km_vec_free(&list);
		return err;
	}
	*ret = list;
	return NULL;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

struct km_bundle {
	char *path, *beside;
	FILE *f;
	km_strv names;
};

static km_error *cannot(const km_bundle *b)
{
	return km_error_sys(errno, "cannot write %s", b->path);
}

km_error *km_bundle_create(const char *path, km_bundle **ret)
{
	KM_CLEANUP(km_bundle_dropp) km_bundle *b = km_calloc(1, sizeof(*b));

	b->path = km_strdup(path);
	b->beside = km_printf("%s.%ld.tmp", path, (long)getpid());
	b->f = fopen(b->beside, "wxe");
	if (!b->f || fputs(magic, b->f) < 0)
		return cannot(b);
	*ret = b;
	b = NULL;
	return NULL;
}

km_error *km_bundle_add(km_bundle *b, const char *name, const void *bytes, size_t size)
{
	if (!km_source_name_ok(name) || km_strv_has(&b->names, name) || b->names.n == KM_BUNDLE_FILES)
		return km_error_new(KM_BUG, "a bundle cannot take %s", name);
	if (fprintf(b->f, "file %s %zu\n", name, size) < 0 || fwrite(bytes, 1, size, b->f) != size)
		return cannot(b);
	km_strv_push(&b->names, name);
	return NULL;
}

void km_bundle_drop(km_bundle *b)
{
	if (!b)
		return;
	if (b->f) {
		fclose(b->f);
		unlink(b->beside);
	}
	free(b->path);
	free(b->beside);
	km_strv_free(&b->names);
	free(b);
}

void km_bundle_dropp(km_bundle **b)
{
	km_bundle_drop(*b);
}

km_error *km_bundle_end(km_bundle *bundle)
{
	KM_CLEANUP(km_bundle_dropp) km_bundle *b = bundle;
	FILE *f = b->f;

	if (fputs("end\n", f) < 0 || fflush(f) || fsync(fileno(f)) < 0)
		return cannot(b);
	b->f = NULL;
	if (fclose(f) || rename(b->beside, b->path) < 0) {
		km_error *err = cannot(b);

		unlink(b->beside);
		return err;
	}
	return NULL;
}
