/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories, and the one where kmend keeps what it can make again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kmend/base.h>
#include <sys/stat.h>
#include <unistd.h>

km_error *km_mkdirs(const char *path)
{
	KM_AUTOFREE char *part = km_strdup(path);

	for (char *p = part; *p;) {
		p += strspn(p, "/");
		p += strcspn(p, "/");
		char cut = *p;

		*p = '\0';
		/* Not by the errno: mkdir of what is there fails with EROFS or EACCES as well. */
		if (*part && mkdir(part, 0777) < 0) {
			int sys = errno;

			if (!km_is_dir(part))
				return km_error_sys(sys == EEXIST ? ENOTDIR : sys, "cannot make the directory %s", part);
		}
		*p = cut;
	}
	return NULL;
}

static int remove_at(int dir, const char *name);

static int remove_children(int dir)
{
	DIR *d = fdopendir(dir);
	struct dirent *e;
	int sys = 0;

	if (!d) {
		sys = errno;
		close(dir);
		return sys;
	}
	while (!sys && (errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			sys = remove_at(dirfd(d), e->d_name);
	if (!sys)
		sys = errno;
	closedir(d);
	return sys;
}

static int remove_at(int dir, const char *name)
{
	int fd, sys;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno;
	sys = remove_children(fd);
	if (!sys && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		sys = errno;
	return sys;
}

km_error *km_remove_tree(const char *path)
{
	int sys = remove_at(AT_FDCWD, path);

	return sys ? km_error_sys(sys, "cannot remove %s", path) : NULL;
}

km_error *km_listdir(const char *dir, km_strv *ret)
{
	DIR *d = opendir(dir);
	km_strv names = {0};
	struct dirent *e;
	int sys;

	if (!d)
		return km_error_sys(errno, "cannot list %s", dir);
	while ((errno = 0, e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			km_strv_push(&names, e->d_name);
	sys = errno;
	closedir(d);
	if (sys) {
		km_strv_free(&names);
		return km_error_sys(sys, "cannot list %s", dir);
	}
	km_strv_sort(&names);
	*ret = names;
	return NULL;
}

static char *cache_path(void)
{
	const char *own = getenv("KMEND_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (own && *own)
		return km_strdup(own);
	if (xdg && *xdg)
		return km_path(xdg, "kmend");
	if (geteuid() == 0)
		return km_strdup("/var/cache/kmend");
	return home && *home ? km_path(home, ".cache/kmend") : NULL;
}

km_error *km_cache_dir(char **ret)
{
	KM_AUTOFREE char *path = cache_path();
	km_error *err;

	if (!path)
		return km_error_hint(km_error_new(KM_ENV, "there is no place for the cache: HOME is not set"),
				     "set KMEND_CACHE to a directory");
	err = km_mkdirs(path);
	if (err)
		return km_error_hint(km_error_add(err, "cannot use the cache"), "set KMEND_CACHE to a directory");
	*ret = path;
	path = NULL;
	return NULL;
}
