/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend rollout: a release goes to a channel's hosts in waves. */
#include "rollout.h"

#include <time.h>
#include <unistd.h>

#include "admin.h"
#include "plan.h"

enum {
	START_CHANNEL = AT_OWN,
	START_WAVES,
	START_POLICY,
	START_SETTLE,
	START_GATE,
	START_COMPLETE,
	START_SILENT,
	START_NOT_BEFORE,
	START_DRY
};
enum { STATUS_CHANNEL = AT_OWN, STATUS_ALL, STATUS_WATCH, STATUS_EVERY };
enum { STOP_REASON = AT_OWN };

static const struct cmd_option start_options[] = {
	COMMON_OPTIONS,
	[START_CHANNEL] = {"channel", "NAME", "the channel, whose index lists the release"},
	[START_WAVES] = {"waves", "WAVE,...", "tags and shares of all hosts, as in canary,1%,10%,50%,100%",
			 .many = true},
	[START_POLICY] = {"policy", "NAME", "careful (the default), edge-first or all-at-once"},
	[START_SETTLE] = {"settle", "TIME", "how long a host must be well before it counts (15m)"},
	[START_GATE] = {"gate", "GATE=N,...", "what is allowed: crashed=0,failed=1%,stalled=5%,silent=2%",
			.many = true},
	[START_COMPLETE] = {"complete", "SHARE", "of a wave's online hosts that must have settled (90%)"},
	[START_SILENT] = {"silent-after", "TIME", "when a host counts as silent (three intervals and a minute)"},
	[START_NOT_BEFORE] = {"not-before", "TIME", "when it begins: a date, or +2h"},
	[START_DRY] = {"dry-run", NULL, "show the plan and start nothing"},
	{0},
};
static const struct cmd_option status_options[] = {
	COMMON_OPTIONS,
	[STATUS_CHANNEL] = {"channel", "NAME", "only those of this channel"},
	[STATUS_ALL] = {"all", NULL, "also those that have ended"},
	[STATUS_WATCH] = {"watch", NULL, "show it again until it is over"},
	[STATUS_EVERY] = {"every", "TIME", "watch: how often (5s)"},
	{0},
};
static const struct cmd_option list_options[] = {
	COMMON_OPTIONS,
	[STATUS_CHANNEL] = {"channel", "NAME", "only those of this channel"},
	{0},
};
static const struct cmd_option stop_options[] = {
	COMMON_OPTIONS,
	[STOP_REASON] = {"reason", "TEXT", "why; hosts show it"},
	{0},
};

static km_error *open_server(const struct cmd_args *args, struct api *ret)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};

	KM_TRY(setup_read(args, &setup));
	return api_open(&setup, ret);
}

/* ---- start ---- */

static km_error *read_plan(const struct cmd_args *args, struct km_plan *ret)
{
	struct plan_words words = {
		.waves = args->value[START_WAVES],
		.policy = args->value[START_POLICY],
		.settle = args->value[START_SETTLE],
		.silent_after = args->value[START_SILENT],
		.complete = args->value[START_COMPLETE],
		.gates = args->value[START_GATE],
		.not_before = args->value[START_NOT_BEFORE],
		.now = time(NULL),
	};
	const char *channel = args->value[START_CHANNEL];

	if (!channel || !km_trust_name_ok(channel))
		return km_error_new(KM_USAGE,
				    channel ? "'%s' cannot be the name of a channel" : "--channel NAME says where",
				    channel ? channel : "");
	KM_TRY(plan_make(&words, ret));
	snprintf(ret->channel, sizeof(ret->channel), "%s", channel);
	return NULL;
}

static void view_plan(const struct km_plan *plan)
{
	char name[80], share[16], when[32];

	printf("%.12s in %s\n", plan->release, plan->channel);
	for (size_t i = 0; i < plan->n_waves; i++)
		printf("wave %-2zu     %s\n", i + 1, plan_wave(&plan->waves[i], name));
	if (plan->not_before)
		printf("begins      %s\n", short_time(plan->not_before, when));
	printf("goes on     when %s of a wave's online hosts have been well for %lld s\n",
	       plan_share(plan->complete, share), (long long)plan->settle);
	printf("halts       above %u crashed", plan->gates.crashed);
	printf(", %s failed", plan_share(plan->gates.failed, share));
	printf(", %s stalled", plan_share(plan->gates.stalled, share));
	printf(", %s silent\n", plan_share(plan->gates.silent, share));
}

static km_error *dry_run(const struct cmd_args *args, struct km_plan *plan)
{
	KM_AUTOFREE char *text = NULL;

	/* No server is asked: the release is an id or a file. */
	KM_TRY(find_release(NULL, args->words[0], plan->release));
	if (!args->json) {
		view_plan(plan);
		return NULL;
	}
	text = km_plan_text(plan);
	view_json(json_loads(text, 0, NULL));
	return NULL;
}

static km_error *send_plan(const struct cmd_args *args, struct km_plan *plan)
{
	KM_CLEANUP(api_close) struct api api = {0};
	KM_AUTOFREE char *text = NULL;
	json_t *answer = NULL;

	KM_TRY(open_server(args, &api));
	KM_TRY(find_release(&api, args->words[0], plan->release));
	text = km_plan_text(plan);
	KM_TRY(api_send(&api, "POST", json_loads(text, 0, NULL), &answer, "rollouts"));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	view_plan(plan);
	printf("\nrollout %lld has begun; `kmend rollout status %lld --watch` shows how it goes\n",
	       (long long)json_number(answer, "id"), (long long)json_number(answer, "id"));
	json_decref(answer);
	return NULL;
}

static km_error *start(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(km_plan_free) struct km_plan plan = {0};

	(void)status;
	KM_TRY(read_plan(args, &plan));
	return args->value[START_DRY] ? dry_run(args, &plan) : send_plan(args, &plan);
}

/* ---- status, list ---- */

static km_error *rollout_number(const char *word, int64_t *ret)
{
	km_error *err = words_number("the rollout", word, INT64_MAX / 2, ret);

	return err ? km_error_hint(err, "kmend rollout list shows their numbers") : NULL;
}

static km_error *get_list(const struct cmd_args *args, const struct api *api, bool open, json_t **ret)
{
	const char *channel = args->value[STATUS_CHANNEL];
	KM_AUTOFREE char *path = NULL;

	if (channel && !km_trust_name_ok(channel))
		return km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", channel);
	path = km_printf("rollouts?open=%s%s%s", open ? "1" : "0", channel ? "&channel=" : "",
			 channel ? channel : "");
	return api_pages(api, path, "rollouts", "before", open ? 0 : 100, ret);
}

static km_error *list(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	json_t *rollouts = NULL, *releases = NULL, *r;
	struct table t;
	char when[32];
	size_t i;

	(void)status;
	KM_TRY(open_server(args, &api));
	KM_TRY(get_list(args, &api, false, &rollouts));
	if (args->json) {
		view_json(json_pack("{s:o}", "rollouts", rollouts));
		return NULL;
	}
	km_error *err = api_pages(&api, "releases", "releases", "before", 0, &releases);
	table_begin(&t, "ID|RELEASE|CHANNEL|STATE|WAVE|BEGUN|REASON");
	json_array_foreach(rollouts, i, r)
	{
		KM_AUTOFREE char *name = find_release_name(releases, json_text(r, "release"));

		table_addf(&t, "%lld", (long long)json_number(r, "id"));
		table_add(&t, name);
		table_add(&t, json_text(r, "channel"));
		table_add(&t, json_text(r, "state"));
		table_addf(&t, "%lld of %zu", (long long)json_number(r, "wave") + 1,
			   json_array_size(json_object_get(json_object_get(r, "plan"), "waves")));
		table_add(&t, short_time(json_number(r, "created"), when));
		table_add(&t, json_text(r, "reason"));
	}
	table_end(&t, "there has been no rollout");
	json_decref(rollouts);
	json_decref(releases);
	return err;
}

/* The rollouts that are meant, each with its counts. */
static km_error *get_rollouts(const struct cmd_args *args, const struct api *api, json_t **ret)
{
	json_t *all = json_array(), *list = NULL, *r;
	km_error *err = NULL;
	int64_t id;
	size_t i;

	if (args->n) {
		err = rollout_number(args->words[0], &id);
		list = json_pack("[{s:I}]", "id", (json_int_t)(err ? 0 : id));
	} else {
		err = get_list(args, api, !args->value[STATUS_ALL], &list);
	}
	if (!err)
		json_array_foreach(list, i, r)
		{
			json_t *whole = NULL;

			err = api_get(api, &whole, "rollouts/%lld", (long long)json_number(r, "id"));
			if (err)
				break;
			json_array_append_new(all, whole);
		}
	json_decref(list);
	if (err)
		json_decref(all);
	else
		*ret = all;
	return err;
}

/* Running ones among them, and one that went wrong is a refusal for scripts. */
static bool still_running(const json_t *rollouts, int *status)
{
	bool running = false;
	json_t *r;
	size_t i;

	*status = EXIT_OK;
	json_array_foreach(rollouts, i, r)
	{
		const char *state = json_text(r, "state");

		running |= !strcmp(state, "running");
		if (!strcmp(state, "halted") || !strcmp(state, "taken-back"))
			*status = EXIT_REFUSED;
	}
	return running;
}

static km_error *view_all(const json_t *rollouts, const json_t *releases)
{
	json_t *r;
	size_t i;

	if (!json_array_size(rollouts))
		printf("no rollout is under way\n");
	json_array_foreach(rollouts, i, r)
	{
		if (i)
			putchar('\n');
		KM_TRY(rollout_view(r, releases, time(NULL)));
	}
	return NULL;
}

static km_error *status_once(const struct cmd_args *args, const struct api *api, const json_t *releases, bool *running,
			     int *status)
{
	json_t *rollouts = NULL;
	km_error *err = NULL;

	KM_TRY(get_rollouts(args, api, &rollouts));
	*running = still_running(rollouts, status);
	if (args->value[STATUS_WATCH] && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J");
	if (args->json)
		view_json(json_pack("{s:O}", "rollouts", rollouts));
	else
		err = view_all(rollouts, releases);
	fflush(stdout);
	json_decref(rollouts);
	return err;
}

static km_error *show_status(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	json_t *releases = NULL;
	int64_t every = 5;
	bool running = false;
	km_error *err = NULL;

	if (args->value[STATUS_EVERY])
		KM_TRY(words_duration("--every", args->value[STATUS_EVERY], &every));
	if (every < 1 || every > 86400)
		return km_error_new(KM_USAGE, "--every lasts from a second to a day");
	KM_TRY(open_server(args, &api));
	if (!args->json)
		KM_TRY(api_pages(&api, "releases", "releases", "before", 0, &releases));
	for (;;) {
		err = status_once(args, &api, releases, &running, status);
		if (err || !running || !args->value[STATUS_WATCH])
			break;
		sleep((unsigned)every);
		if (!args->json && !isatty(STDOUT_FILENO))
			putchar('\n');
	}
	json_decref(releases);
	return err;
}

/* ---- halt, resume, rollback ---- */

static km_error *act(const struct cmd_args *args, const char *action, const char *done)
{
	KM_CLEANUP(api_close) struct api api = {0};
	const char *reason;
	json_t *answer = NULL;
	int64_t id;

	KM_TRY(words_reason(args->value[STOP_REASON], &reason));
	KM_TRY(rollout_number(args->words[0], &id));
	KM_TRY(open_server(args, &api));
	KM_TRY(api_send(&api, "POST", json_pack("{s:s}", "reason", reason), &answer, "rollouts/%lld/%s", (long long)id,
			action));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	json_decref(answer);
	printf("rollout %lld %s\n", (long long)id, done);
	return NULL;
}

static km_error *halt(const struct cmd_args *args, int *status)
{
	(void)status;
	return act(args, "halt", "is halted: no more host loads the release; those that have it keep it");
}

static km_error *resume(const struct cmd_args *args, int *status)
{
	(void)status;
	return act(args, "resume", "goes on; what happened until now is forgiven");
}

static km_error *rollback(const struct cmd_args *args, int *status)
{
	(void)status;
	return act(args, "rollback", "is taken back: hosts that have the release unload it when they hear of it");
}

const struct cmd rollout_cmds[] = {
	{"rollout start", "RELEASE", "begin one", 1, 1, start_options, start, NULL},
	{"rollout status", "[ID]", "show how those under way stand, or one", 0, 1, status_options, show_status, NULL},
	{"rollout list", "", "list all", 0, 0, list_options, list, NULL},
	{"rollout halt", "ID", "stop it: no more host loads the release", 1, 1, stop_options, halt, NULL},
	{"rollout resume", "ID", "let a halted one go on, and forgive what happened", 1, 1, stop_options, resume, NULL},
	{"rollout rollback", "ID", "stop it, and have hosts take the release back", 1, 1, stop_options, rollback, NULL},
	{0},
};
