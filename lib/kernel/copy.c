/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Working copies: trees of hard links into the pristine one. A file is changed by a new inode, never through its link,
 * and only after its path is safe in the journal; so the next owner of the copy can always restore it, whenever a run
 * was killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prepared.h"

/* ---- making one ----------------------------------------------------------------------------------------------------
 */
static km_error *link_tree(int from, int to, const char *path);

static km_error *link_entry(int from, int to, const struct dirent *e, const char *path)
{
	struct stat st;
	int sub_from, sub_to;
	km_error *err;
	bool is_dir = e->d_type == DT_DIR;

	if (e->d_type == DT_UNKNOWN && !fstatat(from, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
		is_dir = S_ISDIR(st.st_mode);
	if (!is_dir)
		return linkat(from, e->d_name, to, e->d_name, 0)
			       ? km_error_sys(errno, "cannot link %s/%s", path, e->d_name)
			       : NULL;
	if (mkdirat(to, e->d_name, 0755))
		return km_error_sys(errno, "cannot make %s/%s", path, e->d_name);
	sub_from = openat(from, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sub_to = openat(to, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sub_from < 0 || sub_to < 0) {
		err = km_error_sys(errno, "cannot open %s/%s", path, e->d_name);
	} else {
		KM_AUTOFREE char *below = km_path(path, e->d_name);

		err = link_tree(sub_from, sub_to, below);
	}
	km_closep(&sub_from);
	km_closep(&sub_to);
	return err;
}

static km_error *link_tree(int from, int to, const char *path)
{
	int fd = dup(from);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	km_error *err = NULL;

	if (!d) {
		err = km_error_sys(errno, "cannot read %s", path);
		km_closep(&fd);
		return err;
	}
	while (!err && (e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			err = link_entry(from, to, e, path);
	closedir(d);
	return err;
}

static km_error *make_copy(const char *pristine, const char *dir)
{
	KM_AUTOFREE char *fresh = km_printf("%s.new", dir);
	KM_AUTOCLOSE int from = -1;
	KM_AUTOCLOSE int to = -1;
	km_error *err;

	KM_TRY(km_remove_tree(fresh));
	KM_TRY(km_mkdirs(fresh));
	from = open(pristine, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = open(fresh, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0 || to < 0)
		return km_error_sys(errno, "cannot open %s", from < 0 ? pristine : fresh);
	err = link_tree(from, to, pristine);
	if (!err && rename(fresh, dir))
		err = km_error_sys(errno, "cannot rename %s to %s", fresh, dir);
	if (err)
		km_error_free(km_remove_tree(fresh));
	return err;
}

/* ---- the journal ---------------------------------------------------------------------------------------------------
 */
/* One path a line. A torn last line names a file that was not changed yet. */
static km_error *journal_add(const char *journal, const char *path)
{
	KM_AUTOCLOSE int fd = open(journal, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	KM_AUTOFREE char *line = km_printf("%s\n", path);

	if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line) || fsync(fd))
		return km_error_sys(errno, "cannot write %s", journal);
	return NULL;
}

static bool is_below(const char *path)
{
	return *path && *path != '/' && strcmp(path, "..") && !km_starts(path, "../") && !strstr(path, "/../") &&
	       !km_ends(path, "/..");
}

static km_error *restore_file(const struct copy *c, const char *pristine, const char *path)
{
	KM_AUTOFREE char *from = km_path(pristine, path);
	KM_AUTOFREE char *to = km_path(c->tree, path);

	if (!is_below(path))
		return km_error_new(KM_INPUT, "%s names \"%s\", which is no file of the tree", c->journal, path);
	if (unlink(to) && errno != ENOENT && errno != ENOTDIR)
		return km_error_sys(errno, "cannot remove %s", to);
	if (link(from, to) && errno != ENOENT && errno != ENOTDIR)
		return km_error_sys(errno, "cannot link %s to %s", from, to);
	return NULL;
}

km_error *copy_restore(struct copy *c, const char *pristine)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;
	char *save = NULL;

	if (!km_exists(c->journal))
		return NULL;
	KM_TRY(km_file_read(c->journal, &bytes, &size));
	while (size && bytes[size - 1] != '\n')
		bytes[--size] = 0;
	for (char *path = strtok_r((char *)bytes, "\n", &save); path; path = strtok_r(NULL, "\n", &save))
		KM_TRY(restore_file(c, pristine, path));
	return unlink(c->journal) ? km_error_sys(errno, "cannot remove %s", c->journal) : NULL;
}

km_error *copy_replace(struct copy *c, const char *path, const void *bytes, size_t size)
{
	KM_AUTOFREE char *to = km_path(c->tree, path);
	KM_AUTOFREE char *fresh = km_printf("%s.kmend-new", to);
	KM_AUTOFREE char *fresh_path = km_printf("%s.kmend-new", path);
	const char *slash = strrchr(to, '/');
	KM_AUTOFREE char *dir = km_strndup(to, (size_t)(slash - to));
	FILE *f;
	bool good;

	if (!is_below(path))
		return km_error_new(KM_INPUT, "\"%s\" leads out of the tree", path);
	KM_TRY(journal_add(c->journal, path));
	if (!bytes)
		return unlink(to) && errno != ENOENT ? km_error_sys(errno, "cannot remove %s", to) : NULL;
	KM_TRY(journal_add(c->journal, fresh_path));
	KM_TRY(km_mkdirs(dir));
	f = fopen(fresh, "we");
	if (!f)
		return km_error_sys(errno, "cannot make %s", fresh);
	good = fwrite(bytes, 1, size, f) == size;
	good &= !fclose(f);
	if (!good || rename(fresh, to))
		return km_error_sys(errno, "cannot write %s", to);
	return NULL;
}

/* ---- taking one ----------------------------------------------------------------------------------------------------
 */
static km_error *copy_take(const char *kernel_dir, const char *name, int lock, struct copy *ret)
{
	KM_AUTOFREE char *pristine = km_path(kernel_dir, "tree");
	struct copy c = {.tree = km_printf("%s/work/%s", kernel_dir, name),
			 .lock = lock,
			 .journal = km_printf("%s/work/%s.journal", kernel_dir, name)};
	km_error *err = NULL;

	if (!km_is_dir(c.tree)) {
		unlink(c.journal);
		err = make_copy(pristine, c.tree);
	} else {
		err = copy_restore(&c, pristine);
	}
	if (err) {
		free(c.tree);
		free(c.journal);
		return km_error_add(err, "cannot set up a working copy");
	}
	*ret = c;
	return NULL;
}

km_error *copy_open(const char *kernel_dir, const char *kind, struct copy *ret)
{
	KM_AUTOFREE char *work = km_path(kernel_dir, "work");
	km_error *err;

	KM_TRY(km_mkdirs(work));
	for (unsigned i = 0; i < 1000; i++) {
		KM_AUTOFREE char *name = km_printf("%s%u", kind, i);
		KM_AUTOFREE char *lock_path = km_printf("%s/%s.lock", work, name);
		int lock;

		KM_TRY(km_lock(lock_path, false, &lock));
		if (lock < 0)
			continue;
		err = copy_take(kernel_dir, name, lock, ret);
		if (err)
			close(lock);
		return err;
	}
	return km_error_hint(km_error_new(KM_ENV, "all working copies in %s are taken", work),
			     "end other builds first");
}

void copy_close(struct copy *c)
{
	km_closep(&c->lock);
	free(c->tree);
	free(c->journal);
	*c = (struct copy){.lock = -1};
}
