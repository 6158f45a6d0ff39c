/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin.h - kmend-admin: the publisher's and the operator's verbs. A verb may have actions: "channel add" stands in the
 * table as such. */
#ifndef KMEND_ADMIN_H
#define KMEND_ADMIN_H

#include <kmend/publish.h>

#include "cmd.h"

/* Tables of the verbs, each in its file; end with name NULL. */
extern const struct cmd publish_cmds[], release_cmds[], channel_cmds[];

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

#endif
