// SPDX-License-Identifier: GPL-2.0-or-later
/* A private key from a file, or from a token through OpenSSL's PKCS#11 provider or, where there is none, its engine. */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines: all that Debian 12 has for PKCS#11 */
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include "signer_key.h"

enum { PASSPHRASE_MAX = 1024 };

km_error *km_openssl_error(enum km_code code, const char *fmt, ...)
{
	unsigned long number = ERR_get_error();
	const char *reason = number ? ERR_reason_error_string(number) : NULL;
	char *text KM_AUTOFREE = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	ERR_clear_error();
	return reason ? km_error_new(code, "%s: %s", text, reason) : km_error_new(code, "%s", text);
}

/* ---- the passphrase ---- */

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
}

/* NULL in *ret: none was given. */
static km_error *passphrase(const char *file, char **ret)
{
	const char *env = getenv("KMEND_SIGN_PASSPHRASE");
	uint8_t *bytes;
	size_t size, n;

	*ret = NULL;
	if (!file) {
		*ret = env ? km_strdup(env) : NULL;
		return NULL;
	}
	KM_TRY(km_file_read(file, &bytes, &size));
	n = strcspn((char *)bytes, "\r\n");
	if (n < PASSPHRASE_MAX)
		*ret = km_strndup((char *)bytes, n);
	explicit_bzero(bytes, size);
	free(bytes);
	return *ret ? NULL : km_error_new(KM_INPUT, "the passphrase in %s is too long", file);
}

struct answer {
	const char *text;
	bool asked;
};

/* OpenSSL asks only for a key that is encrypted; without this it would ask the terminal. */
static int give(char *buffer, int size, int writing, void *ctx)
{
	struct answer *answer = ctx;
	size_t n;

	(void)writing;
	answer->asked = true;
	if (!answer->text)
		return -1;
	n = strlen(answer->text);
	if (n > (size_t)size)
		return -1;
	memcpy(buffer, answer->text, n);
	return (int)n;
}

static km_error *no_key(const char *key, const struct answer *answer)
{
	km_error *err;

	if (answer->asked && !answer->text)
		return km_error_hint(km_openssl_error(KM_USAGE, "the signing key %s is encrypted", key),
				     "set KMEND_SIGN_PASSPHRASE, or give --sign-passphrase-file FILE");
	err = km_openssl_error(KM_INPUT, "cannot read a private key from %s", key);
	return answer->asked ? km_error_hint(err, "is the passphrase right?") : err;
}

static km_error *from_file(const char *path, struct answer *answer, EVP_PKEY **ret)
{
	uint8_t *bytes;
	size_t size;
	BIO *in;

	KM_TRY(km_file_read(path, &bytes, &size));
	in = BIO_new_mem_buf(bytes, size < INT32_MAX ? (int)size : 0);
	if (!in)
		km_oom();
	*ret = PEM_read_bio_PrivateKey(in, NULL, give, answer);
	BIO_free(in);
	explicit_bzero(bytes, size);
	free(bytes);
	return *ret ? NULL : no_key(path, answer);
}

/* ---- PKCS#11 ---- */

static EVP_PKEY *from_provider(const char *uri, struct answer *answer)
{
	UI_METHOD *ui = UI_UTIL_wrap_read_pem_callback(give, 0);
	OSSL_STORE_CTX *store = OSSL_STORE_open(uri, ui, answer, NULL, NULL);
	EVP_PKEY *key = NULL;

	while (store && !key && !OSSL_STORE_eof(store)) {
		OSSL_STORE_INFO *found = OSSL_STORE_load(store);

		if (!found && OSSL_STORE_error(store))
			break;
		if (found && OSSL_STORE_INFO_get_type(found) == OSSL_STORE_INFO_PKEY)
			key = OSSL_STORE_INFO_get1_PKEY(found);
		OSSL_STORE_INFO_free(found);
	}
	OSSL_STORE_close(store);
	UI_destroy_method(ui);
	return key;
}

#ifndef OPENSSL_NO_ENGINE
/* *missing: there is no such engine. One that gave a key stays as long as the program: the key lives in it. */
static EVP_PKEY *from_engine(const char *uri, struct answer *answer, bool *missing)
{
	ENGINE *engine;
	EVP_PKEY *key = NULL;

	ENGINE_load_builtin_engines();
	engine = ENGINE_by_id("pkcs11");
	*missing = !engine;
	if (!engine)
		return NULL;
	if (ENGINE_init(engine)) {
		if (!answer->text || ENGINE_ctrl_cmd_string(engine, "PIN", answer->text, 0))
			key = ENGINE_load_private_key(engine, uri, NULL, NULL);
		if (!key)
			ENGINE_finish(engine);
	}
	ENGINE_free(engine);
	return key;
}
#else
static EVP_PKEY *from_engine(const char *uri, struct answer *answer, bool *missing)
{
	(void)uri;
	(void)answer;
	*missing = true;
	return NULL;
}
#endif

static km_error *from_token(const char *uri, struct answer *answer, EVP_PKEY **ret)
{
	bool missing = false;

	*ret = from_provider(uri, answer);
	if (!*ret) {
		ERR_clear_error();
		*ret = from_engine(uri, answer, &missing);
	}
	if (*ret)
		ERR_clear_error();
	else if (missing)
		return km_error_hint(km_openssl_error(KM_ENV, "OpenSSL cannot open PKCS#11 tokens here"),
				     "install libengine-pkcs11-openssl or pkcs11-provider");
	if (*ret)
		return NULL;
	return km_error_hint(no_key(uri, answer), "the PIN comes from KMEND_SIGN_PASSPHRASE or --sign-passphrase-file FILE");
}

km_error *km_signer_key_read(const char *key, const char *passphrase_file, EVP_PKEY **ret)
{
	KM_CLEANUP(wipe) char *secret = NULL;
	struct answer answer = {0};

	KM_TRY(passphrase(passphrase_file, &secret));
	answer.text = secret;
	return km_starts(key, "pkcs11:") ? from_token(key, &answer, ret) : from_file(key, &answer, ret);
}
