/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the words of options mean: times, shares, numbers. */
#include "admin.h"

enum { YEAR = 366 * 86400 };

km_error *words_duration(const char *option, const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	size_t digits = strspn(text, "0123456789");

	for (size_t i = 0; digits && digits < 9 && i < KM_COUNT(units); i++)
		if (!strcmp(text + digits, units[i].unit)) {
			int64_t seconds = atoll(text) * units[i].seconds;

			if (seconds > 100LL * YEAR)
				break;
			*ret = seconds;
			return NULL;
		}
	return km_error_hint(km_error_new(KM_USAGE, "%s: '%s' is no length of time", option, text),
			     "for example 90s, 15m, 2h or 3d");
}

km_error *words_time(const char *option, const char *text, int64_t now, int64_t *ret)
{
	int64_t seconds;
	km_error *err;

	if (*text == '+') {
		KM_TRY(words_duration(option, text + 1, &seconds));
		*ret = now + seconds;
		return NULL;
	}
	err = trust_date(text, ret);
	return err ? km_error_add(err, "%s", option) : NULL;
}

/* Two digits behind the point are the finest that a permyriad can say. */
km_error *words_share(const char *option, const char *text, unsigned *ret)
{
	unsigned whole = 0, part = 0;
	int used = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits && digits <= 3)
		whole = (unsigned)atoi(text), used = (int)digits;
	if (used && text[used] == '.') {
		size_t n = strspn(text + used + 1, "0123456789");

		part = n ? (unsigned)(text[used + 1] - '0') * 10 + (n == 2 ? (unsigned)(text[used + 2] - '0') : 0) : 0;
		used = n && n <= 2 ? used + 1 + (int)n : 0;
	}
	if (!used || strcmp(text + used, "%") || whole * 100 + part > KM_PERMYRIAD)
		return km_error_hint(km_error_new(KM_USAGE, "%s: '%s' is no share", option, text),
				     "for example 5%% or 0.25%%");
	*ret = whole * 100 + part;
	return NULL;
}

km_error *words_number(const char *option, const char *text, int64_t max, int64_t *ret)
{
	size_t digits = strspn(text, "0123456789");

	if (!digits || digits > 15 || text[digits] || atoll(text) > max)
		return km_error_new(KM_USAGE, "%s: '%s' is no number from 0 to %lld", option, text, (long long)max);
	*ret = atoll(text);
	return NULL;
}

km_error *words_reason(const char *text, const char **ret)
{
	if (!text || !*text)
		return km_error_hint(km_error_new(KM_USAGE, "there is no reason"),
				     "--reason TEXT; it goes into the audit log, and people on hosts see it");
	if (!km_plain(text, KM_TRUST_REASON_MAX))
		return km_error_new(KM_USAGE, "--reason is one line of at most %d bytes", KM_TRUST_REASON_MAX);
	*ret = text;
	return NULL;
}
