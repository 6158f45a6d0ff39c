/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry-After: a number of seconds, or a date as RFC 9110 (5.6.7) prefers it. The two obsolete forms of a date are not
 * read. */
#include <kmend/http.h>

enum { A_DAY = 86400 };

static bool digits(const char *s, size_t n, int *ret)
{
	int value = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		value = 10 * value + (s[i] - '0');
	}
	*ret = value;
	return true;
}

/* Days from 1970-01-01, for years from 1970 on. */
static int64_t days(int year, int month, int day)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int past = year - 1;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return 365 * (int64_t)(year - 1970) + (past / 4 - past / 100 + past / 400 - 477) + before[month - 1] +
	       (leap && month > 2) + day - 1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT"; the weekday is not looked at. */
static bool read_date(const char *s, int64_t *ret)
{
	static const char form[] = "aaa, 00 aaa 0000 00:00:00 GMT", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int day, month = 0, year, hour, minute, second;

	if (strlen(s) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < sizeof(form) - 1; i++)
		if (form[i] != 'a' && form[i] != '0' && s[i] != form[i])
			return false;
	while (month < 12 && strncmp(s + 8, months + 3 * month, 3) != 0)
		month++;
	if (!digits(s + 5, 2, &day) || !digits(s + 12, 4, &year) || !digits(s + 17, 2, &hour) || !digits(s + 20, 2, &minute) ||
	    !digits(s + 23, 2, &second))
		return false;
	if (month == 12 || day < 1 || day > 31 || year < 1970 || hour > 23 || minute > 59 || second > 60)
		return false;
	*ret = days(year, month + 1, day) * A_DAY + hour * 3600 + minute * 60 + second;
	return true;
}

int64_t km_http_retry_after_parse(const char *value, int64_t now)
{
	size_t n = strspn(value, "0123456789");
	int64_t at;
	int seconds;

	if (n && !value[n])
		return n <= 6 && digits(value, n, &seconds) && seconds < A_DAY ? seconds : A_DAY;
	if (!read_date(value, &at))
		return -1;
	return at <= now ? 0 : at - now < A_DAY ? at - now : A_DAY;
}
