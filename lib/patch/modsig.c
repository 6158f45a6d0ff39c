// SPDX-License-Identifier: GPL-2.0-or-later
/* What the signature behind a module says of itself. The bytes are anyone's. */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "modsig.h"

enum {
	DER_MAX = 1 << 20, /* real ones have hundreds of bytes, with certificates some thousands */
	SERIAL_MAX = 64,   /* bytes; RFC 5280 allows 20 */
	TEXT_MAX = 256,
};

static char *hex_of(const ASN1_OCTET_STRING *s)
{
	int length = s ? ASN1_STRING_length(s) : 0;
	size_t n = length < SERIAL_MAX ? (size_t)length : SERIAL_MAX;
	char *text;

	if (!n)
		return NULL;
	text = km_calloc(2 * n + 1, 1);
	km_hex(ASN1_STRING_get0_data(s), n, text);
	return text;
}

static char *name_of(const X509_NAME *name)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes, *text = NULL;
	long n;

	if (!out)
		km_oom();
	if (X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_get_mem_data(out, &bytes);
		char *whole KM_AUTOFREE = km_strndup(n > 0 ? bytes : "", n > 0 ? (size_t)n : 0);

		text = km_plain_of(whole, TEXT_MAX);
	}
	BIO_free(out);
	return text ? text : km_strdup("?");
}

static char *hash_of(CMS_SignerInfo *signer)
{
	const ASN1_OBJECT *oid;
	X509_ALGOR *digest = NULL;
	char text[80], *c;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	if (!digest)
		return km_strdup("?");
	X509_ALGOR_get0(&oid, NULL, NULL, digest);
	if (OBJ_obj2txt(text, sizeof(text), oid, 0) <= 0)
		return km_strdup("?");
	for (c = text; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	return km_plain_of(text, TEXT_MAX);
}

static const char *read_cms(const uint8_t *der, size_t size, struct km_modsig *ret)
{
	const uint8_t *at = der;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &at, (long)size);
	STACK_OF(CMS_SignerInfo) *signers = NULL;
	ASN1_OCTET_STRING *key = NULL;
	ASN1_INTEGER *serial = NULL;
	X509_NAME *issuer = NULL;
	const char *problem = NULL;
	CMS_SignerInfo *first;

	if (!cms || at != der + size)
		problem = "it is no PKCS#7 message";
	else if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		problem = "its PKCS#7 message is not signed data";
	else if (!(signers = CMS_get0_SignerInfos(cms)) || sk_CMS_SignerInfo_num(signers) < 1)
		problem = "it has no signer";
	if (!problem) {
		first = sk_CMS_SignerInfo_value(signers, 0);
		CMS_SignerInfo_get0_signer_id(first, &key, &issuer, &serial);
		ret->signers = (unsigned)sk_CMS_SignerInfo_num(signers);
		ret->issuer = issuer ? name_of(issuer) : NULL;
		ret->serial = hex_of(serial);
		ret->key_id = hex_of(key);
		ret->hash = hash_of(first);
	}
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return problem;
}

void km_modsig_read(const void *bytes, size_t size, struct km_modsig *ret)
{
	const size_t tail = MODSIG_MAGIC_LEN + MODSIG_HEAD_LEN;
	const uint8_t *all = bytes, *head;
	const char *problem = NULL;
	size_t n = 0;

	*ret = (struct km_modsig){.body = size};
	if (size < tail || memcmp(all + size - MODSIG_MAGIC_LEN, MODSIG_MAGIC, MODSIG_MAGIC_LEN))
		return;
	ret->there = true;
	ret->body = size - tail;
	head = all + ret->body;
	n = (size_t)head[8] << 24 | (size_t)head[9] << 16 | (size_t)head[10] << 8 | head[11];
	if (head[MODSIG_TYPE_AT] != MODSIG_PKCS7)
		problem = "it is of a kind that the kernel does not take";
	else if (head[0] || head[1] || head[3] || head[4] || head[5] || head[6] || head[7])
		problem = "its header has values that the kernel does not take";
	else if (!n || n > ret->body || n > DER_MAX)
		problem = "its size is wrong";
	else
		problem = read_cms(head - n, n, ret);
	if (n <= ret->body)
		ret->body -= n;
	ret->damaged = problem ? km_strdup(problem) : NULL;
}

void km_modsig_free(struct km_modsig *sig)
{
	free(sig->damaged);
	free(sig->issuer);
	free(sig->serial);
	free(sig->key_id);
	free(sig->hash);
	*sig = (struct km_modsig){0};
}
