// SPDX-License-Identifier: GPL-2.0-or-later
/* Signing a module with a key in a file or behind PKCS#11. */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "modsig.h"
#include "signer_key.h"

struct km_signer {
	EVP_PKEY *key;
	X509 *cert;
	const EVP_MD *hash;
};

static km_error *read_hash(const char *name, const EVP_MD **ret)
{
	static const char *const known[] = {"sha256", "sha384", "sha512"};

	for (size_t i = 0; i < KM_COUNT(known); i++)
		if (!strcmp(name, known[i])) {
			*ret = EVP_get_digestbyname(name);
			return *ret ? NULL : km_openssl_error(KM_ENV, "OpenSSL has no hash %s", name);
		}
	return km_error_new(KM_USAGE, "a module is signed with sha256, sha384 or sha512, not '%s'", name);
}

static km_error *read_cert(const char *path, X509 **ret)
{
	uint8_t *bytes KM_AUTOFREE = NULL;
	const uint8_t *at;
	size_t size;
	BIO *in;

	KM_TRY(km_file_read(path, &bytes, &size));
	if (size > INT32_MAX)
		return km_error_new(KM_INPUT, "%s is no certificate", path);
	at = bytes;
	*ret = d2i_X509(NULL, &at, (long)size);
	if (*ret)
		return NULL;
	in = BIO_new_mem_buf(bytes, (int)size);
	if (!in)
		km_oom();
	*ret = PEM_read_bio_X509(in, NULL, NULL, NULL);
	BIO_free(in);
	if (*ret)
		ERR_clear_error();
	return *ret ? NULL : km_openssl_error(KM_INPUT, "%s is no certificate, neither PEM nor DER", path);
}

static km_error *check_pair(const km_signer *signer, const struct km_signer_files *files)
{
	if (!EVP_PKEY_is_a(signer->key, "RSA") && !EVP_PKEY_is_a(signer->key, "EC"))
		return km_error_hint(km_error_new(KM_REFUSED, "the key is neither RSA nor of an elliptic curve"),
				     "the kernel's module loader checks only those");
	if (X509_check_private_key(signer->cert, signer->key) == 1)
		return NULL;
	ERR_clear_error();
	return km_error_hint(km_error_new(KM_REFUSED, "the certificate %s does not belong to the signing key", files->cert),
			     "--sign-cert takes the certificate of --sign-key");
}

km_error *km_signer_open(const struct km_signer_files *files, km_signer **ret)
{
	km_signer *signer = km_calloc(1, sizeof(*signer));
	km_error *err = read_hash(files->hash ? files->hash : "sha256", &signer->hash);

	if (!err)
		err = read_cert(files->cert, &signer->cert);
	if (!err)
		err = km_signer_key_read(files->key, files->passphrase_file, &signer->key);
	if (!err)
		err = check_pair(signer, files);
	if (err) {
		km_signer_close(signer);
		return err;
	}
	*ret = signer;
	return NULL;
}

void km_signer_close(km_signer *signer)
{
	if (!signer)
		return;
	EVP_PKEY_free(signer->key);
	X509_free(signer->cert);
	free(signer);
}

/* The kernel hashes the module itself: no attributes stand between, and its certificates are its own. */
static km_error *make_cms(const km_signer *signer, const uint8_t *bytes, size_t size, uint8_t **der, int *der_size)
{
	const unsigned flags = CMS_BINARY | CMS_DETACHED | CMS_NOCERTS | CMS_PARTIAL;
	CMS_ContentInfo *cms = NULL;
	BIO *in;
	bool good;

	if (size > INT32_MAX)
		return km_error_new(KM_REFUSED, "the module is too large to be signed");
	in = BIO_new_mem_buf(bytes, (int)size);
	if (!in)
		km_oom();
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_STREAM);
	good = cms && CMS_add1_signer(cms, signer->cert, signer->key, signer->hash, flags | CMS_NOATTR | CMS_NOSMIMECAP) &&
	       CMS_final(cms, in, NULL, flags) == 1;
	*der = NULL;
	*der_size = good ? i2d_CMS_ContentInfo(cms, der) : -1;
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	return *der_size > 0 ? NULL : km_openssl_error(KM_ENV, "cannot sign the module");
}

km_error *km_signer_sign(const km_signer *signer, uint8_t **bytes, size_t *size)
{
	uint8_t head[MODSIG_HEAD_LEN] = {[MODSIG_TYPE_AT] = MODSIG_PKCS7}, *der = NULL;
	struct km_modsig before;
	bool is_signed;
	int n = 0;

	km_modsig_read(*bytes, *size, &before);
	is_signed = before.there;
	km_modsig_free(&before);
	if (is_signed)
		return km_error_new(KM_REFUSED, "the module has a signature already");
	KM_TRY(make_cms(signer, *bytes, *size, &der, &n));
	for (unsigned i = 0; i < 4; i++)
		head[8 + i] = (uint8_t)((unsigned)n >> (24 - 8 * i));
	km_str all = {0};
	km_str_addn(&all, *bytes, *size);
	km_str_addn(&all, der, (size_t)n);
	km_str_addn(&all, head, sizeof(head));
	km_str_addn(&all, MODSIG_MAGIC, MODSIG_MAGIC_LEN);
	OPENSSL_free(der);
	free(*bytes);
	*bytes = (uint8_t *)all.at;
	*size = all.n;
	return NULL;
}
