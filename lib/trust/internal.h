/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of lib/trust share. */
#ifndef KMEND_TRUST_INTERNAL_H
#define KMEND_TRUST_INTERNAL_H

#include <kmend/json.h>
#include <kmend/trust.h>

/* libsodium is ready; it ends the program when the machine has no randomness at all. */
void trust_sodium(void);
/* An error for that reason: KM_INPUT for malformed and too large, else KM_REFUSED. Sets *why unless why is NULL. */
KM_CHECKED km_error *trust_refuse(enum km_trust_why *why, enum km_trust_why which, const char *fmt, ...)
	KM_PRINTF(3, 4);
/* The roles that sign a document, as a bit set of 1 << role. */
unsigned trust_roles(enum km_doc doc);

/* ---- body.c ------------------------------------------------------------------------------------------------------ */
/* The body of an envelope as the outermost object. Checks type and format. */
struct km_fields fields_body(const km_envelope *envelope, struct km_json *json);

/* What texts may be; each for km_fields_text(). */
bool text_version(const char *s); /* printable ASCII without blanks, 1 to KM_TRUST_NAME_MAX */
bool text_key_name(const char *s);
bool text_module(const char *s);  /* a-z 0-9 _, begun with a letter, at most 55 */
bool text_reason(const char *s);  /* UTF-8 without control characters, at most KM_TRUST_REASON_MAX */
bool text_summary(const char *s); /* the same, at most 1000 */
bool text_cve(const char *s);
bool text_severity(const char *s);
bool text_build_id(const char *s);

enum { FORMAT = 1 };
#define TIME_MAX ((int64_t)253402300799) /* the end of the year 9999 */

/* "type" and "format" of a body that is being written. */
json_t *body_begin(enum km_doc doc);
/* Appends; NULL (a text that is no UTF-8) as a null, which no parser here takes: nothing that was asked for may be left
 * out in silence. */
void body_append(json_t *array, json_t *value);
/* The body's bytes in an envelope, parsed once more by `parse` (through km_body_check()): whatever is written can be
 * read. Lets go of o. */
KM_CHECKED km_error *body_end(enum km_doc doc, json_t *o, km_envelope **ret);

/* ---- client.c ---------------------------------------------------------------------------------------------------- */
struct km_trust_client {
	char *channel;
	int64_t floor; /* the youngest timestamp's date: no clock is believed that shows less */
	int64_t seen_timestamp, seen_index, seen_rollout; /* highest versions taken */
	struct km_named named_index, named_rollout;	  /* by the last timestamp */
	km_envelope *envelopes[KM_DOCS];		  /* what is held; never a release */
	struct km_root root;
	struct km_index index;
	struct km_rollout rollout;
	struct km_timestamp timestamp;
};
/* Time as the client believes it. */
int64_t client_now(const km_trust_client *client, int64_t now);
/* Parses what the envelope holds into the client and keeps the envelope; the one before goes. *envelope becomes NULL on
 * success. */
KM_CHECKED km_error *client_hold(km_trust_client *client, km_envelope **envelope);

/* ---- key.c ------------------------------------------------------------------------------------------------------- */
struct km_private_key {
	struct km_public_key public;
	uint8_t seed[KM_KEY_LEN];
	uint8_t secret[64];
};
/* The key pair of a seed. */
km_private_key *key_of_seed(enum km_role role, const char *name, const uint8_t seed[static KM_KEY_LEN]);
/* The id of 32 bytes. */
void key_id(const uint8_t key[static KM_KEY_LEN], char out[static KM_SHA256_HEX]);

/* ---- public.c ---------------------------------------------------------------------------------------------------- */
/* Opens the lock of a publisher's directory. */
KM_CHECKED km_error *public_lock(const char *dir, int *fd);
/* Names in dir that end with suffix, sorted; a directory that is absent has none. */
KM_CHECKED km_error *public_names(const char *dir, const char *suffix, km_strv *ret);
/* The private keys of DIR/keys of that role that can be opened, but those that have signed `skip`. */
typedef km_vec(km_private_key *) key_list;
struct key_asker {
	/* As in struct km_ceremony; NULL: keys that need a passphrase are left out. */
	km_error *(*passphrase)(void *ctx, const char *key, bool is_new, char **ret);
	void *ctx;
	const km_envelope *skip; /* or NULL */
};
KM_CHECKED km_error *public_keys(const char *dir, enum km_role role, const struct key_asker *asker, key_list *ret);
/* Frees the keys and the list. */
void key_list_free(key_list *list);

/* Wipes and frees a passphrase; NULL is fine. */
void passphrase_free(char *text);

#endif
