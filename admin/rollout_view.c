/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout at a glance. */
#include "admin.h"
#include "plan.h"
#include "rollout.h"

const char *rollout_bar(int64_t part, int64_t whole, char out[static BAR_WIDTH + 3])
{
	int64_t full = whole > 0 && part > 0 ? (part < whole ? part * BAR_WIDTH / whole : BAR_WIDTH) : 0;

	out[0] = '[';
	for (int i = 0; i < BAR_WIDTH; i++)
		out[i + 1] = i < full ? '#' : '.';
	out[BAR_WIDTH + 1] = ']';
	out[BAR_WIDTH + 2] = '\0';
	return out;
}

static enum km_colour colour_of(const char *state)
{
	static const struct {
		const char *state;
		enum km_colour colour;
	} colours[] = {{"running", KM_BLUE}, {"done", KM_GREEN}, {"halted", KM_RED}, {"taken-back", KM_RED}};

	for (size_t i = 0; i < KM_COUNT(colours); i++)
		if (!strcmp(colours[i].state, state))
			return colours[i].colour;
	return KM_PLAIN;
}

static void view_head(const json_t *r, const json_t *releases)
{
	KM_AUTOFREE char *name = find_release_name(releases, json_text(r, "release"));
	const char *state = json_text(r, "state");
	char when[32];

	printf("rollout %lld   %s in %s, %s%s%s\n", (long long)json_number(r, "id"), name, json_text(r, "channel"),
	       km_colour_on(stdout, colour_of(state)), state, km_colour_off(stdout));
	if (*json_text(r, "reason"))
		printf("reason      %s\n", json_text(r, "reason"));
	printf("begun       %s by %s\n", short_time(json_number(r, "created"), when), json_text(r, "by"));
}

/* What stands beside a wave's bar. */
static void view_wave(const json_t *r, const struct km_plan *plan, size_t i, int64_t now)
{
	const json_t *counts = json_object_get(r, "counts");
	bool all = !strcmp(json_text(r, "state"), "done");
	size_t at = (size_t)json_number(r, "wave");
	int64_t online = json_number(counts, "wave_online"), settled = json_number(counts, "wave_settled");
	char name[80], bar[BAR_WIDTH + 3], since[32];

	plan_wave(&plan->waves[i], name);
	printf("wave %-2zu     %-14s ", i + 1, name);
	if (all || i < at)
		printf("%s complete\n", rollout_bar(1, 1, bar));
	else if (i > at)
		printf("%s waits\n", rollout_bar(0, 1, bar));
	else if (plan->not_before > now)
		printf("%s begins %s\n", rollout_bar(0, 1, bar), short_time(plan->not_before, since));
	else
		printf("%s %lld of %lld online hosts settled, since %s\n", rollout_bar(settled, online, bar),
		       (long long)settled, (long long)online, short_time(json_number(r, "wave_since"), since));
}

static void view_hosts(const json_t *counts)
{
	static const char *const words[] = {"members", "online", "tried", "loaded", "settled"};

	printf("hosts       ");
	for (size_t i = 0; i < KM_COUNT(words); i++)
		printf("%s%lld %s", i ? ", " : "", (long long)json_number(counts, words[i]), i ? words[i] : "let in");
	putchar('\n');
}

/* Hosts that count against a gate: what a resume has forgiven does not. */
static void view_gate(const char *name, const json_t *r, int64_t of, unsigned allowed)
{
	int64_t all = json_number(json_object_get(r, "counts"), name);
	int64_t forgiven = json_number(json_object_get(r, "forgiven"), name), n = all > forgiven ? all - forgiven : 0;
	char share[16];
	bool trips = of < 0 ? n > (int64_t)allowed : n * KM_PERMYRIAD > (int64_t)allowed * of;

	printf("gate        %-8s %s%lld%s", name, km_colour_on(stdout, trips ? KM_RED : KM_PLAIN), (long long)n,
	       km_colour_off(stdout));
	if (of < 0)
		printf(", %u allowed", allowed);
	else
		printf(" of %lld, %s allowed", (long long)of, plan_share(allowed, share));
	if (all > n)
		printf(", %lld more forgiven", (long long)(all - n));
	putchar('\n');
}

static void view_gates(const json_t *r, const struct km_gates *gates)
{
	const json_t *counts = json_object_get(r, "counts");

	view_gate("crashed", r, -1, gates->crashed);
	view_gate("failed", r, json_number(counts, "tried"), gates->failed);
	view_gate("stalled", r, json_number(counts, "tried"), gates->stalled);
	view_gate("silent", r, json_number(counts, "loaded"), gates->silent);
}

km_error *rollout_view(const json_t *r, const json_t *releases, int64_t now)
{
	KM_AUTOFREE char *text = json_dumps(json_object_get(r, "plan"), JSON_COMPACT);
	struct km_plan plan;

	if (!text)
		return km_error_new(KM_INPUT, "the server's answer has no plan");
	KM_TRY(km_plan_parse(text, strlen(text), &plan));
	view_head(r, releases);
	for (size_t i = 0; i < plan.n_waves; i++)
		view_wave(r, &plan, i, now);
	view_hosts(json_object_get(r, "counts"));
	view_gates(r, &plan.gates);
	km_plan_free(&plan);
	return NULL;
}
