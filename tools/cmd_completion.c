/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

/* The script is made from the table of verbs, so that it cannot be out of date. */

static void print_options(const struct cmd *cmd)
{
	printf("\t%s) words='--json --help", cmd->name);
	for (const struct cmd_option *o = cmd->options; o && o->name; o++)
		printf(" --%s", o->name);
	printf("'");
	if (strstr(cmd->words, "FILE"))
		printf("; files=1");
	if (strstr(cmd->words, "NAME"))
		printf("; words+=\" $(ls /sys/kernel/livepatch /run/kmend/patches 2>/dev/null | sed -n 's/\\.json$//; "
		       "/^[a-z0-9_]*$/p')\"");
	if (cmd->actions)
		printf("; ((COMP_CWORD > 2)) || words+=' %s'", cmd->actions);
	if (cmd->action)
		printf("; [[ ${COMP_WORDS[2]} != %s ]] || words=$(kmend %s %s --help 2>/dev/null | "
		       "grep -o -- '--[a-z][a-z-]*')",
		       cmd->action, cmd->name, cmd->action);
	if (!strcmp(cmd->name, "help"))
		printf("; words=\"$verbs\"");
	printf(" ;;\n");
}

km_error *cmd_completion(const struct cmd_args *args, int *status)
{
	(void)args;
	(void)status;
	printf("# bash completion for kmend\n_kmend()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} verbs words='' "
	       "files=0\n\tverbs='");
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		printf("%s%s", cmd == cmds ? "" : " ", cmd->name);
	printf("'\n\tif ((COMP_CWORD == 1)); then\n\t\tmapfile -t COMPREPLY < <(compgen -W \"$verbs\" -- "
	       "\"$cur\")\n\t\treturn\n\tfi\n");
	printf("\tcase ${COMP_WORDS[1]} in\n");
	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		if (!cmd->program || cmd->action)
			print_options(cmd);
	/* The other programs tell their options and actions themselves. */
	printf("\t*)\n\t\tlocal call=(kmend \"${COMP_WORDS[1]}\")\n\t\tfiles=1\n"
	       "\t\t((COMP_CWORD == 2)) || [[ ! ${COMP_WORDS[2]} =~ ^[a-z]+$ ]] || call+=(\"${COMP_WORDS[2]}\")\n"
	       "\t\tif [[ $cur == -* ]]; then\n\t\t\twords=$(\"${call[@]}\" --help 2>/dev/null | grep -o -- '--[a-z][a-z-]*')\n"
	       "\t\telif ((COMP_CWORD == 2)); then\n"
	       "\t\t\twords=$(\"${call[@]}\" --help 2>/dev/null | sed -n 's/^  \\([a-z][a-z]*\\) .*/\\1/p')\n\t\tfi\n\t\t;;\n");
	printf("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "\tif ((files)); then\n\t\tlocal more\n\t\tmapfile -t more < <(compgen -f -- \"$cur\")\n"
	       "\t\tCOMPREPLY+=(\"${more[@]}\")\n\tfi\n}\ncomplete -o filenames -F _kmend kmend\n");
	return NULL;
}
