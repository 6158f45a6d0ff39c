/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of the crash guard: what each patch's last step was, and what that means when the host comes back. */
#include "internal.h"

static const char *const step_names[KM_AT_STEPS] = {
	[KM_AT_LOADING] = "loading", [KM_AT_LOADED] = "loaded",	  [KM_AT_SETTLED] = "settled",	   [KM_AT_FAILED] = "failed",
	[KM_AT_STALLED] = "stalled", [KM_AT_HELD] = "held",	  [KM_AT_UNLOADING] = "unloading", [KM_AT_REMOVED] = "removed",
};
static const char *const why_names[KM_HELD_WHYS] = {
	[KM_HELD_NOT] = "",
	[KM_HELD_CRASHED] = "crashed",
	[KM_HELD_ROLLED_BACK] = "rolled-back",
	[KM_HELD_DAMAGED] = "journal-damaged",
};

const char *km_journal_step_name(enum km_journal_step step)
{
	return step_names[step];
}

const char *km_held_why_name(enum km_held_why why)
{
	return why_names[why];
}

void km_journal_free(struct km_journal *journal)
{
	km_vec_free(&journal->entries);
	*journal = (struct km_journal){0};
}

struct km_journal_entry *km_journal_find(const struct km_journal *journal, const char *release)
{
	for (size_t i = 0; i < journal->entries.n; i++)
		if (!strcmp(journal->entries.at[i].release, release))
			return &journal->entries.at[i];
	return NULL;
}

struct km_journal_entry *km_journal_make(struct km_journal *journal, const char *release)
{
	struct km_journal_entry *old = km_journal_find(journal, release), new = {.transition_ms = -1};

	if (old)
		return old;
	agent_copy(new.release, sizeof(new.release), release);
	km_vec_push(&journal->entries, new);
	return &journal->entries.at[journal->entries.n - 1];
}

static void hold(struct km_journal_entry *e, enum km_held_why why, const char *boot, int64_t now, const char *detail)
{
	e->step = KM_AT_HELD;
	e->why = why;
	e->since = now;
	agent_copy(e->boot, sizeof(e->boot), boot);
	agent_detail(e->detail, detail);
}

/* What could not be taken back was in effect when the host went down, settled or not. */
static bool was_unsettled(const struct km_journal_entry *e)
{
	return e->step == KM_AT_LOADING || e->step == KM_AT_LOADED || e->step == KM_AT_UNLOADING ||
	       (e->step == KM_AT_STALLED && e->ran);
}

static size_t died(struct km_journal *journal, const char *boot, int64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < journal->entries.n; i++) {
		struct km_journal_entry *e = &journal->entries.at[i];

		if (!was_unsettled(e))
			continue;
		/* A step of a boot before that one was over when it began: that boot had loaded it anew, or not at all. */
		if (strcmp(e->boot, journal->boot))
			continue;
		hold(e, KM_HELD_CRASHED, boot, now,
		     e->step == KM_AT_LOADED ? "the host went down less than 15 minutes after it was loaded"
					     : "the host went down while it was going in or out");
		e->health = KM_HEALTH_CRASHED;
		n++;
	}
	return n;
}

size_t km_journal_boot(struct km_journal *journal, const char *boot, int64_t now)
{
	size_t n = 0;

	if (*journal->boot && strcmp(journal->boot, boot)) {
		if (!journal->goodbye)
			n = died(journal, boot, now);
		for (size_t i = 0; i < journal->entries.n; i++) {
			struct km_journal_entry *e = &journal->entries.at[i];

			if (e->step == KM_AT_LOADING || e->step == KM_AT_UNLOADING)
				e->step = KM_AT_REMOVED; /* a kernel ago */
		}
	}
	agent_copy(journal->boot, sizeof(journal->boot), boot);
	journal->goodbye = false;
	return n;
}

void km_journal_distrust(struct km_journal *journal, const km_held_list *held, const char *boot, int64_t now)
{
	for (size_t i = 0; i < held->n; i++) {
		struct km_journal_entry *e = km_journal_make(journal, held->at[i].id);

		agent_copy(e->name, sizeof(e->name), held->at[i].release.name);
		agent_copy(e->version, sizeof(e->version), held->at[i].release.version);
		e->ran = true;
		hold(e, KM_HELD_DAMAGED, boot, now, "the journal was damaged: nothing tells whether this patch is safe");
	}
	agent_copy(journal->boot, sizeof(journal->boot), boot);
}

size_t km_journal_retry(struct km_journal *journal, const char *name, int64_t now)
{
	size_t n = 0;

	for (size_t i = 0; i < journal->entries.n; i++) {
		struct km_journal_entry *e = &journal->entries.at[i];

		if ((*name && strcmp(e->name, name)) ||
		    (e->step != KM_AT_HELD && e->step != KM_AT_FAILED && e->step != KM_AT_STALLED))
			continue;
		e->step = KM_AT_REMOVED;
		e->why = KM_HELD_NOT;
		e->health = KM_HEALTH_NONE;
		e->since = now;
		e->detail[0] = '\0';
		n++;
	}
	return n;
}
