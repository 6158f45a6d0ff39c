/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A change of what is applied: one at a time on a host, within a limit, and turned round at it. */
#include "internal.h"

static const double FORCE_LIMIT = 5;

/* The kernel's own deadline comes first. */
static double limit_of(const struct km_host_spec *spec)
{
	return spec->timeout > 0 ? spec->timeout : KM_HOST_TIMEOUT + (spec->deadline > 0 ? spec->deadline : 0);
}

/* Waits for a kmend that is at work, no longer than a transition may take. */
static km_error *take_lock(struct change *c)
{
	KM_AUTOFREE char *dir = host_path(c->host, "/run"), *path = host_path(c->host, "/run/kmend.lock");
	const struct km_door *door = &c->host->door;
	double end = door->now(door->ctx) + limit_of(c->spec);

	KM_TRY(km_mkdirs(dir));
	KM_TRY(km_lock(path, false, &c->lock));
	if (c->lock < 0 && c->spec->lock_busy)
		c->spec->lock_busy(c->spec->ctx);
	while (c->lock < 0) {
		if (door->now(door->ctx) >= end)
			return km_error_hint(km_error_new(KM_ENV, "another kmend is loading or unloading a patch"),
					     "it holds %s; fuser(1) names it", path);
		door->sleep(door->ctx, 0.1);
		KM_TRY(km_lock(path, false, &c->lock));
	}
	return NULL;
}

km_error *change_begin(struct change *c, km_host *host, const struct km_host_spec *spec)
{
	*c = (struct change){.host = host, .spec = spec, .lock = -1};
	if (!km_host_privileged(host))
		return km_error_hint(km_error_new(KM_ENV, "only root can change what is applied to the kernel"),
				     "run it through sudo");
	KM_TRY(take_lock(c));
	/* What a kmend that was killed has left. */
	for (size_t i = 0; host_backends[i]; i++)
		km_error_free(host_backends[i]->choose(host, NULL, NULL, 0));
	return NULL;
}

km_error *change_choose(const struct change *c, const struct km_backend *backend, const char *name)
{
	if (!c->spec->mode)
		return NULL;
	return backend->choose(c->host, name, c->spec->mode, c->spec->deadline);
}

void change_unchoose(const struct change *c, const struct km_backend *backend, const char *name)
{
	if (c->spec->mode)
		km_error_free(backend->choose(c->host, name, NULL, 0));
}

void change_end(struct change *c)
{
	km_host_change_free(&c->out);
	km_applied_list_free(&c->all);
	km_closep(&c->lock);
	c->lock = -1;
}

void km_host_change_free(struct km_host_change *c)
{
	free(c->name);
	free(c->why);
	km_blocker_list_free(&c->blockers);
	km_strv_free(&c->replaced);
	*c = (struct km_host_change){0};
}

km_error *change_alone(const struct change *c, const char *name)
{
	for (size_t i = 0; i < c->all.n; i++) {
		const struct km_applied *p = &c->all.at[i];

		if (p->transition && strcmp(p->name, name))
			return km_error_hint(km_error_new(KM_REFUSED,
							  "%s is being %s: the kernel makes one transition at a time",
							  p->name, p->enabled ? "applied" : "taken back"),
					     "wait for it (kmend status), see what it waits for (kmend blockers), or "
					     "take it back (kmend "
					     "unload %s)",
					     p->name);
	}
	return NULL;
}

static km_error *wait_for(struct change *c, const struct km_applied *patch, bool target, bool reverting, double limit,
			  double *elapsed, enum wait_end *end)
{
	struct wait w = {.backend = host_backend(patch->backend),
			 .name = patch->name,
			 .target = target,
			 .reverting = reverting,
			 .limit = limit};

	if (w.backend->deadline && !reverting) {
		w.deadline = w.backend->deadline(c->host, patch->name);
		w.blockers = &c->out.blockers;
	}
	return transition_wait(c->host, &w, c->spec, elapsed, end);
}

/* With enough stuck tasks, the transition's end is only a matter of the kernel's next look at it. */
static km_error *force_through(struct change *c, const struct km_applied *patch, bool target)
{
	double more = 0;
	enum wait_end end;

	KM_TRY(host_backend(patch->backend)->force(c->host, patch));
	KM_TRY(wait_for(c, patch, target, false, FORCE_LIMIT, &more, &end));
	c->out.transition += more;
	c->out.forced = true;
	c->out.outcome = end == WAIT_DONE ? KM_HOST_DONE : KM_HOST_STUCK;
	return NULL;
}

/*
 * A transition that ends between our last look and the reversal is no special case: the same write then starts the
 * way back. Only when it cannot be written any more because what we want is already so, that is no error.
 */
static km_error *turn_round(struct change *c, const struct km_applied *patch, bool target)
{
	const struct km_backend *backend = host_backend(patch->backend);
	km_error *err = backend->enable(c->host, patch, !target);
	bool enabled = false, transition = false, registered;
	double more = 0;
	enum wait_end end;

	registered = backend->state(c->host, patch->name, &enabled, &transition);
	if (err && (registered ? enabled == target : target == false))
		return km_error_add(err, "the transition did not end within the limit, and cannot be turned round");
	km_error_free(err);
	KM_TRY(wait_for(c, patch, !target, true, limit_of(c->spec), &more, &end));
	c->out.outcome = end == WAIT_DONE ? KM_HOST_REVERTED : KM_HOST_STUCK;
	return NULL;
}

km_error *change_finish(struct change *c, const struct km_applied *patch, bool target, const char *waiting,
			const char *reverting)
{
	const struct km_backend *backend = host_backend(patch->backend);
	enum wait_end end;
	double deadline;

	if (c->spec->no_wait) {
		c->out.outcome = KM_HOST_STARTED;
		return NULL;
	}
	km_host_step(waiting);
	c->out.limit = limit_of(c->spec);
	deadline = backend->deadline ? backend->deadline(c->host, patch->name) : 0;
	KM_TRY(wait_for(c, patch, target, false, c->out.limit, &c->out.transition, &end));
	if (end == WAIT_TURNED && deadline > 0)
		c->out.limit = deadline;
	if (end != WAIT_LIMIT) {
		c->out.outcome = end == WAIT_DONE ? KM_HOST_DONE : KM_HOST_REVERTED;
		if (end == WAIT_DONE)
			km_blocker_list_free(&c->out.blockers);
		return NULL;
	}
	km_blocker_list_free(&c->out.blockers);
	KM_TRY(km_host_blockers(c->host, patch->name, true, &c->out.blockers));
	if (c->spec->force)
		return force_through(c, patch, target);
	km_host_step(reverting);
	return turn_round(c, patch, target);
}
