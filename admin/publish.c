/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend publish: modules become a release; signatures are added to it; it goes to the server. */
#include "admin.h"

enum {
	PUBLISH_SOURCE = AT_OWN,
	PUBLISH_NAME,
	PUBLISH_VERSION,
	PUBLISH_SUMMARY,
	PUBLISH_CVE,
	PUBLISH_SEVERITY,
	PUBLISH_ALLOW,
	PUBLISH_KEY,
	PUBLISH_PASSPHRASE,
	PUBLISH_ADD,
	PUBLISH_OUTPUT,
	PUBLISH_DATE
};

static const struct cmd_option options[] = {
	COMMON_OPTIONS,
	[PUBLISH_SOURCE] = {"source", "DIFF", "what the modules were built from (NAME.ko.diff beside them)"},
	[PUBLISH_NAME] = {"name", "NAME", "refuse a patch of another name"},
	[PUBLISH_VERSION] = {"version", "TEXT", "refuse a patch of another version"},
	[PUBLISH_SUMMARY] = {"summary", "TEXT", "what it does, for people (the patch's description)"},
	[PUBLISH_CVE] = {"cve", "CVE,...", "what it closes (what the patch says)", .many = true},
	[PUBLISH_SEVERITY] = {"severity", "LEVEL", "low, medium, high, critical (what the patch says)"},
	[PUBLISH_ALLOW] = {"allow", "OVERRIDE,...", "publish although it was built with that override", .many = true},
	[PUBLISH_KEY] = {"key", "FILE,...", "sign with this private key", .many = true},
	[PUBLISH_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the key's passphrase"},
	[PUBLISH_ADD] = {"add", "SIGNATURE,...", "add a signature that kmend sign made elsewhere", .many = true},
	[PUBLISH_OUTPUT] = {"output", "FILE", "write the release here (NAME-VERSION.release)"},
	[PUBLISH_DATE] = {"date", "DATE", "take this for today, where the clock is not right"},
	{0},
};

static bool is_release(const char *path)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;
	enum km_doc doc;
	km_error *err;

	if (km_is_dir(path) || km_ends(path, ".ko"))
		return false;
	err = km_file_read(path, &bytes, &size);
	if (err) {
		km_error_free(err); /* whoever reads it in earnest tells it better */
		return false;
	}
	return km_envelope_peek(bytes, size, &doc) && doc == KM_DOC_RELEASE;
}

/* ---- what is said at the end ---- */

static json_t *published_json(const km_envelope *release, const char *file, bool uploaded)
{
	json_t *roles = json_array();

	for (size_t i = 0; i < release->signatures.n; i++)
		json_array_append_new(roles, json_string(km_role_name(release->signatures.at[i].role)));
	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "file", file, "id", release->id, "body", trust_body_json(release),
			 "signed_as", roles, "uploaded", uploaded);
}

static bool signed_as(const km_envelope *release, enum km_role role)
{
	for (size_t i = 0; i < release->signatures.n; i++)
		if (release->signatures.at[i].role == role)
			return true;
	return false;
}

static void say(const km_envelope *release, const char *file, bool uploaded)
{
	static const enum km_role roles[] = {KM_ROLE_BUILDER, KM_ROLE_REVIEWER};

	printf("%s: release %s\n", file, release->id);
	for (size_t i = 0; i < KM_COUNT(roles); i++)
		if (!signed_as(release, roles[i]))
			printf("it lacks a %s's signature: carry the file and `blobs` to them, and they\n"
			       "  kmend release show --diff %s\n  kmend sign --key THEIR.key %s\n"
			       "and `kmend publish --add SIGNATURE %s` takes what comes back\n",
			       km_role_name(roles[i]), file, file, file);
	if (uploaded)
		printf("the server has it; `kmend channel add` gives it to a channel\n");
	else if (signed_as(release, KM_ROLE_BUILDER) && signed_as(release, KM_ROLE_REVIEWER))
		printf("`kmend publish %s` brings it to the server\n", file);
}

/* ---- the two ways in ---- */

static km_error *collect(const struct cmd_args *args, km_envelope **ret, km_blobs *blobs)
{
	km_strv cves = {0}, allow = {0};
	struct km_publish p = {
		.paths = (const char *const *)args->words,
		.n_paths = (size_t)args->n,
		.source = args->value[PUBLISH_SOURCE],
		.name = args->value[PUBLISH_NAME],
		.version = args->value[PUBLISH_VERSION],
		.summary = args->value[PUBLISH_SUMMARY],
		.severity = args->value[PUBLISH_SEVERITY],
		.cves = &cves,
		.allow = &allow,
	};
	km_error *err;

	KM_TRY(trust_date(args->value[PUBLISH_DATE], &p.now));
	trust_words(args->value[PUBLISH_CVE], &cves);
	trust_words(args->value[PUBLISH_ALLOW], &allow);
	err = km_publish_collect(&p, ret, blobs);
	km_strv_free(&cves);
	km_strv_free(&allow);
	return err;
}

static km_error *default_name(const km_envelope *release, char **ret)
{
	struct km_release r;

	KM_TRY(km_release_parse(release, &r));
	*ret = km_printf("%s-%s.release", r.name, r.version);
	km_release_free(&r);
	/* A version may have any printable character. */
	for (char *c = *ret; *c; c++)
		*c = *c == '/' ? '_' : *c;
	return NULL;
}

static km_error *from_modules(const struct cmd_args *args, km_envelope **ret, char **file)
{
	km_blobs blobs = {0};
	km_error *err;

	if (args->value[PUBLISH_ADD])
		return km_error_hint(km_error_new(KM_USAGE, "--add goes with a release"),
				     "kmend publish --add SIGNATURE FILE.release");
	KM_TRY(collect(args, ret, &blobs));
	err = args->value[PUBLISH_OUTPUT] ? NULL : default_name(*ret, file);
	if (args->value[PUBLISH_OUTPUT])
		*file = km_strdup(args->value[PUBLISH_OUTPUT]);
	if (!err && args->value[PUBLISH_KEY])
		err = keys_sign(*ret, args->value[PUBLISH_KEY], args->value[PUBLISH_PASSPHRASE]);
	if (!err)
		err = km_publish_save(*ret, &blobs, *file);
	km_blobs_free(&blobs);
	return err;
}

static km_error *no_module_options(const struct cmd_args *args)
{
	for (int i = PUBLISH_SOURCE; i <= PUBLISH_ALLOW; i++)
		if (args->value[i])
			return km_error_hint(km_error_new(KM_USAGE, "--%s does not go with a release: it never changes",
							  options[i].name),
					     "publish the modules anew");
	return NULL;
}

static km_error *from_release(const struct cmd_args *args, const struct setup *setup, km_envelope **ret, char **file)
{
	struct km_root root = {0};
	km_error *err = NULL;
	size_t before;

	KM_TRY(no_module_options(args));
	KM_TRY(km_envelope_load(KM_DOC_RELEASE, args->words[0], ret));
	KM_TRY(km_body_check(*ret));
	before = (*ret)->signatures.n;
	if (args->value[PUBLISH_ADD]) {
		KM_TRY(keys_root(setup, &root, NULL));
		err = keys_add(*ret, &root, args->value[PUBLISH_ADD]);
		km_root_free(&root);
	}
	if (!err && args->value[PUBLISH_KEY])
		err = keys_sign(*ret, args->value[PUBLISH_KEY], args->value[PUBLISH_PASSPHRASE]);
	if (err)
		return err;
	*file = km_strdup(args->value[PUBLISH_OUTPUT] ? args->value[PUBLISH_OUTPUT] : args->words[0]);
	return args->value[PUBLISH_OUTPUT] || (*ret)->signatures.n != before ? km_envelope_save(*ret, *file) : NULL;
}

/* ---- to the server ---- */

/* The server would say the same, later and with less detail. */
static km_error *check_signed(const struct setup *setup, const km_envelope *release)
{
	struct km_root root;
	km_error *err;

	if (!setup->trust)
		return NULL;
	KM_TRY(keys_root(setup, &root, NULL));
	err = km_verify(release, &root, NULL);
	km_root_free(&root);
	return err ? km_error_hint(err, "kmend sign --key makes a signature, kmend publish --add adds it") : NULL;
}

/* Its blobs first: the server takes no release that it could not serve. */
static km_error *upload(const struct setup *setup, const km_envelope *release, const char *file, bool quiet)
{
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_blobs_free) km_blobs blobs = {0};
	km_stages *stages;
	km_error *err = NULL;

	KM_TRY(check_signed(setup, release));
	KM_TRY(km_publish_blobs(release, file, NULL, &blobs));
	KM_TRY(api_open(setup, &api));
	stages = km_stages_create(quiet);
	km_stage(stages, "upload");
	for (size_t i = 0; i < blobs.n && !err; i++) {
		km_stage_unit(stages, i + 1, blobs.n, blobs.at[i].source ? "diff" : "module");
		err = api_blob(&api, &blobs.at[i]);
	}
	if (!err)
		err = api_document(&api, release, "releases");
	km_stages_end(stages);
	km_stages_destroy(stages);
	return err;
}

static km_error *publish(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *release = NULL;
	KM_AUTOFREE char *file = NULL;
	bool modules = args->n != 1 || !is_release(args->words[0]), uploads;

	(void)status;
	KM_TRY(setup_read(args, &setup));
	KM_TRY(modules ? from_modules(args, &release, &file) : from_release(args, &setup, &release, &file));
	/* What was just made waits for its reviewer, unless a server is named in so many words. */
	uploads = setup.server_given || (!modules && setup.server && !args->value[PUBLISH_OUTPUT]);
	if (!modules && !uploads && !args->value[PUBLISH_ADD] && !args->value[PUBLISH_KEY] &&
	    !args->value[PUBLISH_OUTPUT])
		return km_error_hint(km_error_new(KM_USAGE, "it is not said where the release is to go"),
				     "--server URL names the server");
	if (uploads)
		KM_TRY(upload(&setup, release, file, args->json));
	if (args->json)
		view_json(published_json(release, file, uploads));
	else
		say(release, file, uploads);
	return NULL;
}

const struct cmd publish_cmds[] = {
	{"publish", "BUILD-DIR|FILE...", "make a release of modules, sign it, bring it to the server", 1, 4096, options,
	 publish, NULL},
	{0},
};
