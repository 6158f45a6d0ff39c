/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of what can be set; file and flags go through the same rows. */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>

#include "config.h"

enum kind { TEXT, URL, BASE, NUMBER, SECONDS, LIFETIMES, LIST, FLAG };

#define AT(field) offsetof(struct config, field)
static const struct row {
	const char *name, *value, *about;
	enum kind kind;
	size_t at; /* of the field */
	int64_t min, max;
} rows[] = {
	{"listen", "ADDR:PORT", "where to listen; *:PORT is every address (127.0.0.1:8443)", TEXT, AT(listen)},
	{"data", "DIR", "state, blobs and online keys (/var/lib/kmend/server)", TEXT, AT(data)},
	{"database", "URL", "postgres://… for several servers on one state; else SQLite in DIR", URL, AT(database)},
	{"tls-cert", "FILE", "the certificate with its chain, PEM; with tls-key: HTTPS", TEXT, AT(cert)},
	{"tls-key", "FILE", "its private key", TEXT, AT(key)},
	{"trusted-proxy", "NET,…", "addresses whose X-Forwarded-For is believed", LIST, AT(proxies)},
	{"payload-base", "URL", "where hosts get payloads instead: http(s)://…/", BASE, AT(payload_base)},
	{"metrics-secret", "FILE", "/metrics asks for the word in FILE as a bearer", TEXT, AT(metrics)},
	{"threads", "N", "that serve connections; 0: one for each CPU (0)", NUMBER, AT(threads), 0, 256},
	{"connections", "N", "at once; others wait (4000)", NUMBER, AT(connections), 1, 100000},
	{"interval", "SECONDS", "between two check-ins of a host (3600)", SECONDS, AT(interval), 1, 86400},
	{"queue", "N", "writes that may wait before hosts are sent away (20000)", NUMBER, AT(queue), 16, 1000000},
	{"rate-host", "N", "requests a second of one host; 0: any number (10)", NUMBER, AT(rate_host), 0, 1000000},
	{"rate-token", "N", "… with one token or admin token (200)", NUMBER, AT(rate_token), 0, 1000000},
	{"rate-address", "N", "… from one address (4000)", NUMBER, AT(rate_address), 0, 1000000},
	{"rate-failed", "N", "… that could not be authenticated, from one address (5)", NUMBER, AT(rate_failed), 0,
	 1000000},
	{"lifetimes", "DOC=TIME,…", "of what is signed here (rollout=30d,timestamp=2d)", LIFETIMES, AT(lifetimes)},
	{"verbose", NULL, "a line on each request", FLAG, AT(verbose)},
};

void config_default(struct config *ret)
{
	*ret = (struct config){.listen = km_strdup("127.0.0.1:8443"),
			       .data = km_strdup("/var/lib/kmend/server"),
			       .connections = 4000,
			       .interval = 3600,
			       .queue = 20000,
			       .rate_host = 10,
			       .rate_token = 200,
			       .rate_address = 4000,
			       .rate_failed = 5,
			       .lifetimes = km_lifetimes_default};
}

void config_free(struct config *config)
{
	free(config->listen);
	free(config->data);
	free(config->database);
	free(config->cert);
	free(config->key);
	free(config->payload_base);
	free(config->metrics);
	km_strv_free(&config->proxies);
	*config = (struct config){0};
}

void config_freep(struct config *config)
{
	config_free(config);
}

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < KM_COUNT(rows); i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	return NULL;
}

static km_error *unknown(const char *name)
{
	const char *names[KM_COUNT(rows)], *near;
	km_error *err = km_error_new(KM_USAGE, "there is no setting '%s'", name);

	for (size_t i = 0; i < KM_COUNT(rows); i++)
		names[i] = rows[i].name;
	near = km_nearest(name, names, KM_COUNT(rows));
	return near ? km_error_hint(err, "did you mean '%s'?", near)
		    : km_error_hint(err, "kmend-server --help lists them");
}

km_error *config_flag(const char *name, bool *has_value)
{
	const struct row *row = find(name);

	if (!row)
		return unknown(name);
	*has_value = row->kind != FLAG;
	return NULL;
}

/* ---- values ---- */

static km_error *read_number(const char *value, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long n;

	errno = 0;
	n = isdigit((unsigned char)*value) ? strtoll(value, &end, 10) : -1;
	if (n < 0 || errno || *end || n < min || n > max)
		return km_error_new(KM_USAGE, "'%s' is no number from %lld to %lld", value, (long long)min,
				    (long long)max);
	*ret = n;
	return NULL;
}

/* A number with s, m, h or d behind it, or seconds. */
static km_error *read_seconds(const char *value, int64_t min, int64_t max, int64_t *ret)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	size_t n = strlen(value);
	KM_AUTOFREE char *digits = NULL;
	int64_t unit = 0, number;

	for (size_t i = 0; n > 1 && i < KM_COUNT(units); i++)
		if (value[n - 1] == units[i].letter)
			unit = units[i].seconds;
	digits = km_strndup(value, unit ? n - 1 : n);
	unit = unit ? unit : 1;
	KM_TRY(read_number(digits, 0, max, &number));
	if (number > max / unit || number * unit < min)
		return km_error_new(KM_USAGE, "'%s' is not between %lld and %lld seconds", value, (long long)min,
				    (long long)max);
	*ret = number * unit;
	return NULL;
}

static km_error *read_lifetime(const char *word, struct km_lifetimes *ret)
{
	if (km_starts(word, "rollout="))
		return read_seconds(word + strlen("rollout="), 60, 10 * 365 * 86400LL, &ret->rollout);
	if (km_starts(word, "timestamp="))
		return read_seconds(word + strlen("timestamp="), 60, KM_TIMESTAMP_MAX, &ret->timestamp);
	return km_error_hint(km_error_new(KM_USAGE, "'%s' is no lifetime of a document that the server signs", word),
			     "as in rollout=30d,timestamp=2d");
}

/* Each word between commas; a word is copied. */
static km_error *each_word(const char *value, km_error *(*take)(const char *word, void *ctx), void *ctx)
{
	while (true) {
		size_t n = strcspn(value, ",");
		KM_AUTOFREE char *word = km_strndup(value, n);

		KM_TRY(take(word, ctx));
		if (!value[n])
			return NULL;
		value += n + 1;
	}
}

static km_error *take_lifetime(const char *word, void *ctx)
{
	return read_lifetime(word, ctx);
}

static km_error *take_word(const char *word, void *ctx)
{
	if (!*word)
		return km_error_new(KM_USAGE, "there is an empty word between commas");
	km_strv_push(ctx, word);
	return NULL;
}

static km_error *read_url(const char *value, bool base)
{
	static const char *const database[] = {"postgres://", "postgresql://", NULL}, *const web[] = {"https://",
												      "http://", NULL};

	for (const char *const *scheme = base ? web : database; *scheme; scheme++)
		if (km_starts(value, *scheme) && value[strlen(*scheme)] && (!base || km_ends(value, "/")))
			return NULL;
	/* A database's URL may have a password, which is not repeated. */
	return base ? km_error_new(KM_USAGE, "'%s' is no http:// or https:// URL that ends with '/'", value)
		    : km_error_hint(km_error_new(KM_USAGE, "this is no postgres:// URL"),
				    "without one the state is SQLite in the data directory");
}

static km_error *set_text(char **field, const char *value)
{
	if (!*value || !km_plain(value, 4096))
		return km_error_new(KM_USAGE, "the value is empty or has control characters");
	free(*field);
	*field = km_strdup(value);
	return NULL;
}

static km_error *set(struct config *config, const struct row *row, const char *value)
{
	void *field = (char *)config + row->at;
	struct km_lifetimes lifetimes = config->lifetimes;
	km_strv list = {0};
	km_error *err;

	switch (row->kind) {
	case URL:
	case BASE:
		KM_TRY(read_url(value, row->kind == BASE));
		/* fallthrough */
	case TEXT: return set_text(field, value);
	case NUMBER: return read_number(value, row->min, row->max, field);
	case SECONDS: return read_seconds(value, row->min, row->max, field);
	case LIFETIMES:
		KM_TRY(each_word(value, take_lifetime, &lifetimes));
		config->lifetimes = lifetimes;
		return NULL;
	case LIST:
		err = each_word(value, take_word, &list);
		if (err) {
			km_strv_free(&list);
			return err;
		}
		km_strv_free(field);
		*(km_strv *)field = list;
		return NULL;
	case FLAG:
		if (strcmp(value, "yes") && strcmp(value, "no"))
			return km_error_new(KM_USAGE, "'%s' is neither yes nor no", value);
		*(bool *)field = !strcmp(value, "yes");
		return NULL;
	}
	return NULL;
}

km_error *config_set(struct config *config, const char *where, const char *name, const char *value)
{
	const struct row *row = find(name);
	km_error *err = row ? set(config, row, value) : unknown(name);

	return err ? km_error_add(err, "%s", where) : NULL;
}

/* ---- the file ---- */

static char *trim(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	for (n = strlen(s); n && isspace((unsigned char)s[n - 1]); n--)
		;
	s[n] = '\0';
	return s;
}

static km_error *read_line(struct config *config, const char *where, char *line, bool seen[static KM_COUNT(rows)])
{
	char *equals, *name;
	const struct row *row;

	line = trim(line);
	if (!*line || *line == '#')
		return NULL;
	equals = strchr(line, '=');
	if (!equals)
		return km_error_new(KM_USAGE, "%s: this is no KEY = VALUE", where);
	*equals = '\0';
	name = trim(line);
	row = find(name);
	if (row && seen[row - rows])
		return km_error_new(KM_USAGE, "%s: '%s' is set for the second time", where, name);
	if (row)
		seen[row - rows] = true;
	return config_set(config, where, name, trim(equals + 1));
}

km_error *config_read(struct config *config, const char *path)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	bool seen[KM_COUNT(rows)] = {0};
	size_t size;
	char *line;
	int number = 0;

	KM_TRY(km_file_read(path, &bytes, &size));
	if (strlen((char *)bytes) != size)
		return km_error_new(KM_INPUT, "%s is no text", path);
	line = (char *)bytes;
	while (line) {
		char *next = strchr(line, '\n');
		KM_AUTOFREE char *where = km_printf("%s:%d", path, ++number);

		if (next)
			*next++ = '\0';
		KM_TRY(read_line(config, where, line, seen));
		line = next;
	}
	return NULL;
}

km_error *config_check(const struct config *config)
{
	if (!config->cert != !config->key)
		return km_error_new(KM_USAGE, "tls-cert and tls-key belong together, and %s is lacking",
				    config->cert ? "tls-key" : "tls-cert");
	return NULL;
}

void config_help(FILE *f)
{
	for (size_t i = 0; i < KM_COUNT(rows); i++)
		fprintf(f, "  --%-14s %-10s %s\n", rows[i].name, rows[i].value ? rows[i].value : "", rows[i].about);
}
