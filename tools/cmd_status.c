/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"
#include "fleet_run.h"

enum { FORMAT, EXIT_STATUS };
const struct cmd_option cmd_status_options[] = {
	{"format", "FORMAT", "text, json or prometheus"},
	{"exit-status", NULL, "tell it by the exit status, too (0 protected, 1, 2, 3)"},
	{0},
};

/* What an operator asks: is this host patched, against what, and is something under way? */
struct standing {
	km_host *host;
	km_applied_list all;
	const struct km_applied *moving; /* in transition, or NULL */
	size_t enabled;
	long blockers; /* tasks left; -1: only root can tell */
	km_strv cves;  /* of all patches that every task runs */
	const char *state;
	struct fleet_view fleet;
};

enum { TAINT_LIVEPATCH = 15 }; /* Documentation/admin-guide/tainted-kernels.rst */

static void add_cves(km_strv *to, const km_strv *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (!km_strv_has(to, from->at[i]))
			km_strv_push(to, from->at[i]);
}

static void stand_end(struct standing *s)
{
	km_applied_list_free(&s->all);
	km_strv_free(&s->cves);
	fleet_view_free(&s->fleet);
}

static km_error *count_blockers(struct standing *s)
{
	km_blocker_list blockers = {0};

	s->blockers = -1;
	if (!s->moving || !km_host_privileged(s->host))
		return NULL;
	KM_TRY(km_host_blockers(s->host, s->moving->name, false, &blockers));
	s->blockers = (long)blockers.n;
	km_blocker_list_free(&blockers);
	return NULL;
}

static km_error *stand(km_host *host, struct standing *s)
{
	s->host = host;
	KM_TRY(km_host_list(host, &s->all));
	for (size_t i = 0; i < s->all.n; i++) {
		const struct km_applied *p = &s->all.at[i];

		if (p->transition)
			s->moving = p;
		if (p->enabled && !p->transition) {
			s->enabled++;
			add_cves(&s->cves, &p->cves);
		}
	}
	km_strv_sort(&s->cves);
	s->state = s->moving		     ? "in-transition"
		   : s->enabled		     ? "patched"
		   : km_host_supported(host) ? "not-patched"
					     : "unsupported";
	KM_AUTOFREE char *root = km_agent_root();

	fleet_view_read(root, s->moving, &s->fleet);
	return count_blockers(s);
}

static json_t *transition_json(const struct standing *s)
{
	json_t *o;

	if (!s->moving)
		return json_null();
	o = json_object();
	json_object_set_new(o, "name", view_text_json(s->moving->name));
	json_object_set_new(o, "target", json_string(s->moving->enabled ? "enabled" : "disabled"));
	json_object_set_new(o, "tasks_left", s->blockers < 0 ? json_null() : json_integer(s->blockers));
	return o;
}

static json_t *status_json(const struct standing *s)
{
	json_t *o = json_object(), *kernel = json_object(), *patches = json_array();
	uint64_t taint = km_host_taint(s->host);

	json_object_set_new(kernel, "release", view_text_json(km_host_release(s->host)));
	json_object_set_new(kernel, "build_id",
			    *km_host_build_id(s->host) ? json_string(km_host_build_id(s->host)) : json_null());
	json_object_set_new(kernel, "livepatch", json_boolean(km_host_supported(s->host)));
	json_object_set_new(kernel, "taint", json_integer((json_int_t)taint));
	json_object_set_new(kernel, "tainted_by_livepatch", json_boolean(taint >> TAINT_LIVEPATCH & 1));
	for (size_t i = 0; i < s->all.n; i++)
		json_array_append_new(patches, view_applied_json(&s->all.at[i]));
	json_object_set_new(o, "kernel", kernel);
	json_object_set_new(o, "state", json_string(s->state));
	json_object_set_new(o, "transition", transition_json(s));
	json_object_set_new(o, "cves", view_strings_json(&s->cves));
	json_object_set_new(o, "patches", patches);
	json_object_set_new(o, "standing", json_string(km_standing_name(s->fleet.standing)));
	json_object_set(o, "fleet", s->fleet.file ? s->fleet.file : json_null());
	return o;
}

static void print_state(const struct standing *s)
{
	enum km_colour colour = s->moving ? KM_YELLOW : s->enabled ? KM_GREEN : KM_BOLD;

	printf("state    %s", km_colour_on(stdout, colour));
	if (s->moving)
		printf("in transition%s: %s is being %s", km_colour_off(stdout), s->moving->name,
		       s->moving->enabled ? "applied" : "taken back");
	else if (s->enabled)
		printf("patched%s: %zu patch%s applied", km_colour_off(stdout), s->enabled,
		       s->enabled == 1 ? "" : "es");
	else if (km_host_supported(s->host))
		printf("not patched%s: no live patch is applied", km_colour_off(stdout));
	else
		printf("unsupported%s: this kernel has no live patching", km_colour_off(stdout));
	if (s->blockers >= 0)
		printf(", %ld task%s left (kmend blockers)", s->blockers, s->blockers == 1 ? "" : "s");
	putchar('\n');
}

static void print_patch(const struct km_applied *p)
{
	char since[32];

	printf("patch    %s: %s", p->name, view_state(p));
	if (p->version)
		printf(", version %s", p->version);
	if (p->since) {
		view_time(p->since, since);
		printf(", since %s", since);
	}
	if (!p->ours)
		printf(", loaded by another tool");
	putchar('\n');
	if (p->description)
		printf("         %s\n", p->description);
}

static void print_status(const struct standing *s)
{
	uint64_t taint = km_host_taint(s->host);
	const char *id = km_host_build_id(s->host);

	printf("kernel   %s%s%s\n", km_host_release(s->host), *id ? ", build-id " : "", id);
	print_state(s);
	for (size_t i = 0; i < s->all.n; i++)
		print_patch(&s->all.at[i]);
	if (s->cves.n)
		printf("closed  ");
	for (size_t i = 0; i < s->cves.n; i++)
		printf(" %s%s", s->cves.at[i], i + 1 == s->cves.n ? "\n" : "");
	printf("taint    %llu%s\n", (unsigned long long)taint,
	       taint >> TAINT_LIVEPATCH & 1 ? " (has been live-patched since boot)" : "");
	fleet_view_print(&s->fleet, false);
}

static void print_metrics(const struct standing *s)
{
	printf("# HELP kmend_patches_enabled Live patches that every task runs.\n# TYPE kmend_patches_enabled gauge\n"
	       "kmend_patches_enabled %zu\n",
	       s->enabled);
	fleet_view_metrics(&s->fleet);
}

static const struct {
	const char *name;
	bool json;
	void (*print)(const struct standing *s);
} formats[] = {
	{"text", false, print_status},
	{"json", true, NULL},
	{"prometheus", false, print_metrics},
};

static km_error *format_of(const struct cmd_args *args, size_t *ret)
{
	const char *name = args->json ? "json" : args->value[FORMAT] ? args->value[FORMAT] : "text";

	for (*ret = 0; *ret < KM_COUNT(formats); (*ret)++)
		if (!strcmp(formats[*ret].name, name))
			return NULL;
	return km_error_new(KM_USAGE, "'%s' is none of text, json, prometheus", name);
}

static km_error *show(const struct cmd_args *args, int *status)
{
	KM_AUTOHOST km_host *host = NULL;
	struct standing s = {0};
	size_t format;
	km_error *err;

	KM_TRY(format_of(args, &format));
	KM_TRY(cmd_host(&host));
	err = stand(host, &s);
	if (!err && formats[format].json)
		view_json(status_json(&s));
	else if (!err)
		formats[format].print(&s);
	if (!err && args->value[EXIT_STATUS])
		*status = fleet_view_status(&s.fleet);
	stand_end(&s);
	return err;
}

km_error *cmd_status(const struct cmd_args *args, int *status)
{
	km_error *err = show(args, status);

	/* To Nagios "1" is a warning; not to know is 3. */
	if (err && args->value[EXIT_STATUS] && !args->json) {
		km_error_print("kmend", err);
		km_error_free(err);
		*status = 3;
		return NULL;
	}
	return err;
}
