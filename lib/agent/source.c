/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named documents of a stranger: a directory that he can write, or a bundle that he has made. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "source.h"

struct km_source {
	int dir;    /* of the spool, or -1 */
	int bundle; /* or -1 */
	struct bundle_list list;
	int64_t modified; /* of the bundle */
};

void km_source_name(enum km_doc doc, const char *id, char ret[static KM_SOURCE_NAME])
{
	bool plain = doc != KM_DOC_ROOT && doc != KM_DOC_RELEASE;

	snprintf(ret, KM_SOURCE_NAME, plain ? "%s" : "%s.%s", km_doc_name(doc), id);
}

void km_source_payload_name(const char *sha256, char ret[static KM_SOURCE_NAME])
{
	snprintf(ret, KM_SOURCE_NAME, "payload.%s", sha256);
}

bool km_source_name_ok(const char *name)
{
	static const char *const plain[] = {"timestamp", "index", "rollout", "answer", "attach"};

	for (size_t i = 0; i < KM_COUNT(plain); i++)
		if (!strcmp(name, plain[i]))
			return true;
	if (km_starts(name, "root.")) {
		const char *n = name + strlen("root.");

		return *n >= '1' && *n <= '9' && strspn(n, "0123456789") == strlen(n) && strlen(n) <= 16;
	}
	return (km_starts(name, "release.") || km_starts(name, "payload.")) && agent_is_sha256(name + 8);
}

static km_source *source_new(void)
{
	km_source *source = km_calloc(1, sizeof(*source));

	source->dir = source->bundle = -1;
	return source;
}

km_error *km_source_spool(const char *root, km_source **ret)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_SPOOL);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return km_error_sys(errno, "cannot open %s", path);
	*ret = source_new();
	(*ret)->dir = dir;
	return NULL;
}

km_error *km_source_bundle(const char *path, km_source **ret)
{
	KM_CLEANUP(km_source_closep) km_source *source = source_new();
	struct stat st;

	source->bundle = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (source->bundle < 0)
		return km_error_sys(errno, "cannot open %s", path);
	if (fstat(source->bundle, &st) < 0 || !S_ISREG(st.st_mode))
		return km_error_new(KM_INPUT, "%s is no regular file", path);
	source->modified = st.st_mtime;
	km_error *err = bundle_scan(source->bundle, (uint64_t)st.st_size, &source->list);

	if (err)
		return km_error_add(err, "%s", path);
	*ret = source;
	source = NULL;
	return NULL;
}

void km_source_close(km_source *source)
{
	if (!source)
		return;
	km_closep(&source->dir);
	km_closep(&source->bundle);
	km_vec_free(&source->list);
	free(source);
}

void km_source_closep(km_source **source)
{
	km_source_close(*source);
}

static km_error *absent(const char *name)
{
	return km_error_new(KM_NOTHING, "there is no %s", name);
}

static km_error *from_bundle(const km_source *s, const char *name, size_t max, uint8_t **bytes, size_t *size)
{
	const struct bundle_file *file = bundle_find(&s->list, name);
	KM_AUTOFREE uint8_t *buffer = NULL;

	if (!file)
		return absent(name);
	if (file->size > max)
		return km_error_new(KM_INPUT, "%s has more than %zu bytes", name, max);
	buffer = km_calloc(file->size + 1, 1);
	KM_TRY(bundle_pread(s->bundle, buffer, file->size, file->at));
	*bytes = buffer;
	*size = file->size;
	buffer = NULL;
	return NULL;
}

km_error *km_source_get(const km_source *s, const char *name, size_t max, uint8_t **bytes, size_t *size, int64_t *modified)
{
	if (!km_source_name_ok(name))
		return absent(name);
	if (s->dir >= 0)
		return agent_read(s->dir, name, max, bytes, size, modified);
	if (modified)
		*modified = s->modified;
	return from_bundle(s, name, max, bytes, size);
}
