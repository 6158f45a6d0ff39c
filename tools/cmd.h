/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd.h - the verbs of kmend: a table, what they share, and one cmd_<verb>.c each. */
#ifndef KMEND_CMD_H
#define KMEND_CMD_H

#include <jansson.h>
#include <kmend/host.h>

/* Exit statuses, the same for every verb; kmend(1) explains them. */
enum cmd_exit {
	EXIT_OK,
	EXIT_ENV, /* usage, environment, unreadable input */
	EXIT_REFUSED,
	EXIT_NOTHING,
	EXIT_REVERTED, /* the transition did not end in time; the state before is restored */
	EXIT_BETWEEN,  /* … and is not restored, or a module stays in memory: the message says what is so */
};

struct cmd_option {
	const char *name; /* without "--" */
	const char *arg;  /* what it takes, or NULL */
	const char *help;
};

enum { CMD_OPTIONS = 8 };

/* The words of a command line after the verb. */
struct cmd_args {
	const struct cmd *cmd;
	const char *value
		[CMD_OPTIONS]; /* by the option's place in the table; "" for one without an argument; NULL: not given */
	char **words;	       /* the rest */
	int n;
	bool json; /* --json, which every verb has */
};

struct cmd {
	const char *name, *words, *summary;
	int min, max;			  /* how many words */
	const struct cmd_option *options; /* ends with name NULL; or NULL */
	/* Gives an exit status, or an error that is then printed. *status is EXIT_OK before. */
	km_error *(*run)(const struct cmd_args *args, int *status);
	const char *program; /* a verb of another program: `program name …` is run instead */
};
extern const struct cmd cmds[]; /* ends with name NULL */
/* The verb of that name, or NULL. */
const struct cmd *cmd_find(const char *name);

/* kmend load: applies a patch file and waits for its transition. */
km_error *cmd_load(const struct cmd_args *args, int *status);
/* kmend unload: takes a patch back and removes its module. */
km_error *cmd_unload(const struct cmd_args *args, int *status);
/* kmend list: the patches in the kernel, a line each. */
km_error *cmd_list(const struct cmd_args *args, int *status);
/* kmend status: whether the host can be patched, and which patches and CVEs it has. */
km_error *cmd_status(const struct cmd_args *args, int *status);
/* kmend info: what a patch file says of itself. */
km_error *cmd_info(const struct cmd_args *args, int *status);
/* kmend blockers: the tasks that a transition waits for, with their stacks. */
km_error *cmd_blockers(const struct cmd_args *args, int *status);
/* kmend version: one line. */
km_error *cmd_version(const struct cmd_args *args, int *status);
/* kmend help: the verbs, or one verb's manual page. */
km_error *cmd_help(const struct cmd_args *args, int *status);
/* kmend completion: the script that bash sources, made from the tables of verbs. */
km_error *cmd_completion(const struct cmd_args *args, int *status);
extern const struct cmd_option cmd_load_options[], cmd_unload_options[];

/* ---- cli.c ------------------------------------------------------------------------------------------------------ */
/* The whole program. door: the kernel to work on, NULL for the real one. */
int cmd_main(int argc, char **argv, const struct km_door *door);
/* The host behind that door. */
KM_CHECKED km_error *cmd_host(km_host **ret);

/* ---- options.c -------------------------------------------------------------------------------------------------- */
/* argv[0] is the verb. A mistake is KM_USAGE with a hint. *help: --help was given. */
KM_CHECKED km_error *cmd_parse(const struct cmd *cmd, int argc, char **argv, struct cmd_args *ret, bool *help);
/* Prints the verb's usage line and options to f. */
void cmd_usage(FILE *f, const struct cmd *cmd);
/* A number of seconds above 0. */
KM_CHECKED km_error *cmd_seconds(const char *text, double *ret);

/* ---- external.c ------------------------------------------------------------------------------------------------- */
/* Replaces this process by `<program> <verb> argv[1] …`. Returns only when the program is not found. */
KM_CHECKED km_error *cmd_exec(const struct cmd *cmd, int argc, char **argv);

/* ---- view.c: patches and tasks for people and for programs ------------------------------------------------------ */
/* The one word for a patch's state: "enabled", "enabling", "disabling", "disabled"; static. */
const char *view_state(const struct km_applied *patch);
/* A patch as kmend-list(1) documents it; the caller's. */
json_t *view_applied_json(const struct km_applied *patch);
/* An array of tasks with their stacks; the caller's. */
json_t *view_blockers_json(const km_blocker_list *list);
/* The same for people, each line begun with indent. */
void view_blockers(FILE *f, const km_blocker_list *list, const char *indent);
/* An array of strings; bytes that are no UTF-8 are shown, not refused. The caller's. */
json_t *view_strings_json(const km_strv *v);
/* NULL gives null. */
json_t *view_text_json(const char *s);
/* "2026-03-01T12:00:00Z"; into a buffer of its own, 32 bytes. */
void view_time(int64_t t, char out[static 32]);
/* Prints to stdout, ends with a newline, and lets go of o. */
void view_json(json_t *o);

/* ---- change_view.c: what load and unload say -------------------------------------------------------------------- */
/* Fills in limits and progress from the options that both verbs have: timeout, no-wait, force, mode, deadline, in this order. */
KM_CHECKED km_error *change_spec(const struct cmd_args *args, struct km_host_spec *ret);
/* The JSON object of a change; `result` is its word for the outcome. */
json_t *change_json(const char *verb, const char *result, const struct km_host_change *change, int status);
/* The line of progress, if one is on the terminal, goes away. */
void change_clear(void);

#endif
