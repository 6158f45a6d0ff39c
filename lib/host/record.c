/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kmend writes down about a patch it loads, /run/kmend/patches/NAME.json. It is written before the module goes
 * in, so that a kill in between cannot leave a patch without its record; a record without its patch is harmless and
 * ignored. Keys: format 1, boot_id, name, version, description, severity, cves, path, sha256, build_id, loaded_at, uid.
 */
#include <jansson.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define RECORDS "/run/kmend/patches"

static int64_t asking_user(const km_host *host)
{
	long uid = host_number(host, -1, "/proc/self/loginuid");

	/* 4294967295: no one logged in, as in a service */
	return uid >= 0 && uid != 4294967295L ? uid : (int64_t)getuid();
}

static void set_text(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static json_t *describe(const km_host *host, const struct patch_file *file)
{
	const struct km_info *info = file->info;
	json_t *o = json_object(), *cves = json_array();

	json_object_set_new(o, "format", json_integer(1));
	set_text(o, "boot_id", host->boot_id);
	set_text(o, "name", info->name);
	set_text(o, "version", info->version);
	set_text(o, "description", info->description);
	set_text(o, "severity", info->severity);
	for (size_t i = 0; i < info->cves.n; i++)
		json_array_append_new(cves, json_string(info->cves.at[i]));
	json_object_set_new(o, "cves", cves);
	set_text(o, "path", file->path);
	set_text(o, "sha256", file->sha256);
	set_text(o, "build_id", file->build_id);
	json_object_set_new(o, "loaded_at", json_integer(time(NULL)));
	json_object_set_new(o, "uid", json_integer(asking_user(host)));
	return o;
}

km_error *record_write(const km_host *host, const struct patch_file *file)
{
	KM_AUTOFREE char *dir = host_path(host, RECORDS), *path = km_printf("%s/%s.json", dir, file->info->name);
	KM_AUTOFREE char *text = NULL;
	json_t *o = describe(host, file);
	km_error *err;

	text = json_dumps(o, JSON_INDENT(2) | JSON_SORT_KEYS);
	json_decref(o);
	if (!text)
		return km_error_new(KM_INPUT, "the metadata of %s is not UTF-8", file->path);
	err = km_mkdirs(dir);
	if (!err)
		err = km_file_write(path, text, strlen(text));
	if (err)
		return km_error_add(err, "cannot record what is loaded");
	chmod(path, 0644);
	return NULL;
}

static char *take_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? km_strdup(s) : NULL;
}

static void fill(struct km_applied *patch, const json_t *o)
{
	const json_t *cves = json_object_get(o, "cves");
	size_t i;
	json_t *cve;

	patch->ours = true;
	patch->version = take_text(o, "version");
	patch->description = take_text(o, "description");
	patch->severity = take_text(o, "severity");
	patch->path = take_text(o, "path");
	patch->sha256 = take_text(o, "sha256");
	patch->since = json_integer_value(json_object_get(o, "loaded_at"));
	patch->uid = json_is_integer(json_object_get(o, "uid")) ? json_integer_value(json_object_get(o, "uid")) : -1;
	json_array_foreach(cves, i, cve) if (json_is_string(cve)) km_strv_push(&patch->cves, json_string_value(cve));
}

void record_read(const km_host *host, struct km_applied *patch)
{
	KM_AUTOFREE char *text = host_text(host, RECORDS "/%s.json", patch->name);
	json_t *o = text ? json_loads(text, 0, NULL) : NULL;
	const char *boot = json_string_value(json_object_get(o, "boot_id"));
	const char *id = json_string_value(json_object_get(o, "build_id"));

	/* Another boot's, or another module has taken the name since. */
	bool stale = (boot && host->boot_id && strcmp(boot, host->boot_id)) ||
		     (id && patch->build_id && strcmp(id, patch->build_id));

	if (json_is_object(o) && !stale)
		fill(patch, o);
	json_decref(o);
}

void record_remove(const km_host *host, const char *name)
{
	KM_AUTOFREE char *path = host_path(host, RECORDS "/%s.json", name);

	unlink(path);
}
