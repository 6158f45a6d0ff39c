/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cmd.h - the verbs of kmend: a table, what they share, and one cmd_<verb>.c each. */
#ifndef KMEND_CMD_H
#define KMEND_CMD_H

#include <jansson.h>
#include <kmend/host.h>
#include <kmend/trust.h>

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
	bool many; /* may be given again: the values are joined with commas */
};

enum { CMD_OPTIONS = 24 };

/* The words of a command line after the verb. */
struct cmd_args {
	const struct cmd *cmd;
	const char *value
		[CMD_OPTIONS]; /* by the option's place in the table; "" for one without an argument; NULL: not given */
	char **words;	       /* the rest */
	int n;
	bool json;	/* --json, which every verb has */
	km_strv joined; /* values of options that were given again */
};

struct cmd {
	const char *name, *words, *summary;
	int min, max;			  /* how many words */
	const struct cmd_option *options; /* ends with name NULL; or NULL */
	/* Gives an exit status, or an error that is then printed. *status is EXIT_OK before. */
	km_error *(*run)(const struct cmd_args *args, int *status);
	const char *program; /* a verb of another program: `program name …` is run instead */
	const char *action;  /* … but only with this word behind the verb; the verb's other actions are here. NULL: always */
	const char *actions; /* what may be the first word, for the completion; or NULL */
	const char *heading; /* of the verbs from here on, in kmend help; or NULL: it goes on */
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
/* kmend key: makes keys, the first root and the next one, and tells what expires when. */
km_error *cmd_key(const struct cmd_args *args, int *status);
/* kmend sign: signs documents over files, adds and checks signatures, renews what is online. */
km_error *cmd_sign(const struct cmd_args *args, int *status);
/* kmend attach, detach: whose patches this host takes. */
km_error *cmd_attach(const struct cmd_args *args, int *status);
km_error *cmd_detach(const struct cmd_args *args, int *status);
/* kmend refresh: asks the server now. */
km_error *cmd_refresh(const struct cmd_args *args, int *status);
/* kmend rollback: back to what was before the last patch of the channel. */
km_error *cmd_rollback(const struct cmd_args *args, int *status);
/* kmend bundle: a channel in one file. */
km_error *cmd_bundle(const struct cmd_args *args, int *status);
/* kmend config: the settings of the agent. */
km_error *cmd_config(const struct cmd_args *args, int *status);
/* kmend version: one line. */
km_error *cmd_version(const struct cmd_args *args, int *status);
/* kmend help: the verbs, or one verb's manual page. */
km_error *cmd_help(const struct cmd_args *args, int *status);
/* kmend completion: the script that bash sources, made from the tables of verbs. */
km_error *cmd_completion(const struct cmd_args *args, int *status);
extern const struct cmd_option cmd_load_options[], cmd_unload_options[], cmd_key_options[], cmd_sign_options[],
	cmd_attach_options[], cmd_refresh_options[], cmd_bundle_options[], cmd_status_options[];

/* ---- run.c ------------------------------------------------------------------------------------------------------- */
/* Parses the words of a verb (argv[0]), runs it, and gives the exit status; errors are printed. */
int cmd_run(const struct cmd *cmd, int argc, char **argv);
/* Prints the error, with json as an object too, frees it, and gives its exit status. */
int cmd_fail(const char *verb, bool json, km_error *err);

/* ---- cli.c ------------------------------------------------------------------------------------------------------ */
/* The whole program. door: the kernel to work on, NULL for the real one. */
int cmd_main(int argc, char **argv, const struct km_door *door);
/* Prints all verbs to f. */
void cmd_usage_all(FILE *f);
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
/* The program's path, or (not found) its name; for free(). */
char *cmd_program(const char *program);

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

/* ---- secret.c: passphrases -------------------------------------------------------------------------------------- */
/* The first line of a file, or, with file NULL, what is typed at the terminal without being shown; twice the same if
 * again is set. Freed with secret_free(). Without file and terminal KM_USAGE. */
KM_CHECKED km_error *secret_read(const char *file, const char *prompt, bool again, char **ret);
/* Wipes and frees; NULL is fine. */
void secret_free(char *secret);
/* Asks a question at the terminal; an empty answer gives fallback. For free(). */
KM_CHECKED km_error *secret_ask(const char *question, const char *fallback, char **ret);

/* ---- trust_view.c: what key and sign share ---------------------------------------------------------------------- */
/* Seconds since 1970 of a --date: a number, or YYYY-MM-DD; NULL is now. */
KM_CHECKED km_error *trust_date(const char *text, int64_t *ret);
/* Seconds of a number of days above 0; NULL gives fallback. */
KM_CHECKED km_error *trust_days(const char *option, const char *text, int64_t fallback, int64_t *ret);
/* "a,b" into words. */
void trust_words(const char *text, km_strv *ret);
/* "root=3,builder=2" into numbers by role. */
KM_CHECKED km_error *trust_numbers(const char *option, const char *text, unsigned ret[]);
/* The body as JSON; the caller's. null when it is none. */
json_t *trust_body_json(const km_envelope *envelope);
/* A document for people: what one must know before signing it. */
KM_CHECKED km_error *trust_show(const km_envelope *envelope);
/* Reads a signed document of whatever type. */
KM_CHECKED km_error *trust_load(const char *path, km_envelope **ret);
/* kmend key ceremony, in a file of its own. */
KM_CHECKED km_error *trust_ceremony(const struct cmd_args *args, int *status);

/* The places of the options of kmend key in its table. */
enum key_option {
	KEY_DIR, KEY_PASSPHRASE, KEY_NEW_PASSPHRASE, KEY_NO_PASSPHRASE, KEY_KEYS, KEY_THRESHOLD, KEY_CHANNEL,
	KEY_YES, KEY_ADD, KEY_REMOVE, KEY_LIFETIME, KEY_OUTPUT, KEY_DATE, KEY_WARN,
};

#endif
