/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend: finds the verb and has it run. */
#include "cmd.h"

static const struct km_door *the_door;

const struct cmd cmds[] = {
	{"build", "PATCH...", "make a patch module from source diffs", .program = "kmend-build",
	 .heading = "where patches are made"},
	{"prepare", "RELEASE", "fetch and prepare a kernel to build for", .program = "kmend-build"},
	{"core", "RELEASE", "build kmend.ko for a kernel", .program = "kmend-build"},
	{"kernels", "", "list the kernels that can be built for", .program = "kmend-build"},
	{"verify", "FILE", "prove a patch in a virtual machine", .program = "kmend-lab"},
	{"load", "FILE|NAME [P=V]", "apply a patch to the running kernel", 1, 64, cmd_load_options, cmd_load,
	 .heading = "on a host"},
	{"unload", "NAME", "take a patch back", 1, 1, cmd_unload_options, cmd_unload},
	{"list", "", "list the patches in the kernel", 0, 0, NULL, cmd_list},
	{"status", "", "say how this host stands", 0, 0, cmd_status_options, cmd_status},
	{"info", "FILE|NAME", "show what a patch says of itself", 1, 1, NULL, cmd_info},
	{"blockers", "[NAME]", "name the tasks that a transition waits for", 0, 1, NULL, cmd_blockers},
	{"attach", "TOKEN", "take patches from a server's channel", 1, 1, cmd_attach_options, cmd_attach,
	 .heading = "on a host of a fleet"},
	{"detach", "", "take no more of them", 0, 0, NULL, cmd_detach},
	{"refresh", "", "ask the server now", 0, 0, cmd_refresh_options, cmd_refresh},
	{"rollback", "[NAME]", "go back to what was before the channel's last patch", 0, 1, NULL, cmd_rollback},
	{"bundle", "import|export ...", "carry a channel in one file", 1, 64, cmd_bundle_options, cmd_bundle, "kmend-admin",
	 "export", .actions = "import export"},
	{"config", "[KEY[=VALUE]]", "show and change the agent's settings", 0, 1, NULL, cmd_config},
	{"agent", "", "ask the server from time to time (run by systemd)", .program = "kmend-agent"},
	{"key", "ACTION [FILE|DIR...]", "make and look after signing keys", 1, 64, cmd_key_options, cmd_key,
	 .actions = "ceremony generate show passphrase rotate status", .heading = "where they are published"},
	{"sign", "[FILE|DIR...]", "sign documents, add and check signatures", 1, 64, cmd_sign_options, cmd_sign},
	{"publish", "BUILD-DIR|FILE...", "make, sign and upload a release", .program = "kmend-admin"},
	{"release", "ACTION", "look at releases, withdraw one", .program = "kmend-admin"},
	{"channel", "ACTION", "say which releases a channel has", .program = "kmend-admin"},
	{"rollout", "ACTION", "let a release go to hosts in waves", .program = "kmend-admin"},
	{"serve", "", "run the server of a fleet", .program = "kmend-server", .heading = "where the fleet is run"},
	{"token", "ACTION", "make and revoke what hosts attach with", .program = "kmend-admin"},
	{"admin", "ACTION", "make and revoke tokens of operators", .program = "kmend-admin"},
	{"host", "ACTION", "look at hosts of the service, tag them", .program = "kmend-admin"},
	{"audit", "ACTION", "read and verify the server's log", .program = "kmend-admin"},
	{"version", "", "print the version", 0, 0, NULL, cmd_version, .heading = "anywhere"},
	{"help", "[VERB]", "show this, or the manual of a verb", 0, 1, NULL, cmd_help},
	{"completion", "", "print the completion script for bash", 0, 0, NULL, cmd_completion},
	{0},
};

const struct cmd *cmd_find(const char *name)
{
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		if (!strcmp(cmd->name, name))
			return cmd;
	return NULL;
}

km_error *cmd_host(km_host **ret)
{
	return km_host_open(NULL, the_door, ret);
}

static km_error *unknown(const char *verb)
{
	const char *names[KM_COUNT(cmds)], *near;
	size_t n = 0;
	km_error *err = km_error_new(KM_USAGE, "'%s' is not a kmend command", verb);

	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		names[n++] = cmd->name;
	near = km_nearest(verb, names, n);
	return near ? km_error_hint(err, "did you mean 'kmend %s'?", near)
		    : km_error_hint(err, "kmend help lists them");
}

void cmd_usage_all(FILE *f)
{
	fprintf(f, "usage: kmend VERB [OPTIONS] [WORDS]\n\n"
		   "Fixes a running Linux kernel without a reboot.\n\n");
	for (const struct cmd *cmd = cmds; cmd->name; cmd++) {
		KM_AUTOFREE char *left = km_printf("%s %s", cmd->name, cmd->words);

		if (cmd->heading)
			fprintf(f, "%s%s:\n", cmd == cmds ? "" : "\n", cmd->heading);
		fprintf(f, "  %-25s %s\n", left, cmd->summary);
	}
	fprintf(f, "\nkmend VERB --help shows a verb's options, kmend help VERB its manual.\n"
		   "--colour=auto|always|never stands before the verb.\n");
}

/* Whether these words are another program's, which knows their options. */
static bool is_elsewhere(const struct cmd *cmd, int argc, char **argv)
{
	return cmd->program && (!cmd->action || (argc > 1 && !strcmp(argv[1], cmd->action)));
}

int cmd_main(int argc, char **argv, const struct km_door *door)
{
	const struct cmd *cmd;

	the_door = door;
	km_colour_setup("auto");
	argc--, argv++;
	if (argc && (km_starts(argv[0], "--colour=") || km_starts(argv[0], "--color="))) {
		km_colour_setup(strchr(argv[0], '=') + 1);
		if (km_ends(argv[0], "=never")) /* for the programs of other verbs */
			setenv("NO_COLOR", "1", 1);
		argc--, argv++;
	}
	if (!argc) {
		cmd_usage_all(stderr);
		return EXIT_ENV;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		argv[0] = (char *)"help";
	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
		argv[0] = (char *)"version";
	cmd = cmd_find(argv[0]);
	if (!cmd)
		return cmd_fail(argv[0], false, unknown(argv[0]));
	if (is_elsewhere(cmd, argc, argv))
		return cmd_fail(cmd->name, false, cmd_exec(cmd, argc, argv));
	return cmd_run(cmd, argc, argv);
}
