/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend attach and detach: whose patches this host takes. */
#include <sys/mman.h>
#include <unistd.h>

#include "cmd.h"
#include "fleet_run.h"

enum { SERVER, ROOT_FILE, FINGERPRINT, CA, PROXY };
const struct cmd_option cmd_attach_options[] = {
	{"server", "URL", "the server"},
	{"root", "FILE", "the publisher's root document, instead of the fingerprint in the token"},
	{"fingerprint", "HEX", "the SHA-256 of the root, instead of the one in the token"},
	{"ca", "FILE", "certificates that the server's is checked with"},
	{"proxy", "URL", "a proxy between this host and the server"},
	{0},
};

static bool is_fingerprint(const char *s)
{
	return strlen(s) == KM_SHA256_HEX - 1 && strspn(s, "0123456789abcdef") == KM_SHA256_HEX - 1;
}

/* What a person says goes before what the token says, and one of both must. */
static km_error *fingerprint_of(const struct cmd_args *args, const char *in_token, char ret[static KM_SHA256_HEX])
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *root = NULL;
	const char *said = args->value[FINGERPRINT] ? args->value[FINGERPRINT] : in_token;

	if (args->value[ROOT_FILE]) {
		KM_TRY(km_envelope_load(KM_DOC_ROOT, args->value[ROOT_FILE], &root));
		said = root->id;
	}
	if (!said)
		return km_error_hint(km_error_new(KM_USAGE, "nothing says which root this host shall trust"),
				     "a token from kmend token create has it; else --root FILE or --fingerprint HEX");
	if (!is_fingerprint(said))
		return km_error_new(KM_USAGE, "'%s' is no fingerprint: 64 digits of 0-9 a-f", said);
	memcpy(ret, said, KM_SHA256_HEX);
	return NULL;
}

/* Never on a command line, where every user can see it. */
static km_error *pass_secret(const char *secret, char **path, int *fd)
{
	*fd = memfd_create("token", 0);
	if (*fd < 0 || write(*fd, secret, strlen(secret)) != (ssize_t)strlen(secret))
		return km_error_new(KM_ENV, "cannot pass the token on");
	*path = km_printf("/proc/%ld/fd/%d", (long)getpid(), *fd);
	return NULL;
}

static km_error *set_config(const char *root, const struct cmd_args *args)
{
	KM_TRY(km_agent_config_set(root, "server", args->value[SERVER]));
	KM_TRY(km_agent_config_set(root, "ca", args->value[CA]));
	return km_agent_config_set(root, "proxy", args->value[PROXY]);
}

static km_error *hello(const struct cmd_args *args, const char *secret, const char *fingerprint)
{
	const char *ca = args->value[CA] ? args->value[CA] : "", *proxy = args->value[PROXY] ? args->value[PROXY] : "";
	char token[KM_TOKEN_ID_LEN + 1];
	KM_AUTOFREE char *path = NULL;
	KM_AUTOCLOSE int fd = -1;
	int status;

	KM_TRY(pass_secret(secret, &path, &fd));
	KM_TRY(fleet_tool("kmend-fetch", path,
			  (char *const[]){(char *)"attach", (char *)args->value[SERVER], (char *)fingerprint, (char *)ca,
					  (char *)proxy, NULL},
			  &status));
	km_fleet_token_id(secret, token);
	return fleet_tool("kmend-apply", NULL, (char *const[]){(char *)"attach", token, (char *)fingerprint, NULL}, &status);
}

static km_error *attach(const struct cmd_args *args, const char *root, const char *secret, const char *fingerprint)
{
	KM_AUTOCLOSE int lock = -1;
	int status;

	KM_TRY(fleet_lock(root, &lock));
	if (km_identity_exists(root))
		return km_error_hint(km_error_new(KM_REFUSED, "this host is attached already"), "first: kmend detach");
	/* What cannot be configured is said before the server has heard of this host. */
	KM_TRY(set_config(root, args));
	KM_TRY(hello(args, secret, fingerprint));
	/* The first report is written by kmend-apply. */
	KM_TRY(fleet_tool("kmend-apply", NULL, (char *const[]){(char *)"cycle", NULL}, &status));
	return fleet_refresh();
}

/* Their conditions did not hold at the boot before: without this the host would be on its own until the next one, and its first orderly
 * shutdown would say no goodbye. */
static void start_units(const char *root)
{
	char *const argv[] = {(char *)"systemctl", (char *)"start", (char *)"kmend-boot.service", (char *)"kmend-agent.service", NULL};
	struct km_cmd cmd = {.argv = argv, .timeout = 60};
	km_error *err;

	if (*root || !km_is_dir("/run/systemd/system"))
		return;
	err = km_run_ok(&cmd, NULL);
	if (err)
		km_warn("the agent is not started: %s", err->message);
	km_error_free(err);
}

km_error *cmd_attach(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root(), *secret = NULL, *in_token = NULL;
	char fingerprint[KM_SHA256_HEX];
	km_error *err;

	(void)status;
	KM_TRY(km_fleet_attach_word(args->words[0], &secret, &in_token));
	if (!args->value[SERVER])
		return km_error_hint(km_error_new(KM_USAGE, "which server?"), "kmend attach TOKEN --server URL");
	KM_TRY(fingerprint_of(args, in_token, fingerprint));
	err = attach(args, root, secret, fingerprint);
	explicit_bzero(secret, strlen(secret));
	/* Attached, but the first contact did not go well: the agent goes on trying. */
	if (err && km_identity_exists(root) && err->code != KM_REFUSED) {
		km_warn("%s", err->message);
		km_error_free(err);
		err = NULL;
	}
	KM_TRY(err);
	start_units(root);
	return fleet_view_show(root, "attach", args->json);
}

km_error *cmd_detach(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root();
	KM_AUTOCLOSE int lock = -1;
	int tool;
	km_error *err;

	(void)status;
	KM_TRY(fleet_lock(root, &lock));
	if (!km_identity_exists(root))
		return km_error_new(KM_NOTHING, "this host is not attached");
	err = fleet_tool("kmend-fetch", NULL, (char *const[]){(char *)"detach", NULL}, &tool);
	if (err)
		km_warn("the server does not know of it: %s", err->message);
	km_error_free(err);
	KM_TRY(fleet_tool("kmend-apply", NULL, (char *const[]){(char *)"forget", NULL}, &tool));
	return fleet_view_show(root, "detach", args->json);
}
