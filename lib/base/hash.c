/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 by OpenSSL. */
#include <errno.h>
#include <fcntl.h>
#include <kmend/base.h>
#include <openssl/evp.h>
#include <unistd.h>

struct km_sha256 {
	EVP_MD_CTX *ctx;
};

/* These calls fail only when memory is short. */
static void need(int ok)
{
	if (!ok)
		km_oom();
}

km_sha256 *km_sha256_create(void)
{
	km_sha256 *h = km_calloc(1, sizeof(*h));

	h->ctx = EVP_MD_CTX_new();
	need(h->ctx != NULL);
	need(EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL));
	return h;
}

void km_sha256_add(km_sha256 *h, const void *bytes, size_t n)
{
	need(EVP_DigestUpdate(h->ctx, bytes, n));
}

void km_sha256_end(km_sha256 *h, uint8_t out[static KM_SHA256_LEN])
{
	need(EVP_DigestFinal_ex(h->ctx, out, NULL));
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void km_sha256_of(const void *bytes, size_t n, uint8_t out[static KM_SHA256_LEN])
{
	km_sha256 *h = km_sha256_create();

	km_sha256_add(h, bytes, n);
	km_sha256_end(h, out);
}

void km_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

km_error *km_sha256_file(const char *path, char out[static KM_SHA256_HEX])
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t buffer[1 << 16], sum[KM_SHA256_LEN];
	km_sha256 *h;
	ssize_t n;

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	h = km_sha256_create();
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR))
		if (n > 0)
			km_sha256_add(h, buffer, (size_t)n);
	int sys = errno;

	km_sha256_end(h, sum);
	if (n < 0)
		return km_error_sys(sys, "cannot read %s", path);
	km_hex(sum, sizeof(sum), out);
	return NULL;
}
