/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options from the table of a verb, and its usage. */
#include <ctype.h>
#include <getopt.h>
#include <math.h>

#include "cmd.h"

/* The value, joined with those that the option had before, if it may be given again. */
static const char *taken(struct cmd_args *args, int at, const char *value)
{
	const char *before = args->value[at];

	if (!before || !value || !args->cmd->options[at].many)
		return value ? value : "";
	km_strv_printf(&args->joined, "%s,%s", before, value);
	return args->joined.at[args->joined.n - 1];
}

static const struct cmd_option common[] = {
	{"json", NULL, "print one JSON object instead of text"},
	{"help", NULL, "show this"},
};

enum { AT_JSON = CMD_OPTIONS, AT_HELP, AT_END, FIRST = 256 };

/* getopt_long() gives FIRST + the option's place. */
static void fill_table(const struct cmd *cmd, struct option table[AT_END + 1])
{
	size_t n = 0;

	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		table[n++] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL,
					     FIRST + (int)(o - cmd->options)};
	table[n++] = (struct option){"json", no_argument, NULL, FIRST + AT_JSON};
	table[n++] = (struct option){"help", no_argument, NULL, FIRST + AT_HELP};
	table[n] = (struct option){0};
}

static km_error *usage_error(const struct cmd *cmd, km_error *err)
{
	return km_error_hint(err, "usage: kmend %s [OPTIONS]%s%s\nkmend %s --help says more", cmd->name,
			     *cmd->words ? " " : "", cmd->words, cmd->name);
}

static km_error *bad_option(const struct cmd *cmd, char **argv, int c)
{
	const char *word = argv[optind - 1];

	if (c == ':')
		return usage_error(cmd, km_error_new(KM_USAGE, "%s needs an argument", word));
	if (optopt && optopt < FIRST)
		return usage_error(cmd, km_error_new(KM_USAGE, "unknown option -%c", optopt));
	return usage_error(cmd, km_error_new(KM_USAGE, optopt ? "%s takes no argument" : "unknown option %s", word));
}

/* Known before the words are checked, so that a mistake in them is told as JSON too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

km_error *cmd_parse(const struct cmd *cmd, int argc, char **argv, struct cmd_args *ret, bool *help)
{
	struct option table[AT_END + 1];
	int c;

	*ret = (struct cmd_args){.cmd = cmd, .json = wants_json(argc, argv)};
	fill_table(cmd, table);
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (c == ':' || c == '?')
			return bad_option(cmd, argv, c);
		if (c == 'h' || c == FIRST + AT_HELP)
			*help = true;
		else if (c != FIRST + AT_JSON)
			ret->value[c - FIRST] = taken(ret, c - FIRST, optarg);
	}
	ret->words = argv + optind;
	ret->n = argc - optind;
	if (*help)
		return NULL;
	if (ret->n < cmd->min)
		return usage_error(cmd, km_error_new(KM_USAGE, "kmend %s needs %s", cmd->name, cmd->words));
	if (ret->n > cmd->max)
		return usage_error(cmd, km_error_new(KM_USAGE, "too many words: '%s'", ret->words[cmd->max]));
	return NULL;
}

static void print_option(FILE *f, const struct cmd_option *o)
{
	KM_AUTOFREE char *left = km_printf("--%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");

	fprintf(f, "  %-20s %s\n", left, o->help);
}

void cmd_usage(FILE *f, const struct cmd *cmd)
{
	fprintf(f, "usage: kmend %s [OPTIONS]%s%s\n\n%c%s.\n\n", cmd->name, *cmd->words ? " " : "", cmd->words,
		toupper((unsigned char)*cmd->summary), cmd->summary + 1);
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		print_option(f, o);
	for (size_t i = 0; i < KM_COUNT(common); i++)
		print_option(f, &common[i]);
}

km_error *cmd_seconds(const char *text, double *ret)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !isfinite(seconds) || seconds <= 0 || seconds > 1e6)
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is not a number of seconds", text),
				     "for example --timeout 120");
	*ret = seconds;
	return NULL;
}
