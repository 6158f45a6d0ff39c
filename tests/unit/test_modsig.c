// SPDX-License-Identifier: GPL-2.0-or-later
/* The signature behind a module: what is made verifies, what is damaged is named, what does not belong together is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "modsig.h"

static char dir[] = "/tmp/kmend-modsig.XXXXXX";
enum { TAIL = MODSIG_MAGIC_LEN + MODSIG_HEAD_LEN };
static const char module[] = "the bytes of a module";

static char *in_dir(const char *name, const char *ending)
{
	return km_printf("%s/%s%s", dir, name, ending);
}

static X509 *make_cert(EVP_PKEY *key, const char *name, const EVP_MD *hash)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_get_subject_name(cert);

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 0x1234abcd);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_set_pubkey(cert, key);
	assert_int_not_equal(X509_sign(cert, key, hash), 0);
	return cert;
}

/* NAME.pem, NAME.key (encrypted as NAME.locked too), NAME.der. */
static void make_pair(const char *name, EVP_PKEY *key, const EVP_MD *hash)
{
	char *key_path KM_AUTOFREE = in_dir(name, ".key"), *locked KM_AUTOFREE = in_dir(name, ".locked");
	char *pem KM_AUTOFREE = in_dir(name, ".pem"), *der KM_AUTOFREE = in_dir(name, ".der");
	X509 *cert = make_cert(key, name, hash);
	FILE *f = fopen(key_path, "w");

	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = fopen(locked, "w");
	PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const uint8_t *)"secret", 6, NULL, NULL);
	fclose(f);
	f = fopen(pem, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	f = fopen(der, "w");
	i2d_X509_fp(f, cert);
	fclose(f);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int make_files(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	make_pair("rsa", EVP_RSA_gen(2048), EVP_sha256());
	make_pair("ec", EVP_EC_gen("P-384"), EVP_sha256());
	make_pair("ed", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL);
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	km_error_free(km_remove_tree(dir));
	return 0;
}

static km_error *open_pair(const char *key, const char *cert, const char *hash, km_signer **ret)
{
	char *key_path KM_AUTOFREE = in_dir(key, ""), *cert_path KM_AUTOFREE = in_dir(cert, "");
	struct km_signer_files files = {.key = key_path, .cert = cert_path, .hash = hash};

	return km_signer_open(&files, ret);
}

static void make_signed(const char *key, const char *cert, const char *hash, uint8_t **bytes, size_t *size)
{
	km_signer *signer = NULL;

	assert_null(open_pair(key, cert, hash, &signer));
	*bytes = (uint8_t *)km_strdup(module);
	*size = strlen(module);
	assert_null(km_signer_sign(signer, bytes, size));
	km_signer_close(signer);
}

/* As the kernel does: the certificate is its own, the bytes are those before the signature. */
static bool verifies(const uint8_t *bytes, size_t size, const char *cert_name)
{
	char *path KM_AUTOFREE = in_dir(cert_name, ".pem");
	const uint8_t *head = bytes + size - TAIL, *at;
	size_t n = (size_t)head[10] << 8 | head[11];
	STACK_OF(X509) *certs = sk_X509_new_null();
	FILE *f = fopen(path, "r");
	CMS_ContentInfo *cms;
	BIO *content;
	bool good;

	at = head - n;
	content = BIO_new_mem_buf(bytes, (int)(size - TAIL - n));
	sk_X509_push(certs, PEM_read_X509(f, NULL, NULL, NULL));
	fclose(f);
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)n);
	assert_non_null(cms);
	assert_ptr_equal(at, head);
	assert_null(CMS_get1_certs(cms));
	assert_int_equal(CMS_signed_get_attr_count(sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0)), -1);
	good = CMS_verify(cms, certs, NULL, content, NULL, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	sk_X509_pop_free(certs, X509_free);
	return good;
}

static void signatures_verify(void **state)
{
	static const struct {
		const char *key, *cert, *name, *hash;
	} cases[] = {
		{"rsa.key", "rsa.pem", "rsa", NULL},	  {"rsa.key", "rsa.der", "rsa", "sha384"},
		{"rsa.key", "rsa.pem", "rsa", "sha512"}, {"ec.key", "ec.pem", "ec", "sha256"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *issuer KM_AUTOFREE = km_printf("CN=%s", cases[i].name);
		uint8_t *bytes KM_AUTOFREE = NULL;
		struct km_modsig sig;
		size_t size;

		make_signed(cases[i].key, cases[i].cert, cases[i].hash, &bytes, &size);
		assert_memory_equal(bytes, module, strlen(module));
		km_modsig_read(bytes, size, &sig);
		assert_true(sig.there);
		assert_null(sig.damaged);
		assert_int_equal(sig.body, strlen(module));
		assert_int_equal(sig.signers, 1);
		assert_string_equal(sig.issuer, issuer);
		assert_string_equal(sig.serial, "1234abcd");
		assert_string_equal(sig.hash, cases[i].hash ? cases[i].hash : "sha256");
		km_modsig_free(&sig);
		assert_true(verifies(bytes, size, cases[i].name));
		bytes[3] ^= 1;
		assert_false(verifies(bytes, size, cases[i].name));
	}
}

/* RSA with no attributes: no time, no salt. */
static void rsa_gives_the_same_bytes(void **state)
{
	uint8_t *one KM_AUTOFREE = NULL, *two KM_AUTOFREE = NULL;
	size_t n, m;

	(void)state;
	make_signed("rsa.key", "rsa.pem", NULL, &one, &n);
	make_signed("rsa.key", "rsa.pem", NULL, &two, &m);
	assert_int_equal(n, m);
	assert_memory_equal(one, two, n);
}

static void bad_pairs_are_refused(void **state)
{
	static const struct {
		const char *key, *cert, *hash, *says;
		enum km_code code;
	} cases[] = {
		{"rsa.key", "ec.pem", NULL, "does not belong", KM_REFUSED},
		{"ed.key", "ed.pem", NULL, "neither RSA", KM_REFUSED},
		{"rsa.key", "rsa.key", NULL, "is no certificate", KM_INPUT},
		{"rsa.pem", "rsa.pem", NULL, "cannot read a private key", KM_INPUT},
		{"none.key", "rsa.pem", NULL, "none.key", KM_ENV},
		{"rsa.key", "rsa.pem", "md5", "not 'md5'", KM_USAGE},
		{"rsa.locked", "rsa.pem", NULL, "is encrypted", KM_USAGE},
	};

	(void)state;
	unsetenv("KMEND_SIGN_PASSPHRASE");
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_signer *signer = NULL;
		km_error *err = open_pair(cases[i].key, cases[i].cert, cases[i].hash, &signer);

		assert_non_null(err);
		assert_null(signer);
		if (err->code != cases[i].code || !strstr(err->message, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err->message, cases[i].says);
		km_error_free(err);
	}
}

static void passphrases_open_keys(void **state)
{
	char *file KM_AUTOFREE = in_dir("passphrase", ""), *key KM_AUTOFREE = in_dir("rsa.locked", "");
	char *cert KM_AUTOFREE = in_dir("rsa.pem", "");
	struct km_signer_files files = {.key = key, .cert = cert};
	km_signer *signer = NULL;
	km_error *err;

	(void)state;
	setenv("KMEND_SIGN_PASSPHRASE", "secret", 1);
	assert_null(km_signer_open(&files, &signer));
	km_signer_close(signer);
	setenv("KMEND_SIGN_PASSPHRASE", "wrong", 1);
	err = km_signer_open(&files, &signer);
	assert_non_null(err);
	assert_non_null(strstr(err->hint, "passphrase"));
	km_error_free(err);
	assert_null(km_file_write(file, "secret\n", 7)); /* wins over the environment */
	files.passphrase_file = file;
	assert_null(km_signer_open(&files, &signer));
	km_signer_close(signer);
	unsetenv("KMEND_SIGN_PASSPHRASE");
}

static void a_signed_module_is_not_signed_again(void **state)
{
	uint8_t *bytes KM_AUTOFREE = NULL;
	km_signer *signer = NULL;
	km_error *err;
	size_t size;

	(void)state;
	make_signed("rsa.key", "rsa.pem", NULL, &bytes, &size);
	assert_null(open_pair("rsa.key", "rsa.pem", NULL, &signer));
	err = km_signer_sign(signer, &bytes, &size);
	assert_non_null(err);
	assert_int_equal(err->code, KM_REFUSED);
	km_error_free(err);
	km_signer_close(signer);
}

static void damaged_signatures_are_named(void **state)
{
	/* `back` counts from the end of the file. */
	static const struct {
		size_t back;
		uint8_t value;
		const char *says;
	} cases[] = {
		{MODSIG_MAGIC_LEN + 12, 1, "header"},	 {MODSIG_MAGIC_LEN + 10, 1, "of a kind"},
		{MODSIG_MAGIC_LEN + 9, 4, "header"},	 {MODSIG_MAGIC_LEN + 5, 1, "header"},
		{MODSIG_MAGIC_LEN + 4, 0xff, "size"},	 {MODSIG_MAGIC_LEN + 3, 0x7f, "size"},
		{MODSIG_MAGIC_LEN + 1, 0x01, "PKCS#7"}, {TAIL + 1, 0, NULL},
	};
	uint8_t *whole KM_AUTOFREE = NULL;
	size_t size;

	(void)state;
	make_signed("rsa.key", "rsa.pem", NULL, &whole, &size);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		uint8_t *bytes KM_AUTOFREE = km_calloc(size, 1);
		struct km_modsig sig;

		memcpy(bytes, whole, size);
		bytes[size - cases[i].back] = cases[i].value;
		km_modsig_read(bytes, size, &sig);
		assert_true(sig.there && sig.body < size);
		if (!cases[i].says) /* a byte of the RSA number itself: only verifying can tell */
			assert_null(sig.damaged);
		else if (!sig.damaged || !strstr(sig.damaged, cases[i].says))
			fail_msg("case %zu: \"%s\"", i, sig.damaged ? sig.damaged : "not damaged");
		km_modsig_free(&sig);
	}
}

/* Whatever is cut off or turned over: no read past the end, and the body never grows. */
static void any_bytes_are_read(void **state)
{
	uint8_t *whole KM_AUTOFREE = NULL;
	struct km_modsig sig;
	size_t size;

	(void)state;
	make_signed("ec.key", "ec.pem", NULL, &whole, &size);
	for (size_t i = 0; i < size; i++) {
		uint8_t *part KM_AUTOFREE = km_calloc(size - i, 1);

		memcpy(part, whole + i, size - i);
		km_modsig_read(part, size - i, &sig);
		assert_true(sig.body <= size - i);
		km_modsig_free(&sig);
		whole[i] ^= 0x40;
		km_modsig_read(whole, size, &sig);
		assert_int_equal(sig.there, i < size - MODSIG_MAGIC_LEN);
		km_modsig_free(&sig);
		whole[i] ^= 0x40;
	}
	km_modsig_read("", 0, &sig);
	assert_false(sig.there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_verify),
		cmocka_unit_test(rsa_gives_the_same_bytes),
		cmocka_unit_test(bad_pairs_are_refused),
		cmocka_unit_test(passphrases_open_keys),
		cmocka_unit_test(a_signed_module_is_not_signed_again),
		cmocka_unit_test(damaged_signatures_are_named),
		cmocka_unit_test(any_bytes_are_read),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
