/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

static json_t *list_json(const km_applied_list *all)
{
	json_t *o = json_object(), *patches = json_array();

	for (size_t i = 0; i < all->n; i++)
		json_array_append_new(patches, view_applied_json(&all->at[i]));
	json_object_set_new(o, "patches", patches);
	return o;
}

static size_t functions_of(const struct km_applied *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->objects.n; i++)
		n += p->objects.at[i].funcs.n;
	return n;
}

static void print_row(const struct km_applied *p, int width)
{
	KM_AUTOFREE char *objects = NULL;
	km_str names = {0};

	for (size_t i = 0; i < p->objects.n; i++)
		km_str_printf(&names, "%s%s%s", i ? "," : "", p->objects.at[i].name,
			      p->objects.at[i].patched == 0 ? "(waiting)" : "");
	objects = names.at;
	printf("%-*s  %-9s  %9zu  %-6s  %-8s  %s\n", width, p->name, view_state(p), functions_of(p),
	       p->ours ? "kmend" : "other", p->version ? p->version : "-", objects ? objects : "-");
}

static void print_table(const km_applied_list *all)
{
	int width = 4;

	if (!all->n) {
		printf("no patches are loaded\n");
		return;
	}
	for (size_t i = 0; i < all->n; i++)
		if ((int)strlen(all->at[i].name) > width)
			width = (int)strlen(all->at[i].name);
	printf("%s%-*s  %-9s  %9s  %-6s  %-8s  %s%s\n", km_colour_on(stdout, KM_BOLD), width, "NAME", "STATE",
	       "FUNCTIONS", "BY", "VERSION", "OBJECTS", km_colour_off(stdout));
	for (size_t i = 0; i < all->n; i++)
		print_row(&all->at[i], width);
}

km_error *cmd_list(const struct cmd_args *args, int *status)
{
	KM_AUTOHOST km_host *host = NULL;
	km_applied_list all = {0};

	(void)status;
	KM_TRY(cmd_host(&host));
	KM_TRY(km_host_list(host, &all));
	if (args->json)
		view_json(list_json(&all));
	else
		print_table(&all);
	km_applied_list_free(&all);
	return NULL;
}
