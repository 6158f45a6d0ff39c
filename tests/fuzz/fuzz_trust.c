/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signed documents, signature files and a host's state, in any bytes. The first byte chooses what the rest is. No
 * signature is looked at for the bodies: what stands behind one is fuzzed as if a key had been stolen. A body that is
 * read can be written, and reads the same.
 */
#include <kmend/trust.h>

#include "target.h"

static km_error *rewrite(const km_envelope *envelope, km_envelope **ret)
{
	struct km_root root;
	struct km_release release;
	struct km_index index;
	struct km_rollout rollout;
	struct km_timestamp timestamp;
	km_error *err;

	switch (envelope->doc) {
	case KM_DOC_ROOT:
		KM_TRY(km_root_parse(envelope, &root));
		err = km_root_make(&root, ret);
		km_root_free(&root);
		return err;
	case KM_DOC_RELEASE:
		KM_TRY(km_release_parse(envelope, &release));
		err = km_release_make(&release, ret);
		km_release_free(&release);
		return err;
	case KM_DOC_INDEX:
		KM_TRY(km_index_parse(envelope, &index));
		err = km_index_make(&index, ret);
		km_index_free(&index);
		return err;
	case KM_DOC_ROLLOUT:
		KM_TRY(km_rollout_parse(envelope, &rollout));
		err = km_rollout_make(&rollout, ret);
		km_rollout_free(&rollout);
		return err;
	default:
		KM_TRY(km_timestamp_parse(envelope, &timestamp));
		err = km_timestamp_make(&timestamp, ret);
		km_timestamp_free(&timestamp);
		return err;
	}
}

static void check_body(const km_envelope *envelope)
{
	km_envelope *once = NULL, *twice = NULL;
	km_error *err = km_body_check(envelope);

	if (err) {
		fuzz_require(err->code == KM_INPUT, "a refusal names the input", err);
		km_error_free(err);
		return;
	}
	err = rewrite(envelope, &once);
	/* Near its bound a document can grow by a rewrite: an escape can be longer than what it stands for. */
	if (err) {
		fuzz_require(envelope->size > km_doc_max(envelope->doc) / 8, "what was read can be written", err);
		km_error_free(err);
		return;
	}
	err = rewrite(once, &twice);
	fuzz_require(!err && !strcmp(once->id, twice->id), "what was written reads the same", err);
	km_envelope_destroy(once);
	km_envelope_destroy(twice);
}

static void check_frame(enum km_doc doc, const uint8_t *bytes, size_t size)
{
	km_envelope *envelope = NULL;
	enum km_trust_why why = KM_WHY_NONE;
	km_error *err = km_envelope_parse(doc, bytes, size, &envelope, &why);
	char *text;
	size_t n;

	if (err) {
		fuzz_require(!envelope && why != KM_WHY_NONE, "a refusal has its reason", err);
		km_error_free(err);
		return;
	}
	text = km_envelope_text(envelope, &n);
	fuzz_require(n == size && !memcmp(text, bytes, n), "a frame has one spelling", NULL);
	free(text);
	check_body(envelope);
	km_envelope_destroy(envelope);
}

static void check_state(const uint8_t *bytes, size_t size)
{
	km_trust_client *client = NULL, *again = NULL;
	km_error *err = km_trust_parse(bytes, size, &client);
	char *text;

	if (err) {
		fuzz_require(err->code == KM_INPUT && !client, "a refusal names the input", err);
		km_error_free(err);
		return;
	}
	text = km_trust_text(client);
	err = km_trust_parse(text, strlen(text), &again);
	fuzz_require(!err, "a state that was read can be written", err);
	km_trust_destroy(again);
	km_trust_destroy(client);
	free(text);
}

static void check_signature(const uint8_t *bytes, size_t size)
{
	km_envelope *envelope = km_envelope_create(KM_DOC_INDEX, "{}", 2);
	struct km_signature signature;

	km_error_free(km_signature_parse(envelope, bytes, size, &signature));
	km_envelope_destroy(envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	km_envelope *envelope;

	if (!size)
		return 0;
	switch (*bytes) {
	case 'F': /* a frame of the type that it names, or of another */
		for (unsigned i = 0; i < KM_DOCS; i++)
			check_frame((enum km_doc)i, bytes + 1, size - 1);
		break;
	case 'S': check_state(bytes + 1, size - 1); break;
	case 'D': check_signature(bytes + 1, size - 1); break;
	default: /* '0' and on: a bare body */
		envelope = km_envelope_create((enum km_doc)(*bytes % KM_DOCS), bytes + 1, size - 1);
		check_body(envelope);
		km_envelope_destroy(envelope);
	}
	return 0;
}
