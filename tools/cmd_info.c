/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

/* What a file says of itself, and whether the running kernel would take it. */

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

static json_t *object_json(const struct km_info_object *object)
{
	json_t *o = json_object(), *funcs = json_array();

	for (size_t i = 0; i < object->funcs.n; i++) {
		const struct km_info_func *func = &object->funcs.at[i];
		json_t *f = json_object();

		json_object_set_new(f, "name", view_text_json(func->name));
		json_object_set_new(f, "sympos", json_integer(func->sympos));
		json_object_set_new(f, "size", json_integer((json_int_t)func->size));
		json_object_set_new(f, "expected", *func->expected ? view_text_json(func->expected) : json_null());
		json_object_set_new(f, "matched", json_boolean(func->matched));
		json_array_append_new(funcs, f);
	}
	json_object_set_new(o, "name", view_text_json(object->name));
	json_object_set_new(o, "functions", funcs);
	return o;
}

static json_t *signature_json(const struct km_modsig *sig)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{"issuer", sig->issuer}, {"serial", sig->serial},   {"key_id", sig->key_id},
		{"hash", sig->hash},	 {"damaged", sig->damaged},
	};
	json_t *o;

	if (!sig->there)
		return json_null();
	o = json_object();
	for (size_t i = 0; i < KM_COUNT(texts); i++)
		json_object_set_new(o, texts[i].key, view_text_json(texts[i].value));
	json_object_set_new(o, "signers", json_integer(sig->signers));
	return o;
}

static json_t *info_json(const char *path, const struct km_info *info, const km_error *unfit)
{
	const struct {
		const char *key, *value;
	} texts[] = {
		{"file", path},
		{"name", info->name},
		{"version", info->version},
		{"release", info->release},
		{"build_id", info->build_id},
		{"vermagic", info->vermagic},
		{"description", info->description},
		{"severity", info->severity},
		{"source_hash", info->source_hash},
		{"tool", info->tool},
		{"unfit_because", unfit ? unfit->message : NULL},
	};
	json_t *o = json_object(), *objects = json_array();

	for (size_t i = 0; i < KM_COUNT(texts); i++)
		json_object_set_new(o, texts[i].key, view_text_json(texts[i].value));
	for (size_t i = 0; i < info->objects.n; i++)
		json_array_append_new(objects, object_json(&info->objects.at[i]));
	json_object_set_new(o, "kmend", json_boolean(info->ours));
	json_object_set_new(o, "livepatch", json_boolean(info->livepatch));
	json_object_set_new(o, "flavour", info->core ? json_string("core") : info->livepatch ? json_string("klp") : json_null());
	json_object_set_new(o, "format", info->ours ? json_integer(info->format) : json_null());
	json_object_set_new(o, "replace", json_boolean(info->replace));
	json_object_set_new(o, "cves", view_strings_json(&info->cves));
	json_object_set_new(o, "flags", view_strings_json(&info->flags));
	json_object_set_new(o, "objects", objects);
	json_object_set_new(o, "signature", signature_json(&info->signature));
	json_object_set_new(o, "fits_running_kernel", json_boolean(!unfit));
	return o;
}

static void print_strings(const char *label, const km_strv *v)
{
	if (!v->n)
		return;
	printf("%-12s", label);
	for (size_t i = 0; i < v->n; i++)
		printf("%s%s", i ? " " : "", v->at[i]);
	putchar('\n');
}

static void print_functions(const struct km_info *info)
{
	for (size_t i = 0; i < info->objects.n; i++) {
		const struct km_info_object *object = &info->objects.at[i];

		printf("%-12s%s\n", "object", object->name);
		for (size_t j = 0; j < object->funcs.n; j++) {
			const struct km_info_func *f = &object->funcs.at[j];

			printf("  function  %s", f->name);
			if (f->sympos)
				printf(" (the %u. of that name)", f->sympos);
			if (info->ours && !f->matched)
				printf(" %sNOT MATCHED with the shipped code%s", km_colour_on(stdout, KM_RED),
				       km_colour_off(stdout));
			putchar('\n');
		}
	}
}

static void print_signature(const struct km_modsig *sig)
{
	printf("%-12s", "signed");
	if (!sig->there)
		puts("no");
	else if (sig->damaged)
		printf("%sDAMAGED%s: %s\n", km_colour_on(stdout, KM_RED), km_colour_off(stdout), sig->damaged);
	else if (sig->issuer)
		printf("by the certificate %s of %s, %s", or_dash(sig->serial), sig->issuer, sig->hash);
	else
		printf("by the key %s, %s", or_dash(sig->key_id), sig->hash);
	if (!sig->there || sig->damaged)
		return;
	if (sig->signers > 1)
		printf(", and %u more", sig->signers - 1);
	puts(" (only the kernel verifies it)");
}

static void print_info(const char *path, const struct km_info *info, const km_error *unfit)
{
	printf("%-12s%s\n", "file", path);
	printf("%-12s%s%s%s\n", "name", or_dash(info->name), info->version ? ", version " : "",
	       info->version ? info->version : "");
	printf("%-12s%s\n", "made by", info->ours ? or_dash(info->tool) : "another tool (no kmend metadata)");
	if (info->description)
		printf("%-12s%s\n", "description", info->description);
	printf("%-12s%s\n", "kernel", info->release ? info->release : or_dash(info->vermagic));
	if (info->core || info->livepatch)
		printf("%-12s%s\n", "flavour", info->core ? "core: for kmend.ko" : "klp: for the kernel's own livepatch");
	if (info->build_id)
		printf("%-12s%s\n", "build-id", info->build_id);
	print_strings("closes", &info->cves);
	if (info->severity)
		printf("%-12s%s\n", "severity", info->severity);
	if (info->source_hash && *info->source_hash)
		printf("%-12s%s\n", "source hash", info->source_hash);
	print_strings("overrides", &info->flags);
	print_signature(&info->signature);
	printf("%-12s%s\n", "cumulative", info->replace ? "yes: replaces all patches below it" : "no");
	print_functions(info);
	printf("%-12s%s%s\n", "this kernel", unfit ? "does not fit: " : "fits", unfit ? unfit->message : "");
}

static km_error *show_file(km_host *host, const char *path, bool json)
{
	struct km_info *info = NULL;
	km_error *unfit;

	KM_TRY(km_info_read(path, &info));
	unfit = km_host_check(host, info);
	if (json)
		view_json(info_json(path, info, unfit));
	else
		print_info(path, info, unfit);
	km_error_free(unfit);
	km_info_free(info);
	return NULL;
}

/* A patch that another place than the store has brought here: what the kernel and our record tell. */
static void print_applied(const struct km_applied *p)
{
	char since[32];

	view_time(p->since, since);
	printf("%-12s%s%s%s\n", "name", p->name, p->version ? ", version " : "", p->version ? p->version : "");
	printf("%-12s%s\n", "state", view_state(p));
	if (p->since)
		printf("%-12s%s\n", "since", since);
	if (p->description)
		printf("%-12s%s\n", "description", p->description);
	print_strings("closes", &p->cves);
	for (size_t i = 0; i < p->objects.n; i++) {
		const struct km_applied_object *object = &p->objects.at[i];

		printf("%-12s%s\n", "object", object->name);
		for (size_t j = 0; j < object->funcs.n; j++)
			printf("  function  %s\n", object->funcs.at[j].name);
	}
}

/* The file, if it is still where it was loaded from; else what is known without it. */
static km_error *show_applied(km_host *host, const struct km_applied *p, bool json)
{
	if (p->path && km_exists(p->path))
		return show_file(host, p->path, json);
	if (json)
		view_json(view_applied_json(p));
	else
		print_applied(p);
	return NULL;
}

km_error *cmd_info(const struct cmd_args *args, int *status)
{
	const char *word = args->words[0];
	bool is_path = strchr(word, '/') || km_ends(word, ".ko");
	KM_AUTOHOST km_host *host = NULL;
	KM_AUTOFREE char *path = NULL;
	km_applied_list all = {0};
	const struct km_applied *applied;
	km_error *err;

	(void)status;
	KM_TRY(cmd_host(&host));
	KM_TRY(km_host_list(host, &all));
	applied = is_path ? NULL : km_applied_find(&all, word);
	if (applied) {
		err = show_applied(host, applied, args->json);
	} else {
		err = km_host_find_file(host, word, &path);
		if (!err)
			err = show_file(host, path, args->json);
	}
	km_applied_list_free(&all);
	return err;
}
