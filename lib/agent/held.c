/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is held: held/RELEASE.release and held/SHA256.ko, written by root alone after they were verified. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define HELD KM_AGENT_DIR "/held"

char *km_held_payload_path(const char *root, const char *sha256)
{
	return agent_path(root, HELD "/%s.ko", sha256);
}

static char *release_path(const char *root, const char *id)
{
	return agent_path(root, HELD "/%s.release", id);
}

bool km_held_has_payload(const char *root, const struct km_payload *payload)
{
	KM_AUTOFREE char *path = km_held_payload_path(root, payload->sha256);
	struct stat st;

	return !lstat(path, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == payload->size;
}

km_error *km_held_put_release(const char *root, const char *id, const void *bytes, size_t size)
{
	KM_AUTOFREE char *path = release_path(root, id);

	return km_file_write(path, bytes, size);
}

km_error *km_held_put_payload(const char *root, const struct km_payload *payload, const void *bytes)
{
	KM_AUTOFREE char *path = km_held_payload_path(root, payload->sha256);

	return km_file_write(path, bytes, payload->size);
}

static void held_end(struct km_held_release *held)
{
	free(held->bytes);
	km_release_free(&held->release);
}

void km_held_list_free(km_held_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		held_end(&list->at[i]);
	km_vec_free(list);
}

const struct km_held_release *km_held_find(const km_held_list *list, const char *id)
{
	for (size_t i = 0; list && i < list->n; i++)
		if (!strcmp(list->at[i].id, id))
			return &list->at[i];
	return NULL;
}

static km_error *verify(const km_trust_client *client, const char *id, struct km_held_release *held)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	KM_TRY(km_envelope_parse(KM_DOC_RELEASE, held->bytes, held->size, &envelope, NULL));
	KM_TRY(km_verify(envelope, km_trust_root(client), NULL));
	if (strcmp(envelope->id, id))
		return km_error_new(KM_INPUT, "this is another release");
	return km_release_parse(envelope, &held->release);
}

static km_error *find_bytes(const char *root, const km_source *source, const char *id, struct km_held_release *held)
{
	KM_AUTOFREE char *path = release_path(root, id);
	char name[KM_SOURCE_NAME];
	km_error *err = agent_read(AT_FDCWD, path, km_doc_max(KM_DOC_RELEASE), &held->bytes, &held->size, NULL);

	if (!err || !source)
		return err;
	km_error_free(err);
	km_source_name(KM_DOC_RELEASE, id, name);
	return km_source_get(source, name, km_doc_max(KM_DOC_RELEASE), &held->bytes, &held->size, NULL);
}

km_error *km_held_list_read(const char *root, const km_source *source, const km_trust_client *client, km_held_list *ret)
{
	const struct km_index *index = km_trust_index(client);
	km_held_list list = {0};

	for (size_t i = 0; index && i < index->n_releases; i++) {
		struct km_held_release held = {0};
		km_error *err = find_bytes(root, source, index->releases[i].id, &held);

		if (!err)
			err = verify(client, index->releases[i].id, &held);
		if (err) {
			km_error_free(err);
			held_end(&held);
			continue;
		}
		memcpy(held.id, index->releases[i].id, sizeof(held.id));
		km_vec_push(&list, held);
	}
	*ret = list;
	return NULL;
}

/* "<64 digits>.release" or "<64 digits>.ko"; what else is there is a temporary file that a kill has left. */
static bool wanted(const char *name, const km_held_list *list, const km_strv *keep)
{
	char id[KM_SHA256_HEX] = "";

	if (strlen(name) < KM_SHA256_HEX)
		return false;
	memcpy(id, name, KM_SHA256_HEX - 1);
	if (!strcmp(name + KM_SHA256_HEX - 1, ".release"))
		return km_held_find(list, id);
	return !strcmp(name + KM_SHA256_HEX - 1, ".ko") && km_strv_has(keep, id);
}

km_error *km_held_prune(const char *root, const km_held_list *list, const km_strv *keep)
{
	KM_AUTOFREE char *dir = agent_path(root, HELD);
	km_strv names = {0};
	km_error *err = NULL;

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (!wanted(names.at[i], list, keep) && unlink(path) < 0 && errno != ENOENT)
			err = km_error_sys(errno, "cannot remove %s", path);
	}
	km_strv_free(&names);
	return err;
}
