/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the kernel has complained since a patch came, and when to look next. */
#include "internal.h"

/* Documentation/admin-guide/tainted-kernels.rst */
enum { TAINT_DIE = 1 << 7, TAINT_WARN = 1 << 9 };

const int32_t km_agent_ages[KM_AGENT_AGES] = {0, 60, 300, KM_AGENT_SETTLE};

static int64_t number(const char *root, const char *path, int base)
{
	KM_AUTOFREE char *text = agent_text(root, path);
	char *end = text;
	long long n = text ? strtoll(text, &end, base) : -1;

	return end == text ? -1 : n;
}

struct km_trouble km_trouble_now(const char *root)
{
	int64_t taint = number(root, "/proc/sys/kernel/tainted", 10);

	/* Documentation/ABI/testing/sysfs-kernel-{warn,oops}_count */
	return (struct km_trouble){.taint = taint < 0 ? 0 : (uint64_t)taint,
				   .warns = number(root, "/sys/kernel/warn_count", 10),
				   .oopses = number(root, "/sys/kernel/oops_count", 10)};
}

/* The bit says only the first one; where the kernel counts, the second is seen as well. */
static bool more(const struct km_trouble *a, const struct km_trouble *b, uint64_t bit, int64_t before, int64_t after)
{
	return (b->taint & ~a->taint & bit) || (before >= 0 && after > before);
}

enum km_health km_trouble_since(const struct km_trouble *before, const struct km_trouble *now)
{
	if (more(before, now, TAINT_DIE, before->oopses, now->oopses))
		return KM_HEALTH_OOPSED;
	if (more(before, now, TAINT_WARN, before->warns, now->warns))
		return KM_HEALTH_WARNED;
	return KM_HEALTH_GOOD;
}

/* The last mark that age has reached. */
static int32_t mark_of(int64_t age)
{
	int32_t mark = 0;

	for (size_t i = 0; i < KM_AGENT_AGES; i++)
		if (age >= km_agent_ages[i])
			mark = km_agent_ages[i];
	return mark;
}

static int64_t next_mark(int32_t mark)
{
	for (size_t i = 0; i < KM_AGENT_AGES; i++)
		if (km_agent_ages[i] > mark)
			return km_agent_ages[i];
	return INT64_MAX;
}

static bool look(struct km_journal_entry *e, const struct km_trouble *trouble, int64_t age, int64_t now)
{
	enum km_health health = km_trouble_since(&e->before, trouble);
	int32_t mark = mark_of(age);
	bool first = e->health == KM_HEALTH_NONE;

	if (!first && mark <= mark_of(e->age) && health <= e->health)
		return false;
	/* What was bad once stays bad: nothing says that the kernel has recovered. */
	e->health = health > e->health ? health : e->health;
	e->age = (int32_t)(age > INT32_MAX ? INT32_MAX : age);
	if (mark >= KM_AGENT_SETTLE && e->health != KM_HEALTH_OOPSED) {
		e->step = KM_AT_SETTLED;
		e->since = now;
	}
	return true;
}

bool km_journal_health(struct km_journal *journal, const struct km_trouble *trouble, int64_t up, int64_t now, int64_t *next)
{
	bool changed = false;

	*next = INT64_MAX;
	for (size_t i = 0; i < journal->entries.n; i++) {
		struct km_journal_entry *e = &journal->entries.at[i];
		int64_t age = up - e->up, mark;

		if (e->step != KM_AT_LOADED || strcmp(e->boot, journal->boot) || age < 0)
			continue;
		changed |= look(e, trouble, age, now);
		mark = next_mark(mark_of(age));
		if (e->step == KM_AT_LOADED && mark != INT64_MAX && e->up + mark < *next)
			*next = e->up + mark;
	}
	return changed;
}
