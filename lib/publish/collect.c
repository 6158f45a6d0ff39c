/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules that belong together become one release. */
#include "internal.h"

/* ---- do they belong together? ---- */

static km_error *differ(const struct module *a, const struct module *b, const char *what, const char *of_a,
			const char *of_b)
{
	return km_error_new(KM_REFUSED, "%s and %s differ in their %s: '%s' and '%s'", a->blob.path, b->blob.path, what,
			    of_a ? of_a : "", of_b ? of_b : "");
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static bool same_words(const km_strv *a, const km_strv *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!km_strv_has(b, a->at[i]))
			return false;
	return a->n == b->n;
}

static km_error *compare(const struct km_publish *p, const struct module *a, const struct module *b)
{
	const struct km_info *x = a->info, *y = b->info;
	const struct {
		const char *what, *of_a, *of_b;
		bool given; /* by the publisher: then it does not matter what the modules say */
	} texts[] = {
		{"name", x->name, y->name, false},
		{"version", x->version, y->version, false},
		{"source diff", x->source_hash, y->source_hash, false},
		{"severity", x->severity, y->severity, p->severity},
		{"description", x->description, y->description, p->summary},
	};

	for (size_t i = 0; i < KM_COUNT(texts); i++)
		if (!texts[i].given && !same_text(texts[i].of_a, texts[i].of_b))
			return km_error_hint(
				differ(a, b, texts[i].what, texts[i].of_a, texts[i].of_b),
				"a release is one patch: build it for all kernels from the same diff with the "
				"same options");
	if (x->replace != y->replace)
		return differ(a, b, "way to replace", x->replace ? "cumulative" : "alone",
			      y->replace ? "cumulative" : "alone");
	if (!(p->cves && p->cves->n) && !same_words(&x->cves, &y->cves))
		return km_error_hint(km_error_new(KM_REFUSED, "%s and %s differ in the CVEs that they close",
						  a->blob.path, b->blob.path),
				     "--cve says which they are");
	return NULL;
}

static bool same_kernel(const struct module *a, const struct module *b)
{
	return !strcmp(a->info->release, b->info->release) && !strcmp(a->info->arch, b->info->arch) &&
	       !strcmp(a->info->build_id, b->info->build_id);
}

static km_error *check_together(const struct km_publish *p, const module_list *list)
{
	for (size_t i = 1; i < list->n; i++) {
		const struct module *a = &list->at[i - 1], *b = &list->at[i];

		KM_TRY(compare(p, a, b));
		if (same_kernel(a, b) && a->flavour == b->flavour) /* static strings of one table */
			return km_error_hint(km_error_new(KM_REFUSED, "%s and %s are both for %s in the flavour %s",
							  a->blob.path, b->blob.path, a->info->release, a->flavour),
					     "name only the one that is meant");
	}
	return NULL;
}

static km_error *check_expected(const struct km_publish *p, const struct km_info *info)
{
	if (p->name && strcmp(p->name, info->name))
		return km_error_new(KM_REFUSED, "the patch is named '%s', not '%s'", info->name, p->name);
	if (p->version && strcmp(p->version, info->version))
		return km_error_new(KM_REFUSED, "the patch has the version '%s', not '%s'", info->version, p->version);
	return NULL;
}

static km_error *check_overrides(const struct km_publish *p, const module_list *list, km_strv *overrides)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < list->at[i].info->flags.n; j++) {
			const char *flag = list->at[i].info->flags.at[j];

			if (overrides && !km_strv_has(overrides, flag))
				km_strv_push(overrides, flag);
			if (!overrides && (!p->allow || !km_strv_has(p->allow, flag)))
				return km_error_hint(
					km_error_new(KM_REFUSED, "%s was built with --%s", list->at[i].blob.path, flag),
					"--allow %s publishes it all the same", flag);
		}
	return NULL;
}

/* ---- the diff ---- */

static char *source_beside(const module_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		KM_AUTOFREE char *path = km_printf("%s.diff", list->at[i].blob.path);

		if (km_exists(path))
			return km_strdup(path);
	}
	return NULL;
}

static km_error *take_source(const struct km_publish *p, const module_list *list, struct km_blob *ret)
{
	KM_AUTOFREE char *path = p->source ? km_strdup(p->source) : source_beside(list);
	KM_AUTOFREE uint8_t *bytes = NULL;
	uint8_t sum[KM_SHA256_LEN];
	char hash[KM_SHA256_HEX];
	km_strv diffs = {0};
	size_t size;
	km_error *err;

	if (!path)
		return km_error_hint(
			km_error_new(KM_ENV, "there is no %s.diff beside the module", list->at[0].blob.path),
			"--source DIFF names the diff that it was built from");
	km_strv_push(&diffs, path);
	err = km_patches_hash(&diffs, hash);
	km_strv_free(&diffs);
	if (err)
		return err;
	if (strcmp(hash, list->at[0].info->source_hash))
		return km_error_hint(
			km_error_new(KM_REFUSED, "%s is not what %s was built from", path, list->at[0].blob.path),
			"several diffs go into one file in the order in which kmend build had them");
	KM_TRY(km_file_read(path, &bytes, &size));
	km_sha256_of(bytes, size, sum);
	*ret = (struct km_blob){.path = km_strdup(path), .size = size, .source = true};
	km_hex(sum, sizeof(sum), ret->sha256);
	return NULL;
}

/* ---- the document ---- */

static void add_payload(struct km_release_kernel *kernel, const struct module *m)
{
	struct km_payload *payload = &kernel->payloads[kernel->n_payloads++];

	snprintf(payload->flavour, sizeof(payload->flavour), "%s", m->flavour);
	memcpy(payload->sha256, m->blob.sha256, KM_SHA256_HEX);
	payload->size = m->blob.size;
}

/* The list is sorted by kernel. */
static void add_kernels(const module_list *list, km_arena *arena, struct km_release *r)
{
	r->kernels = km_arena_alloc(arena, list->n * sizeof(*r->kernels));
	for (size_t i = 0; i < list->n; i++) {
		const struct module *m = &list->at[i];

		if (!i || !same_kernel(m, m - 1)) {
			struct km_release_kernel *kernel = &r->kernels[r->n_kernels++];

			*kernel =
				(struct km_release_kernel){.arch = m->info->arch, m->info->release, m->info->build_id};
			kernel->payloads = km_arena_alloc(arena, KM_FLAVOURS * sizeof(*kernel->payloads));
		}
		add_payload(&r->kernels[r->n_kernels - 1], m);
	}
}

static km_error *make(const struct km_publish *p, const module_list *list, const struct km_blob *source,
		      km_arena *arena, km_envelope **ret)
{
	const struct km_info *info = list->at[0].info;
	const km_strv *cves = p->cves && p->cves->n ? p->cves : &info->cves;
	struct km_release r = {
		.name = info->name, .version = info->version, .issued = p->now, .replace = info->replace};

	r.summary = p->summary ? p->summary : info->description;
	r.severity = p->severity ? p->severity : info->severity;
	if (!r.summary || !*r.summary)
		return km_error_hint(km_error_new(KM_USAGE, "the patch does not say what it does"),
				     "--summary TEXT says it; kmend build --description keeps it with the patch");
	if (!r.severity)
		return km_error_hint(km_error_new(KM_USAGE, "the patch has no severity"),
				     "--severity is low, medium, high or critical");
	r.cves = (const char **)km_arena_copy(arena, cves->at, cves->n * sizeof(*cves->at));
	r.n_cves = cves->n;
	memcpy(r.source_sha256, source->sha256, KM_SHA256_HEX);
	r.source_size = source->size;
	add_kernels(list, arena, &r);
	return km_release_make(&r, ret);
}

static void take_blobs(module_list *list, struct km_blob *source, km_blobs *ret)
{
	*ret = (km_blobs){0};
	for (size_t i = 0; i < list->n; i++) {
		km_vec_push(ret, list->at[i].blob);
		list->at[i].blob.path = NULL;
	}
	km_vec_push(ret, *source);
	source->path = NULL;
}

km_error *collect(const struct km_publish *p, km_strv *overrides, km_envelope **ret, km_blobs *blobs)
{
	module_list list = {0};
	struct km_blob source = {0};
	km_arena *arena = km_arena_create();
	km_error *err = modules_find(p->paths, p->n_paths, &list);

	if (!err)
		err = check_together(p, &list);
	if (!err)
		err = check_expected(p, list.at[0].info);
	if (!err)
		err = check_overrides(p, &list, overrides);
	if (!err)
		err = take_source(p, &list, &source);
	if (!err)
		err = make(p, &list, &source, arena, ret);
	if (!err)
		take_blobs(&list, &source, blobs);
	free(source.path);
	module_list_free(&list);
	km_arena_destroy(arena);
	return err;
}

km_error *km_publish_collect(const struct km_publish *p, km_envelope **ret, km_blobs *blobs)
{
	return collect(p, NULL, ret, blobs);
}
