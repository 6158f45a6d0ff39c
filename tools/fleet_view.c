/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a host of a fleet stands, for people, programs, Prometheus and Nagios. */
#include "cmd.h"
#include "fleet_run.h"

static const struct {
	const char *words;
	enum km_colour colour;
	int status;
} standings[KM_STANDINGS] = {
	[KM_UNKNOWN] = {"the last contact is too old to tell", KM_YELLOW, 3},
	[KM_PROTECTED] = {"all that the channel has for this kernel is in effect", KM_GREEN, 0},
	[KM_AVAILABLE] = {"the channel has more for this kernel", KM_YELLOW, 1},
	[KM_TRANSITION] = {"a transition is under way", KM_YELLOW, 1},
	[KM_UNCOVERED] = {"the channel has nothing for this kernel", KM_RED, 2},
	[KM_REBOOT] = {"a patch is held back or cannot be taken back: only a reboot into a fixed kernel helps", KM_RED, 2},
	[KM_UNATTACHED] = {"this host follows no channel", KM_BOLD, 3},
};

static json_t *read_file(const char *root)
{
	KM_AUTOFREE char *path = km_printf("%s" KM_AGENT_FLEET, root);
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* The file is of its moment: another boot's says nothing, and documents expire without anyone writing it. */
static enum km_standing standing_of(const char *root, const json_t *file, bool moving)
{
	enum km_standing standing = KM_UNKNOWN;
	struct km_fleet_kernel kernel;
	km_error *err;
	json_int_t expires;

	if (!km_identity_exists(root))
		return KM_UNATTACHED;
	if (moving)
		return KM_TRANSITION;
	err = km_agent_kernel(root, &kernel);
	if (err || strcmp(text(file, "boot"), kernel.boot) || !km_standing_of(text(file, "state"), &standing)) {
		km_error_free(err);
		return KM_UNKNOWN;
	}
	expires = json_integer_value(json_object_get(json_object_get(file, "timestamp"), "expires"));
	if (standing != KM_REBOOT && km_agent_now(root) >= expires)
		return KM_UNKNOWN;
	return standing;
}

void fleet_view_read(const char *root, bool moving, struct fleet_view *ret)
{
	ret->file = read_file(root);
	ret->standing = standing_of(root, ret->file, moving);
	if (ret->file)
		json_object_set_new(ret->file, "state", json_string(km_standing_name(ret->standing)));
}

void fleet_view_free(struct fleet_view *view)
{
	json_decref(view->file);
	view->file = NULL;
}

int fleet_view_status(const struct fleet_view *view)
{
	return standings[view->standing].status;
}

/* ---- people ---- */

static void print_list(const char *title, const json_t *list)
{
	if (!json_array_size(list))
		return;
	printf("%-8s", title);
	for (size_t i = 0; i < json_array_size(list); i++)
		printf(" %s", json_string_value(json_array_get(list, i)));
	putchar('\n');
}

static void print_release(const json_t *r)
{
	const char *decision = text(r, "decision"), *why = text(r, "why");

	if (!strcmp(decision, "in-effect") || !strcmp(decision, "superseded"))
		return;
	printf("%-8s %s %s (%s)%s%s\n", decision, text(r, "name"), text(r, "version"), text(r, "severity"), *why ? ": " : "", why);
}

static void print_time(const char *title, const json_t *seconds)
{
	char when[32];

	view_time(json_integer_value(seconds), when);
	printf("%-8s %s\n", title, json_is_integer(seconds) ? when : "never");
}

static void print_file(const json_t *file)
{
	const json_t *releases = json_object_get(file, "releases"), *stamp = json_object_get(file, "timestamp");
	size_t hidden = (size_t)json_integer_value(json_object_get(file, "hidden"));

	printf("channel  %s%s%s\n", text(file, "channel"), *text(file, "server") ? " of " : "", text(file, "server"));
	if (*text(file, "effective"))
		printf("version  %s\n", text(file, "effective"));
	print_list("fixed", json_object_get(file, "closed"));
	print_list("open", json_object_get(file, "open"));
	for (size_t i = 0; i < json_array_size(releases); i++)
		print_release(json_array_get(releases, i));
	if (hidden)
		printf("hidden   %zu release%s that this host is not shown (its token asks for %s and above)\n", hidden,
		       hidden == 1 ? "" : "s", text(file, "min_severity"));
	print_time("contact", json_object_get(file, "contact"));
	if (json_is_object(stamp))
		print_time("expires", json_object_get(stamp, "expires"));
	if (strcmp(text(file, "mode"), "normal"))
		printf("mode     %s\n", text(file, "mode"));
	if (*text(file, "trouble"))
		printf("trouble  %s%s%s\n", km_colour_on(stdout, KM_RED), text(file, "trouble"), km_colour_off(stdout));
}

void fleet_view_print(const struct fleet_view *view, bool all)
{
	if (view->standing == KM_UNATTACHED && !all)
		return;
	printf("fleet    %s%s%s: %s\n", km_colour_on(stdout, standings[view->standing].colour),
	       km_standing_name(view->standing), km_colour_off(stdout), standings[view->standing].words);
	if (view->file && view->standing != KM_UNATTACHED)
		print_file(view->file);
}

/* ---- Prometheus ---- */

static void label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++)
		printf(*value == '"' || *value == '\\' ? "\\%c" : *value == '\n' ? "\\n" : "%c", *value);
	putchar('"');
}

static void gauge(const char *name, const char *help, const json_t *value)
{
	if (!json_is_integer(value))
		return;
	printf("# HELP %s %s\n# TYPE %s gauge\n%s %lld\n", name, help, name, name, (long long)json_integer_value(value));
}

static void count(const char *name, const char *help, size_t n)
{
	json_t *value = json_integer((json_int_t)n);

	gauge(name, help, value);
	json_decref(value);
}

static size_t decided(const json_t *file, const char *decision)
{
	const json_t *releases = json_object_get(file, "releases");
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(releases); i++)
		n += !strcmp(text(json_array_get(releases, i), "decision"), decision);
	return n;
}

void fleet_view_metrics(const struct fleet_view *view)
{
	const json_t *f = view->file;

	printf("# HELP kmend_state How the host stands; 1 for the one state that is so.\n# TYPE kmend_state gauge\n");
	for (unsigned i = 0; i < KM_STANDINGS; i++)
		printf("kmend_state{state=\"%s\"} %d\n", km_standing_name((enum km_standing)i), i == view->standing);
	if (!f)
		return;
	printf("# HELP kmend_info The channel, and the version in effect.\n# TYPE kmend_info gauge\nkmend_info{");
	label("channel", text(f, "channel"));
	putchar(',');
	label("effective", text(f, "effective"));
	printf("} 1\n");
	count("kmend_cves_closed", "CVEs that releases in effect close.", json_array_size(json_object_get(f, "closed")));
	count("kmend_cves_open", "CVEs that the channel could close.", json_array_size(json_object_get(f, "open")));
	count("kmend_releases_held", "Releases that are held back.", decided(f, "held"));
	count("kmend_releases_in_effect", "Releases in effect.", decided(f, "in-effect"));
	gauge("kmend_last_contact_timestamp_seconds", "The last contact with the server.", json_object_get(f, "contact"));
	gauge("kmend_documents_expire_timestamp_seconds", "When what the host knows is too old.",
	      json_object_get(json_object_get(f, "timestamp"), "expires"));
}

km_error *fleet_view_show(const char *root, const char *verb, bool json)
{
	struct fleet_view view;
	json_t *o;

	fleet_view_read(root, false, &view);
	if (json) {
		o = json_object();
		json_object_set_new(o, "verb", json_string(verb));
		json_object_set_new(o, "result", json_string("done"));
		json_object_set_new(o, "exit_status", json_integer(0));
		json_object_set_new(o, "standing", json_string(km_standing_name(view.standing)));
		json_object_set(o, "fleet", view.file ? view.file : json_null());
		view_json(o);
	} else {
		fleet_view_print(&view, true);
	}
	fleet_view_free(&view);
	return NULL;
}
