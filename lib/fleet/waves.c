/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The waves of a plan: what they may be, and the words for them. */
#include "internal.h"

static bool same_tags(const struct km_wave *a, const struct km_wave *b)
{
	if (a->n_tags != b->n_tags)
		return false;
	for (size_t i = 0; i < a->n_tags; i++)
		if (strcmp(a->tags[i], b->tags[i]))
			return false;
	return true;
}

/* Whether `later` lets nobody in who is not in by `first`. */
static bool covers(const struct km_wave *first, const struct km_wave *later)
{
	return first->permyriad >= later->permyriad && (!first->n_tags || same_tags(first, later));
}

const char *waves_wrong(const struct km_wave *waves, size_t n, km_arena *arena)
{
	if (!n || n > KM_FLEET_WAVES)
		return km_arena_printf(arena, "a rollout has 1 to %d waves", KM_FLEET_WAVES);
	for (size_t i = 0; i < n; i++) {
		if (!waves[i].permyriad)
			return km_arena_printf(arena, "wave %zu is nobody", i + 1);
		for (size_t j = 0; j < i; j++)
			if (covers(&waves[j], &waves[i]))
				return km_arena_printf(arena, "wave %zu lets in nobody who is not in by wave %zu",
						       i + 1, j + 1);
	}
	if (waves[n - 1].n_tags || waves[n - 1].permyriad != KM_PERMYRIAD)
		return "the last wave is not every host (100%)";
	return NULL;
}

/* "12.34%" as 1234; false: it is no such thing. */
static bool read_share(const char *word, unsigned *ret)
{
	size_t whole = strspn(word, "0123456789"), part = 0;
	unsigned share = 0;

	if (!whole || whole > 3)
		return false;
	for (size_t i = 0; i < whole; i++)
		share = 10 * share + (unsigned)(word[i] - '0');
	share *= 100;
	if (word[whole] == '.') {
		part = strspn(word + whole + 1, "0123456789");
		if (!part || part > 2)
			return false;
		share += (unsigned)(word[whole + 1] - '0') * 10 + (part == 2 ? (unsigned)(word[whole + 2] - '0') : 0);
		part++;
	}
	if (strcmp(word + whole + part, "%") || share > KM_PERMYRIAD)
		return false;
	*ret = share;
	return true;
}

static km_error *read_wave(const char *word, km_arena *arena, struct km_wave *ret)
{
	struct km_wave wave = {.permyriad = KM_PERMYRIAD};

	if (!read_share(word, &wave.permyriad)) {
		if (!km_trust_name_ok(word))
			return km_error_hint(km_error_new(KM_USAGE, "'%s' is neither a tag nor a share", word),
					     "waves are written as in canary,1%%,10%%,50%%,100%%");
		wave.tags = km_arena_alloc(arena, sizeof(*wave.tags));
		wave.tags[0] = km_arena_strdup(arena, word);
		wave.n_tags = 1;
	}
	*ret = wave;
	return NULL;
}

km_error *km_plan_waves(const char *text, struct km_plan *plan)
{
	KM_AUTOFREE char *words = km_strdup(text);
	struct km_wave *waves;
	const char *wrong;
	size_t n = 0;

	if (!plan->arena)
		plan->arena = km_arena_create();
	waves = km_arena_alloc(plan->arena, (KM_FLEET_WAVES + 1) * sizeof(*waves));
	for (char *rest = words, *word; (word = strsep(&rest, ",")) && n <= KM_FLEET_WAVES; n++)
		KM_TRY(read_wave(word, plan->arena, &waves[n]));
	wrong = waves_wrong(waves, n, plan->arena);
	if (wrong)
		return km_error_new(KM_USAGE, "%s: %s", text, wrong);
	plan->waves = waves;
	plan->n_waves = n;
	return NULL;
}

size_t km_plan_wave(const struct km_plan *plan, const struct km_trust_host *host)
{
	unsigned cohort = km_trust_cohort(plan->release, host->id);
	size_t wave = 0;

	while (wave + 1 < plan->n_waves && !km_wave_admits(&plan->waves[wave], host, cohort))
		wave++;
	return wave;
}
