/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the server is, and what is at hand: from the command line, the environment, and a file of KEY = VALUE lines. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "admin.h"

static char *conf_path(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config)
		return km_printf("%s/kmend/admin.conf", config);
	return km_printf("%s/.config/kmend/admin.conf", home ? home : "");
}

/* Without blanks at either end; in place. */
static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return s;
}

static km_error *take_line(struct setup *setup, const char *path, unsigned number, char *line)
{
	const struct {
		const char *key;
		char **value;
	} keys[] = {{"trust", &setup->trust},
		    {"server", &setup->server},
		    {"token-file", &setup->token_file},
		    {"ca", &setup->ca},
		    {"proxy", &setup->proxy}};
	char *equals, *key = trim(line);

	if (!*key || *key == '#')
		return NULL;
	equals = strchr(key, '=');
	if (!equals)
		return km_error_new(KM_INPUT, "%s, line %u: this is no KEY = VALUE", path, number);
	*equals = '\0';
	key = trim(key);
	for (size_t i = 0; i < KM_COUNT(keys); i++)
		if (!strcmp(keys[i].key, key)) {
			if (!*keys[i].value)
				*keys[i].value = km_strdup(trim(equals + 1));
			return NULL;
		}
	return km_error_hint(km_error_new(KM_INPUT, "%s, line %u: there is no '%s'", path, number, key),
			     "there are trust, server, token-file, ca and proxy");
}

static km_error *read_conf(struct setup *setup)
{
	KM_AUTOFREE char *path = conf_path();
	KM_AUTOFREE uint8_t *bytes = NULL;
	char *rest, *line;
	size_t size;

	if (!km_exists(path))
		return NULL;
	KM_TRY(km_file_read(path, &bytes, &size));
	rest = (char *)bytes;
	for (unsigned number = 1; (line = strsep(&rest, "\n")); number++)
		KM_TRY(take_line(setup, path, number, line));
	return NULL;
}

static void take(char **to, const char *option, const char *env)
{
	const char *value = option ? option : env && getenv(env) && *getenv(env) ? getenv(env) : NULL;

	if (value)
		*to = km_strdup(value);
}

void setup_free(struct setup *setup)
{
	free(setup->trust);
	free(setup->server);
	free(setup->token_file);
	free(setup->ca);
	free(setup->proxy);
	*setup = (struct setup){0};
}

km_error *setup_read(const struct cmd_args *args, struct setup *ret)
{
	struct setup setup = {.server_given = args->value[AT_SERVER]};
	km_error *err;

	take(&setup.trust, args->value[AT_TRUST], "KMEND_TRUST");
	take(&setup.server, args->value[AT_SERVER], "KMEND_SERVER");
	take(&setup.token_file, args->value[AT_TOKEN], NULL);
	take(&setup.ca, args->value[AT_CA], NULL);
	take(&setup.proxy, args->value[AT_PROXY], NULL);
	err = read_conf(&setup);
	if (err) {
		setup_free(&setup);
		return err;
	}
	*ret = setup;
	return NULL;
}

km_error *secret_reserve(const char *path)
{
	KM_AUTOCLOSE int fd = path ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;

	return path && fd < 0 ? km_error_sys(errno, "cannot make %s", path) : NULL;
}

km_error *secret_write(const char *path, const char *text)
{
	KM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(text);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) < 0)
		return km_error_sys(errno, "cannot write %s", path);
	return NULL;
}

km_error *setup_token(const struct setup *setup, char **ret)
{
	const char *env = getenv("KMEND_ADMIN_TOKEN");

	if (setup->token_file && (!env || !*env))
		return secret_read(setup->token_file, "the admin token", false, ret);
	if (!env || !*env)
		return km_error_hint(
			km_error_new(KM_USAGE, "there is no admin token"),
			"--token-file FILE, or token-file in ~/.config/kmend/admin.conf, names the file that has "
			"it; kmend-server prints the first one");
	*ret = km_strdup(env);
	return NULL;
}
