/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words that hosts, server and people use for one thing. */
#include "internal.h"

static const char *const standings[KM_STANDINGS] = {
	[KM_UNKNOWN] = "unknown",	[KM_PROTECTED] = "protected", [KM_AVAILABLE] = "available",
	[KM_TRANSITION] = "waiting",	[KM_UNCOVERED] = "uncovered", [KM_REBOOT] = "reboot",
	[KM_UNATTACHED] = "unattached",
};
static const char *const states[KM_PATCH_STATES] = {
	[KM_PATCH_LOADING] = "loading", [KM_PATCH_LOADED] = "loaded", [KM_PATCH_FAILED] = "failed",
	[KM_PATCH_STALLED] = "stalled", [KM_PATCH_HELD] = "held",     [KM_PATCH_REMOVED] = "removed",
};
static const char *const healths[KM_HEALTHS] = {
	[KM_HEALTH_NONE] = "",	       [KM_HEALTH_GOOD] = "good",	[KM_HEALTH_WARNED] = "warned",
	[KM_HEALTH_OOPSED] = "oopsed", [KM_HEALTH_CRASHED] = "crashed",
};
static const char *const severities[KM_SEVERITIES] = {
	[KM_SEVERITY_LOW] = "low",
	[KM_SEVERITY_MEDIUM] = "medium",
	[KM_SEVERITY_HIGH] = "high",
	[KM_SEVERITY_CRITICAL] = "critical",
};
static const char *const rollout_states[KM_ROLLOUT_STATES] = {
	[KM_ROLLOUT_RUNNING] = "running",
	[KM_ROLLOUT_HALTED] = "halted",
	[KM_ROLLOUT_DONE] = "done",
	[KM_ROLLOUT_TAKEN_BACK] = "taken-back",
};

static bool find(const char *const *words, size_t n, const char *name, unsigned *ret)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], name)) {
			*ret = (unsigned)i;
			return true;
		}
	return false;
}

/* Both ways of one table. */
#define WORDS(type, table, name_of, of_name)                                                                           \
	const char *name_of(type value)                                                                                \
	{                                                                                                              \
		return table[value];                                                                                   \
	}                                                                                                              \
	bool of_name(const char *name, type *ret)                                                                      \
	{                                                                                                              \
		unsigned i;                                                                                            \
                                                                                                                       \
		if (!find(table, KM_COUNT(table), name, &i))                                                           \
			return false;                                                                                  \
		*ret = (type)i;                                                                                        \
		return true;                                                                                           \
	}

WORDS(enum km_standing, standings, km_standing_name, km_standing_of)
WORDS(enum km_patch_state, states, km_patch_state_name, km_patch_state_of)
WORDS(enum km_health, healths, km_health_name, km_health_of)
WORDS(enum km_severity, severities, km_severity_name, km_severity_of)
WORDS(enum km_rollout_state, rollout_states, km_rollout_state_name, km_rollout_state_of)
