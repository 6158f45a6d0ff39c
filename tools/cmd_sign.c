/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

enum sign_option {
	SIGN_KEY,
	SIGN_OUTPUT,
	SIGN_PASSPHRASE,
	SIGN_ADD,
	SIGN_CHECK,
	SIGN_SHOW,
	SIGN_WRAP,
	SIGN_REFRESH,
	SIGN_ROOT,
	SIGN_DATE
};

const struct cmd_option cmd_sign_options[] = {
	[SIGN_KEY] = {"key", "FILE", "sign FILE with this private key"},
	[SIGN_OUTPUT] = {"output", "FILE", "where the signature or document goes"},
	[SIGN_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the key's passphrase"},
	[SIGN_ADD] = {"add", NULL, "add the signature files to the document, the first word"},
	[SIGN_CHECK] = {"check", NULL, "check a document by the root of --root"},
	[SIGN_SHOW] = {"show", NULL, "say what a document says"},
	[SIGN_WRAP] = {"wrap", "TYPE", "make an unsigned document of a JSON body"},
	[SIGN_REFRESH] = {"refresh", NULL, "sign timestamps and ageing rollouts of a directory anew"},
	[SIGN_ROOT] = {"root", "FILE", "add, check: the root whose keys count"},
	[SIGN_DATE] = {"date", "DATE", "take this for today, where the clock is not right"},
	{0},
};

static json_t *document_json(const km_envelope *envelope)
{
	json_t *signatures = json_array();

	for (size_t i = 0; i < envelope->signatures.n; i++)
		json_array_append_new(signatures,
				      json_pack("{s:s, s:s}", "role", km_role_name(envelope->signatures.at[i].role),
						"key", envelope->signatures.at[i].key));
	return json_pack("{s:s, s:s, s:o, s:o}", "document", km_doc_name(envelope->doc), "sha256", envelope->id,
			 "signatures", signatures, "body", trust_body_json(envelope));
}

static km_error *load_key(const struct cmd_args *args, km_private_key **ret)
{
	const char *path = args->value[SIGN_KEY];
	KM_AUTOFREE char *prompt = km_printf("the passphrase of %s", path);
	char *secret = NULL;
	km_error *err;

	if (km_key_encrypted(path))
		KM_TRY(secret_read(args->value[SIGN_PASSPHRASE], prompt, false, &secret));
	err = km_key_load(path, secret, NULL, ret);
	secret_free(secret);
	return err;
}

static km_error *sign(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_CLEANUP(km_key_destroyp) km_private_key *key = NULL;
	KM_AUTOFREE char *output = NULL, *text = NULL;
	struct km_signature signature;

	(void)status;
	KM_TRY(trust_load(args->words[0], &envelope));
	/* No one shall sign what no host could read. */
	KM_TRY(km_body_check(envelope));
	KM_TRY(load_key(args, &key));
	KM_TRY(km_envelope_sign(envelope, key, &signature));
	output = args->value[SIGN_OUTPUT] ? km_strdup(args->value[SIGN_OUTPUT])
					  : km_printf("%s.%s.sig", args->words[0], km_key_public(key)->name);
	text = km_signature_text(envelope, &signature);
	KM_TRY(km_file_write(output, text, strlen(text)));
	if (args->json) {
		view_json(json_pack("{s:s, s:s, s:s, s:s}", "signature", output, "sha256", envelope->id, "role",
				    km_role_name(signature.role), "key", signature.key));
		return NULL;
	}
	KM_TRY(trust_show(envelope));
	printf("\n%s: signed as %s by %s\n", output, km_role_name(signature.role), km_key_public(key)->name);
	return NULL;
}

/* ---- add ---- */

/* The keys that a signature can be checked by: those of --root, and a root's own. */
struct candidates {
	struct km_root given, own;
};

static void candidates_free(struct candidates *c)
{
	km_root_free(&c->given);
	km_root_free(&c->own);
}

static km_error *find_candidates(const struct cmd_args *args, const km_envelope *envelope, struct candidates *c)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *root = NULL;

	if (args->value[SIGN_ROOT]) {
		KM_TRY(km_envelope_load(KM_DOC_ROOT, args->value[SIGN_ROOT], &root));
		KM_TRY(km_verify_first_root(root, NULL, &c->given, NULL));
	}
	return envelope->doc == KM_DOC_ROOT ? km_root_parse(envelope, &c->own) : NULL;
}

static const struct km_public_key *find_key(const struct candidates *c, const struct km_signature *signature)
{
	const struct km_root *roots[] = {&c->given, &c->own};

	for (size_t i = 0; i < KM_COUNT(roots); i++)
		for (size_t j = 0; j < roots[i]->n_keys; j++)
			if (roots[i]->keys[j].role == signature->role && !strcmp(roots[i]->keys[j].id, signature->key))
				return &roots[i]->keys[j];
	return NULL;
}

static km_error *add_file(const char *path, const struct candidates *c, km_envelope *envelope)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_signature signature;
	const struct km_public_key *key;
	size_t size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	err = km_signature_parse(envelope, bytes, size, &signature);
	if (err)
		return km_error_add(err, "%s", path);
	key = find_key(c, &signature);
	if (key && !km_signature_good(envelope, &signature, key))
		return km_error_new(KM_REFUSED, "%s: the signature by %s is not good", path, key->name);
	if (!key && (c->given.n_keys || c->own.n_keys))
		return km_error_hint(
			km_error_new(KM_REFUSED, "%s: the key %s is in no root that is given", path, signature.key),
			"for a root after a rotation give the root before with --root");
	if (!key)
		km_warn("%s was added unchecked: --root FILE names the keys", path);
	return km_envelope_add(envelope, &signature);
}

static km_error *add(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_CLEANUP(candidates_free) struct candidates c = {0};
	const char *output = args->value[SIGN_OUTPUT] ? args->value[SIGN_OUTPUT] : args->words[0];

	(void)status;
	if (args->n < 2)
		return km_error_hint(km_error_new(KM_USAGE, "there is no signature to add"),
				     "usage: kmend sign --add FILE SIGNATURE...");
	KM_TRY(trust_load(args->words[0], &envelope));
	KM_TRY(find_candidates(args, envelope, &c));
	for (int i = 1; i < args->n; i++)
		KM_TRY(add_file(args->words[i], &c, envelope));
	KM_TRY(km_envelope_save(envelope, output));
	if (args->json)
		view_json(document_json(envelope));
	else
		printf("%s has %zu signature%s now\n", output, envelope->signatures.n,
		       envelope->signatures.n == 1 ? "" : "s");
	return NULL;
}

/* ---- check, show, wrap, refresh ---- */

/* A root is checked as the one after --root, or, without, by itself. */
static km_error *verify(const km_envelope *envelope, const struct km_root *root)
{
	struct km_root next;

	if (envelope->doc != KM_DOC_ROOT)
		return km_verify(envelope, root, NULL);
	KM_TRY(root->n_keys ? km_verify_next_root(envelope, root, &next, NULL)
			    : km_verify_first_root(envelope, NULL, &next, NULL));
	km_root_free(&next);
	return NULL;
}

static km_error *check(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_CLEANUP(candidates_free) struct candidates c = {0};

	(void)status;
	KM_TRY(trust_load(args->words[0], &envelope));
	if (!args->value[SIGN_ROOT] && envelope->doc != KM_DOC_ROOT)
		return km_error_new(KM_USAGE, "--root FILE is needed to check a %s", km_doc_name(envelope->doc));
	KM_TRY(find_candidates(args, envelope, &c));
	KM_TRY(verify(envelope, &c.given));
	KM_TRY(km_body_check(envelope));
	if (args->json)
		view_json(document_json(envelope));
	else
		printf("%s is a good %s\n", args->words[0], km_doc_name(envelope->doc));
	return NULL;
}

static km_error *show(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	(void)status;
	KM_TRY(trust_load(args->words[0], &envelope));
	if (!args->json)
		return trust_show(envelope);
	KM_TRY(km_body_check(envelope));
	view_json(document_json(envelope));
	return NULL;
}

static km_error *wrap(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE uint8_t *bytes = NULL;
	enum km_doc doc;
	size_t size;

	(void)status;
	if (!km_doc_of(args->value[SIGN_WRAP], &doc))
		return km_error_hint(km_error_new(KM_USAGE, "there is no document '%s'", args->value[SIGN_WRAP]),
				     "there are root, release, index, rollout and timestamp");
	if (!args->value[SIGN_OUTPUT])
		return km_error_new(KM_USAGE, "--output FILE is needed for the document");
	KM_TRY(km_file_read(args->words[0], &bytes, &size));
	envelope = km_envelope_create(doc, bytes, size);
	KM_TRY(km_body_check(envelope));
	KM_TRY(km_envelope_save(envelope, args->value[SIGN_OUTPUT]));
	if (args->json)
		view_json(document_json(envelope));
	else
		printf("%s: an unsigned %s, %s\n", args->value[SIGN_OUTPUT], km_doc_name(doc), envelope->id);
	return NULL;
}

static km_error *refresh(const struct cmd_args *args, int *status)
{
	struct km_refreshed done;
	int64_t now;

	(void)status;
	KM_TRY(trust_date(args->value[SIGN_DATE], &now));
	KM_TRY(km_refresh(args->words[0], now, NULL, &done));
	if (args->json)
		view_json(json_pack("{s:i, s:i}", "timestamps", (int)done.timestamps, "rollouts", (int)done.rollouts));
	else
		printf("signed %zu timestamp%s and %zu rollout%s\n", done.timestamps, done.timestamps == 1 ? "" : "s",
		       done.rollouts, done.rollouts == 1 ? "" : "s");
	return NULL;
}

km_error *cmd_sign(const struct cmd_args *args, int *status)
{
	static const struct {
		enum sign_option option;
		int max;
		km_error *(*run)(const struct cmd_args *args, int *status);
	} actions[] = {{SIGN_KEY, 1, sign},  {SIGN_ADD, 64, add},  {SIGN_CHECK, 1, check},
		       {SIGN_SHOW, 1, show}, {SIGN_WRAP, 1, wrap}, {SIGN_REFRESH, 1, refresh}};
	size_t chosen = KM_COUNT(actions), n = 0;

	for (size_t i = 0; i < KM_COUNT(actions); i++)
		if (args->value[actions[i].option]) {
			chosen = i;
			n++;
		}
	if (n != 1)
		return km_error_hint(
			km_error_new(KM_USAGE, n ? "only one thing at a time" : "it is not said what to do"),
			"one of --key, --add, --check, --show, --wrap and --refresh");
	if (args->n > actions[chosen].max)
		return km_error_new(KM_USAGE, "too many words: '%s'", args->words[actions[chosen].max]);
	return actions[chosen].run(args, status);
}
