/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Documents, roles and reasons as words, and the bounds of each document. */
#include <ctype.h>
#include <sodium.h>

#include "internal.h"

static const struct {
	const char *name;
	size_t max;
	unsigned roles;
} docs[KM_DOCS] = {
	[KM_DOC_ROOT] = {"root", 64 << 10, 1u << KM_ROLE_ROOT},
	[KM_DOC_RELEASE] = {"release", 1 << 20, 1u << KM_ROLE_BUILDER | 1u << KM_ROLE_REVIEWER},
	[KM_DOC_INDEX] = {"index", 4 << 20, 1u << KM_ROLE_INDEX},
	[KM_DOC_ROLLOUT] = {"rollout", 4 << 20, 1u << KM_ROLE_ROLLOUT},
	[KM_DOC_TIMESTAMP] = {"timestamp", 16 << 10, 1u << KM_ROLE_TIMESTAMP},
};

static const char *const roles[KM_ROLES] = {
	[KM_ROLE_ROOT] = "root",   [KM_ROLE_BUILDER] = "builder", [KM_ROLE_REVIEWER] = "reviewer",
	[KM_ROLE_INDEX] = "index", [KM_ROLE_ROLLOUT] = "rollout", [KM_ROLE_TIMESTAMP] = "timestamp",
};

static const char *const whys[KM_WHYS] = {
	[KM_WHY_NONE] = "none",
	[KM_WHY_TOO_LARGE] = "too-large",
	[KM_WHY_MALFORMED] = "malformed",
	[KM_WHY_WRONG_TYPE] = "wrong-type",
	[KM_WHY_SIGNATURES] = "signatures",
	[KM_WHY_ROLLBACK] = "rollback",
	[KM_WHY_GAP] = "gap",
	[KM_WHY_TWO_FACED] = "two-faced",
	[KM_WHY_EXPIRED] = "expired",
	[KM_WHY_CLOCK] = "clock",
	[KM_WHY_MIXED] = "mixed",
	[KM_WHY_CHANNEL] = "channel",
	[KM_WHY_INCOMPLETE] = "incomplete",
	[KM_WHY_NOT_LISTED] = "not-listed",
	[KM_WHY_WITHDRAWN] = "withdrawn",
	[KM_WHY_HALTED] = "halted",
	[KM_WHY_WAITING] = "waiting",
	[KM_WHY_KERNEL] = "kernel",
	[KM_WHY_PAYLOAD] = "payload",
};

const struct km_lifetimes km_lifetimes_default = {
	.root = 365 * 86400, .index = 365 * 86400, .rollout = 30 * 86400, .timestamp = 2 * 86400};

void trust_sodium(void)
{
	if (sodium_init() >= 0)
		return;
	fputs("kmend: this machine gives no random numbers\n", stderr);
	_Exit(1);
}

km_error *trust_refuse(enum km_trust_why *why, enum km_trust_why which, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	if (why)
		*why = which;
	return km_error_new(which == KM_WHY_MALFORMED || which == KM_WHY_TOO_LARGE ? KM_INPUT : KM_REFUSED, "%s", text);
}

const char *km_doc_name(enum km_doc doc)
{
	return docs[doc].name;
}

bool km_doc_of(const char *name, enum km_doc *ret)
{
	for (unsigned i = 0; i < KM_DOCS; i++)
		if (!strcmp(docs[i].name, name)) {
			*ret = (enum km_doc)i;
			return true;
		}
	return false;
}

size_t km_doc_max(enum km_doc doc)
{
	return docs[doc].max;
}

unsigned trust_roles(enum km_doc doc)
{
	return docs[doc].roles;
}

const char *km_role_name(enum km_role role)
{
	return roles[role];
}

bool km_role_of(const char *name, enum km_role *ret)
{
	for (unsigned i = 0; i < KM_ROLES; i++)
		if (!strcmp(roles[i], name)) {
			*ret = (enum km_role)i;
			return true;
		}
	return false;
}

bool km_role_online(enum km_role role)
{
	return role == KM_ROLE_ROLLOUT || role == KM_ROLE_TIMESTAMP;
}

enum km_doc km_role_doc(enum km_role role)
{
	unsigned doc = 0;

	while (!(docs[doc].roles & 1u << role))
		doc++;
	return (enum km_doc)doc;
}

const char *km_trust_why_name(enum km_trust_why why)
{
	return whys[why];
}

static bool only(const char *s, size_t max, const char *others)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)s[i]) || (!isalnum((unsigned char)s[i]) && !strchr(others, s[i])))
			return false;
	return n > 0 && n <= max;
}

static bool lower(const char *s)
{
	while (*s && !isupper((unsigned char)*s))
		s++;
	return !*s;
}

bool km_trust_name_ok(const char *s)
{
	return only(s, KM_TRUST_NAME_MAX, "-_.") && lower(s) && isalnum((unsigned char)*s);
}

bool text_key_name(const char *s)
{
	return only(s, KM_TRUST_NAME_MAX, "._@-") && isalnum((unsigned char)*s);
}

bool text_module(const char *s)
{
	return only(s, 55, "_") && lower(s) && isalpha((unsigned char)*s);
}

bool text_version(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n > 0 && n <= KM_TRUST_NAME_MAX;
}

bool text_reason(const char *s)
{
	return *s && km_plain(s, KM_TRUST_REASON_MAX);
}

bool text_summary(const char *s)
{
	return km_plain(s, 1000);
}

bool text_cve(const char *s)
{
	size_t year = km_starts(s, "CVE-") ? strspn(s + 4, "0123456789") : 0;
	size_t number = year == 4 && s[8] == '-' ? strspn(s + 9, "0123456789") : 0;

	return number >= 4 && number <= 12 && !s[9 + number];
}

bool text_severity(const char *s)
{
	static const char *const words[] = {"low", "medium", "high", "critical"};

	for (size_t i = 0; i < KM_COUNT(words); i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

bool text_build_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 16 && n <= 128 && n % 2 == 0 && km_hex_ok(s, n);
}
