/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/modsig.h - the signature that stands behind a kernel module's bytes:
 *
 *	the module (ELF)
 *	a signature: PKCS#7 / CMS signed data in DER, detached; ours has no certificates and no attributes
 *	12 bytes: 0, 0, 2 (PKCS#7), 0, 0, three of padding, and the signature's size as a big-endian u32
 *	"~Module signature appended~\n"
 *
 * The kernel's Documentation/admin-guide/module-signing.rst and include/linux/module_signature.h describe it.
 */
#ifndef KMEND_MODSIG_H
#define KMEND_MODSIG_H

#include <kmend/base.h>

/* ---- what a signature says of itself ------------------------------------------------------------------------------ */
/* Nothing here is verified: that takes the signer's certificate, which only the kernel that loads the module decides on. All texts are
 * safe to print. */
struct km_modsig {
	size_t body;      /* bytes of the module itself, before the signature; all of them when there is none */
	bool there;       /* the file ends like a signed one */
	char *damaged;    /* why the signature cannot be read, or NULL; then all below is empty */
	unsigned signers; /* those below are the first one's */
	char *issuer;     /* of the signer's certificate (RFC 2253); NULL when the signature names a key instead */
	char *serial;     /* of the certificate, in hex, or NULL */
	char *key_id;     /* the key's identifier in hex, when there is no issuer, or NULL */
	char *hash;       /* "sha256" */
};
/* Reads the end of a module, which may hold anything. Freed with km_modsig_free(). */
void km_modsig_read(const void *bytes, size_t size, struct km_modsig *ret);
/* Frees the texts; *sig is empty. */
void km_modsig_free(struct km_modsig *sig);

/* ---- making one --------------------------------------------------------------------------------------------------- */
struct km_signer_files {
	const char *key;  /* a file with a private key (PEM), or a PKCS#11 URI */
	const char *cert; /* a file with its certificate, PEM or DER */
	const char *hash; /* sha256, sha384 or sha512; NULL: sha256, which every kernel that checks signatures has built in */
	const char *passphrase_file; /* its first line; NULL: $KMEND_SIGN_PASSPHRASE, if that is set. With PKCS#11: the PIN */
};
typedef struct km_signer km_signer;
/* Opens the key and makes sure that the certificate belongs to it. KM_USAGE for a hash that is none of these, KM_ENV for files that cannot
 * be read, KM_INPUT for what is in them, KM_REFUSED for a pair that does not belong together. */
KM_CHECKED km_error *km_signer_open(const struct km_signer_files *files, km_signer **ret);
/* Forgets the key; NULL is fine. */
void km_signer_close(km_signer *signer);
/* Appends the signature to a module, *bytes, which is reallocated. KM_REFUSED when it has one already. */
KM_CHECKED km_error *km_signer_sign(const km_signer *signer, uint8_t **bytes, size_t *size);

#endif
