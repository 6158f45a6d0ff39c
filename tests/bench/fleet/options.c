/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: NAME VALUE pairs from one table. */
#include <arpa/inet.h>
#include <math.h>
#include <stddef.h>

#include "sim.h"

enum kind { NUMBER, COUNT };

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
	double min, max;
	const char *help;
} table[] = {
	{"--hosts", COUNT, offsetof(struct options, hosts), 1, 10000000, "how many (1000)"},
	{"--interval", NUMBER, offsetof(struct options, interval), .001, 86400,
	 "simulated seconds between two check-ins of a host (60)"},
	{"--time-scale", NUMBER, offsetof(struct options, scale), .001, 1e6, "simulated seconds in a real one (1)"},
	{"--seconds", NUMBER, offsetof(struct options, seconds), .1, 86400, "real seconds to measure (60)"},
	{"--warm-up", NUMBER, offsetof(struct options, warm_up), 0, 86400, "real seconds before that (0)"},
	{"--dies-within", NUMBER, offsetof(struct options, dies_within), 0, 86400,
	 "simulated seconds from a load to a crash or hang, at most (60)"},
	{"--fail", NUMBER, offsetof(struct options, fail), 0, 1,
	 "share of hosts, 0 to 1, that cannot load a patch (0)"},
	{"--stall", NUMBER, offsetof(struct options, stall), 0, 1, "… whose transition does not end (0)"},
	{"--crash", NUMBER, offsetof(struct options, crash), 0, 1, "… that crash, and say so after a boot (0)"},
	{"--hang", NUMBER, offsetof(struct options, hang), 0, 1, "… that are never heard of again (0)"},
	{"--absent", NUMBER, offsetof(struct options, absent), 0, 1, "… that attach and never check in (0)"},
};

void options_help(void)
{
	puts("usage: kmend-fleet-sim --server ADDRESS:PORT --token TOKEN [OPTION VALUE]...\n"
	     "Many hosts with the real protocol on few connections; prints what came of it as JSON.\n\n"
	     "  --connections N    kept connections that the hosts share (200)\n"
	     "  --pid PID          the server's process, for its CPU time and memory\n"
	     "  --seed N           another fleet: other ids, other fates (1)\n"
	     "  --arch, --kernel, --build-id VALUE    what all hosts run");
	for (size_t i = 0; i < KM_COUNT(table); i++)
		printf("  %-18s %s\n", table[i].name, table[i].help);
}

static km_error *read_number(const char *name, const char *value, double min, double max, double *ret)
{
	char *end;
	double n = strtod(value, &end);

	if (end == value || *end || !isfinite(n) || n < min || n > max)
		return km_error_new(KM_USAGE, "%s takes a number from %g to %g, not '%s'", name, min, max, value);
	*ret = n;
	return NULL;
}

static km_error *read_server(const char *value, struct options *ret)
{
	KM_AUTOFREE char *address = km_strdup(value);
	char *colon = strrchr(address, ':');
	double port;

	ret->server.sin_family = AF_INET;
	if (!colon)
		return km_error_new(KM_USAGE, "--server takes ADDRESS:PORT, not '%s'", value);
	*colon = '\0';
	KM_TRY(read_number("the port of --server", colon + 1, 1, 65535, &port));
	ret->server.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &ret->server.sin_addr) != 1)
		return km_error_new(KM_USAGE, "'%s' is no IPv4 address", address);
	ret->authority = value;
	return NULL;
}

static km_error *copy(const char *name, const char *value, size_t size, char *ret)
{
	if (strlen(value) >= size)
		return km_error_new(KM_USAGE, "%s takes %zu characters at most", name, size - 1);
	memset(ret, 0, size);
	memcpy(ret, value, strlen(value));
	return NULL;
}

static km_error *read_from_table(const char *name, const char *value, struct options *ret, bool *known)
{
	for (size_t i = 0; i < KM_COUNT(table); i++) {
		void *at = (char *)ret + table[i].at;
		double n;

		if (strcmp(name, table[i].name))
			continue;
		*known = true;
		KM_TRY(read_number(name, value, table[i].min, table[i].max, &n));
		if (table[i].kind == COUNT)
			*(size_t *)at = (size_t)n;
		else
			*(double *)at = n;
		return NULL;
	}
	return NULL;
}

static km_error *read_option(const char *name, const char *value, struct options *ret)
{
	bool known = false;
	double n;

	if (!strcmp(name, "--server"))
		return read_server(value, ret);
	if (!strcmp(name, "--token")) {
		ret->token = value;
		return km_fleet_secret_ok(value, "kmt_")
			       ? NULL
			       : km_error_new(KM_USAGE, "--token takes the secret of a token, kmt_…");
	}
	if (!strcmp(name, "--arch"))
		return copy(name, value, sizeof(ret->kernel.arch), ret->kernel.arch);
	if (!strcmp(name, "--kernel"))
		return copy(name, value, sizeof(ret->kernel.release), ret->kernel.release);
	if (!strcmp(name, "--build-id"))
		return copy(name, value, sizeof(ret->kernel.build_id), ret->kernel.build_id);
	if (!strcmp(name, "--connections")) {
		KM_TRY(read_number(name, value, 1, 20000, &n));
		ret->connections = (unsigned)n;
		return NULL;
	}
	if (!strcmp(name, "--pid")) {
		KM_TRY(read_number(name, value, 1, 4194304, &n));
		ret->pid = (pid_t)n;
		return NULL;
	}
	if (!strcmp(name, "--seed")) {
		KM_TRY(read_number(name, value, 0, 4294967295, &n));
		ret->seed = (unsigned)n;
		return NULL;
	}
	KM_TRY(read_from_table(name, value, ret, &known));
	return known ? NULL : km_error_new(KM_USAGE, "there is no option %s", name);
}

km_error *options_parse(int argc, char **argv, struct options *ret)
{
	struct options o = {.hosts = 1000,
			    .connections = 200,
			    .interval = 60,
			    .scale = 1,
			    .seconds = 60,
			    .dies_within = 60,
			    .seed = 1,
			    .kernel = {.arch = "x86_64",
				       .release = "6.1.0-56-cloud-amd64",
				       .build_id = "00112233445566778899aabbccddeeff00112233",
				       .boot = "0123456789abcdef0123456789abcdef"}};

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return km_error_new(KM_USAGE, "%s needs a value", argv[i]);
		KM_TRY(read_option(argv[i], argv[i + 1], &o));
	}
	if (!o.authority || !o.token)
		return km_error_new(KM_USAGE, "--server and --token are needed");
	if (o.fail + o.stall + o.crash + o.hang + o.absent > 1)
		return km_error_new(
			KM_USAGE,
			"the shares of --fail, --stall, --crash, --hang and --absent are more than all hosts");
	*ret = o;
	return NULL;
}
