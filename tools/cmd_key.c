/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

const struct cmd_option cmd_key_options[] = {
	[KEY_DIR] = {"dir", "DIR", "generate: where the key goes (here)"},
	[KEY_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the passphrase"},
	[KEY_NEW_PASSPHRASE] = {"new-passphrase-file", "FILE", "passphrase: the new one"},
	[KEY_NO_PASSPHRASE] = {"no-passphrase", NULL, "do not encrypt private keys"},
	[KEY_KEYS] = {"keys", "ROLE=N,...", "ceremony: how many keys (root=3, others 1)"},
	[KEY_THRESHOLD] = {"threshold", "ROLE=N,...", "ceremony, rotate: how many must sign (root=2)"},
	[KEY_CHANNEL] = {"channel", "NAME,...", "ceremony: the channels to begin with (stable)"},
	[KEY_YES] = {"yes", NULL, "ceremony: ask nothing but passphrases"},
	[KEY_ADD] = {"add", "FILE,...", "rotate: public keys that come"},
	[KEY_REMOVE] = {"remove", "KEY,...", "rotate: ids or names of keys that go"},
	[KEY_LIFETIME] = {"lifetime", "DAYS", "ceremony, rotate: how long the root is valid (365)"},
	[KEY_OUTPUT] = {"output", "FILE", "rotate: the new root (N.root)"},
	[KEY_DATE] = {"date", "DATE", "take this for today, where the clock is not right"},
	[KEY_WARN] = {"warn", "DAYS", "status: mark what has fewer days left (14)"},
	{0},
};

static json_t *key_json(const struct km_public_key *key)
{
	char hex[2 * KM_KEY_LEN + 1];

	km_hex(key->key, sizeof(key->key), hex);
	return json_pack("{s:s, s:s, s:s, s:s}", "id", key->id, "role", km_role_name(key->role), "name", key->name,
			 "key", hex);
}

/* ---- generate, show, passphrase ---- */

static km_error *generate(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_key_destroyp) km_private_key *key = NULL;
	const char *dir = args->value[KEY_DIR] ? args->value[KEY_DIR] : ".";
	KM_AUTOFREE char *private = NULL, *public = NULL;
	char *secret = NULL;
	enum km_role role;
	km_error *err;

	(void)status;
	if (!km_role_of(args->words[1], &role))
		return km_error_hint(km_error_new(KM_USAGE, "there is no role '%s'", args->words[1]),
				     "the roles are root, builder, reviewer, index, rollout, timestamp; kmend-trust(5) "
				     "tells what each signs");
	KM_TRY(km_key_create(role, args->words[2], &key));
	private = km_printf("%s/%s.key", dir, args->words[2]);
	public = km_printf("%s/%s.pub", dir, args->words[2]);
	if (!args->value[KEY_NO_PASSPHRASE])
		KM_TRY(secret_read(args->value[KEY_PASSPHRASE], "a passphrase for the new key", true, &secret));
	err = km_key_save(key, private, secret, NULL);
	secret_free(secret);
	if (!err)
		err = km_public_save(km_key_public(key), public);
	if (err)
		return err;
	if (args->json)
		view_json(key_json(km_key_public(key)));
	else
		printf("%s: the private key, %s; keep it where only its owner is\n%s: the public key, id %s\n", private,
		       args->value[KEY_NO_PASSPHRASE] ? "NOT encrypted" : "encrypted", public, km_key_public(key)->id);
	return NULL;
}

static km_error *show(const struct cmd_args *args, int *status)
{
	json_t *all = json_array();
	km_error *err = NULL;

	(void)status;
	for (int i = 1; i < args->n && !err; i++) {
		struct km_public_key key;

		err = km_public_load(args->words[i], &key);
		if (err)
			break;
		json_array_append_new(all, key_json(&key));
		if (!args->json)
			printf("%s  %-9s  %s%s\n", key.id, km_role_name(key.role), key.name,
			       km_key_encrypted(args->words[i]) ? ", encrypted" : "");
	}
	if (!err && args->json)
		view_json(json_pack("{s:O}", "keys", all));
	json_decref(all);
	return err;
}

static km_error *passphrase(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_key_destroyp) km_private_key *key = NULL;
	const char *path = args->words[1];
	char *old = NULL, *new = NULL;
	km_error *err;

	(void)status;
	if (km_key_encrypted(path))
		KM_TRY(secret_read(args->value[KEY_PASSPHRASE], "the passphrase so far", false, &old));
	err = km_key_load(path, old, NULL, &key);
	secret_free(old);
	if (!err && !args->value[KEY_NO_PASSPHRASE])
		err = secret_read(args->value[KEY_NEW_PASSPHRASE], "the new passphrase", true, &new);
	if (!err)
		err = km_key_resave(key, path, new, NULL);
	secret_free(new);
	if (!err && !args->json)
		printf("%s is %s now\n", path,
		       args->value[KEY_NO_PASSPHRASE] ? "NOT encrypted" : "encrypted with the new passphrase");
	if (!err && args->json)
		view_json(key_json(km_key_public(key)));
	return err;
}

/* ---- rotate ---- */

static km_error *load_added(const char *files, struct km_public_key *keys, size_t *n)
{
	km_strv paths = {0};
	km_error *err = NULL;

	trust_words(files, &paths);
	if (paths.n > KM_TRUST_KEYS)
		err = km_error_new(KM_USAGE, "a root has at most %d keys", KM_TRUST_KEYS);
	for (size_t i = 0; i < paths.n && !err; i++)
		err = km_public_load(paths.at[i], &keys[i]);
	*n = paths.n;
	km_strv_free(&paths);
	return err;
}

static km_error *make_next(const struct cmd_args *args, const struct km_root *old, km_envelope **ret)
{
	struct km_public_key keys[KM_TRUST_KEYS];
	struct km_root_change change = {.add = keys};
	km_strv gone = {0};
	int64_t now, lifetime;
	km_error *err;

	KM_TRY(trust_date(args->value[KEY_DATE], &now));
	KM_TRY(trust_days("--lifetime", args->value[KEY_LIFETIME], km_lifetimes_default.root, &lifetime));
	KM_TRY(trust_numbers("--threshold", args->value[KEY_THRESHOLD], change.threshold));
	KM_TRY(load_added(args->value[KEY_ADD], keys, &change.n_add));
	trust_words(args->value[KEY_REMOVE], &gone);
	change.remove = (const char *const *)km_strv_argv(&gone);
	change.n_remove = gone.n;
	err = km_root_next(old, &change, now, lifetime, ret);
	km_strv_free(&gone);
	return err;
}

static km_error *rotate(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *public = km_path(args->words[1], "public"), *name = NULL;
	struct km_root old;
	km_error *err;

	(void)status;
	KM_TRY(km_public_root(public, &old));
	err = make_next(args, &old, &envelope);
	name = km_printf("%lld.root", (long long)old.version + 1);
	if (!err)
		err = km_envelope_save(envelope, args->value[KEY_OUTPUT] ? args->value[KEY_OUTPUT] : name);
	if (!err && args->json)
		view_json(json_pack("{s:s, s:I, s:s}", "file", args->value[KEY_OUTPUT] ? args->value[KEY_OUTPUT] : name,
				    "version", (json_int_t)old.version + 1, "sha256", envelope->id));
	else if (!err)
		printf("%s: root %lld, unsigned. %u keys of root %lld must sign it and as many as it asks for of its "
		       "own; then it belongs into "
		       "%s\n",
		       args->value[KEY_OUTPUT] ? args->value[KEY_OUTPUT] : name, (long long)old.version + 1,
		       old.threshold[KM_ROLE_ROOT], (long long)old.version, public);
	km_root_free(&old);
	return err;
}

/* ---- status ---- */

static const char *word(const struct km_expiry *e, int64_t now, int64_t warn)
{
	return e->missing ? "unsigned" : now >= e->expires ? "expired" : now + warn > e->expires ? "soon" : "good";
}

/* A timestamp lives for days only; it is late when it was not renewed in the first half of them. */
static int64_t warn_of(const struct km_expiry *e, int64_t warn)
{
	return e->doc == KM_DOC_TIMESTAMP ? (e->expires - e->issued) / 2 : warn;
}

static json_t *expiry_json(const struct km_expiry *e, int64_t now, int64_t warn)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:f, s:i, s:s}", "file", e->name, "document", km_doc_name(e->doc),
			 "version", (json_int_t)e->version, "issued", (json_int_t)e->issued, "expires",
			 (json_int_t)e->expires, "days_left", (double)(e->expires - now) / 86400, "signatures_missing",
			 (int)e->missing, "state", word(e, now, warn));
}

static void print_expiry(const struct km_expiry *e, int64_t now, int64_t warn)
{
	char date[32];
	const char *w = word(e, now, warn);

	view_time(e->expires, date);
	printf("%-24s %8lld  %s  %6.1f days  %s%s%s\n", e->name, (long long)e->version, date,
	       (double)(e->expires - now) / 86400, km_colour_on(stdout, strcmp(w, "good") ? KM_RED : KM_GREEN), w,
	       km_colour_off(stdout));
}

static km_error *status_of(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *public = km_path(args->words[1], "public");
	km_expiries list = {0};
	json_t *documents = json_array();
	int64_t now = 0, warn = 0;
	km_error *err = trust_date(args->value[KEY_DATE], &now);

	if (!err)
		err = trust_days("--warn", args->value[KEY_WARN], 14 * 86400, &warn);
	if (!err)
		err = km_public_status(km_is_dir(public) ? public : args->words[1], &list);
	for (size_t i = 0; i < list.n; i++) {
		const struct km_expiry *e = &list.at[i];

		if (e->missing || now >= e->expires)
			*status = EXIT_REFUSED;
		if (args->json)
			json_array_append_new(documents, expiry_json(e, now, warn_of(e, warn)));
		else
			print_expiry(e, now, warn_of(e, warn));
	}
	if (!err && args->json)
		view_json(json_pack("{s:O, s:i}", "documents", documents, "exit_status", *status));
	json_decref(documents);
	km_vec_free(&list);
	return err;
}

static const struct {
	const char *name, *words;
	int min, max;
	km_error *(*run)(const struct cmd_args *args, int *status);
} actions[] = {
	{"generate", "ROLE NAME", 3, 3, generate}, {"show", "FILE...", 2, 64, show},
	{"passphrase", "FILE", 2, 2, passphrase},  {"ceremony", "DIR", 2, 2, trust_ceremony},
	{"rotate", "DIR", 2, 2, rotate},	   {"status", "DIR", 2, 2, status_of},
};

km_error *cmd_key(const struct cmd_args *args, int *status)
{
	const char *names[KM_COUNT(actions)], *near;

	for (size_t i = 0; i < KM_COUNT(actions); i++) {
		names[i] = actions[i].name;
		if (strcmp(actions[i].name, args->words[0]))
			continue;
		if (args->n >= actions[i].min && args->n <= actions[i].max)
			return actions[i].run(args, status);
		return km_error_hint(km_error_new(KM_USAGE, "kmend key %s takes %s", names[i], actions[i].words),
				     "usage: kmend key %s [OPTIONS] %s", names[i], actions[i].words);
	}
	near = km_nearest(args->words[0], names, KM_COUNT(names));
	return km_error_hint(km_error_new(KM_USAGE, "'%s' is nothing that kmend key can do", args->words[0]),
			     near ? "did you mean 'kmend key %s'?"
				  : "it can generate, show, passphrase, ceremony, rotate, status%.0s",
			     near ? near : "");
}
