/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all bodies have in common. Whatever is written is read once before it leaves. */
#include "internal.h"

static bool any(const char *s)
{
	(void)s;
	return true;
}

struct km_fields fields_body(const km_envelope *envelope, struct km_json *json)
{
	struct km_fields f = km_fields_begin(json, envelope->body, envelope->size);

	if (strcmp(km_fields_text(&f, "type", any), km_doc_name(envelope->doc)))
		km_fields_fail(&f, "\"type\" is not \"%s\"", km_doc_name(envelope->doc));
	if (km_fields_int(&f, "format", 1, INT32_MAX) != FORMAT)
		km_fields_fail(&f, "its format is not %d: a newer kmend has made it", FORMAT);
	return f;
}

json_t *body_begin(enum km_doc doc)
{
	return json_pack("{s:s, s:i}", "type", km_doc_name(doc), "format", FORMAT);
}

void body_append(json_t *array, json_t *value)
{
	json_array_append_new(array, value ? value : json_null());
}

static km_error *check_root(const km_envelope *envelope)
{
	struct km_root root;

	KM_TRY(km_root_parse(envelope, &root));
	km_root_free(&root);
	return NULL;
}

static km_error *check_release(const km_envelope *envelope)
{
	struct km_release release;

	KM_TRY(km_release_parse(envelope, &release));
	km_release_free(&release);
	return NULL;
}

static km_error *check_index(const km_envelope *envelope)
{
	struct km_index index;

	KM_TRY(km_index_parse(envelope, &index));
	km_index_free(&index);
	return NULL;
}

static km_error *check_rollout(const km_envelope *envelope)
{
	struct km_rollout rollout;

	KM_TRY(km_rollout_parse(envelope, &rollout));
	km_rollout_free(&rollout);
	return NULL;
}

static km_error *check_timestamp(const km_envelope *envelope)
{
	struct km_timestamp timestamp;

	KM_TRY(km_timestamp_parse(envelope, &timestamp));
	km_timestamp_free(&timestamp);
	return NULL;
}

km_error *km_body_check(const km_envelope *envelope)
{
	static km_error *(*const checks[KM_DOCS])(const km_envelope *) = {
		[KM_DOC_ROOT] = check_root,	  [KM_DOC_RELEASE] = check_release,	[KM_DOC_INDEX] = check_index,
		[KM_DOC_ROLLOUT] = check_rollout, [KM_DOC_TIMESTAMP] = check_timestamp,
	};

	return checks[envelope->doc](envelope);
}

km_error *body_end(enum km_doc doc, json_t *o, km_envelope **ret)
{
	KM_AUTOFREE char *text = json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT);
	km_envelope *envelope;
	km_error *err;

	json_decref(o);
	if (!text)
		return km_error_new(KM_USAGE, "the %s has a text that is no UTF-8", km_doc_name(doc));
	envelope = km_envelope_create(doc, text, strlen(text));
	err = km_body_check(envelope);
	if (!err && envelope->size > km_doc_max(doc) - KM_TRUST_SIGNATURES * 256)
		err = km_error_new(KM_USAGE, "the %s would have %zu bytes, which is too many", km_doc_name(doc),
				   envelope->size);
	if (err) {
		err->code = KM_USAGE;
		km_envelope_destroy(envelope);
		return err;
	}
	*ret = envelope;
	return NULL;
}
