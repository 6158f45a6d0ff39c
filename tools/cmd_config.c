/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend config: the lines of agent.conf, shown and changed. */
#include "cmd.h"
#include "fleet_run.h"

static km_error *show(const char *root, const char *only, bool json)
{
	json_t *o = json_object();

	for (const struct km_agent_key *key = km_agent_keys; key->name; key++) {
		KM_AUTOFREE char *value = NULL;
		km_error *err;

		if (only && strcmp(only, key->name))
			continue;
		err = km_agent_config_get(root, key->name, &value);
		if (err) {
			json_decref(o);
			return err;
		}
		json_object_set_new(o, key->name, view_text_json(value));
		if (!json && only)
			printf("%s\n", value ? value : "");
		else if (!json)
			printf("%s%-8s = %s%s%s\n", value ? "" : "#", key->name, value ? value : "", value ? "" : "# ",
			       value ? "" : key->help);
	}
	if (json)
		view_json(o);
	else
		json_decref(o);
	return NULL;
}

km_error *cmd_config(const struct cmd_args *args, int *status)
{
	KM_AUTOFREE char *root = km_agent_root(), *key = NULL;
	const char *equals = args->n ? strchr(args->words[0], '=') : NULL;
	KM_AUTOFREE char *value = NULL;

	(void)status;
	if (!args->n)
		return show(root, NULL, args->json);
	key = km_strndup(args->words[0], strcspn(args->words[0], "="));
	/* A key that is none is told before anything else. */
	KM_TRY(km_agent_config_get(root, key, &value));
	if (equals)
		KM_TRY(km_agent_config_set(root, key, equals[1] ? equals + 1 : NULL));
	return show(root, key, args->json);
}
