/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids and secrets. A secret is its prefix and 32 random bytes in base64url; there is nothing to guess in it, so that
 * one plain hash is enough to keep it by.
 */
#include <sodium.h>
#include <unistd.h>

#include "internal.h"

enum { RANDOM = 32, DIGITS = 43 };

static void hash(char ret[static KM_SHA256_HEX], const char *fmt, ...) KM_PRINTF(2, 3);

static void hash(char ret[static KM_SHA256_HEX], const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	uint8_t sum[KM_SHA256_LEN];
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	km_sha256_of(text, strlen(text), sum);
	km_hex(sum, sizeof(sum), ret);
	explicit_bzero(text, strlen(text));
}

void km_fleet_host_id(const char *token_id, const char *machine_id, char ret[static KM_SHA256_HEX])
{
	hash(ret, "kmend/1 host\n%s\n%s", token_id, machine_id);
}

void km_fleet_token_id(const char *secret, char ret[static KM_TOKEN_ID_LEN + 1])
{
	char hex[KM_SHA256_HEX];

	hash(hex, "kmend/1 token\n%s", secret);
	memcpy(ret, hex, KM_TOKEN_ID_LEN);
	ret[KM_TOKEN_ID_LEN] = '\0';
}

void km_fleet_secret_hash(const char *secret, char ret[static KM_SHA256_HEX])
{
	hash(ret, "kmend/1 secret\n%s", secret);
}

char *km_fleet_secret_new(const char *prefix)
{
	uint8_t bytes[RANDOM];
	char digits[DIGITS + 1], *secret;

	if (getentropy(bytes, sizeof(bytes)) < 0) {
		fputs("kmend: this machine gives no random numbers\n", stderr);
		_Exit(1);
	}
	sodium_bin2base64(digits, sizeof(digits), bytes, sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	secret = km_printf("%s%s", prefix, digits);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(digits, sizeof(digits));
	return secret;
}

static size_t base64_length(const char *s)
{
	return strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}

bool km_fleet_secret_ok(const char *s, const char *prefix)
{
	return km_starts(s, prefix) && base64_length(s + strlen(prefix)) == DIGITS && !s[strlen(prefix) + DIGITS];
}

km_error *km_fleet_attach_word(const char *word, char **secret, char **fingerprint)
{
	const char *dot = strchr(word, '.');
	KM_AUTOFREE char *first = dot ? km_strndup(word, (size_t)(dot - word)) : km_strdup(word);

	if (!km_fleet_secret_ok(first, "kmt_"))
		return km_error_hint(km_error_new(KM_USAGE, "this is no token"),
				     "a token begins with kmt_; `kmend-admin token create` prints it");
	if (dot && !km_hex_ok(dot + 1, KM_SHA256_HEX - 1))
		return km_error_hint(km_error_new(KM_USAGE, "what follows the token's dot is no fingerprint of a root"),
				     "the whole word that `kmend-admin token create` printed is needed: 64 digits "
				     "stand behind the dot");
	*fingerprint = dot ? km_strdup(dot + 1) : NULL;
	*secret = first;
	first = NULL;
	return NULL;
}
