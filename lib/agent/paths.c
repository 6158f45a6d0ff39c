/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a host's files are, who may read them, and small files that are read with care. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

char *km_agent_root(void)
{
	const char *env = getenv("KMEND_ROOT");
	char *root = km_strdup(env ? env : "");

	while (km_ends(root, "/"))
		root[strlen(root) - 1] = '\0';
	return root;
}

char *agent_path(const char *root, const char *fmt, ...)
{
	KM_AUTOFREE char *below = NULL;
	va_list ap;

	va_start(ap, fmt);
	below = km_vprintf(fmt, ap);
	va_end(ap);
	return km_printf("%s%s", root, below);
}

bool agent_copy(char *to, size_t room, const char *text)
{
	size_t n = text ? strlen(text) : room;

	if (n >= room)
		return false;
	memcpy(to, text, n + 1);
	return true;
}

bool agent_is_sha256(const char *s)
{
	return strlen(s) == KM_SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == KM_SHA256_HEX - 1;
}

void agent_detail(char to[static KM_FLEET_DETAIL_MAX + 1], const char *text)
{
	size_t n = strlen(text);

	if (n > KM_FLEET_DETAIL_MAX) {
		n = KM_FLEET_DETAIL_MAX;
		while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, text, n);
	to[n] = '\0';
	for (char *p = to; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

static km_error *read_bounded(int fd, const char *name, size_t max, uint8_t **bytes, size_t *size)
{
	size_t n = 0, room = 4096;
	KM_AUTOFREE uint8_t *buffer = km_realloc(NULL, room + 1, 1);

	for (;;) {
		ssize_t got = read(fd, buffer + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return km_error_sys(errno, "cannot read %s", name);
		if (!got)
			break;
		n += (size_t)got;
		if (n > max)
			return km_error_new(KM_INPUT, "%s has more than %zu bytes", name, max);
		if (n == room) {
			room = 2 * room;
			buffer = km_realloc(buffer, room + 1, 1);
		}
	}
	buffer[n] = '\0';
	*bytes = buffer;
	*size = n;
	buffer = NULL;
	return NULL;
}

km_error *agent_read(int dir, const char *name, size_t max, uint8_t **bytes, size_t *size, int64_t *modified)
{
	/* O_NONBLOCK: a FIFO must not make us wait for its writer; O_NOCTTY: nor a terminal become ours. */
	KM_AUTOCLOSE int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return km_error_new(KM_NOTHING, "there is no %s", name);
	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return km_error_new(KM_INPUT, "%s is no regular file", name);
	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", name);
	if (fstat(fd, &st) < 0)
		return km_error_sys(errno, "cannot read %s", name);
	if (!S_ISREG(st.st_mode))
		return km_error_new(KM_INPUT, "%s is no regular file", name);
	if ((uint64_t)st.st_size > max)
		return km_error_new(KM_INPUT, "%s has more than %zu bytes", name, max);
	KM_TRY(read_bounded(fd, name, max, bytes, size));
	if (modified)
		*modified = st.st_mtime;
	return NULL;
}

char *agent_text(const char *root, const char *path)
{
	KM_AUTOFREE char *full = agent_path(root, "%s", path);
	KM_AUTOCLOSE int fd = open(full, O_RDONLY | O_CLOEXEC);
	uint8_t *bytes;
	size_t size;
	km_error *err = fd < 0 ? NULL : read_bounded(fd, path, 1 << 20, &bytes, &size);

	km_error_free(err);
	if (fd < 0 || err)
		return NULL;
	if (size && bytes[size - 1] == '\n')
		bytes[size - 1] = '\0';
	return (char *)bytes;
}

bool agent_recent(int64_t since, int64_t now, int64_t seconds)
{
	return since <= now && now < since + seconds;
}

int64_t km_agent_now(const char *root)
{
	const char *env = *root ? getenv("KMEND_CLOCK") : NULL;

	return time(NULL) + (env ? atoll(env) : 0);
}

int64_t km_agent_uptime(const char *root)
{
	KM_AUTOFREE char *text = agent_text(root, "/proc/uptime");

	return text ? (int64_t)atof(text) : 0;
}

km_error *km_agent_kernel(const char *root, struct km_fleet_kernel *ret)
{
	struct km_fleet_kernel kernel = {0};
	struct utsname uts;
	km_host *host;
	KM_AUTOFREE char *boot = agent_text(root, "/proc/sys/kernel/random/boot_id");
	size_t n = 0;
	bool fits;

	KM_TRY(km_host_open(root, NULL, &host));
	uname(&uts);
	fits = agent_copy(kernel.arch, sizeof(kernel.arch), uts.machine) &&
	       agent_copy(kernel.release, sizeof(kernel.release), km_host_release(host)) &&
	       agent_copy(kernel.build_id, sizeof(kernel.build_id), km_host_build_id(host));
	km_host_close(host);
	for (const char *p = boot ? boot : ""; *p && n < sizeof(kernel.boot) - 1; p++)
		if (*p != '-')
			kernel.boot[n++] = *p;
	if (!fits || n != sizeof(kernel.boot) - 1)
		return km_error_new(KM_ENV, "this kernel does not say which one it is, or which boot");
	*ret = kernel;
	return NULL;
}

/* ---- owners and modes ---------------------------------------------------------------------------------------------- */

gid_t agent_group(const char *root)
{
	const struct group *group = *root ? NULL : getgrnam(KM_AGENT_USER);

	return group ? group->gr_gid : 0;
}

static km_error *make_dir(const char *root, const char *below, mode_t mode, bool theirs)
{
	KM_AUTOFREE char *path = agent_path(root, "%s", below);
	const struct passwd *user = *root || geteuid() ? NULL : getpwnam(KM_AGENT_USER);
	struct stat st;

	KM_TRY(km_mkdirs(path));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return km_error_new(KM_ENV, "%s is no directory", path);
	if (chmod(path, mode) < 0)
		return km_error_sys(errno, "cannot set the mode of %s", path);
	if (user && lchown(path, theirs ? user->pw_uid : 0, theirs ? user->pw_gid : 0) < 0)
		return km_error_sys(errno, "cannot set the owner of %s", path);
	return NULL;
}

km_error *km_agent_prepare(const char *root)
{
	static const struct {
		const char *path;
		mode_t mode;
		bool theirs; /* kmend-fetch may write */
	} dirs[] = {
		{"/etc/kmend", 0755, false},
		{"/run/kmend", 0755, false},
		{"/var/lib/kmend", 0755, false},
		{KM_AGENT_DIR, 0755, false},
		{KM_AGENT_DIR "/held", 0755, false},
		{KM_AGENT_SPOOL, 0750, true},
	};

	for (size_t i = 0; i < KM_COUNT(dirs); i++)
		KM_TRY(make_dir(root, dirs[i].path, dirs[i].mode, dirs[i].theirs));
	return NULL;
}

km_error *km_agent_forget(const char *root)
{
	/* The spool, a stranger's, can refuse to go: the host is still attached then, and this can be done again. Next the
	 * identity: what a kill leaves is then no host any more. */
	static const char *const paths[] = {
		KM_AGENT_SPOOL, KM_AGENT_DIR "/identity", KM_AGENT_DIR, KM_AGENT_FLEET, KM_AGENT_NEXT,
	};

	for (size_t i = 0; i < KM_COUNT(paths); i++) {
		KM_AUTOFREE char *path = agent_path(root, "%s", paths[i]);

		KM_TRY(km_remove_tree(path));
	}
	return km_agent_prepare(root);
}

/* ---- trust ----------------------------------------------------------------------------------------------------------- */

km_error *km_agent_trust(const char *root, km_trust_client **ret)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_DIR "/trust");

	if (!km_exists(path))
		return km_error_new(KM_NOTHING, "this host is not attached");
	return km_trust_load(path, ret);
}

km_error *km_agent_trust_save(const char *root, const km_trust_client *client)
{
	KM_AUTOFREE char *path = agent_path(root, KM_AGENT_DIR "/trust");

	return km_trust_save(client, path);
}
