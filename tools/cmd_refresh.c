/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend refresh, rollback and bundle: what a person wants done now. */
#include "../agent/exit.h"
#include "cmd.h"
#include "fleet_run.h"

enum { RETRY };
const struct cmd_option cmd_refresh_options[] = {
	{"retry", "NAME", "let a patch go on that is held back; all: every one"},
	{0},
};
enum { BUNDLE_FINGERPRINT, BUNDLE_ROOT };
const struct cmd_option cmd_bundle_options[] = {
	{"fingerprint", "HEX", "attach this host to the bundle's channel: the SHA-256 of the root"},
	{0},
};

static km_error *attached(const char *root)
{
	struct km_identity identity;

	KM_TRY(km_identity_read(root, &identity));
	explicit_bzero(&identity, sizeof(identity));
	return NULL;
}

/* Without a server there is still what is held. */
static bool has_server(const char *root)
{
	struct km_identity identity = {0};

	km_error_free(km_identity_read(root, &identity));
	return *identity.secret;
}

km_error *cmd_refresh(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root();
	const char *name = args->value[RETRY];
	KM_AUTOCLOSE int lock = -1;
	int tool;

	(void)status;
	KM_TRY(fleet_lock(root, &lock));
	KM_TRY(attached(root));
	if (name)
		KM_TRY(fleet_tool("kmend-apply", NULL,
				  (char *const[]){(char *)"retry", (char *)(strcmp(name, "all") ? name : ""), NULL}, &tool));
	if (has_server(root))
		KM_TRY(fleet_refresh());
	else
		KM_TRY(fleet_tool("kmend-apply", NULL, (char *const[]){(char *)"cycle", NULL}, &tool));
	return fleet_view_show(root, "refresh", args->json);
}

km_error *cmd_rollback(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root();
	KM_AUTOCLOSE int lock = -1;
	int tool;

	(void)status;
	KM_TRY(fleet_lock(root, &lock));
	KM_TRY(attached(root));
	KM_TRY(fleet_tool("kmend-apply", NULL,
			  (char *const[]){(char *)"rollback", (char *)(args->n ? args->words[0] : ""), NULL}, &tool));
	return fleet_view_show(root, "rollback", args->json);
}

static km_error *import(const struct cmd_args *args, const char *root)
{
	const char *fingerprint = args->value[BUNDLE_FINGERPRINT] ? args->value[BUNDLE_FINGERPRINT] : "";
	KM_AUTOCLOSE int lock = -1;
	int tool = AGENT_EXIT_CHANGED;

	KM_TRY(fleet_lock(root, &lock));
	if (!*fingerprint && !km_identity_exists(root))
		return km_error_hint(km_error_new(KM_NOTHING, "this host is not attached"),
				     "attach it to the bundle's channel: --fingerprint HEX, which the publisher tells you");
	/* One patch a run, as with a server; here all of them follow at once. */
	for (unsigned i = 0; i < KM_FLEET_PATCHES && tool == AGENT_EXIT_CHANGED; i++) {
		KM_TRY(fleet_tool("kmend-apply", NULL,
				  (char *const[]){(char *)"bundle", args->words[1], (char *)fingerprint, NULL}, &tool));
		fingerprint = "";
	}
	return NULL;
}

km_error *cmd_bundle(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root();

	(void)status;
	if (!strcmp(args->words[0], "export")) /* else it would be kmend-admin's */
		return km_error_hint(km_error_new(KM_USAGE, "options stand behind 'export'"),
				     "kmend bundle export CHANNEL --output FILE");
	if (strcmp(args->words[0], "import"))
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is no action of kmend bundle", args->words[0]),
				     "kmend bundle import FILE, or kmend bundle export CHANNEL");
	if (args->n != 2)
		return km_error_hint(km_error_new(KM_USAGE, "import takes one file"), "kmend bundle import FILE");
	KM_TRY(import(args, root));
	return fleet_view_show(root, "bundle", args->json);
}
