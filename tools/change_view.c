/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What load and unload have in common on the command line: their options, their progress, their JSON. */
#include <unistd.h>

#include "cmd.h"

static bool line_shown;

void change_clear(void)
{
	if (line_shown)
		fputs("\r\033[K", stderr);
	line_shown = false;
}

/* On a terminal one line that is redrawn; else a line at 5 seconds and then every 15: a log must not fill. */
static void progress(void *ctx, const struct km_progress *p)
{
	static double next_line = 5;
	KM_AUTOFREE char *text = km_printf("%s: %s, %.0f of %.0f s, %zu task%s left to switch", p->patch,
					   p->reverting ? "reverting"
					   : p->target	? "switching to the patch"
							: "switching back",
					   p->elapsed, p->limit, p->left, p->left == 1 ? "" : "s");

	(void)ctx;
	if (isatty(STDERR_FILENO)) {
		fprintf(stderr, "\r%s\033[K", text);
		line_shown = true;
		return;
	}
	if (p->elapsed < next_line)
		return;
	next_line = p->elapsed + 15;
	fprintf(stderr, "%s\n", text);
}

static void lock_busy(void *ctx)
{
	(void)ctx;
	fprintf(stderr, "kmend: another kmend is loading or unloading a patch; waiting for it\n");
}

/* A deadline is of the mode of that name. */
static km_error *read_mode(const char *mode, const char *deadline, struct km_host_spec *spec)
{
	static const char *const modes[] = {"stop", "lazy", "hybrid", "deadline"};
	size_t i = 0;

	if (deadline)
		KM_TRY(cmd_seconds(deadline, &spec->deadline));
	spec->mode = mode ? mode : deadline ? "deadline" : NULL;
	while (spec->mode && i < KM_COUNT(modes) && strcmp(modes[i], spec->mode))
		i++;
	if (i == KM_COUNT(modes))
		return km_error_hint(km_error_new(KM_USAGE, "there is no mode '%s'", mode),
				     "the modes are stop, lazy, hybrid and deadline; kmend(1) tells them apart");
	if (deadline && strcmp(spec->mode, "deadline"))
		return km_error_new(KM_USAGE, "the mode %s has no deadline", mode);
	return NULL;
}

km_error *change_spec(const struct cmd_args *args, struct km_host_spec *ret)
{
	struct km_host_spec spec = {
		.no_wait = args->value[1], .force = args->value[2], .progress = progress, .lock_busy = lock_busy};

	if (args->value[0])
		KM_TRY(cmd_seconds(args->value[0], &spec.timeout));
	KM_TRY(read_mode(args->value[3], args->value[4], &spec));
	if (spec.no_wait && spec.force)
		return km_error_hint(km_error_new(KM_USAGE, "--force and --no-wait exclude each other"),
				     "force is used only when the time limit has passed");
	*ret = spec;
	return NULL;
}

json_t *change_json(const char *verb, const char *result, const struct km_host_change *change, int status)
{
	json_t *o = json_object();

	json_object_set_new(o, "verb", json_string(verb));
	json_object_set_new(o, "name", view_text_json(change->name));
	json_object_set_new(o, "result", json_string(result));
	json_object_set_new(o, "exit_status", json_integer(status));
	json_object_set_new(o, "resumed", json_boolean(change->resumed));
	json_object_set_new(o, "forced", json_boolean(change->forced));
	json_object_set_new(o, "transition_seconds", json_real(change->transition));
	json_object_set_new(o, "load_seconds", json_real(change->load));
	json_object_set_new(o, "replaced", view_strings_json(&change->replaced));
	json_object_set_new(o, "why", view_text_json(change->why));
	json_object_set_new(o, "blockers", view_blockers_json(&change->blockers));
	return o;
}
