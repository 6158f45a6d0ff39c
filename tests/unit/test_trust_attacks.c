/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attacks of the TUF list, each by its name, and what a thief of all online keys can do. */
#include "toy_trust.h"

static struct toy t;

static int setup(void **state)
{
	(void)state;
	toy_setup(&t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	toy_end(&t);
	return 0;
}

typedef km_error *(*take_fn)(km_trust_client *, const void *, size_t, int64_t, enum km_trust_why *);

/* Must be refused for that reason; the document is freed. */
static void refuse(take_fn take, km_trust_client *client, struct toy_doc doc, int64_t now, enum km_trust_why want)
{
	enum km_trust_why why = KM_WHY_NONE;

	toy_refused(take(client, doc.at, doc.n, now, &why), &why, want);
	toy_free(&doc);
}

static void accept(take_fn take, km_trust_client *client, struct toy_doc doc)
{
	check_ok(take(client, doc.at, doc.n, TOY_NOW, NULL));
	toy_free(&doc);
}

static void all_is_well(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	struct km_payload payload = {0};

	(void)state;
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_FRESH, TOY_NOW, &payload, NULL));
	assert_int_equal(payload.size, sizeof(t.payload));
	assert_string_equal(payload.flavour, "klp");
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "core", KM_FRESH, TOY_NOW, &payload, NULL));
	assert_int_equal(payload.size, 7);
	km_trust_destroy(client);
}

/* ---- rollback ---- */

static void rollback_of_the_timestamp(void **state)
{
	km_trust_client *client = toy_client(&t);

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &t.index, 1, &t.rollout, 1));
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_ROLLBACK);
	km_trust_destroy(client);
}

static void rollback_of_the_index(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);

	(void)state;
	entry.withdrawn = "it crashed";
	toy_publish(&t, client, 2, &entry, NULL, NULL);
	/* Index 1, in which it was not withdrawn yet, is named again by a newer timestamp. */
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &t.index, 1, &t.rollout, 2), TOY_NOW,
	       KM_WHY_ROLLBACK);
	km_trust_destroy(client);
}

static void rollback_of_the_rollout(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);
	struct toy_doc index = toy_index(&t, 2, "stable", &entry);

	(void)state;
	toy_publish(&t, client, 2, &entry, NULL, "halted");
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &index, 2, &t.rollout, 1), TOY_NOW,
	       KM_WHY_ROLLBACK);
	toy_free(&index);
	km_trust_destroy(client);
}

/* The body says another version than the timestamp's word for it: what was seen counts, not what is claimed. */
static void rollback_under_a_new_number(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);

	(void)state;
	toy_publish(&t, client, 5, &entry, NULL, NULL);
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 6, TOY_NOW, &t.index, 6, &t.rollout, 6));
	refuse(km_trust_take_index, client, toy_index(&t, 1, "stable", &entry), TOY_NOW, KM_WHY_ROLLBACK);
	refuse(km_trust_take_rollout, client, toy_rollout(&t, 1, NULL, NULL), TOY_NOW, KM_WHY_ROLLBACK);
	km_trust_destroy(client);
}

/* What was named and never came counts, too; so does what was seen when the timestamp's own word is forgotten. */
static void rollback_of_what_was_named(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);
	struct toy_doc root2;
	km_private_key *key;

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &t.release, 5, &t.release, 5));
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &t.release, 4, &t.release, 5), TOY_NOW,
	       KM_WHY_ROLLBACK);
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &t.release, 5, &t.release, 4), TOY_NOW,
	       KM_WHY_ROLLBACK);
	toy_publish(&t, client, 6, &entry, NULL, NULL);
	for (size_t i = 0; i < t.root.n_keys; i++)
		if (t.public[i].role == KM_ROLE_TIMESTAMP)
			t.public[i] = *km_key_public(t.keys[KM_ROLE_TIMESTAMP][1]);
	root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	key = t.keys[KM_ROLE_TIMESTAMP][0];
	t.keys[KM_ROLE_TIMESTAMP][0] = t.keys[KM_ROLE_TIMESTAMP][1];
	t.keys[KM_ROLE_TIMESTAMP][1] = key;
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 6), TOY_NOW,
	       KM_WHY_ROLLBACK);
	toy_free(&root2);
	km_trust_destroy(client);
}

static void rollback_survives_the_file(void **state)
{
	char *dir = check_dir(), *path = km_path(dir, "state");
	km_trust_client *client = toy_client(&t), *again = NULL;

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 9, TOY_NOW, &t.index, 1, &t.rollout, 1));
	check_ok(km_trust_save(client, path));
	km_trust_destroy(client);
	check_ok(km_trust_load(path, &again));
	refuse(km_trust_take_timestamp, again, toy_timestamp(&t, 8, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_ROLLBACK);
	check_ok(toy_allows(&t, again, NULL));
	km_trust_destroy(again);
	free(path);
	check_dir_end(dir);
}

static void rollback_of_the_root(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	struct toy_doc two = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	check_ok(km_trust_take_root(client, two.at, two.n, NULL));
	toy_refused(km_trust_take_root(client, t.root_doc.at, t.root_doc.n, &why), &why, KM_WHY_ROLLBACK);
	assert_int_equal(km_trust_root(client)->version, 2);
	toy_free(&two);
	km_trust_destroy(client);
}

/* ---- freeze ---- */

static void freeze_by_an_expired_timestamp(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	/* Fresh when taken, not when it is to be used. */
	toy_refused(
		km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_FRESH, TOY_NOW + 86400, NULL, &why),
		&why, KM_WHY_EXPIRED);
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &t.index, 1, &t.rollout, 1),
	       TOY_NOW + 86400, KM_WHY_EXPIRED);
	km_trust_destroy(client);
}

static void freeze_by_a_clock_set_back(void **state)
{
	km_trust_client *client = toy_client(&t);

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW + 80000, &t.index, 1, &t.rollout, 1));
	/* Expired at TOY_NOW + 10000; the clock says less, the timestamp before said more. */
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW - 76400, &t.index, 1, &t.rollout, 1),
	       TOY_NOW - 76400, KM_WHY_EXPIRED);
	km_trust_destroy(client);
}

static void freeze_by_each_document(void **state)
{
	static const struct {
		int64_t later;
		enum km_trust_why want;
	} cases[] = {{29 * 86400, KM_WHY_NONE}, {30 * 86400, KM_WHY_EXPIRED}, {365 * 86400, KM_WHY_EXPIRED}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_trust_client *client = toy_fresh(&t);
		int64_t now = TOY_NOW + cases[i].later;
		struct toy_doc ts = toy_timestamp(&t, 2, now, &t.index, 1, &t.rollout, 1);
		enum km_trust_why why = KM_WHY_NONE;
		km_error *err = km_trust_take_timestamp(client, ts.at, ts.n, now, &why);

		if (!err)
			err = km_trust_take_index(client, t.index.at, t.index.n, now, &why);
		if (!err)
			err = km_trust_take_rollout(client, t.rollout.at, t.rollout.n, now, &why);
		assert_int_equal(why, cases[i].want);
		km_error_free(err);
		toy_free(&ts);
		km_trust_destroy(client);
	}
}

/* Each document may expire between being taken and being used. */
static void freeze_after_taking(void **state)
{
	enum { HOUR = 3600 };
	static const enum km_doc docs[] = {KM_DOC_ROOT, KM_DOC_INDEX, KM_DOC_ROLLOUT};
	struct km_trust_host host = toy_host();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(docs); i++) {
		km_trust_client *client;
		struct toy_doc old_root = t.root_doc, old_index = t.index, old_rollout = t.rollout, ts;
		struct km_index_entry entry = toy_entry(&t);
		enum km_trust_why why = KM_WHY_NONE;

		t.root.expires = TOY_NOW + (docs[i] == KM_DOC_ROOT ? HOUR : 365 * 86400);
		t.root_doc = toy_root(&t, 1, 2, t.keys[KM_ROLE_ROOT]);
		t.index_life = docs[i] == KM_DOC_INDEX ? HOUR : 0;
		t.index = toy_index(&t, 1, "stable", &entry);
		t.rollout_life = docs[i] == KM_DOC_ROLLOUT ? HOUR : 0;
		t.rollout = toy_rollout(&t, 1, NULL, NULL);
		ts = t.timestamp;
		t.timestamp = toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 1);
		client = toy_client(&t);
		check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_FRESH, TOY_NOW + HOUR - 1,
					 NULL, NULL));
		toy_refused(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_FRESH, TOY_NOW + HOUR,
					    NULL, &why),
			    &why, KM_WHY_EXPIRED);
		check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_HELD, TOY_NOW + HOUR, NULL,
					 NULL));
		/* The clock goes back; a timestamp has said otherwise. */
		if (docs[i] == KM_DOC_INDEX) {
			struct toy_doc later = toy_timestamp(&t, 2, TOY_NOW + 2 * HOUR, &t.index, 1, &t.rollout, 1);

			check_ok(km_trust_take_timestamp(client, later.at, later.n, TOY_NOW + 2 * HOUR, NULL));
			toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_EXPIRED);
			toy_free(&later);
		}
		/* Under an expired root no timestamp is taken, however young. */
		if (docs[i] == KM_DOC_ROOT)
			refuse(km_trust_take_timestamp, client,
			       toy_timestamp(&t, 2, TOY_NOW + HOUR, &t.index, 1, &t.rollout, 1), TOY_NOW + HOUR,
			       KM_WHY_EXPIRED);
		km_trust_destroy(client);
		toy_free(&old_root);
		toy_free(&old_index);
		toy_free(&old_rollout);
		toy_free(&ts);
	}
}

/* A held release goes on when the server is gone, but a halt that is known holds. */
static void freeze_does_not_take_down_what_runs(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	struct km_index_entry entry = toy_entry(&t);
	int64_t later = TOY_NOW + 900 * (int64_t)86400;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_HELD, later, NULL, NULL));
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &t.release, 7, &t.rollout, 1));
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_HELD, later, NULL, NULL));
	toy_publish(&t, client, 8, &entry, NULL, "bad");
	toy_refused(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_HELD, later, NULL, &why), &why,
		    KM_WHY_HALTED);
	km_trust_destroy(client);
}

static void a_clock_wrong_by_a_year(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	int64_t year = 365 * 86400;

	(void)state;
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 1),
	       TOY_NOW - year, KM_WHY_CLOCK);
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 1),
	       TOY_NOW + year, KM_WHY_EXPIRED);
	/* Neither has left a trace. */
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 1));
	km_trust_destroy(client);
}

static void an_index_from_the_future(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	int64_t before = TOY_NOW - 2 * 86400;
	struct toy_doc ts = toy_timestamp(&t, 1, before, &t.index, 1, &t.rollout, 1);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	check_ok(km_trust_take_timestamp(client, ts.at, ts.n, before, NULL));
	toy_refused(km_trust_take_index(client, t.index.at, t.index.n, before, &why), &why, KM_WHY_CLOCK);
	toy_free(&ts);
	km_trust_destroy(client);
}

/* ---- mix and match ---- */

static void mix_and_match(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);
	struct toy_doc index2 = toy_index(&t, 2, "stable", &entry), rollout2 = toy_rollout(&t, 2, NULL, "halted");
	struct toy_doc again = toy_rollout(&t, 2, NULL, "another");
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &index2, 2, &rollout2, 2));
	/* Each is well signed, but not the one that belongs to this timestamp. */
	refuse(km_trust_take_index, client, toy_index(&t, 3, "stable", &entry), TOY_NOW, KM_WHY_MIXED);
	refuse(km_trust_take_rollout, client, toy_rollout(&t, 2, NULL, NULL), TOY_NOW, KM_WHY_MIXED);
	/* New timestamp with old index and rollout: nothing is loaded by it. */
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	check_ok(km_trust_take_index(client, index2.at, index2.n, TOY_NOW, NULL));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	/* One number, two contents. */
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &index2, 2, &again, 2), TOY_NOW,
	       KM_WHY_TWO_FACED);
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &index2, 9, &rollout2, 2), TOY_NOW,
	       KM_WHY_TWO_FACED);
	toy_free(&again);
	toy_free(&index2);
	toy_free(&rollout2);
	km_trust_destroy(client);
}

/* The right content under another number, and documents before their timestamp. */
static void mix_of_number_and_content(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	toy_refused(km_trust_take_index(client, t.index.at, t.index.n, TOY_NOW, &why), &why, KM_WHY_INCOMPLETE);
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &t.index, 7, &t.rollout, 7));
	toy_refused(km_trust_take_index(client, t.index.at, t.index.n, TOY_NOW, &why), &why, KM_WHY_MIXED);
	toy_refused(km_trust_take_rollout(client, t.rollout.at, t.rollout.n, TOY_NOW, &why), &why, KM_WHY_MIXED);
	km_trust_destroy(client);
}

/* Only one of the two is new: still nothing is loaded by the old one. */
static void half_an_update(void **state)
{
	struct km_index_entry entry = toy_entry(&t);
	struct toy_doc index2 = toy_index(&t, 2, "stable", &entry), rollout2 = toy_rollout(&t, 2, NULL, "halted");
	km_trust_client *client = toy_client(&t);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &index2, 2, &t.rollout, 1));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	check_ok(km_trust_take_index(client, index2.at, index2.n, TOY_NOW, NULL));
	check_ok(toy_allows(&t, client, NULL));
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &index2, 2, &rollout2, 2));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	toy_free(&index2);
	toy_free(&rollout2);
	km_trust_destroy(client);
}

static void another_channel(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	struct km_index_entry entry = toy_entry(&t);
	struct toy_doc edge = toy_index(&t, 1, "edge", &entry);
	km_trust_client *other = NULL;

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 1, TOY_NOW, &edge, 1, &t.rollout, 1));
	refuse(km_trust_take_index, client, edge, TOY_NOW, KM_WHY_CHANNEL);
	check_ok(km_trust_create(t.root_doc.at, t.root_doc.n, "edge", NULL, &other, NULL));
	refuse(km_trust_take_timestamp, other, toy_timestamp(&t, 1, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_CHANNEL);
	km_trust_destroy(other);
	km_trust_destroy(client);
}

/* ---- wrong role ---- */

static void wrong_document(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	const struct toy_doc *docs[] = {&t.root_doc, &t.release, &t.index, &t.rollout, &t.timestamp};
	const take_fn takes[] = {km_trust_take_timestamp, km_trust_take_index, km_trust_take_rollout};
	const size_t right[] = {4, 2, 3};

	(void)state;
	check_ok(km_trust_take_timestamp(client, t.timestamp.at, t.timestamp.n, TOY_NOW, NULL));
	for (size_t i = 0; i < KM_COUNT(takes); i++)
		for (size_t j = 0; j < KM_COUNT(docs); j++) {
			enum km_trust_why why = KM_WHY_NONE;

			if (j != right[i])
				toy_refused(takes[i](client, docs[j]->at, docs[j]->n, TOY_NOW, &why), &why,
					    KM_WHY_WRONG_TYPE);
		}
	km_trust_destroy(client);
}

/* A good signature of one key is put where another role's should be: the name of the role in the frame is changed, or
 * the key is. */
static void wrong_role(void **state)
{
	struct km_root root;
	km_envelope *envelope = NULL, *parsed = NULL;

	(void)state;
	check_ok(km_envelope_parse(KM_DOC_ROOT, t.root_doc.at, t.root_doc.n, &parsed, NULL));
	check_ok(km_verify_first_root(parsed, NULL, &root, NULL));
	check_ok(km_envelope_parse(KM_DOC_RELEASE, t.release.at, t.release.n, &envelope, NULL));
	for (unsigned from = 0; from < KM_ROLES; from++)
		for (unsigned as = KM_ROLE_BUILDER; as <= KM_ROLE_REVIEWER; as++) {
			struct km_signature signature = {.role = (enum km_role)as};
			km_envelope *forged = km_envelope_create(km_role_doc((enum km_role)from), envelope->body,
								 envelope->size),
				    *try;

			if (from == as) {
				km_envelope_destroy(forged);
				continue;
			}
			/* Signed as its own role, shown as the other. */
			check_ok(km_envelope_sign(forged, t.keys[from][0], &signature));
			signature.role = (enum km_role)as;
			try = km_envelope_create(KM_DOC_RELEASE, envelope->body, envelope->size);
			check_ok(km_envelope_add(try, &signature));
			assert_int_equal(km_verify_count(try, &root, (enum km_role)as), 0);
			/* … and under the id of the key that it should be. */
			memcpy(signature.key, km_key_public(t.keys[as][0])->id, sizeof(signature.key));
			check_ok(km_envelope_add(try, &signature));
			assert_int_equal(km_verify_count(try, &root, (enum km_role)as), 0);
			km_envelope_destroy(try);
			km_envelope_destroy(forged);
		}
	km_root_free(&root);
	km_envelope_destroy(envelope);
	km_envelope_destroy(parsed);
}

/* A key that the root gives one role to signs, honestly labelled, what another role should sign. */
static void a_key_signs_only_its_own_document(void **state)
{
	km_envelope *envelope = km_envelope_create(KM_DOC_INDEX, "{}", 2);
	struct km_signature signature;

	(void)state;
	for (unsigned role = 0; role < KM_ROLES; role++)
		if (role != KM_ROLE_INDEX)
			check_error(km_envelope_sign(envelope, t.keys[role][0], &signature), KM_REFUSED, "do not sign");
	km_envelope_destroy(envelope);
}

static void builder_without_reviewer(void **state)
{
	km_private_key *alone[] = {t.keys[KM_ROLE_BUILDER][0], t.keys[KM_ROLE_REVIEWER][0]};
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	km_envelope *envelope = NULL;

	(void)state;
	check_ok(km_envelope_parse(KM_DOC_RELEASE, t.release.at, t.release.n, &envelope, NULL));
	for (size_t i = 0; i < KM_COUNT(alone); i++) {
		km_envelope *half = km_envelope_create(KM_DOC_RELEASE, envelope->body, envelope->size);
		enum km_trust_why why = KM_WHY_NONE;
		struct toy_doc doc = toy_sign(half, 1, &alone[i]);

		toy_refused(km_trust_allows(client, doc.at, doc.n, &host, "klp", KM_FRESH, TOY_NOW, NULL, &why), &why,
			    KM_WHY_SIGNATURES);
		toy_free(&doc);
	}
	km_envelope_destroy(envelope);
	km_trust_destroy(client);
}

/* One key in two roles would let one person be both. */
static void one_key_in_two_roles(void **state)
{
	struct km_root root = t.root;
	km_envelope *envelope = NULL;

	(void)state;
	t.public[root.n_keys] = *km_key_public(t.keys[KM_ROLE_BUILDER][0]);
	t.public[root.n_keys++].role = KM_ROLE_REVIEWER;
	check_error(km_root_make(&root, &envelope), KM_USAGE, "is there twice");
}

/* ---- fast-forward ---- */

/* A thief has used up the numbers of a role; a root without his key lets the publisher begin again, and him not. */
static void fast_forward(void **state)
{
	static const enum km_role stolen[] = {KM_ROLE_TIMESTAMP, KM_ROLE_ROLLOUT, KM_ROLE_INDEX};
	struct km_index_entry entry = toy_entry(&t);
	km_trust_client *client = toy_client(&t);
	struct toy_doc i9 = toy_index(&t, KM_VERSION_MAX - 1, "stable", &entry),
		       r9 = toy_rollout(&t, KM_VERSION_MAX - 1, NULL, NULL);
	struct toy_doc ts9 = toy_timestamp(&t, KM_VERSION_MAX - 1, TOY_NOW, &i9, KM_VERSION_MAX - 1, &r9,
					   KM_VERSION_MAX - 1),
		       root2;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	check_ok(km_trust_take_timestamp(client, ts9.at, ts9.n, TOY_NOW, NULL));
	check_ok(km_trust_take_index(client, i9.at, i9.n, TOY_NOW, NULL));
	check_ok(km_trust_take_rollout(client, r9.at, r9.n, TOY_NOW, NULL));
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 2, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_ROLLBACK);
	for (size_t i = 0; i < KM_COUNT(stolen); i++)
		for (size_t j = 0; j < t.root.n_keys; j++)
			if (t.public[j].role == stolen[i])
				t.public[j] = *km_key_public(t.keys[stolen[i]][1]);
	root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	toy_refused(km_trust_take_timestamp(client, ts9.at, ts9.n, TOY_NOW, &why), &why, KM_WHY_SIGNATURES);
	for (size_t i = 0; i < KM_COUNT(stolen); i++) {
		km_private_key *key = t.keys[stolen[i]][0];

		t.keys[stolen[i]][0] = t.keys[stolen[i]][1];
		t.keys[stolen[i]][1] = key;
	}
	toy_publish(&t, client, 2, &entry, NULL, NULL);
	check_ok(toy_allows(&t, client, NULL));
	toy_free(&i9);
	toy_free(&r9);
	toy_free(&ts9);
	toy_free(&root2);
	km_trust_destroy(client);
}

/* A thief of the timestamp key and a clock that was a year ahead for a moment: the years come back with the next root.
 */
static void fast_forward_of_the_clock(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	int64_t year = 364 * 86400;
	struct toy_doc far = toy_timestamp(&t, 2, TOY_NOW + year, &t.index, 1, &t.rollout, 1), root2;
	struct km_index_entry entry = toy_entry(&t);
	km_private_key *key = t.keys[KM_ROLE_TIMESTAMP][0];

	(void)state;
	check_ok(km_trust_take_timestamp(client, far.at, far.n, TOY_NOW + year, NULL));
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_EXPIRED);
	for (size_t i = 0; i < t.root.n_keys; i++)
		if (t.public[i].role == KM_ROLE_TIMESTAMP)
			t.public[i] = *km_key_public(t.keys[KM_ROLE_TIMESTAMP][1]);
	root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	t.keys[KM_ROLE_TIMESTAMP][0] = t.keys[KM_ROLE_TIMESTAMP][1];
	t.keys[KM_ROLE_TIMESTAMP][1] = key;
	toy_publish(&t, client, 2, &entry, NULL, NULL);
	check_ok(toy_allows(&t, client, NULL));
	toy_free(&far);
	toy_free(&root2);
	km_trust_destroy(client);
}

/* A root that takes no key away leaves the versions where they were. */
static void fast_forward_is_no_way_back(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct toy_doc root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);

	(void)state;
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 5, TOY_NOW, &t.index, 1, &t.rollout, 1));
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	check_ok(toy_allows(&t, client, NULL));
	refuse(km_trust_take_timestamp, client, toy_timestamp(&t, 4, TOY_NOW, &t.index, 1, &t.rollout, 1), TOY_NOW,
	       KM_WHY_ROLLBACK);
	toy_free(&root2);
	km_trust_destroy(client);
}

static void fast_forward_of_the_root(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	struct toy_doc far = toy_root(&t, 3, 2, t.keys[KM_ROLE_ROOT]);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	toy_refused(km_trust_take_root(client, far.at, far.n, &why), &why, KM_WHY_GAP);
	toy_free(&far);
	km_trust_destroy(client);
}

/* ---- endless data ---- */

static void endless_data(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	const take_fn takes[] = {km_trust_take_timestamp, km_trust_take_index, km_trust_take_rollout};
	const enum km_doc docs[] = {KM_DOC_TIMESTAMP, KM_DOC_INDEX, KM_DOC_ROLLOUT};
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(takes); i++) {
		size_t n = km_doc_max(docs[i]) + 1;
		KM_AUTOFREE char *bytes = km_calloc(n, 1);

		toy_refused(takes[i](client, bytes, n, TOY_NOW, &why), &why, KM_WHY_TOO_LARGE);
		toy_refused(takes[i](client, bytes, n - 1, TOY_NOW, &why), &why, KM_WHY_MALFORMED);
	}
	KM_AUTOFREE char *bytes = km_calloc(km_doc_max(KM_DOC_RELEASE) + 1, 1);

	toy_refused(km_trust_allows(client, bytes, km_doc_max(KM_DOC_RELEASE) + 1, &host, "klp", KM_FRESH, TOY_NOW,
				    NULL, &why),
		    &why, KM_WHY_TOO_LARGE);
	km_trust_destroy(client);
}

static void an_endless_payload(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_trust_host host = toy_host();
	struct km_payload payload;
	km_payload_sum *sum;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_FRESH, TOY_NOW, &payload, NULL));
	sum = km_payload_begin(&payload);
	check_ok(km_payload_add(sum, t.payload, sizeof(t.payload), NULL));
	toy_refused(km_payload_add(sum, "x", 1, &why), &why, KM_WHY_PAYLOAD);
	check_ok(km_payload_end(sum, NULL));
	km_trust_destroy(client);
}

/* ---- key compromise ---- */

static void key_compromise_below_the_threshold(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	km_private_key *thief = t.keys[KM_ROLE_ROOT][0], *twice[] = {thief, thief},
		       *with_own[] = {thief, t.keys[KM_ROLE_BUILDER][0]};
	struct toy_doc doc;
	enum km_trust_why why = KM_WHY_NONE;

	(void)with_own;
	(void)state;
	doc = toy_root(&t, 2, 1, &thief);
	toy_refused(km_trust_take_root(client, doc.at, doc.n, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&doc);
	doc = toy_root(&t, 2, 2, twice);
	toy_refused(km_trust_take_root(client, doc.at, doc.n, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&doc);
	/* He lowers the threshold and writes in keys of his own: his root is content with itself, and nobody else is.
	 */
	t.root.threshold[KM_ROLE_ROOT] = 1;
	doc = toy_root(&t, 2, 1, &thief);
	toy_refused(km_trust_take_root(client, doc.at, doc.n, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&doc);
	km_trust_destroy(client);
}

/* Enough of the old ones have signed, and too few of the new ones: half a rotation is none. */
static void rotation_by_the_old_keys_alone(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	km_private_key *new[2], *old[] = {t.keys[KM_ROLE_ROOT][0], t.keys[KM_ROLE_ROOT][1]};
	km_private_key *both[] = {old[0], old[1], NULL, NULL};
	struct toy_doc doc;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	for (size_t i = 0, r = 0; i < 2; i++) {
		check_ok(km_key_create(KM_ROLE_ROOT, "new", &new[i]));
		while (t.public[r].role != KM_ROLE_ROOT || !strcmp(t.public[r].name, "new"))
			r++;
		t.public[r] = *km_key_public(new[i]);
		both[2 + i] = new[i];
	}
	/* Of the three, one old key is left: old[2]. */
	doc = toy_root(&t, 2, 2, old);
	toy_refused(km_trust_take_root(client, doc.at, doc.n, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&doc);
	doc = toy_root(&t, 2, 2, new);
	toy_refused(km_trust_take_root(client, doc.at, doc.n, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&doc);
	doc = toy_root(&t, 2, 4, both);
	check_ok(km_trust_take_root(client, doc.at, doc.n, NULL));
	toy_free(&doc);
	km_key_destroy(new[0]);
	km_key_destroy(new[1]);
	km_trust_destroy(client);
}

/* What a withdrawn key has signed counts no more, also when it is held already. */
static void a_withdrawn_key(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct toy_doc root2;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	for (size_t i = 0; i < t.root.n_keys; i++)
		if (t.public[i].role == KM_ROLE_BUILDER)
			t.public[i] = *km_key_public(t.keys[KM_ROLE_BUILDER][1]);
	root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_SIGNATURES);
	toy_free(&root2);
	km_trust_destroy(client);
}

/* A threshold that rises counts for what is held, too. */
static void a_higher_threshold(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct toy_doc root2;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	t.public[t.root.n_keys++] = *km_key_public(t.keys[KM_ROLE_INDEX][1]);
	t.root.threshold[KM_ROLE_INDEX] = 2;
	root2 = toy_root(&t, 2, 2, t.keys[KM_ROLE_ROOT]);
	check_ok(km_trust_take_root(client, root2.at, root2.n, NULL));
	assert_null(km_trust_index(client));
	assert_non_null(km_trust_rollout(client));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_INCOMPLETE);
	toy_free(&root2);
	km_trust_destroy(client);
}

static void a_false_first_root(void **state)
{
	static const char other[] = "0000000000000000000000000000000000000000000000000000000000000000";
	km_trust_client *client = NULL;
	enum km_trust_why why = KM_WHY_NONE;
	struct toy_doc one = toy_root(&t, 1, 1, t.keys[KM_ROLE_ROOT]);

	(void)state;
	toy_refused(km_trust_create(t.root_doc.at, t.root_doc.n, "stable", other, &client, &why), &why, KM_WHY_MIXED);
	toy_refused(km_trust_create(one.at, one.n, "stable", NULL, &client, &why), &why, KM_WHY_SIGNATURES);
	assert_null(client);
	toy_free(&one);
}

/* ---- replay to another host or kernel ---- */

static void replay_to_another_kernel(void **state)
{
	static const struct {
		const char *arch, *release, *build_id, *flavour;
	} cases[] = {
		{"aarch64", NULL, NULL, "klp"},
		{NULL, "6.1.0-51-cloud-amd64", NULL, "klp"},
		{NULL, NULL, "0011223344556677", "klp"},
		{NULL, NULL, "ff112233445566778899aabbccddeeff00112233", "core"},
		{NULL, NULL, NULL, "other"},
	};
	km_trust_client *client = toy_client(&t);

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_trust_host host = toy_host();
		enum km_trust_why why = KM_WHY_NONE;

		host.arch = cases[i].arch ? cases[i].arch : host.arch;
		host.release = cases[i].release ? cases[i].release : host.release;
		host.build_id = cases[i].build_id ? cases[i].build_id : host.build_id;
		toy_refused(km_trust_allows(client, t.release.at, t.release.n, &host, cases[i].flavour, KM_FRESH,
					    TOY_NOW, NULL, &why),
			    &why, KM_WHY_KERNEL);
	}
	km_trust_destroy(client);
}

/* What was right for one host is given to another one, which the wave does not reach. */
static void replay_to_another_host(void **state)
{
	const char *tags[] = {"canary"};
	struct km_wave wave = {tags, 1, KM_PERMYRIAD};
	struct km_rollout_entry entry = {.waves = &wave, .n_waves = 1};
	struct km_index_entry index = toy_entry(&t);
	struct km_trust_host canary = toy_host(), other = toy_host();
	km_trust_client *client = toy_client(&t);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	memcpy(entry.id, t.release.id, sizeof(entry.id));
	toy_publish(&t, client, 2, &index, &entry, NULL);
	canary.tags = tags;
	canary.n_tags = 1;
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &canary, "klp", KM_FRESH, TOY_NOW, NULL, NULL));
	toy_refused(km_trust_allows(client, t.release.at, t.release.n, &other, "klp", KM_FRESH, TOY_NOW, NULL, &why),
		    &why, KM_WHY_WAITING);
	/* Who was let in once stays in. */
	check_ok(km_trust_allows(client, t.release.at, t.release.n, &other, "klp", KM_HELD, TOY_NOW, NULL, NULL));
	km_trust_destroy(client);
}

/* ---- withdrawn, halted, tampered ---- */

static void withdrawn(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	entry.withdrawn = "it crashed";
	toy_publish(&t, client, 2, &entry, NULL, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_WITHDRAWN);
	toy_publish(&t, client, 3, NULL, NULL, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_NOT_LISTED);
	km_trust_destroy(client);
}

static void halted(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry index = toy_entry(&t);
	struct km_rollout_entry entry = {.all = true, .halt = "too many crashes"};
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	memcpy(entry.id, t.release.id, sizeof(entry.id));
	toy_publish(&t, client, 2, &index, &entry, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_HALTED);
	toy_publish(&t, client, 3, &index, NULL, "the whole channel");
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_HALTED);
	entry.halt = NULL;
	toy_publish(&t, client, 4, &index, &entry, NULL);
	check_ok(toy_allows(&t, client, NULL));
	km_trust_destroy(client);
}

/* What a host that has the release asks. A halt is no recall, a withdrawal is. */
static void called_back(void **state)
{
	km_trust_client *client = toy_fresh(&t);
	struct km_index_entry index = toy_entry(&t);
	struct km_rollout_entry entry = {.all = true, .halt = "too many crashes"};
	struct km_trust_host host = toy_host();
	enum km_trust_why why = KM_WHY_NONE;
	const char *reason = NULL;

	(void)state;
	assert_false(km_trust_recalls(client, t.release.id, &reason));
	memcpy(entry.id, t.release.id, sizeof(entry.id));
	toy_publish(&t, client, 2, &index, &entry, "the whole channel");
	assert_false(km_trust_recalls(client, t.release.id, &reason));
	assert_null(reason);
	entry.rollback = true;
	toy_publish(&t, client, 3, &index, &entry, NULL);
	assert_true(km_trust_recalls(client, t.release.id, &reason));
	assert_string_equal(reason, "too many crashes");
	assert_true(km_trust_recalls(client, t.release.id, NULL));
	assert_false(km_trust_recalls(client, t.index.id, NULL));
	toy_refused(km_trust_allows(client, t.release.at, t.release.n, &host, "klp", KM_HELD, TOY_NOW, NULL, &why), &why,
		    KM_WHY_HALTED);
	/* A person resumes. */
	toy_publish(&t, client, 4, &index, NULL, NULL);
	assert_false(km_trust_recalls(client, t.release.id, NULL));
	index.withdrawn = "it crashed";
	toy_publish(&t, client, 5, &index, NULL, NULL);
	assert_true(km_trust_recalls(client, t.release.id, &reason));
	assert_string_equal(reason, "it crashed");
	km_trust_destroy(client);
}

/* An old index or rollout does not call back what the ones of now do not: they must be those that the timestamp names.
 */
static void called_back_by_what_is_named(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry index = toy_entry(&t), withdrawn = index;
	struct km_rollout_entry entry = {.all = true, .halt = "bad", .rollback = true};
	struct toy_doc i3 = toy_index(&t, 3, "stable", &index), r3 = toy_rollout(&t, 3, NULL, NULL);

	(void)state;
	memcpy(entry.id, t.release.id, sizeof(entry.id));
	withdrawn.withdrawn = "bad";
	toy_publish(&t, client, 2, &withdrawn, &entry, NULL);
	assert_true(km_trust_recalls(client, t.release.id, NULL));
	accept(km_trust_take_timestamp, client, toy_timestamp(&t, 3, TOY_NOW, &i3, 3, &r3, 3));
	assert_false(km_trust_recalls(client, t.release.id, NULL));
	check_ok(km_trust_take_index(client, i3.at, i3.n, TOY_NOW, NULL));
	check_ok(km_trust_take_rollout(client, r3.at, r3.n, TOY_NOW, NULL));
	assert_false(km_trust_recalls(client, t.release.id, NULL));
	toy_free(&i3);
	toy_free(&r3);
	km_trust_destroy(client);
}

/* It outlives the file and the documents' dates: a host that boots without network has it as well. */
static void called_back_survives_the_file(void **state)
{
	km_trust_client *client = toy_client(&t), *again = NULL;
	struct km_index_entry index = toy_entry(&t);
	struct km_rollout_entry entry = {.halt = "bad", .rollback = true};
	KM_AUTOFREE char *text = NULL;

	(void)state;
	memcpy(entry.id, t.release.id, sizeof(entry.id));
	toy_publish(&t, client, 2, &index, &entry, NULL);
	text = km_trust_text(client);
	check_ok(km_trust_parse(text, strlen(text), &again));
	assert_true(km_trust_recalls(again, t.release.id, NULL));
	km_trust_destroy(again);
	km_trust_destroy(client);
}

/* Each byte of each document, changed: never accepted. */
static void every_byte_counts(void **state)
{
	const struct {
		const struct toy_doc *doc;
		take_fn take;
	} cases[] = {{&t.timestamp, km_trust_take_timestamp},
		     {&t.index, km_trust_take_index},
		     {&t.rollout, km_trust_take_rollout}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *bytes = km_calloc(cases[i].doc->n + 1, 1);
		km_trust_client *client = toy_fresh(&t);

		if (i)
			check_ok(km_trust_take_timestamp(client, t.timestamp.at, t.timestamp.n, TOY_NOW, NULL));
		for (size_t at = 0; at <= cases[i].doc->n; at++) {
			/* A bit less, or one byte more at the end. */
			size_t n = cases[i].doc->n + (at == cases[i].doc->n);
			km_error *err;

			memcpy(bytes, cases[i].doc->at, cases[i].doc->n);
			bytes[at] ^= 1;
			err = cases[i].take(client, bytes, n, TOY_NOW, NULL);
			if (!err)
				fail_msg("document %zu was accepted with byte %zu changed", i, at);
			km_error_free(err);
		}
		check_ok(cases[i].take(client, cases[i].doc->at, cases[i].doc->n, TOY_NOW, NULL));
		km_trust_destroy(client);
	}
}

static void another_payload(void **state)
{
	char *dir = check_dir(), *path = km_path(dir, "payload");
	struct km_payload payload = {.flavour = "klp", .size = sizeof(t.payload)};
	uint8_t sum[KM_SHA256_LEN], *bytes = NULL;
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	km_sha256_of(t.payload, sizeof(t.payload), sum);
	km_hex(sum, sizeof(sum), payload.sha256);
	check_ok(km_file_write(path, t.payload, sizeof(t.payload)));
	check_ok(km_payload_read(path, &payload, &bytes, NULL));
	assert_memory_equal(bytes, t.payload, sizeof(t.payload));
	free(bytes);
	bytes = NULL;
	t.payload[3] ^= 1;
	check_ok(km_file_write(path, t.payload, sizeof(t.payload)));
	toy_refused(km_payload_read(path, &payload, &bytes, &why), &why, KM_WHY_PAYLOAD);
	t.payload[3] ^= 1;
	check_ok(km_file_write(path, t.payload, sizeof(t.payload) - 1));
	toy_refused(km_payload_read(path, &payload, &bytes, &why), &why, KM_WHY_PAYLOAD);
	check_ok(km_file_write(path, t.payload, sizeof(t.payload)));
	payload.size++;
	toy_refused(km_payload_read(path, &payload, &bytes, &why), &why, KM_WHY_PAYLOAD);
	payload.size = KM_PAYLOAD_MAX + 1;
	toy_refused(km_payload_read(path, &payload, &bytes, &why), &why, KM_WHY_TOO_LARGE);
	assert_null(bytes);
	free(path);
	check_dir_end(dir);
}

/* ---- all online keys and the database are stolen ---- */

/* A release of the thief's: the true one with his payload. */
static km_envelope *evil_release(void)
{
	km_envelope *true_one = NULL, *evil = NULL;
	struct km_release release;

	check_ok(km_envelope_parse(KM_DOC_RELEASE, t.release.at, t.release.n, &true_one, NULL));
	check_ok(km_release_parse(true_one, &release));
	memset(release.kernels[0].payloads[0].sha256, 'e', KM_SHA256_HEX - 1);
	check_ok(km_release_make(&release, &evil));
	/* The signatures of the true one are public, too. */
	for (size_t i = 0; i < true_one->signatures.n; i++)
		check_ok(km_envelope_add(evil, &true_one->signatures.at[i]));
	km_release_free(&release);
	km_envelope_destroy(true_one);
	return evil;
}

/* Signs with a stolen key, in whatever role and under whatever id; the product's own signing would refuse. */
static void forge(km_envelope *envelope, km_private_key *stolen, enum km_role as, bool own_id)
{
	struct km_signature signature;
	km_envelope *detour =
		km_envelope_create(km_role_doc(km_key_public(stolen)->role), envelope->body, envelope->size);

	check_ok(km_envelope_sign(detour, stolen, &signature));
	km_envelope_destroy(detour);
	signature.role = as;
	if (!own_id)
		memcpy(signature.key, km_key_public(t.keys[as][0])->id, sizeof(signature.key));
	check_ok(km_envelope_add(envelope, &signature));
}

static void never_allowed(km_trust_client *client, const km_envelope *release)
{
	struct km_trust_host host = toy_host();
	struct toy_doc doc = {0};

	doc.at = km_envelope_text(release, &doc.n);
	for (int age = KM_FRESH; age <= KM_HELD; age++) {
		struct km_payload payload = {0};
		km_error *err = km_trust_allows(client, doc.at, doc.n, &host, "klp", (enum km_trust_age)age, TOY_NOW,
						&payload, NULL);

		if (!err)
			fail_msg("a payload of the thief was allowed: %s", payload.sha256);
		km_error_free(err);
	}
	toy_free(&doc);
}

/* Gives the client whatever it takes: a thief has no rules. */
static void feed(km_trust_client *client, const struct toy_doc *doc)
{
	km_error_free(km_trust_take_root(client, doc->at, doc->n, NULL));
	km_error_free(km_trust_take_timestamp(client, doc->at, doc->n, TOY_NOW, NULL));
	km_error_free(km_trust_take_index(client, doc->at, doc->n, TOY_NOW, NULL));
	km_error_free(km_trust_take_rollout(client, doc->at, doc->n, TOY_NOW, NULL));
}

static void stolen_online_keys_introduce_no_code(void **state)
{
	static const enum km_role online[] = {KM_ROLE_ROLLOUT, KM_ROLE_TIMESTAMP};
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = {0};
	struct km_rollout_entry wave = {.all = true};
	km_envelope *evil = evil_release();
	int64_t version = 100;

	(void)state;
	memcpy(entry.id, evil->id, sizeof(entry.id));
	memcpy(wave.id, evil->id, sizeof(wave.id));
	never_allowed(client, evil);
	for (size_t i = 0; i < KM_COUNT(online); i++)
		for (unsigned own = 0; own < 2; own++) {
			km_private_key *stolen = t.keys[online[i]][0];
			struct km_index thief_index = {.channel = "stable",
						       .version = version,
						       .issued = TOY_NOW,
						       .expires = TOY_NOW + 86400,
						       .releases = &entry,
						       .n_releases = 1};
			km_envelope *index = NULL;
			struct toy_doc index_doc, rollout, timestamp, root;

			/* The release by his keys, in the builder's and the reviewer's place … */
			forge(evil, stolen, KM_ROLE_BUILDER, own);
			forge(evil, stolen, KM_ROLE_REVIEWER, own);
			/* … an index that lists it, a rollout that lets everyone have it, a timestamp that names them …
			 */
			check_ok(km_index_make(&thief_index, &index));
			forge(index, stolen, KM_ROLE_INDEX, own);
			index_doc = toy_sign(index, 0, NULL);
			rollout = toy_rollout(&t, version, &wave, NULL);
			timestamp = toy_timestamp(&t, version, TOY_NOW, &index_doc, version, &rollout, version);
			feed(client, &timestamp);
			feed(client, &rollout);
			feed(client, &index_doc);
			never_allowed(client, evil);
			/* … and a root of his own, with his keys in every role. */
			for (size_t j = 0; j < t.root.n_keys; j++)
				if (!km_role_online(t.public[j].role) && t.public[j].role != KM_ROLE_ROOT)
					t.public[j] = *km_key_public(t.keys[t.public[j].role][2]);
			km_envelope *own_root = NULL;
			struct km_root r = t.root;

			r.version = 2;
			check_ok(km_root_make(&r, &own_root));
			forge(own_root, stolen, KM_ROLE_ROOT, own);
			root = toy_sign(own_root, 0, NULL);
			feed(client, &root);
			never_allowed(client, evil);
			assert_int_equal(km_trust_root(client)->version, 1);
			toy_free(&index_doc);
			toy_free(&rollout);
			toy_free(&timestamp);
			toy_free(&root);
			version++;
		}
	km_envelope_destroy(evil);
	km_trust_destroy(client);
}

/* The rollout as the thief would like it: no entry, an entry for all, for a release that the index lacks. The set of
 * what is allowed never grows beyond the index; here the index has nothing. */
static void a_rollout_cannot_add(void **state)
{
	struct km_rollout_entry all = {.all = true};
	km_trust_client *client = toy_client(&t);
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	memcpy(all.id, t.release.id, sizeof(all.id));
	toy_publish(&t, client, 2, NULL, &all, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_NOT_LISTED);
	struct km_index_entry entry = toy_entry(&t);

	entry.withdrawn = "bad";
	toy_publish(&t, client, 3, &entry, &all, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_WITHDRAWN);
	/* Staged: silence is not consent. */
	entry.withdrawn = NULL;
	entry.staged = true;
	toy_publish(&t, client, 4, &entry, NULL, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_WAITING);
	toy_publish(&t, client, 5, &entry, &all, NULL);
	check_ok(toy_allows(&t, client, NULL));
	km_trust_destroy(client);
}

/* The thief takes back what a good index gives, and stops; what hosts may load is what it was before him. */
static void a_recall_introduces_nothing(void **state)
{
	km_trust_client *client = toy_client(&t);
	struct km_index_entry entry = toy_entry(&t);
	struct km_rollout_entry recall = {.all = true, .halt = "a thief", .rollback = true};
	enum km_trust_why why = KM_WHY_NONE;

	(void)state;
	memcpy(recall.id, t.release.id, sizeof(recall.id));
	toy_publish(&t, client, 2, &entry, &recall, NULL);
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_HALTED);
	toy_publish(&t, client, 3, NULL, &recall, NULL);
	assert_true(km_trust_recalls(client, t.release.id, NULL));
	toy_refused(toy_allows(&t, client, &why), &why, KM_WHY_NOT_LISTED);
	toy_publish(&t, client, 4, &entry, NULL, NULL);
	assert_false(km_trust_recalls(client, t.release.id, NULL));
	check_ok(toy_allows(&t, client, NULL));
	km_trust_destroy(client);
}

#define ATTACK(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTACK(all_is_well),
		ATTACK(rollback_of_the_timestamp),
		ATTACK(rollback_of_the_index),
		ATTACK(rollback_of_the_rollout),
		ATTACK(rollback_under_a_new_number),
		ATTACK(rollback_of_what_was_named),
		ATTACK(rollback_survives_the_file),
		ATTACK(rollback_of_the_root),
		ATTACK(freeze_by_an_expired_timestamp),
		ATTACK(freeze_by_a_clock_set_back),
		ATTACK(freeze_by_each_document),
		ATTACK(freeze_after_taking),
		ATTACK(freeze_does_not_take_down_what_runs),
		ATTACK(a_clock_wrong_by_a_year),
		ATTACK(an_index_from_the_future),
		ATTACK(mix_and_match),
		ATTACK(mix_of_number_and_content),
		ATTACK(half_an_update),
		ATTACK(another_channel),
		ATTACK(wrong_document),
		ATTACK(wrong_role),
		ATTACK(a_key_signs_only_its_own_document),
		ATTACK(builder_without_reviewer),
		ATTACK(one_key_in_two_roles),
		ATTACK(fast_forward),
		ATTACK(fast_forward_of_the_clock),
		ATTACK(fast_forward_is_no_way_back),
		ATTACK(fast_forward_of_the_root),
		ATTACK(endless_data),
		ATTACK(an_endless_payload),
		ATTACK(key_compromise_below_the_threshold),
		ATTACK(rotation_by_the_old_keys_alone),
		ATTACK(a_withdrawn_key),
		ATTACK(a_higher_threshold),
		ATTACK(a_false_first_root),
		ATTACK(replay_to_another_kernel),
		ATTACK(replay_to_another_host),
		ATTACK(withdrawn),
		ATTACK(halted),
		ATTACK(called_back),
		ATTACK(called_back_by_what_is_named),
		ATTACK(called_back_survives_the_file),
		ATTACK(every_byte_counts),
		ATTACK(another_payload),
		ATTACK(stolen_online_keys_introduce_no_code),
		ATTACK(a_rollout_cannot_add),
		ATTACK(a_recall_introduces_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
