/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stranger brought is taken as far as it is good; what is not leaves everything as it was. */
#include "internal.h"

enum { ROOTS_AT_ONCE = 1024 };

void agent_trouble(char **trouble, km_error *err)
{
	if (err && !*trouble)
		*trouble = km_strdup(err->message);
	km_error_free(err);
}

/* False: there is no such file, or it is no good to begin with. */
static bool get(const km_source *source, enum km_doc doc, const char *id, uint8_t **bytes, size_t *size, char **trouble)
{
	char name[KM_SOURCE_NAME];
	km_error *err;

	km_source_name(doc, id, name);
	err = km_source_get(source, name, km_doc_max(doc), bytes, size, NULL);
	if (!err)
		return true;
	if (err->code == KM_NOTHING)
		km_error_free(err);
	else
		agent_trouble(trouble, err);
	return false;
}

static void take_roots(const km_source *source, km_trust_client *client, char **trouble)
{
	for (unsigned i = 0; i < ROOTS_AT_ONCE; i++) {
		KM_AUTOFREE uint8_t *bytes = NULL;
		char version[24];
		size_t size;
		km_error *err;

		snprintf(version, sizeof(version), "%lld", (long long)km_trust_root(client)->version + 1);
		if (!get(source, KM_DOC_ROOT, version, &bytes, &size, trouble))
			return;
		err = km_trust_take_root(client, bytes, size, NULL);
		if (err) {
			agent_trouble(trouble, km_error_add(err, "root %s", version));
			return;
		}
	}
}

static void take_timestamp(const km_source *source, km_trust_client *client, int64_t now, char **trouble)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	if (get(source, KM_DOC_TIMESTAMP, "", &bytes, &size, trouble))
		agent_trouble(trouble, km_trust_take_timestamp(client, bytes, size, now, NULL));
}

static void take_named(const km_source *source, km_trust_client *client, enum km_doc doc, int64_t now, char **trouble)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_named named;
	size_t size;

	if (!km_trust_wants(client, doc, &named) || !get(source, doc, "", &bytes, &size, trouble))
		return;
	if (doc == KM_DOC_INDEX)
		agent_trouble(trouble, km_trust_take_index(client, bytes, size, now, NULL));
	else
		agent_trouble(trouble, km_trust_take_rollout(client, bytes, size, now, NULL));
}

void km_agent_take(const km_source *source, km_trust_client *client, int64_t now, char **trouble)
{
	take_roots(source, client, trouble);
	take_timestamp(source, client, now, trouble);
	take_named(source, client, KM_DOC_INDEX, now, trouble);
	take_named(source, client, KM_DOC_ROLLOUT, now, trouble);
}

/* ---- the answer of the last check-in -------------------------------------------------------------------------------- */

void km_policy_read(const km_source *source, struct km_policy *ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_checkin_answer answer;
	int64_t modified;
	size_t size;
	km_error *err;

	*ret = (struct km_policy){.min_severity = KM_SEVERITY_LOW};
	if (!source)
		return;
	err = km_source_get(source, "answer", KM_FLEET_BODY_MAX, &bytes, &size, &modified);
	if (!err)
		err = km_checkin_answer_parse(bytes, size, &answer);
	if (err) {
		km_error_free(err);
		return;
	}
	ret->tags = answer.tags;
	answer.tags = (km_strv){0};
	ret->min_severity = answer.min_severity;
	ret->contact = modified;
	km_checkin_answer_free(&answer);
}

void km_policy_free(struct km_policy *policy)
{
	km_strv_free(&policy->tags);
	*policy = (struct km_policy){0};
}

const char *const *km_agent_flavours(const struct km_agent_config *config, km_host *host)
{
	static const char *const klp[] = {"klp", NULL}, *const core[] = {"core", NULL}, *const both[] = {"core", "klp", NULL};

	if (config->flavour)
		return strcmp(config->flavour, "klp") ? core : klp;
	return km_host_core_available(host) ? both : klp;
}
