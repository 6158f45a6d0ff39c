/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend channel: which releases a channel has. Each change is the next index, signed by a key that the server never
 * sees. */
#include "admin.h"

enum {
	CHANNEL_NAME = AT_OWN,
	CHANNEL_INDEX,
	CHANNEL_KEY,
	CHANNEL_PASSPHRASE,
	CHANNEL_OUTPUT,
	CHANNEL_LIFETIME,
	CHANNEL_DATE,
	CHANNEL_OWN
};
enum { ADD_AT_ONCE = CHANNEL_OWN, ADD_NEW };
enum { WITHDRAW_REASON = CHANNEL_OWN };

#define CHANGE_OPTIONS                                                                                                 \
	COMMON_OPTIONS, [CHANNEL_NAME] = {"channel", "NAME", "the channel"},                                           \
			[CHANNEL_INDEX] = {"index", "FILE", "its last index (the server's)"},                          \
			[CHANNEL_KEY] = {"key", "FILE,...", "sign with this index key (those of --trust)",             \
					 .many = true},                                                                \
			[CHANNEL_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the key's passphrase"},  \
			[CHANNEL_OUTPUT] = {"output", "FILE",                                                          \
					    "write the index, unsigned without --key; upload nothing"},                \
			[CHANNEL_LIFETIME] = {"lifetime", "DAYS", "how long the index is valid (365)"},                \
			[CHANNEL_DATE] = {"date", "DATE", "take this for today, where the clock is not right"}

static const struct cmd_option add_options[] = {
	CHANGE_OPTIONS,
	[ADD_AT_ONCE] = {"at-once", NULL, "every host may have it: no rollout decides when"},
	[ADD_NEW] = {"new", NULL, "begin a new channel with it"},
	{0},
};
static const struct cmd_option withdraw_options[] = {
	CHANGE_OPTIONS,
	[WITHDRAW_REASON] = {"reason", "TEXT", "why; hosts show it"},
	{0},
};
static const struct cmd_option renew_options[] = {CHANGE_OPTIONS, {0}};
static const struct cmd_option show_options[] = {
	COMMON_OPTIONS,
	[CHANNEL_NAME] = {"channel", "NAME", "the channel"},
	[CHANNEL_INDEX] = {"index", "FILE", "show this index (the server's)"},
	{0},
};

/* ---- the index so far ---- */

/* What the local root does not vouch for is no ground to build on, whoever sent it. */
static km_error *take_index(const km_envelope *envelope, const struct km_root *root, const char *channel,
			    struct km_index *ret)
{
	struct km_index index;
	km_error *err;

	KM_TRY(km_verify(envelope, root, NULL));
	KM_TRY(km_index_parse(envelope, &index));
	if (!channel || !strcmp(index.channel, channel)) {
		*ret = index;
		return NULL;
	}
	err = km_error_new(KM_REFUSED, "it is the index of the channel %s, not of %s", index.channel, channel);
	km_index_free(&index);
	return err;
}

static km_error *last_index(const struct cmd_args *args, const struct km_root *root, struct km_index *ret)
{
	const char *channel = args->value[CHANNEL_NAME], *file = args->value[CHANNEL_INDEX];
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	km_error *err;

	if (!file)
		return km_error_hint(km_error_new(KM_USAGE, "it is not said which index is the last one"),
				     "--index FILE names it");
	KM_TRY(km_envelope_load(KM_DOC_INDEX, file, &envelope));
	err = take_index(envelope, root, channel, ret);
	return err ? km_error_add(err, "%s", file) : NULL;
}

/* ---- the next one ---- */

static json_t *index_json(const km_envelope *index, const char *file, bool uploaded)
{
	return json_pack("{s:s, s:o, s:o, s:b, s:i}", "id", index->id, "body", trust_body_json(index), "file",
			 view_text_json(file), "uploaded", uploaded, "signatures", (int)index->signatures.n);
}

static km_error *finish(const struct cmd_args *args, const struct setup *setup, const struct km_root *root,
			km_envelope *index)
{
	const char *output = args->value[CHANNEL_OUTPUT], *key = args->value[CHANNEL_KEY];

	if (!output)
		return km_error_hint(km_error_new(KM_USAGE, "it is not said where the index is to go"),
				     "--output FILE names a file");
	if (key) {
		KM_TRY(keys_sign_as(setup, index, key, args->value[CHANNEL_PASSPHRASE]));
		if (!km_verify_count(index, root, KM_ROLE_INDEX))
			return km_error_new(KM_REFUSED, "%s is no index key of root %lld", key,
					    (long long)root->version);
	}
	KM_TRY(km_envelope_save(index, output));
	if (args->json) {
		view_json(index_json(index, output, false));
		return NULL;
	}
	KM_TRY(trust_show(index));
	printf("\n%s: the next index, %s\n", output,
	       index->signatures.n ? "signed" : "unsigned: kmend sign --key signs it");
	return NULL;
}

static km_error *change(const struct cmd_args *args, const struct km_channel_change *what, bool new)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	KM_CLEANUP(km_index_free) struct km_index last = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *next = NULL;
	int64_t now, lifetime;

	KM_TRY(trust_date(args->value[CHANNEL_DATE], &now));
	KM_TRY(trust_days("--lifetime", args->value[CHANNEL_LIFETIME], km_lifetimes_default.index, &lifetime));
	KM_TRY(setup_read(args, &setup));
	KM_TRY(keys_root(&setup, &root, NULL));
	if (new)
		last.channel = args->value[CHANNEL_NAME];
	else
		KM_TRY(last_index(args, &root, &last));
	KM_TRY(km_channel_next(&last, what, now, lifetime, &next));
	return finish(args, &setup, &root, next);
}

/* ---- which release is meant ---- */

static bool is_id(const char *s)
{
	return strlen(s) == KM_SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == KM_SHA256_HEX - 1;
}

static km_error *find_release(const char *word, char ret[static KM_SHA256_HEX])
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	if (is_id(word)) {
		memcpy(ret, word, KM_SHA256_HEX);
		return NULL;
	}
	KM_TRY(km_envelope_load(KM_DOC_RELEASE, word, &envelope));
	memcpy(ret, envelope->id, KM_SHA256_HEX);
	return NULL;
}

/* ---- actions ---- */

static km_error *add(const struct cmd_args *args, int *status)
{
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.add = id, .staged = !args->value[ADD_AT_ONCE]};

	(void)status;
	if (args->value[ADD_NEW] && (!args->value[CHANNEL_NAME] || args->value[CHANNEL_INDEX]))
		return km_error_new(KM_USAGE, "--new goes with --channel NAME, and without --index");
	KM_TRY(find_release(args->words[0], id));
	return change(args, &what, args->value[ADD_NEW]);
}

static km_error *withdraw(const struct cmd_args *args, int *status)
{
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.withdraw = id, .reason = args->value[WITHDRAW_REASON]};

	(void)status;
	if (!what.reason)
		return km_error_hint(km_error_new(KM_USAGE, "withdrawing needs a reason"),
				     "--reason TEXT; hosts show it");
	KM_TRY(find_release(args->words[0], id));
	return change(args, &what, false);
}

static km_error *renew(const struct cmd_args *args, int *status)
{
	(void)status;
	return change(args, &(struct km_channel_change){0}, false);
}

static km_error *show(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	KM_CLEANUP(km_index_free) struct km_index index = {0};

	(void)status;
	KM_TRY(setup_read(args, &setup));
	KM_TRY(keys_root(&setup, &root, NULL));
	KM_TRY(last_index(args, &root, &index));
	return NULL;
}

const struct cmd channel_cmds[] = {
	{"channel show", "", "show what a channel has", 0, 0, show_options, show, NULL},
	{"channel add", "RELEASE", "give a release to a channel", 1, 1, add_options, add, NULL},
	{"channel withdraw", "RELEASE", "take a release from a channel: no host loads it any more", 1, 1,
	 withdraw_options, withdraw, NULL},
	{"channel renew", "", "the same index with new dates", 0, 0, renew_options, renew, NULL},
	{0},
};
