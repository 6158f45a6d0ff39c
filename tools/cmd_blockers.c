/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

static km_error *find_moving(km_host *host, const char *name, char **ret, bool *enabled)
{
	km_applied_list all = {0};
	const struct km_applied *found = NULL;
	km_error *err = NULL;

	KM_TRY(km_host_list(host, &all));
	for (size_t i = 0; i < all.n; i++)
		if (name ? !strcmp(all.at[i].name, name) : all.at[i].transition)
			found = &all.at[i];
	if (name && !found)
		err = km_error_hint(km_error_new(KM_ENV, "no patch named %s is loaded", name), "kmend list shows them");
	else if (!found)
		err = km_error_new(KM_NOTHING, "no transition is under way");
	else if (!found->transition)
		err = km_error_new(KM_NOTHING, "%s is not in transition", name);
	if (!err) {
		*ret = km_strdup(found->name);
		*enabled = found->enabled;
	}
	km_applied_list_free(&all);
	return err;
}

static void print_blockers(const char *name, bool enabled, const km_blocker_list *list)
{
	printf("%s is being %s; %zu task%s left to switch%s\n", name, enabled ? "applied" : "taken back", list->n,
	       list->n == 1 ? " is" : "s are", list->n ? ":" : "");
	view_blockers(stdout, list, "");
	if (!list->n)
		printf("An idle CPU may be what it waits for.\n");
}

static json_t *blockers_json(const char *name, bool enabled, const km_blocker_list *list)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", view_text_json(name));
	json_object_set_new(o, "target", json_string(enabled ? "enabled" : "disabled"));
	json_object_set_new(o, "blockers", view_blockers_json(list));
	return o;
}

km_error *cmd_blockers(const struct cmd_args *args, int *status)
{
	KM_AUTOHOST km_host *host = NULL;
	KM_AUTOFREE char *wanted = args->n ? km_host_module_name(args->words[0]) : NULL, *name = NULL;
	km_blocker_list list = {0};
	bool enabled = false;

	(void)status;
	KM_TRY(cmd_host(&host));
	KM_TRY(find_moving(host, wanted, &name, &enabled));
	if (!km_host_privileged(host))
		return km_error_hint(
			km_error_new(KM_ENV, "only root can see which tasks have switched, and their stacks"),
			"run it through sudo");
	KM_TRY(km_host_blockers(host, name, true, &list));
	if (args->json)
		view_json(blockers_json(name, enabled, &list));
	else
		print_blockers(name, enabled, &list);
	km_blocker_list_free(&list);
	return NULL;
}
