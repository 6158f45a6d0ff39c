/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/kmend/agent.conf: KEY = VALUE a line. */
#include <ctype.h>
#include <math.h>

#include "internal.h"

#define CONFIG "/etc/kmend/agent.conf"

static const struct {
	const char *name;
	unsigned mode;
} modes[] = {
	{"normal", KM_MODE_NORMAL},
	{"no-apply", KM_MODE_REFRESH},
	{"no-refresh", KM_MODE_APPLY},
	{"off", 0},
};

const char *km_agent_mode_name(unsigned mode)
{
	for (size_t i = 0; i < KM_COUNT(modes); i++)
		if (modes[i].mode == (mode & KM_MODE_NORMAL))
			return modes[i].name;
	return "off";
}

/* ---- values: each setter takes one, or says why not --------------------------------------------------------------- */

static km_error *set_text(char **to, const char *value)
{
	free(*to);
	*to = km_strdup(value);
	return NULL;
}

static km_error *is_url(const char *value, const char *const *schemes)
{
	for (; *schemes; schemes++)
		if (km_starts(value, *schemes) && value[strlen(*schemes)] && !strpbrk(value, " \t\"'\\"))
			return NULL;
	return km_error_new(KM_USAGE, "'%s' is no URL that can be used here", value);
}

static km_error *set_server(struct km_agent_config *c, const char *value)
{
	KM_TRY(is_url(value, (const char *const[]){"https://", "http://", NULL}));
	KM_TRY(set_text(&c->server, value));
	while (km_ends(c->server, "/"))
		c->server[strlen(c->server) - 1] = '\0';
	return NULL;
}

static km_error *set_proxy(struct km_agent_config *c, const char *value)
{
	KM_TRY(is_url(value, (const char *const[]){"http://", "https://", "socks5://", "socks5h://", NULL}));
	return set_text(&c->proxy, value);
}

static km_error *set_ca(struct km_agent_config *c, const char *value)
{
	if (*value != '/')
		return km_error_new(KM_USAGE, "'%s' is no absolute path", value);
	return set_text(&c->ca, value);
}

static km_error *set_flavour(struct km_agent_config *c, const char *value)
{
	if (!strcmp(value, "auto")) {
		free(c->flavour);
		c->flavour = NULL;
		return NULL;
	}
	if (strcmp(value, "klp") && strcmp(value, "core"))
		return km_error_new(KM_USAGE, "'%s' is none of auto, klp, core", value);
	return set_text(&c->flavour, value);
}

static km_error *set_mode(struct km_agent_config *c, const char *value)
{
	for (size_t i = 0; i < KM_COUNT(modes); i++)
		if (!strcmp(value, modes[i].name)) {
			c->mode = modes[i].mode;
			return NULL;
		}
	return km_error_new(KM_USAGE, "'%s' is none of normal, no-apply, no-refresh, off", value);
}

static km_error *set_deadline(struct km_agent_config *c, const char *value)
{
	char *end;
	double seconds = strtod(value, &end);

	if (end == value || *end || !isfinite(seconds) || seconds < 1 || seconds > 3600)
		return km_error_new(KM_USAGE, "'%s' is no number of seconds from 1 to 3600", value);
	c->deadline = seconds;
	return NULL;
}

static km_error *set_hold(struct km_agent_config *c, const char *value)
{
	KM_AUTOFREE char *text = km_strdup(value);
	char *rest = text;

	km_strv_free(&c->hold);
	for (char *word; (word = strsep(&rest, ", \t"));)
		if (*word)
			km_strv_push(&c->hold, word);
	return NULL;
}

const struct km_agent_key km_agent_keys[] = {
	{"server", "URL of the server"},
	{"proxy", "URL of a proxy between this host and the server"},
	{"ca", "file with the certificates that the server's is checked with (default: the system's)"},
	{"flavour", "auto, klp or core: which payloads are fetched (default: auto)"},
	{"mode", "normal, no-apply, no-refresh or off"},
	{"deadline", "seconds that a transition may take (default: 60)"},
	{"hold", "names of patches that are never loaded"},
	{0},
};
static km_error *(*const setters[])(struct km_agent_config *, const char *) = {
	set_server, set_proxy, set_ca, set_flavour, set_mode, set_deadline, set_hold,
};

static km_error *key_of(const char *key, size_t *ret)
{
	const char *names[KM_COUNT(setters)], *near;
	km_error *err;

	for (size_t i = 0; i < KM_COUNT(setters); i++) {
		names[i] = km_agent_keys[i].name;
		if (!strcmp(names[i], key)) {
			*ret = i;
			return NULL;
		}
	}
	err = km_error_new(KM_USAGE, "there is no setting '%s'", key);
	near = km_nearest(key, names, KM_COUNT(names));
	return near ? km_error_hint(err, "did you mean '%s'?", near) : km_error_hint(err, "kmend config lists them");
}

/* ---- lines ---- */

/* Splits "KEY = VALUE  # comment" in place; *key is NULL for a line without one. */
static km_error *split(char *line, char **key, char **value)
{
	char *end = strchr(line, '='), *last;

	*key = *value = NULL;
	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return NULL;
	if (!end)
		return km_error_new(KM_USAGE, "'%s' is no KEY = VALUE", line);
	*value = end + 1 + strspn(end + 1, " \t");
	last = *value + strcspn(*value, "#");
	while (last > *value && isspace((unsigned char)last[-1]))
		last--;
	*last = '\0';
	while (end > line && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	*key = line;
	return NULL;
}

static km_error *take_line(struct km_agent_config *c, char *line)
{
	char *key, *value;
	size_t i;

	KM_TRY(split(line, &key, &value));
	if (!key)
		return NULL;
	KM_TRY(key_of(key, &i));
	return *value ? setters[i](c, value) : NULL;
}

/* "" when there is no file. */
static km_error *config_text(const char *root, char **ret)
{
	KM_AUTOFREE char *path = agent_path(root, CONFIG);
	uint8_t *bytes;
	size_t size;

	if (!km_exists(path)) {
		*ret = km_strdup("");
		return NULL;
	}
	KM_TRY(km_file_read(path, &bytes, &size));
	*ret = (char *)bytes;
	return NULL;
}

static km_error *parse(const char *bytes, struct km_agent_config *ret)
{
	KM_AUTOFREE char *text = km_strdup(bytes);
	char *rest = text;
	km_error *err = NULL;
	unsigned n = 0;

	*ret = (struct km_agent_config){.mode = KM_MODE_NORMAL};
	for (char *line; !err && (line = strsep(&rest, "\n"));) {
		err = take_line(ret, line);
		n++;
	}
	if (!err)
		return NULL;
	km_agent_config_free(ret);
	err = km_error_add(err, "%s, line %u", CONFIG, n);
	err->code = KM_INPUT;
	return err;
}

km_error *km_agent_config_read(const char *root, struct km_agent_config *ret)
{
	KM_AUTOFREE char *text = NULL;

	KM_TRY(config_text(root, &text));
	return parse(text, ret);
}

void km_agent_config_free(struct km_agent_config *c)
{
	free(c->server);
	free(c->proxy);
	free(c->ca);
	free(c->flavour);
	km_strv_free(&c->hold);
	*c = (struct km_agent_config){0};
}

static bool is_line_of(const char *line, const char *key)
{
	KM_AUTOFREE char *copy = km_strdup(line);
	char *its, *value;
	km_error *err = split(copy, &its, &value);

	km_error_free(err);
	return !err && its && !strcmp(its, key);
}

km_error *km_agent_config_get(const char *root, const char *key, char **ret)
{
	KM_AUTOFREE char *text = NULL;
	char *rest, *its, *value;
	size_t i;

	KM_TRY(key_of(key, &i));
	KM_TRY(config_text(root, &text));
	*ret = NULL;
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (is_line_of(line, key)) {
			KM_TRY(split(line, &its, &value));
			free(*ret);
			*ret = km_strdup(value);
		}
	return NULL;
}

km_error *km_agent_config_set(const char *root, const char *key, const char *value)
{
	KM_AUTOFREE char *text = NULL, *path = agent_path(root, CONFIG), *dir = agent_path(root, "/etc/kmend");
	struct km_agent_config config;
	km_str out = {0};
	km_error *err;
	char *rest;
	size_t i;

	KM_TRY(key_of(key, &i));
	if (value && strpbrk(value, "\n#"))
		return km_error_new(KM_USAGE, "a value has no line end and no '#'");
	KM_TRY(config_text(root, &text));
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if ((rest || *line) && !is_line_of(line, key))
			km_str_printf(&out, "%s\n", line);
	if (value)
		km_str_printf(&out, "%s = %s\n", key, value);
	err = parse(out.at ? out.at : "", &config);
	if (err) {
		err->code = KM_USAGE;
	} else {
		km_agent_config_free(&config);
		err = km_mkdirs(dir);
	}
	if (!err)
		err = km_file_write(path, out.at ? out.at : "", out.n);
	km_str_free(&out);
	return err;
}

/* ---- what is allowed ---- */

static unsigned command_line_mode(const char *root)
{
	static const char key[] = "kmend.mode=";
	KM_AUTOFREE char *text = agent_text(root, "/proc/cmdline");
	unsigned allowed = KM_MODE_NORMAL;
	char *rest = text;

	for (char *word; rest && (word = strsep(&rest, " \n"));) {
		unsigned mode = 0;

		if (!km_starts(word, key))
			continue;
		for (size_t i = 0; i < KM_COUNT(modes); i++)
			if (!strcmp(word + strlen(key), modes[i].name))
				mode = modes[i].mode;
		allowed &= mode;
	}
	return allowed;
}

unsigned km_agent_mode(const char *root, const struct km_agent_config *config)
{
	return config->mode & command_line_mode(root);
}
