/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/stat.h>
#include <time.h>

#include <kmend/store.h>

#include "setup.h"

static km_error *open_state(const struct config *config, km_store **ret)
{
	KM_AUTOFREE char *path = km_path(config->data, "state.db");

	return km_store_open(config->database ? config->database : path, ret);
}

struct making {
	struct km_store_admin admin;
	const char *by;
	bool first; /* there may be no other */
};

static km_error *make_admin(km_store *store, void *ctx)
{
	const struct making *m = ctx;
	struct km_store_audit record = {
		.at = m->admin.created, .actor = m->by, .action = "admin.create", .object = m->admin.id};
	KM_AUTOFREE char *detail = km_printf("%s, %s", m->admin.name, km_admin_role_name(m->admin.role));
	km_arena *arena = km_arena_create();
	struct km_store_admin *others;
	size_t n;
	km_error *err = km_store_admins(store, arena, &others, &n);

	km_arena_destroy(arena);
	if (err)
		return err;
	if (m->first && n)
		return km_error_hint(km_error_new(KM_REFUSED, "this state has admin tokens already"),
				     "kmend-server admin create makes another one");
	record.detail = detail;
	KM_TRY(km_store_admin_add(store, &m->admin, NULL));
	return km_store_audit(store, &record, NULL);
}

static km_error *add_admin(const struct config *config, enum km_admin_role role, const char *name, bool first)
{
	KM_CLEANUP(km_store_closep) km_store *store = NULL;
	KM_AUTOFREE char *secret = km_fleet_secret_new("kma_");
	char id[KM_TOKEN_ID_LEN + 1], hash[KM_SHA256_HEX];
	struct making m = {.admin = {.id = id, .name = name, .role = role, .secret = hash, .created = time(NULL)},
			   .by = first ? "kmend-server init" : "kmend-server admin",
			   .first = first};

	km_fleet_token_id(secret, id);
	km_fleet_secret_hash(secret, hash);
	KM_TRY(open_state(config, &store));
	KM_TRY(km_store_transact(store, make_admin, &m));
	printf("%s\n", secret);
	fprintf(stderr, "kmend-server: this is the admin token of %s (%s); it is not shown again\n", name,
		km_admin_role_name(role));
	explicit_bzero(secret, strlen(secret));
	return NULL;
}

km_error *setup_init(const struct config *config)
{
	KM_AUTOFREE char *keys = km_path(config->data, "keys"), *blobs = km_path(config->data, "blobs");

	umask(027);
	KM_TRY(km_mkdirs(config->data));
	KM_TRY(km_mkdirs(blobs));
	KM_TRY(km_mkdirs(keys));
	if (chmod(keys, 0700))
		return km_error_new(KM_ENV, "cannot close %s to others", keys);
	return add_admin(config, KM_ADMIN_RELEASER, "first", true);
}

km_error *setup_admin(const struct config *config, const char *role, const char *name)
{
	enum km_admin_role as;

	if (!role || !name)
		return km_error_new(KM_USAGE, "admin create needs --role and --name");
	if (!km_admin_role_of(role, &as))
		return km_error_hint(km_error_new(KM_USAGE, "there is no role '%s'", role),
				     "viewer, operator or releaser");
	if (!*name || !km_plain(name, KM_TRUST_NAME_MAX))
		return km_error_new(KM_USAGE, "a name has 1 to %d bytes and no control characters", KM_TRUST_NAME_MAX);
	if (!km_is_dir(config->data))
		return km_error_hint(km_error_new(KM_ENV, "there is no data directory %s", config->data),
				     "kmend-server init makes it");
	return add_admin(config, as, name, false);
}
