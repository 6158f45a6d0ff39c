/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run of kmend-apply, and what its files share. */
#ifndef KMEND_AGENT_APPLY_H
#define KMEND_AGENT_APPLY_H

#include <kmend/agent.h>

struct apply {
	const struct km_apply *spec;
	const char *root;
	km_host *host;
	struct km_agent_config config;
	struct km_identity identity;
	struct km_fleet_kernel kernel;
	struct km_policy policy;
	km_trust_client *client;
	struct km_journal journal;
	km_held_list held;
	km_applied_list applied;
	km_choices choices;
	unsigned mode;
	bool changed;
	char *trouble;
};

/* Reads all that is there, and settles what a boot or a kill has left. KM_NOTHING: unattached. */
KM_CHECKED km_error *apply_begin(struct apply *a, const struct km_apply *spec);
void apply_end(struct apply *a);
int64_t apply_now(const struct apply *a);
/* A view of all that, valid until something of it changes. */
struct km_view apply_view(const struct apply *a);
/* Reads the kernel's patches anew, and decides anew. */
KM_CHECKED km_error *apply_decide(struct apply *a);
/* Notes what did not go well and goes on. */
void apply_trouble(struct apply *a, km_error *err);
/* Enters a step in the journal and writes it. why may be NULL. */
KM_CHECKED km_error *apply_step(struct apply *a, struct km_journal_entry *e, enum km_journal_step step, const char *detail);

/* Loads what the choice says, behind the journal. *tried: it came so far that the kernel was asked. */
KM_CHECKED km_error *apply_load(struct apply *a, const struct km_choice *choice, bool *tried);
/* Takes the choice's patch back. */
KM_CHECKED km_error *apply_unload(struct apply *a, const struct km_choice *choice);
/* The same for any module that kmend loaded; the journal's entry of it, if there is one, goes along. */
KM_CHECKED km_error *apply_unload_name(struct apply *a, struct km_journal_entry *e, const char *name, const char *detail,
					  bool *gone);

#endif
