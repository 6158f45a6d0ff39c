/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `kmend kernels`: which kernels patches can be built for. */
#include <getopt.h>
#include <jansson.h>

#include "build.h"

static const char usage_text[] =
	"usage: kmend kernels [OPTION...] [TEXT]\n"
	"\n"
	"Lists the kernels that patches can be built for; with TEXT, those whose release or version contains it.\n"
	"\n"
	"  --json         as JSON\n"
	"  -h, --help\n"
	"\n"
	"Marks: running, installed on this machine, cached (prepared: needs no network), offered by apt (image, "
	"headers and\n"
	"source of one version). Where two versions share a release, RELEASE=VERSION names one of them.\n";

static const struct option options[] = {
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool is_meant(const struct km_kernel_info *k, const char *text)
{
	return !text || strstr(k->release, text) || strstr(k->version, text);
}

static bool any_meant(const km_kernel_list *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++)
		if (is_meant(&l->at[i], text))
			return true;
	return false;
}

static void show_text(const km_kernel_list *l, const char *text)
{
	int release = 7, version = 7;

	for (size_t i = 0; i < l->n; i++) {
		release = (int)strlen(l->at[i].release) > release ? (int)strlen(l->at[i].release) : release;
		version = (int)strlen(l->at[i].version) > version ? (int)strlen(l->at[i].version) : version;
	}
	printf("%s%-*s  %-*s  STATE%s\n", km_colour_on(stdout, KM_BOLD), release, "RELEASE", version, "VERSION",
	       km_colour_off(stdout));
	for (size_t i = 0; i < l->n; i++) {
		const struct km_kernel_info *k = &l->at[i];

		if (is_meant(k, text))
			printf("%-*s  %-*s %s%s%s%s\n", release, k->release, version, *k->version ? k->version : "-",
			       k->running ? " running" : "", k->installed ? " installed" : "",
			       k->cached ? " cached" : "", k->offered ? " offered" : "");
	}
}

static km_error *show_json(const km_kernel_list *l, const char *text)
{
	json_t *all = json_array();
	char *out;

	for (size_t i = 0; i < l->n; i++) {
		const struct km_kernel_info *k = &l->at[i];

		if (is_meant(k, text))
			json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:b, s:b, s:b}", "release", k->release,
							     "version", k->version, "running", k->running, "installed",
							     k->installed, "cached", k->cached, "offered", k->offered));
	}
	out = json_dumps(all, JSON_INDENT(2));
	json_decref(all);
	if (!out)
		return km_error_new(KM_BUG, "the list cannot be written as JSON");
	puts(out);
	free(out);
	return NULL;
}

static km_error *run(int argc, char **argv)
{
	KM_CLEANUP(km_kernel_list_free) km_kernel_list list = {0};
	const char *text = NULL;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage_text, stdout);
			return NULL;
		}
		if (c != 'j')
			return build_bad_option(c, argv, options, "kernels");
		json = true;
	}
	if (argc - optind > 1)
		return km_error_new(KM_USAGE, "one TEXT at most, and there is '%s' too", argv[optind + 1]);
	text = argv[optind];
	KM_TRY(km_kernels_list(&list));
	if (json)
		return show_json(&list, text);
	if (text && !any_meant(&list, text))
		return km_error_hint(km_error_new(KM_NOTHING, "no kernel has '%s' in its release or version", text),
				     "`kmend kernels` lists all; `apt-get update` may know more");
	show_text(&list, text);
	return NULL;
}

int build_kernels(int argc, char **argv)
{
	km_error *err = run(argc, argv);
	int status = 0;

	if (err) {
		km_error_print("kmend kernels", err);
		status = km_error_exit(err);
		km_error_free(err);
	}
	return status;
}
