/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who this host is to its server: {"format":1,"host","secret","channel"}. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { IDENTITY_MAX = 4096 };

bool km_identity_exists(const char *root)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_DIR "/identity");

	return km_exists(path);
}

static bool secret_ok(const char *s)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return strspn(s, good) == strlen(s);
}

static km_error *parse(const uint8_t *bytes, size_t size, struct km_identity *ret)
{
	json_t *o = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
	const char *host, *secret, *channel;
	int format;
	bool good = o &&
		    !json_unpack_ex(o, NULL, JSON_STRICT, "{s:i, s:s, s:s, s:s}", "format", &format, "host", &host, "secret",
				    &secret, "channel", &channel) &&
		    format == 1 && agent_is_sha256(host) && agent_copy(ret->host, sizeof(ret->host), host) &&
		    secret_ok(secret) && agent_copy(ret->secret, sizeof(ret->secret), secret) &&
		    km_trust_name_ok(channel) && agent_copy(ret->channel, sizeof(ret->channel), channel);

	json_decref(o);
	return good ? NULL
		    : km_error_hint(km_error_new(KM_INPUT, KM_AGENT_DIR "/identity is damaged"), "attach this host anew");
}

km_error *km_identity_read(const char *root, struct km_identity *ret)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_DIR "/identity");
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_identity identity;
	size_t size;
	km_error *err = agent_read(AT_FDCWD, path, IDENTITY_MAX, &bytes, &size, NULL);

	if (err && err->code == KM_NOTHING) {
		km_error_free(err);
		return km_error_hint(km_error_new(KM_NOTHING, "this host is not attached"),
				     "kmend attach TOKEN --server URL");
	}
	KM_TRY(err);
	KM_TRY(parse(bytes, size, &identity));
	*ret = identity;
	return NULL;
}

/* Made with its last mode and owner before there is a secret in it. */
static km_error *write_private(const char *path, gid_t group, const char *text)
{
	KM_AUTOFREE char *beside = km_printf("%s.new", path);
	KM_AUTOCLOSE int fd = -1;

	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, group ? 0640 : 0600) < 0 || (group && fchown(fd, 0, group) < 0) ||
	    write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0 || rename(beside, path) < 0) {
		int sys = errno;

		unlink(beside);
		return km_error_sys(sys, "cannot write %s", path);
	}
	return NULL;
}

km_error *km_identity_write(const char *root, const struct km_identity *identity)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_DIR "/identity");
	json_t *o = json_pack("{s:i, s:s, s:s, s:s}", "format", 1, "host", identity->host, "secret", identity->secret,
			      "channel", identity->channel);
	KM_AUTOFREE char *text = json_dumps(o, JSON_SORT_KEYS);

	json_decref(o);
	if (!text)
		return km_error_new(KM_BUG, "the identity is no text");
	return write_private(path, agent_group(root), text);
}
