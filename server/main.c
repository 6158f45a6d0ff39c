/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-server: init, admin create, or run until a signal. */
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "routes.h"
#include "server.h"
#include "setup.h"

static const char usage[] = "usage: kmend-server [run] [OPTION...]\n"
			    "       kmend-server init [OPTION...] [DIR]\n"
			    "       kmend-server admin create --role ROLE --name NAME [OPTION...]\n";

static void help(void)
{
	printf("%s\nOptions, also as KEY = VALUE in " CONFIG_PATH ":\n", usage);
	config_help(stdout);
	printf("  --%-14s %-10s %s\n  --%-14s %-10s %s\n", "config", "FILE", "instead of " CONFIG_PATH, "check", "",
	       "check the settings and end");
}

struct words {
	const char *config, *role, *name, *dir;
	bool check, help, version, routes;
	km_strv flags; /* names and values, in turn; values may be empty */
};

static km_error *flag(struct words *w, int argc, char **argv, int *i)
{
	const char *word = argv[*i] + 2, *equals = strchr(word, '='), *value = equals ? equals + 1 : NULL;
	KM_AUTOFREE char *name = km_strndup(word, equals ? (size_t)(equals - word) : strlen(word));
	const struct {
		const char *name, **value;
		bool *set;
	} own[] = {{"config", &w->config},
		   {"role", &w->role},
		   {"name", &w->name},
		   {"check", NULL, &w->check},
		   {"help", NULL, &w->help},
		   {"version", NULL, &w->version},
		   {"print-routes", NULL, &w->routes}};
	const char **to = NULL;
	bool has_value, *set = NULL;

	for (size_t j = 0; j < KM_COUNT(own); j++)
		if (!strcmp(own[j].name, name))
			to = own[j].value, set = own[j].set;
	has_value = to != NULL;
	if (!to && !set)
		KM_TRY(config_flag(name, &has_value));
	if (!has_value && value)
		return km_error_new(KM_USAGE, "--%s takes no value", name);
	if (has_value && !value && *i + 1 == argc)
		return km_error_new(KM_USAGE, "--%s needs a value", name);
	if (has_value && !value)
		value = argv[++*i];
	if (set)
		*set = true;
	else if (to)
		*to = value;
	else
		km_strv_push(&w->flags, name), km_strv_push(&w->flags, value ? value : "yes");
	return NULL;
}

static km_error *parse(int argc, char **argv, bool takes_dir, struct words *w)
{
	for (int i = 0; i < argc; i++) {
		if (km_starts(argv[i], "--"))
			KM_TRY(flag(w, argc, argv, &i));
		else if (takes_dir && !w->dir)
			w->dir = argv[i];
		else
			return km_error_hint(km_error_new(KM_USAGE, "'%s' is one word too many", argv[i]),
					     "kmend-server --help");
	}
	return NULL;
}

static km_error *settings(const struct words *w, struct config *ret)
{
	const char *path = w->config ? w->config : CONFIG_PATH;

	if (w->config || km_exists(path))
		KM_TRY(config_read(ret, path));
	for (size_t i = 0; i < w->flags.n; i += 2) {
		KM_AUTOFREE char *where = km_printf("--%s", w->flags.at[i]);

		KM_TRY(config_set(ret, where, w->flags.at[i], w->flags.at[i + 1]));
	}
	if (w->dir)
		KM_TRY(config_set(ret, "DIR", "data", w->dir));
	return config_check(ret);
}

/* ---- run ---- */

/* Tells systemd, if it waits for that (sd_notify(3)). */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KM_AUTOCLOSE int fd = -1;
	size_t n = path ? strlen(path) : 0;

	if (!n || n >= sizeof(address.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(address.sun_path, path, n);
	if (*path == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		server_warn("cannot tell systemd");
}

static void at_once(int sig)
{
	(void)sig;
	_exit(1);
}

/* Until SIGTERM or SIGINT; SIGHUP reads the certificate again. */
static void wait_for_end(struct server *server, const sigset_t *signals)
{
	int sig = 0;

	while (sigwait(signals, &sig) == 0 && sig == SIGHUP) {
		km_error *err = km_http_server_reload(server->http);

		if (err)
			server_warn_error(err, "SIGHUP");
		else
			server_log("the certificate was read again");
	}
	/* The next one does not wait any more. */
	signal(SIGTERM, at_once);
	signal(SIGINT, at_once);
	pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static km_error *run(const struct config *config)
{
	struct server server;
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(027);
	KM_TRY(km_http_systemd_socket(&fd));
	KM_TRY(server_start(config, fd, &server));
	server_log("%s: listening on %s; %s; %zu hosts", KMEND_VERSION, km_http_server_url(server.http),
		   km_store_describe(server.store), table_count(server.table));
	notify("READY=1");
	wait_for_end(&server, &signals);
	notify("STOPPING=1");
	server_log("stopping");
	server_stop(&server);
	return NULL;
}

/* ---- words ---- */

static km_error *act(const char *verb, const struct words *w, const struct config *config)
{
	if (!strcmp(verb, "init"))
		return setup_init(config);
	if (!strcmp(verb, "admin"))
		return setup_admin(config, w->role, w->name);
	if (w->check) {
		printf("the settings are good\n");
		return NULL;
	}
	return run(config);
}

static km_error *main_words(int argc, char **argv)
{
	const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : "run";
	int begin = argc > 1 && argv[1][0] != '-' ? 2 : 1;
	KM_CLEANUP(config_freep) struct config config;
	struct words w = {0};
	km_error *err;

	config_default(&config);
	if (!strcmp(verb, "serve")) /* as `kmend serve` calls it */
		verb = "run";
	if (strcmp(verb, "run") && strcmp(verb, "init") && strcmp(verb, "admin"))
		return km_error_hint(km_error_new(KM_USAGE, "there is no '%s'", verb), "run, init, or admin create");
	if (!strcmp(verb, "admin") && (argc < 3 || strcmp(argv[begin++], "create")))
		return km_error_hint(km_error_new(KM_USAGE, "there is only 'admin create'"),
				     "other admin tokens are looked after with kmend-admin");
	err = parse(argc - begin, argv + begin, !strcmp(verb, "init"), &w);
	if (!err && w.help)
		help();
	else if (!err && w.version)
		printf("kmend-server " KMEND_VERSION "\n");
	else if (!err && w.routes)
		routes_print(stdout);
	else if (!err)
		err = settings(&w, &config);
	if (!err && !w.help && !w.version && !w.routes)
		err = act(verb, &w, &config);
	km_strv_free(&w.flags);
	return err;
}

int main(int argc, char **argv)
{
	km_error *err;
	int status;

	km_colour_setup("auto");
	if (sodium_init() < 0)
		return 1;
	err = main_words(argc, argv);
	if (!err)
		return fflush(stdout) || ferror(stdout) ? 1 : 0;
	status = km_error_exit(err);
	km_error_print("kmend-server", err);
	km_error_free(err);
	return status;
}
