/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A verb from its words to its exit status, for every program that has verbs. */
#include "cmd.h"

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

int cmd_fail(const char *verb, bool json, km_error *err)
{
	int status = km_error_exit(err);

	if (json)
		view_json(error_json(verb, err));
	km_error_print("kmend", err);
	km_error_free(err);
	return status;
}

int cmd_run(const struct cmd *cmd, int argc, char **argv)
{
	struct cmd_args args = {0};
	bool help = false;
	int status = EXIT_OK;
	km_error *err;

	err = cmd_parse(cmd, argc, argv, &args, &help);
	if (!err && help)
		cmd_usage(stdout, cmd);
	else if (!err)
		err = cmd->run(&args, &status);
	km_strv_free(&args.joined);
	if (err)
		return cmd_fail(cmd->name, args.json, err);
	/* A full disk or a closed pipe behind stdout must not pass for success. */
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail(cmd->name, false, km_error_new(KM_ENV, "cannot write the output"));
	return status;
}
