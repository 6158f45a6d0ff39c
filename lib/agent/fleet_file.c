/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /run/kmend/fleet: what anyone on this host may know of how it stands. */
#include "internal.h"

/* Closed by a release that is in effect, for whatever other release it is open in. */
static bool closed(const km_choices *choices, const char *cve)
{
	for (size_t i = 0; i < choices->n; i++) {
		const struct km_choice *c = &choices->at[i];

		for (size_t j = 0; c->release && c->in_effect && j < c->release->release.n_cves; j++)
			if (!strcmp(c->release->release.cves[j], cve))
				return true;
	}
	return false;
}

static bool is_open(enum km_decision decision)
{
	return decision != KM_IS_OTHER && decision != KM_IS_WITHDRAWN && decision != KM_IS_UNKNOWN &&
	       decision != KM_IS_SUPERSEDED;
}

static json_t *cves_json(const km_choices *choices, bool want_closed)
{
	km_strv names = {0};
	json_t *a = json_array();

	for (size_t i = 0; i < choices->n; i++) {
		const struct km_choice *c = &choices->at[i];

		for (size_t j = 0; c->release && is_open(c->decision) && j < c->release->release.n_cves; j++) {
			const char *cve = c->release->release.cves[j];

			if (closed(choices, cve) == want_closed && !km_strv_has(&names, cve))
				km_strv_push(&names, cve);
		}
	}
	km_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		json_array_append_new(a, json_string(names.at[i]));
	km_strv_free(&names);
	return a;
}

static json_t *text_json(const char *text)
{
	json_t *o = text && *text ? json_string(text) : NULL;

	return o ? o : json_null();
}

static json_t *entry_facts(const struct km_journal_entry *e)
{
	return json_pack("{s:s, s:s, s:I, s:i, s:i, s:b}", "step", km_journal_step_name(e->step), "health",
			 km_health_name(e->health), "since", (json_int_t)e->since, "transition_ms", e->transition_ms, "age",
			 e->age, "retry", e->step == KM_AT_HELD);
}

static json_t *choice_json(const struct km_view *v, const struct km_choice *c)
{
	const struct km_journal_entry *e = km_journal_find(v->journal, c->release->id);
	const struct km_release *r = &c->release->release;
	json_t *o = json_object(), *cves = json_array();

	for (size_t i = 0; i < r->n_cves; i++)
		json_array_append_new(cves, json_string(r->cves[i]));
	json_object_set_new(o, "release", json_string(c->release->id));
	json_object_set_new(o, "name", json_string(r->name));
	json_object_set_new(o, "version", json_string(r->version));
	json_object_set_new(o, "severity", json_string(r->severity));
	json_object_set_new(o, "summary", json_string(r->summary));
	json_object_set_new(o, "cves", cves);
	json_object_set_new(o, "decision", json_string(km_decision_name(c->decision)));
	json_object_set_new(o, "why", text_json(c->detail));
	json_object_set_new(o, "in_effect", json_boolean(c->in_effect));
	json_object_set_new(o, "journal", e ? entry_facts(e) : json_null());
	return o;
}

static json_t *timestamp_json(const struct km_view *v)
{
	const struct km_timestamp *t = km_trust_timestamp(v->client);

	return t ? json_pack("{s:I, s:I, s:I}", "version", (json_int_t)t->version, "issued", (json_int_t)t->issued, "expires",
			     (json_int_t)t->expires)
		 : json_null();
}

/* The last one of the channel that is in effect. */
static const char *effective(const km_choices *choices)
{
	for (size_t i = choices->n; i--;)
		if (choices->at[i].in_effect)
			return choices->at[i].release->release.version;
	return NULL;
}

char *km_fleet_file_text(const struct km_fleet_facts *f)
{
	json_t *o = json_object(), *releases = json_array();
	size_t hidden = 0;
	char *text;

	for (size_t i = 0; i < f->choices->n; i++) {
		const struct km_choice *c = &f->choices->at[i];

		hidden += c->decision == KM_IS_UNKNOWN;
		if (c->release && c->decision != KM_IS_OTHER)
			json_array_append_new(releases, choice_json(f->view, c));
	}
	json_object_set_new(o, "format", json_integer(1));
	json_object_set_new(o, "boot", json_string(f->view->journal->boot));
	json_object_set_new(o, "state", json_string(km_standing_name(f->standing)));
	json_object_set_new(o, "channel", json_string(f->channel));
	json_object_set_new(o, "server", text_json(f->server));
	json_object_set_new(o, "host", json_string(f->view->host.id));
	json_object_set_new(o, "mode", json_string(km_agent_mode_name(f->view->mode)));
	json_object_set_new(o, "min_severity", json_string(km_severity_name(f->view->min_severity)));
	json_object_set_new(o, "updated", json_integer(f->view->now));
	json_object_set_new(o, "contact", f->contact ? json_integer(f->contact) : json_null());
	json_object_set_new(o, "timestamp", timestamp_json(f->view));
	json_object_set_new(o, "effective", text_json(effective(f->choices)));
	json_object_set_new(o, "closed", cves_json(f->choices, true));
	json_object_set_new(o, "open", cves_json(f->choices, false));
	json_object_set_new(o, "hidden", json_integer((json_int_t)hidden));
	json_object_set_new(o, "trouble", text_json(f->trouble));
	json_object_set_new(o, "releases", releases);
	text = json_dumps(o, JSON_SORT_KEYS | JSON_INDENT(1));
	json_decref(o);
	if (!text)
		km_oom();
	return text;
}
