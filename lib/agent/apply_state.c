/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run of kmend-apply begins with: everything that is written down, and the kernel's word on it. */
#include "apply.h"
#include "internal.h"

int64_t apply_now(const struct apply *a)
{
	return a->spec->now(a->spec->ctx);
}

void apply_trouble(struct apply *a, km_error *err)
{
	agent_trouble(&a->trouble, err);
}

km_error *apply_step(struct apply *a, struct km_journal_entry *e, enum km_journal_step step, const char *detail)
{
	a->changed = true;
	e->step = step;
	e->since = apply_now(a);
	agent_copy(e->boot, sizeof(e->boot), a->kernel.boot);
	agent_detail(e->detail, detail);
	return km_journal_write(a->root, &a->journal);
}

struct km_view apply_view(const struct apply *a)
{
	return (struct km_view){
		.client = a->client,
		.held = &a->held,
		.journal = &a->journal,
		.applied = &a->applied,
		.host = {.arch = a->kernel.arch,
			 .release = a->kernel.release,
			 .build_id = a->kernel.build_id,
			 .id = a->identity.host,
			 .tags = (const char *const *)a->policy.tags.at,
			 .n_tags = a->policy.tags.n},
		.flavours = km_agent_flavours(&a->config, a->host),
		.min_severity = a->policy.min_severity,
		.hold = &a->config.hold,
		.mode = a->mode,
		.now = apply_now(a),
	};
}

km_error *apply_decide(struct apply *a)
{
	struct km_view view;

	km_applied_list_free(&a->applied);
	km_vec_free(&a->choices);
	KM_TRY(km_host_list(a->host, &a->applied));
	view = apply_view(a);
	km_decide(&view, &a->choices);
	return NULL;
}

/* ---- the journal, the boot, and the kernel ---- */

static bool anything_held(const struct apply *a)
{
	for (size_t i = 0; i < a->held.n; i++)
		for (size_t j = 0; j < a->held.at[i].release.n_kernels; j++)
			for (size_t k = 0; k < a->held.at[i].release.kernels[j].n_payloads; k++)
				if (km_held_has_payload(a->root, &a->held.at[i].release.kernels[j].payloads[k]))
					return true;
	return false;
}

static km_error *read_journal(struct apply *a)
{
	km_error *err = km_journal_read(a->root, &a->journal);

	if (!err)
		return NULL;
	if (err->code == KM_ENV)
		return err;
	if (err->code == KM_NOTHING && !anything_held(a)) {
		km_error_free(err);
		return NULL;
	}
	agent_trouble(&a->trouble, km_error_add(err, "all patches are held back until kmend refresh --retry"));
	km_journal_distrust(&a->journal, &a->held, a->kernel.boot, apply_now(a));
	a->changed = true;
	return NULL;
}

static bool is_there(const struct apply *a, const struct km_journal_entry *e)
{
	const struct km_applied *p = km_applied_find(&a->applied, e->name);

	return p && p->sha256 && !strcmp(p->sha256, e->payload);
}

/* A run that was killed, or someone's kmend load and unload, moved on without the journal. */
static bool follow_kernel(struct apply *a, struct km_journal_entry *e)
{
	bool in = km_in_effect(&a->applied, e->name, e->payload), here = !strcmp(e->boot, a->kernel.boot);
	enum km_journal_step step = e->step;

	/* FAILED, REMOVED: the load said no and was in all the same, or a person has loaded it. */
	if (in && here && (step == KM_AT_LOADING || step == KM_AT_FAILED || step == KM_AT_REMOVED)) {
		step = KM_AT_LOADED;
		e->ran = true;
		e->up = km_agent_uptime(a->root);
	} else if (here && step == KM_AT_UNLOADING && !is_there(a, e)) {
		step = KM_AT_REMOVED;
	} else if (!in && here && (step == KM_AT_LOADED || step == KM_AT_SETTLED)) {
		const struct km_applied *p = km_applied_find(&a->applied, e->name);

		if (!p || !p->transition)
			step = KM_AT_REMOVED;
	}
	if (step == e->step)
		return false;
	e->step = step;
	e->since = apply_now(a);
	return true;
}

static km_error *settle_journal(struct apply *a)
{
	KM_AUTOFREE char *before = NULL, *after = NULL;
	size_t crashed;

	KM_TRY(read_journal(a));
	before = km_journal_text(&a->journal);
	crashed = km_journal_boot(&a->journal, a->kernel.boot, apply_now(a));
	if (crashed)
		agent_trouble(&a->trouble,
			      km_error_new(KM_REFUSED, "the host went down with %zu patch%s not settled: held back", crashed,
					   crashed == 1 ? "" : "es"));
	a->changed |= crashed > 0;
	for (size_t i = 0; i < a->journal.entries.n; i++)
		a->changed |= follow_kernel(a, &a->journal.entries.at[i]);
	after = km_journal_text(&a->journal);
	/* A full disk must not keep what is called back in the kernel because of a journal that says nothing new. */
	return a->changed || strcmp(before, after) ? km_journal_write(a->root, &a->journal) : NULL;
}

/* A boot or a bundle does not ask the server, and is no reason to forget when it was heard of. */
static int64_t last_contact(const struct apply *a)
{
	KM_CLEANUP(km_source_closep) km_source *spool = NULL;
	struct km_policy policy = {0};
	km_error *err = km_source_spool(a->root, &spool);
	int64_t contact;

	if (!err)
		km_policy_read(spool, &policy);
	km_error_free(err);
	contact = policy.contact;
	km_policy_free(&policy);
	return contact;
}

static km_error *open_all(struct apply *a)
{
	KM_TRY(km_identity_read(a->root, &a->identity));
	KM_TRY(km_agent_config_read(a->root, &a->config));
	a->mode = km_agent_mode(a->root, &a->config);
	KM_TRY(km_agent_kernel(a->root, &a->kernel));
	KM_TRY(km_agent_trust(a->root, &a->client));
	KM_TRY(km_host_open(a->root, a->spec->door, &a->host));
	km_policy_read(a->spec->source, &a->policy);
	a->policy.contact = last_contact(a);
	KM_TRY(km_held_list_read(a->root, NULL, a->client, &a->held));
	KM_TRY(km_host_list(a->host, &a->applied));
	return settle_journal(a);
}

km_error *apply_begin(struct apply *a, const struct km_apply *spec)
{
	km_error *err;

	*a = (struct apply){.spec = spec, .root = spec->root};
	err = open_all(a);
	if (err)
		apply_end(a);
	return err;
}

void apply_end(struct apply *a)
{
	km_vec_free(&a->choices);
	km_applied_list_free(&a->applied);
	km_held_list_free(&a->held);
	km_journal_free(&a->journal);
	km_policy_free(&a->policy);
	km_agent_config_free(&a->config);
	km_trust_destroy(a->client);
	km_host_close(a->host);
	free(a->trouble);
	*a = (struct apply){0};
}
