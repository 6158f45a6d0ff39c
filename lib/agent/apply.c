/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One run: take, decide, act, write down. */
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "internal.h"

enum {
	ROUNDS = 64,	    /* each ends with one patch loaded or taken back */
	UNLOAD_AGAIN = 300, /* seconds */
};

/* ---- take ------------------------------------------------------------------------------------------------------------ */

static void keep_release(struct apply *a, const char *id)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;
	km_error *err;

	km_source_name(KM_DOC_RELEASE, id, name);
	err = km_source_get(a->spec->source, name, km_doc_max(KM_DOC_RELEASE), &bytes, &size, NULL);
	if (err && err->code == KM_NOTHING) {
		km_error_free(err);
		return;
	}
	if (!err)
		err = km_envelope_parse(KM_DOC_RELEASE, bytes, size, &envelope, NULL);
	if (!err && strcmp(envelope->id, id))
		err = km_error_new(KM_REFUSED, "it is another release");
	if (!err)
		err = km_verify(envelope, km_trust_root(a->client), NULL);
	if (!err)
		err = km_held_put_release(a->root, id, bytes, size);
	if (err)
		apply_trouble(a, km_error_add(err, "release %.12s", id));
}

static km_error *take(struct apply *a)
{
	KM_AUTOFREE char *before = km_trust_text(a->client), *after = NULL;
	const struct km_index *index;

	km_agent_take(a->spec->source, a->client, apply_now(a), &a->trouble);
	after = km_trust_text(a->client);
	if (strcmp(before, after))
		KM_TRY(km_agent_trust_save(a->root, a->client));
	km_host_step("apply-taken");
	index = km_trust_index(a->client);
	for (size_t i = 0; index && i < index->n_releases; i++)
		if (!km_held_find(&a->held, index->releases[i].id))
			keep_release(a, index->releases[i].id);
	km_held_list_free(&a->held);
	return km_held_list_read(a->root, NULL, a->client, &a->held);
}

/* ---- act ------------------------------------------------------------------------------------------------------------- */

/* A task that did not move a moment ago is given some time. */
static bool just_stalled(const struct apply *a, const struct km_choice *c)
{
	const struct km_journal_entry *e = km_journal_find(&a->journal, c->release->id);

	return e && e->step == KM_AT_STALLED && agent_recent(e->since, apply_now(a), UNLOAD_AGAIN);
}

/* What is called back goes first, the last one that came first of all. */
static const struct km_choice *next_unload(const struct apply *a, const km_strv *done)
{
	for (size_t i = a->choices.n; i--;) {
		const struct km_choice *c = &a->choices.at[i];

		if (c->decision == KM_DO_UNLOAD && !km_strv_has(done, c->release->id) && !just_stalled(a, c))
			return c;
	}
	return NULL;
}

static const struct km_choice *next_load(const struct apply *a, const km_strv *done)
{
	for (size_t i = 0; i < a->choices.n; i++) {
		const struct km_choice *c = &a->choices.at[i];

		if (c->decision == KM_DO_LOAD && (a->spec->fresh || c->age == KM_HELD) && !km_strv_has(done, c->release->id))
			return c;
	}
	return NULL;
}

/* One patch in or out; *more: look for the next. done has what was tried. */
static km_error *act(struct apply *a, km_strv *done, bool *more)
{
	const struct km_choice *c = next_unload(a, done);
	bool tried = false, fresh;
	km_error *err;

	*more = false;
	if (c) {
		km_strv_push(done, c->release->id);
		*more = true;
		return apply_unload(a, c);
	}
	c = next_load(a, done);
	if (!c)
		return NULL;
	km_strv_push(done, c->release->id);
	fresh = c->age == KM_FRESH;
	err = apply_load(a, c, &tried);
	/* A journal that cannot be written ends the run: nothing is done without it. */
	if (err && err->code == KM_NOTHING) {
		km_error_free(err);
		err = NULL;
	} else if (err && !tried) {
		apply_trouble(a, err);
		err = NULL;
	}
	/* After a new patch the server is asked before the next one. */
	*more = !(tried && fresh);
	return err;
}

static km_error *act_all(struct apply *a)
{
	km_strv done = {0};
	bool more = a->mode & KM_MODE_APPLY;
	km_error *err = apply_decide(a);

	for (unsigned i = 0; more && !err && i < ROUNDS; i++) {
		err = act(a, &done, &more);
		if (!err)
			err = apply_decide(a);
	}
	km_strv_free(&done);
	return err;
}

/* ---- write down ------------------------------------------------------------------------------------------------------- */

static km_error *write_public(const char *root, const char *below, const char *text)
{
	KM_AUTOFREE char *path = agent_path(root, "%s", below);

	KM_TRY(km_file_write(path, text, strlen(text)));
	return chmod(path, 0644) < 0 ? km_error_new(KM_ENV, "cannot set the mode of %s", path) : NULL;
}

static km_error *write_next(struct apply *a)
{
	KM_AUTOFREE char *text = NULL, *path = agent_path(a->root, KM_AGENT_NEXT);
	struct km_trouble trouble = km_trouble_now(a->root);
	int64_t next;

	if (km_journal_health(&a->journal, &trouble, km_agent_uptime(a->root), apply_now(a), &next)) {
		a->changed = true;
		KM_TRY(km_journal_write(a->root, &a->journal));
	}
	if (next == INT64_MAX) {
		unlink(path);
		return NULL;
	}
	text = km_printf("%lld\n", (long long)next);
	return write_public(a->root, KM_AGENT_NEXT, text);
}

static km_error *write_report(struct apply *a, enum km_standing standing)
{
	struct km_view view = apply_view(a);
	KM_AUTOFREE char *text = NULL;
	struct km_report report;

	km_agent_report(&view, &a->identity, &a->kernel, standing, &report);
	text = km_report_text(&report);
	km_report_free(&report);
	return write_public(a->root, KM_AGENT_DIR "/report", text);
}

static km_error *write_fleet(struct apply *a, enum km_standing standing)
{
	struct km_view view = apply_view(a);
	const struct km_timestamp *t = km_trust_timestamp(a->client);
	struct km_fleet_facts facts = {
		.view = &view,
		.choices = &a->choices,
		.channel = a->identity.channel,
		.server = *a->identity.secret ? a->config.server : NULL,
		.trouble = a->trouble,
		.standing = standing,
		/* A stranger's file says when; it cannot be later than now. Without a server the documents' date stands for it. */
		.contact = a->policy.contact < view.now ? a->policy.contact : view.now,
	};
	KM_AUTOFREE char *text = NULL;

	if (!facts.contact && t && !*a->identity.secret)
		facts.contact = t->issued;
	text = km_fleet_file_text(&facts);
	return write_public(a->root, KM_AGENT_FLEET, text);
}

static bool keeps_payload(const struct apply *a, const struct km_choice *c)
{
	const struct km_journal_entry *e = c->release ? km_journal_find(&a->journal, c->release->id) : NULL;

	return c->decision != KM_IS_UNKNOWN && c->decision != KM_IS_WITHDRAWN && (c->in_effect || (e && e->ran));
}

/* What may be loaded at a boot, or gone back to, stays; also a payload that was kept and not loaded yet. */
static km_error *prune(struct apply *a)
{
	km_strv keep = {0};
	km_error *err;

	for (size_t i = 0; i < a->held.n; i++) {
		const struct km_release *r = &a->held.at[i].release;
		const struct km_choice *c = NULL;

		for (size_t j = 0; j < a->choices.n && !c; j++)
			if (a->choices.at[j].release == &a->held.at[i])
				c = &a->choices.at[j];
		for (size_t j = 0; c && j < r->n_kernels; j++)
			for (size_t k = 0; k < r->kernels[j].n_payloads; k++)
				if (c->decision == KM_DO_LOAD || keeps_payload(a, c))
					km_strv_push(&keep, r->kernels[j].payloads[k].sha256);
	}
	err = km_held_prune(a->root, &a->held, &keep);
	km_strv_free(&keep);
	return err;
}

static km_error *write_down(struct apply *a, enum km_standing *standing)
{
	struct km_view view;

	KM_TRY(write_next(a));
	view = apply_view(a);
	*standing = km_stand(&view, &a->choices);
	apply_trouble(a, prune(a));
	/* Whatever disk is full: how the host stands is told where it can be. */
	apply_trouble(a, write_report(a, *standing));
	return write_fleet(a, *standing);
}

/* Health is taken before anything is decided: an oops is known before the next patch comes. */
static km_error *run(struct apply *a, enum km_standing *standing)
{
	km_error *err = write_next(a);

	if (!err && a->spec->source)
		err = take(a);
	if (!err)
		err = act_all(a);
	if (err) /* a full disk must not hide how the host stands */
		apply_trouble(a, err);
	KM_TRY(apply_decide(a));
	return write_down(a, standing);
}

km_error *km_apply_run(const struct km_apply *spec, struct km_applied_done *ret)
{
	struct km_applied_done done = {0};
	struct apply a;
	km_error *err;

	KM_TRY(apply_begin(&a, spec));
	err = run(&a, &done.standing);
	if (!err) {
		done.changed = a.changed;
		done.trouble = a.trouble;
		a.trouble = NULL;
		*ret = done;
	}
	km_host_step("apply-done");
	apply_end(&a);
	return err;
}
