/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The private key that signs modules. */
#ifndef KMEND_PATCH_SIGNER_KEY_H
#define KMEND_PATCH_SIGNER_KEY_H

#include <openssl/evp.h>

#include <kmend/base.h>

/* From a PEM file, or from a token when it begins with "pkcs11:". passphrase_file may be NULL. The key is the caller's. */
KM_CHECKED km_error *km_signer_key_read(const char *key, const char *passphrase_file, EVP_PKEY **ret);
/* The text, and behind it OpenSSL's first reason, if it gives one; its queue of errors is empty afterwards. */
KM_CHECKED km_error *km_openssl_error(enum km_code code, const char *fmt, ...) KM_PRINTF(2, 3);

#endif
