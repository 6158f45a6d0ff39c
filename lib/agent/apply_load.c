/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A release into the kernel: verified bytes, then the journal, then the load, then the journal. Whatever the host dies of in
 * between, the journal says how far it was.
 */
#include <errno.h>
#include <unistd.h>

#include "apply.h"
#include "internal.h"

/* From what is held. The disk may have changed it: then it is gone, and fetched again. */
static bool held_bytes(struct apply *a, const struct km_payload *payload, uint8_t **ret)
{
	KM_AUTOFREE char *path = km_held_payload_path(a->root, payload->sha256);
	km_error *err;

	if (!km_held_has_payload(a->root, payload))
		return false;
	err = km_payload_read(path, payload, ret, NULL);
	if (!err)
		return true;
	unlink(path);
	apply_trouble(a, km_error_add(err, "%s", path));
	return false;
}

/* From what was brought; KM_NOTHING: it is not here yet. */
static km_error *brought_bytes(struct apply *a, const struct km_payload *payload, uint8_t **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;

	if (!a->spec->source)
		return km_error_new(KM_NOTHING, "the payload is not here");
	km_source_payload_name(payload->sha256, name);
	KM_TRY(km_source_get(a->spec->source, name, payload->size, &bytes, &size, NULL));
	KM_TRY(km_payload_check(payload, bytes, size, NULL));
	*ret = bytes;
	bytes = NULL;
	return NULL;
}

/* The module in the payload must be the patch that the release names: everything else goes by this name. */
static km_error *check_module(const struct km_release *release, const uint8_t *bytes, size_t size)
{
	struct km_info *info = NULL;
	km_error *err;

	KM_TRY(km_info_parse(bytes, size, &info));
	err = info->name && strcmp(info->name, release->name)
		      ? km_error_new(KM_INPUT, "the payload of %s is the module %s", release->name, info->name)
		      : NULL;
	km_info_free(info);
	return err;
}

static km_error *keep_payload(struct apply *a, const struct km_choice *c)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	bool held = held_bytes(a, &c->payload, &bytes);

	if (!held)
		KM_TRY(brought_bytes(a, &c->payload, &bytes));
	KM_TRY(check_module(&c->release->release, bytes, c->payload.size));
	if (!held)
		KM_TRY(km_held_put_payload(a->root, &c->payload, bytes));
	km_host_step("apply-kept");
	return NULL;
}

/* An older release of the same name is in the kernel: two modules cannot share one. */
static km_error *clear_name(struct apply *a, const struct km_choice *c)
{
	const char *name = c->release->release.name;
	const struct km_applied *old = km_applied_find(&a->applied, name);
	struct km_journal_entry *e = NULL;
	bool gone;

	if (!old || !old->registered || !old->sha256 || !strcmp(old->sha256, c->payload.sha256))
		return NULL;
	for (size_t i = 0; i < a->journal.entries.n && !e; i++)
		if (!strcmp(a->journal.entries.at[i].payload, old->sha256))
			e = &a->journal.entries.at[i];
	/* What a person has loaded is theirs; the load will refuse and say so. */
	if (!e)
		return NULL;
	KM_TRY(apply_unload_name(a, e, name, "a newer release of the same name comes", &gone));
	/* Nothing is wrong with the newer one: it is tried again when the older one can go. */
	return gone ? NULL : km_error_new(KM_NOTHING, "the older %s is still there", name);
}

static void fill(struct km_journal_entry *e, const struct km_choice *c)
{
	agent_copy(e->name, sizeof(e->name), c->release->release.name);
	agent_copy(e->version, sizeof(e->version), c->release->release.version);
	agent_copy(e->payload, sizeof(e->payload), c->payload.sha256);
	e->health = KM_HEALTH_NONE;
	e->why = KM_HELD_NOT;
	e->age = 0;
	e->transition_ms = -1;
}

static km_error *enter_outcome(struct apply *a, struct km_journal_entry *e, const struct km_host_change *change)
{
	switch (change->outcome) {
	case KM_HOST_DONE:
	case KM_HOST_ALREADY:
	case KM_HOST_STARTED:
		e->ran = true;
		e->up = km_agent_uptime(a->root);
		e->transition_ms = (int32_t)(change->transition * 1000);
		return apply_step(a, e, KM_AT_LOADED, "");
	default:
		/* The guard against a crash stays up while it is neither in nor out. */
		if (change->outcome == KM_HOST_STUCK) {
			agent_detail(e->detail, "its transition neither ends nor can be taken back");
			apply_trouble(a, km_error_new(KM_ENV, "%s: %s", e->name, e->detail));
			return NULL;
		}
		return apply_step(a, e, KM_AT_STALLED, "its transition did not end in time and was taken back");
	}
}

static km_error *load(struct apply *a, struct km_journal_entry *e, const struct km_choice *c)
{
	KM_AUTOFREE char *path = km_held_payload_path(a->root, c->payload.sha256);
	struct km_host_spec spec = {.timeout = a->config.deadline};
	struct km_host_change change = {0};
	km_error *err = km_host_load(a->host, path, &spec, &change);

	km_host_step("apply-loaded");
	if (err) {
		km_error *journal = apply_step(a, e, KM_AT_FAILED, err->message);

		apply_trouble(a, km_error_add(err, "%s", e->name));
		return journal;
	}
	err = enter_outcome(a, e, &change);
	km_host_change_free(&change);
	return err;
}

km_error *apply_load(struct apply *a, const struct km_choice *c, bool *tried)
{
	struct km_view view = apply_view(a);
	struct km_journal_entry *e;

	KM_TRY(keep_payload(a, c));
	KM_TRY(clear_name(a, c));
	/* Once more, at once before the load: time has passed, and this is the last word. */
	KM_TRY(km_trust_allows(a->client, c->release->bytes, c->release->size, &view.host, c->payload.flavour, c->age,
			       apply_now(a), NULL, NULL));
	e = km_journal_make(&a->journal, c->release->id);
	fill(e, c);
	e->before = km_trouble_now(a->root);
	KM_TRY(apply_step(a, e, KM_AT_LOADING, ""));
	km_host_step("apply-journaled");
	*tried = true;
	return load(a, e, c);
}
