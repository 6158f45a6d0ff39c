/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin.h - kmend-admin: the publisher's and the operator's verbs. A verb may have actions: "channel add" stands in the
 * table as such. */
#ifndef KMEND_ADMIN_H
#define KMEND_ADMIN_H

#include <kmend/http.h>
#include <kmend/publish.h>

#include "cmd.h"

/* Tables of the verbs, each in its file; end with name NULL. */
extern const struct cmd publish_cmds[], release_cmds[], channel_cmds[], rollout_cmds[], token_cmds[], admin_cmds[],
	host_cmds[], audit_cmds[], bundle_cmds[];

/* What most actions take, at the same places of their tables; an action's own options begin at AT_OWN. */
enum { AT_TRUST, AT_SERVER, AT_TOKEN, AT_CA, AT_PROXY, AT_OWN };
#define COMMON_OPTIONS                                                                                                 \
	[AT_TRUST] = {"trust", "DIR", "the publisher's directory, as kmend key ceremony makes it"},                    \
	[AT_SERVER] = {"server", "URL", "the server"},                                                                 \
	[AT_TOKEN] = {"token-file", "FILE", "its first line is an admin token"},                                       \
	[AT_CA] = {"ca", "FILE", "certificates that the server's must be signed by"},                                  \
	[AT_PROXY] = {"proxy", "URL", "the way to the server"}

/* ---- setup.c: where the server is and what is at hand ------------------------------------------------------------ */
struct setup {
	char *trust, *server, *token_file, *ca, *proxy; /* each NULL when it is said nowhere */
	bool server_given;				/* on the command line */
};
/* The options, then KMEND_TRUST and KMEND_SERVER, then admin.conf. */
KM_CHECKED km_error *setup_read(const struct cmd_args *args, struct setup *ret);
void setup_free(struct setup *setup);
/* The admin token: of the token file, else KMEND_ADMIN_TOKEN; freed with secret_free(). */
KM_CHECKED km_error *setup_token(const struct setup *setup, char **ret);
/* A secret that is shown once must have its place before it is asked for: makes an empty file that only its owner can
 * read, never over an existing one. NULL is fine. */
KM_CHECKED km_error *secret_reserve(const char *path);
/* Writes it there. */
KM_CHECKED km_error *secret_write(const char *path, const char *text);

/* ---- keys.c: roots and keys that are at hand --------------------------------------------------------------------- */
/* The newest root of setup->trust, verified along its chain; id (may be NULL) is its fingerprint. */
KM_CHECKED km_error *keys_root(const struct setup *setup, struct km_root *ret, char id[KM_SHA256_HEX]);
/* Signs with the private keys in those files ("A,B"), asking for passphrases; passphrase_file may be NULL. */
KM_CHECKED km_error *keys_sign(km_envelope *envelope, const char *files, const char *passphrase_file);
/* The same with files NULL: with the keys of setup->trust whose role signs such documents. KM_USAGE when there is none.
 */
KM_CHECKED km_error *keys_sign_as(const struct setup *setup, km_envelope *envelope, const char *files,
				  const char *passphrase_file);
/* Adds detached signatures ("A,B"), each of which must be good under the root. */
KM_CHECKED km_error *keys_add(km_envelope *envelope, const struct km_root *root, const char *files);

/* ---- api.c: the server ------------------------------------------------------------------------------------------- */
struct api {
	km_http_client *client;
	char *token;
	bool raw; /* texts stay as they are: for what is hashed and not shown */
};
/* Reaches for nothing yet. KM_USAGE when no server or no token is known. */
KM_CHECKED km_error *api_open(const struct setup *setup, struct api *ret);
void api_close(struct api *api);
/* Asks for JSON. Its texts have no control characters any more. fmt makes the path. */
KM_CHECKED km_error *api_get(const struct api *api, json_t **ret, const char *fmt, ...) KM_PRINTF(3, 4);
/* The same with a method and a body, which is taken (NULL: none). ret may be NULL. */
KM_CHECKED km_error *api_send(const struct api *api, const char *method, json_t *body, json_t **ret, const char *fmt,
			      ...) KM_PRINTF(5, 6);
/* The bytes of a document or file, at most max; for free(). *missing (may be NULL, then it is an error): there is none.
 */
KM_CHECKED km_error *api_fetch(const struct api *api, size_t max, uint8_t **bytes, size_t *size, bool *missing,
			       const char *fmt, ...) KM_PRINTF(6, 7);
/* Posts a signed document. */
KM_CHECKED km_error *api_document(const struct api *api, const km_envelope *envelope, const char *fmt, ...)
	KM_PRINTF(3, 4);
/* Puts a payload or diff. */
KM_CHECKED km_error *api_blob(const struct api *api, const struct km_blob *blob);
/* Asks page by page (`path` may have a query), as long as each names a next one, and gives all elements of `key` as one
 * array. cursor is the argument that takes it: "after", "before". At most `limit` elements, 0 for all. */
KM_CHECKED km_error *api_pages(const struct api *api, const char *path, const char *key, const char *cursor,
			       size_t limit, json_t **ret);

/* ---- find.c: what a word means ----------------------------------------------------------------------------------- */
/* A release: its id, a file, or with a server the begin of an id, NAME-VERSION or NAME. api may be NULL. */
KM_CHECKED km_error *find_release(const struct api *api, const char *word, char ret[static KM_SHA256_HEX]);
/* "kmend_fix 1 (77ab12cd34ef)", as far as releases (GET releases) know it; for free(). */
char *find_release_name(const json_t *releases, const char *id);
/* A host by the begin of its id, at least 4 digits. */
KM_CHECKED km_error *find_host(const struct api *api, const char *word, char ret[static KM_SHA256_HEX]);
/* The error that the server has no such channel, with the one that may be meant. */
KM_CHECKED km_error *find_no_channel(const struct api *api, const char *channel);
/* The index of a channel as the server has it, verified by the root; *size 0 and bytes NULL: no such channel. */
KM_CHECKED km_error *find_index(const struct api *api, const struct km_root *root, const char *channel,
				km_envelope **envelope, struct km_index *ret);

/* ---- words.c: what options mean ---------------------------------------------------------------------------------- */
/* "90", "90s", "15m", "2h", "3d" in seconds. */
KM_CHECKED km_error *words_duration(const char *option, const char *text, int64_t *ret);
/* A point in time: a date as trust_date() takes it, or "+2h" from now on. */
KM_CHECKED km_error *words_time(const char *option, const char *text, int64_t now, int64_t *ret);
/* "5%", "0.25%" in 1/10000. */
KM_CHECKED km_error *words_share(const char *option, const char *text, unsigned *ret);
/* A number from 0 to max. */
KM_CHECKED km_error *words_number(const char *option, const char *text, int64_t max, int64_t *ret);
/* --reason, which must be there and not be empty. */
KM_CHECKED km_error *words_reason(const char *text, const char **ret);

/* ---- table.c: columns for people --------------------------------------------------------------------------------- */
struct table {
	size_t columns;
	km_strv cells; /* row by row; the first row is the head */
};
/* A table with these heads ("ID|NAME|STATE"). */
void table_begin(struct table *table, const char *heads);
/* One more cell. NULL is "". */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *fmt, ...) KM_PRINTF(2, 3);
/* Prints it, or `nothing` when it has no row but the head, and frees it. */
void table_end(struct table *table, const char *nothing);
/* A text of a JSON object, "" when it is none; a number, 0 when it is none. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);
/* "2026-03-01 12:00", "" for 0; into a buffer of its own. */
const char *short_time(int64_t t, char out[static 32]);
/* "3 min ago". */
const char *time_ago(int64_t t, int64_t now, char out[static 32]);
/* The strings of an array with blanks between; for free(). */
char *json_words(const json_t *array);

#endif
