/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waves, gates and times of a rollout, as people write them. */
#include "plan.h"
#include "admin.h"

const struct policy policies[] = {
	{"careful", "canary,1%,10%,50%,100%", "hosts with the tag canary, then ever more of all"},
	{"edge-first", "edge,25%,100%", "hosts with the tag edge, then a quarter, then everyone"},
	{"all-at-once", "100%", "everyone, with the gates still watching"},
	{0},
};

static km_error *find_policy(const char *name, const char **waves)
{
	const char *names[8];
	size_t n = 0;

	for (const struct policy *p = policies; p->name; p++) {
		if (!name || !strcmp(p->name, name)) {
			*waves = p->waves;
			return NULL;
		}
		names[n++] = p->name;
	}
	const char *near = km_nearest(name, names, n);
	km_error *err = km_error_new(KM_USAGE, "there is no policy '%s'", name);
	return near ? km_error_hint(err, "did you mean %s?", near)
		    : km_error_hint(err, "there are careful, edge-first and all-at-once; --waves says it in detail");
}

static km_error *read_gate(const char *word, struct km_gates *gates)
{
	struct {
		const char *name;
		unsigned *value;
	} shares[] = {{"failed", &gates->failed}, {"stalled", &gates->stalled}, {"silent", &gates->silent}};
	size_t n = strcspn(word, "=");
	int64_t hosts;

	if (word[n] && n == strlen("crashed") && km_starts(word, "crashed")) {
		KM_TRY(words_number("--gate crashed", word + n + 1, 1000000000, &hosts));
		gates->crashed = (unsigned)hosts;
		return NULL;
	}
	for (size_t i = 0; word[n] && i < KM_COUNT(shares); i++)
		if (strlen(shares[i].name) == n && km_starts(word, shares[i].name))
			return words_share("--gate", word + n + 1, shares[i].value);
	return km_error_hint(km_error_new(KM_USAGE, "--gate: '%s' is no gate", word),
			     "for example crashed=0,failed=1%%,stalled=5%%,silent=2%%");
}

static km_error *read_gates(const char *text, struct km_gates *gates)
{
	km_strv words = {0};
	km_error *err = NULL;

	trust_words(text, &words);
	for (size_t i = 0; i < words.n && !err; i++)
		err = read_gate(words.at[i], gates);
	km_strv_free(&words);
	return err;
}

static km_error *read_times(const struct plan_words *words, struct km_plan *plan)
{
	if (words->settle)
		KM_TRY(words_duration("--settle", words->settle, &plan->settle));
	if (words->silent_after)
		KM_TRY(words_duration("--silent-after", words->silent_after, &plan->silent_after));
	if (words->not_before)
		KM_TRY(words_time("--not-before", words->not_before, words->now, &plan->not_before));
	if (plan->settle < 1 || plan->settle > 30 * 86400 || plan->silent_after > 30 * 86400)
		return km_error_new(KM_USAGE, "--settle lasts from a second to 30 days, --silent-after up to 30 days");
	return NULL;
}

km_error *plan_make(const struct plan_words *words, struct km_plan *ret)
{
	struct km_plan plan = {.settle = KM_SETTLE_DEFAULT, .complete = KM_COMPLETE_DEFAULT, .gates = km_gates_default};
	const char *waves = words->waves;
	km_error *err = NULL;

	if (words->waves && words->policy)
		return km_error_new(KM_USAGE, "--waves and --policy exclude each other");
	if (!waves)
		KM_TRY(find_policy(words->policy, &waves));
	if (words->complete)
		KM_TRY(words_share("--complete", words->complete, &plan.complete));
	if (!plan.complete)
		return km_error_new(KM_USAGE, "--complete is more than 0%%");
	KM_TRY(read_gates(words->gates, &plan.gates));
	KM_TRY(read_times(words, &plan));
	err = km_plan_waves(waves, &plan);
	if (err) {
		km_plan_free(&plan);
		return km_error_add(err, "--waves");
	}
	*ret = plan;
	return NULL;
}

const char *plan_share(unsigned permyriad, char out[static 16])
{
	if (permyriad % 100)
		snprintf(out, 16, "%u.%02u %%", permyriad / 100, permyriad % 100);
	else
		snprintf(out, 16, "%u %%", permyriad / 100);
	return out;
}

const char *plan_wave(const struct km_wave *wave, char out[static 80])
{
	char share[16];

	plan_share(wave->permyriad, share);
	if (!wave->n_tags)
		snprintf(out, 80, "%s", share);
	else if (wave->permyriad == KM_PERMYRIAD)
		snprintf(out, 80, "%s%s", wave->tags[0], wave->n_tags > 1 ? ", …" : "");
	else
		snprintf(out, 80, "%s of %s%s", share, wave->tags[0], wave->n_tags > 1 ? ", …" : "");
	return out;
}
