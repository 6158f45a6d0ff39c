/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend: finds the verb, parses its words, runs it, and turns errors into words and exit statuses. */
#include "cmd.h"

static const struct km_door *the_door;

const struct cmd cmds[] = {
	{"build", "PATCH...", "make a patch module from source diffs", .program = "kmend-build"},
	{"prepare", "RELEASE", "fetch and prepare a kernel to build for", .program = "kmend-build"},
	{"core", "RELEASE", "build kmend.ko for a kernel", .program = "kmend-build"},
	{"kernels", "", "list the kernels that can be built for", .program = "kmend-build"},
	{"verify", "FILE", "prove a patch in a virtual machine", .program = "kmend-lab"},
	{"load", "FILE|NAME [P=V]", "apply a patch to the running kernel", 1, 64, cmd_load_options, cmd_load},
	{"unload", "NAME", "take a patch back", 1, 1, cmd_unload_options, cmd_unload},
	{"list", "", "list the patches in the kernel", 0, 0, NULL, cmd_list},
	{"status", "", "say how this host stands", 0, 0, NULL, cmd_status},
	{"info", "FILE|NAME", "show what a patch says of itself", 1, 1, NULL, cmd_info},
	{"blockers", "[NAME]", "name the tasks that a transition waits for", 0, 1, NULL, cmd_blockers},
	{"key", "ACTION [FILE|DIR...]", "make and look after signing keys", 1, 64, cmd_key_options, cmd_key},
	{"sign", "[FILE|DIR...]", "sign documents, add and check signatures", 1, 64, cmd_sign_options, cmd_sign},
	{"version", "", "print the version", 0, 0, NULL, cmd_version},
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

static json_t *error_json(const char *verb, const km_error *err)
{
	static const char *const kinds[] = {
		[KM_USAGE] = "usage",	  [KM_ENV] = "environment", [KM_INPUT] = "input",
		[KM_REFUSED] = "refused", [KM_NOTHING] = "nothing", [KM_BUG] = "internal",
	};
	json_t *o = json_object(), *e = json_object();

	json_object_set_new(e, "kind", json_string(kinds[err->code]));
	json_object_set_new(e, "message", view_text_json(err->message));
	json_object_set_new(e, "hint", view_text_json(err->hint));
	json_object_set_new(e, "errno", err->sys ? json_integer(err->sys) : json_null());
	json_object_set_new(o, "error", e);
	json_object_set_new(o, "exit_status", json_integer(km_error_exit(err)));
	json_object_set_new(o, "result", json_string("error"));
	json_object_set_new(o, "verb", json_string(verb));
	return o;
}

static int fail(const char *verb, bool json, km_error *err)
{
	int status = km_error_exit(err);

	if (json)
		view_json(error_json(verb, err));
	km_error_print("kmend", err);
	km_error_free(err);
	return status;
}

static int run_verb(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_args args = {0};
	bool help = false;
	int status = EXIT_OK;
	km_error *err;

	if (cmd->program)
		return fail(cmd->name, false, cmd_exec(cmd, argc, argv));
	err = cmd_parse(cmd, argc, argv, &args, &help);
	if (!err && help) {
		cmd_usage(stdout, cmd);
		return EXIT_OK;
	}
	if (!err)
		err = cmd->run(&args, &status);
	if (err)
		return fail(cmd->name, args.json, err);
	/* A full disk or a closed pipe behind stdout must not pass for success. */
	if (fflush(stdout) || ferror(stdout))
		return fail(cmd->name, false, km_error_new(KM_ENV, "cannot write the output"));
	return status;
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
		cmd_usage(stderr, NULL);
		return EXIT_ENV;
	}
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h"))
		argv[0] = (char *)"help";
	if (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))
		argv[0] = (char *)"version";
	cmd = cmd_find(argv[0]);
	return cmd ? run_verb(cmd, argc, argv) : fail(argv[0], false, unknown(argv[0]));
}
