/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend key ceremony: questions at a terminal, flags elsewhere, and what to do next. */
#include <unistd.h>

#include "cmd.h"

struct words {
	const struct cmd_args *args;
	const char *passphrase; /* a file, or NULL */
};

static km_error *passphrase(void *ctx, const char *key, bool is_new, char **ret)
{
	const struct words *w = ctx;
	KM_AUTOFREE char *prompt = km_printf(is_new ? "a passphrase for the new key %s" : "the passphrase of %s", key);

	*ret = NULL;
	if (w->args->value[KEY_NO_PASSPHRASE])
		return NULL;
	return secret_read(w->passphrase, prompt, is_new, ret);
}

static void say(void *ctx, const char *text)
{
	const struct words *w = ctx;

	fprintf(w->args->json ? stderr : stdout, "%s\n", text);
}

static km_error *ask_number(const char *question, unsigned *n)
{
	KM_AUTOFREE char *fallback = km_printf("%u", *n), *answer = NULL;
	char *end;
	unsigned long got;

	KM_TRY(secret_ask(question, fallback, &answer));
	got = strtoul(answer, &end, 10);
	if (!*answer || *end || got < 1 || got > KM_TRUST_SIGNATURES / 2)
		return km_error_new(KM_USAGE, "'%s' is no number of keys", answer);
	*n = (unsigned)got;
	return NULL;
}

static km_error *ask(const struct cmd_args *args, struct km_ceremony *c, char **channels)
{
	char *answer;

	fprintf(stderr, "This makes the keys and the root that every host will trust. Root, builder, reviewer and "
			"index keys stay\n"
			"offline: best on machines and with people of their own. Only rollout and timestamp keys go to "
			"the server.\n");
	if (!args->value[KEY_KEYS])
		KM_TRY(ask_number("How many root keys", &c->keys[KM_ROLE_ROOT]));
	if (!args->value[KEY_THRESHOLD]) {
		if (c->threshold[KM_ROLE_ROOT] > c->keys[KM_ROLE_ROOT])
			c->threshold[KM_ROLE_ROOT] = c->keys[KM_ROLE_ROOT];
		KM_TRY(ask_number("How many of them must sign", &c->threshold[KM_ROLE_ROOT]));
	}
	if (!args->value[KEY_KEYS]) {
		KM_TRY(ask_number("How many builder keys", &c->keys[KM_ROLE_BUILDER]));
		KM_TRY(ask_number("How many reviewer keys", &c->keys[KM_ROLE_REVIEWER]));
	}
	if (args->value[KEY_CHANNEL])
		return NULL;
	KM_TRY(secret_ask("Channels, with commas between", *channels, &answer));
	free(*channels);
	*channels = answer;
	return NULL;
}

static void print(const struct km_ceremony_done *done, const char *dir)
{
	printf("\nfingerprint %s\n", done->fingerprint);
	if (done->root_missing) {
		printf("\nThe root lacks %u signature%s. On a machine with another root key:\n"
		       "  kmend sign --key KEY --output FILE.sig %s/public/1.root\n"
		       "then here:\n"
		       "  kmend sign --add %s/public/1.root FILE.sig\n"
		       "  kmend key ceremony %s\n",
		       done->root_missing, done->root_missing == 1 ? "" : "s", dir, dir, dir);
		return;
	}
	if (!done->complete) {
		printf("\nNot all is signed yet: kmend key status %s/public tells what is missing.\n", dir);
		return;
	}
	printf("\nNext: take the root, builder, reviewer and index keys out of %s/keys to where they are safe (copies "
	       "in two\nplaces). The rollout and timestamp keys go to the server: kmend-server signs anew by itself. "
	       "Without one,\nhave kmend sign --refresh %s run by a timer.\n",
	       dir, dir);
}

static json_t *done_json(const struct km_ceremony_done *done, int status)
{
	json_t *o = json_object();

	json_object_set_new(o, "complete", json_boolean(done->complete));
	json_object_set_new(o, "root_missing", json_integer(done->root_missing));
	json_object_set_new(o, "fingerprint", json_string(done->fingerprint));
	json_object_set_new(o, "exit_status", json_integer(status));
	return o;
}

static km_error *run(const struct cmd_args *args, struct km_ceremony *c, const char *channels, int *status)
{
	struct km_ceremony_done done;
	km_strv names = {0};
	km_error *err;

	trust_words(channels, &names);
	c->channels = (const char *const *)km_strv_argv(&names);
	c->n_channels = names.n;
	err = km_ceremony_run(c, &done);
	km_strv_free(&names);
	if (err)
		return err;
	*status = done.complete ? EXIT_OK : EXIT_REFUSED;
	if (args->json)
		view_json(done_json(&done, *status));
	else
		print(&done, c->dir);
	return NULL;
}

km_error *trust_ceremony(const struct cmd_args *args, int *status)
{
	struct words w = {args, args->value[KEY_PASSPHRASE]};
	KM_AUTOFREE char *channels = km_strdup(args->value[KEY_CHANNEL] ? args->value[KEY_CHANNEL] : "stable");
	struct km_ceremony c = {.dir = args->words[1],
				.keys = {3, 1, 1, 1, 1, 1},
				.threshold = {2, 1, 1, 1, 1, 1},
				.lifetimes = km_lifetimes_default,
				.cost = km_key_cost_default,
				.passphrase = passphrase,
				.say = say,
				.ctx = &w};

	KM_TRY(trust_date(args->value[KEY_DATE], &c.now));
	KM_TRY(trust_days("--lifetime", args->value[KEY_LIFETIME], c.lifetimes.root, &c.lifetimes.root));
	KM_TRY(trust_numbers("--keys", args->value[KEY_KEYS], c.keys));
	KM_TRY(trust_numbers("--threshold", args->value[KEY_THRESHOLD], c.threshold));
	if (isatty(STDIN_FILENO) && !args->value[KEY_YES])
		KM_TRY(ask(args, &c, &channels));
	return run(args, &c, channels, status);
}
