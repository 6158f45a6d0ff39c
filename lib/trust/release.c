/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The body of a release: what one patch is, for each kernel that it was built for. */
#include "internal.h"

static bool flavour_ok(const char *s)
{
	return !strcmp(s, "klp") || !strcmp(s, "core");
}

static void read_payload(struct km_fields *kernel, json_t *array, size_t i, struct km_payload *ret)
{
	struct km_fields f = km_fields_at(kernel, "payloads", array, i);

	snprintf(ret->flavour, sizeof(ret->flavour), "%s", km_fields_text(&f, "flavour", flavour_ok));
	km_fields_sha256(&f, "sha256", ret->sha256);
	ret->size = (uint64_t)km_fields_int(&f, "size", 1, (int64_t)KM_PAYLOAD_MAX);
	km_fields_done(&f);
}

static void read_kernel(struct km_fields *release, json_t *array, size_t i, struct km_release_kernel *ret)
{
	struct km_fields f = km_fields_at(release, "kernels", array, i);
	json_t *payloads;

	ret->arch = km_fields_text(&f, "arch", text_version);
	ret->release = km_fields_text(&f, "release", text_version);
	ret->build_id = km_fields_text(&f, "build_id", text_build_id);
	payloads = km_fields_array(&f, "payloads", 1, 2, &ret->n_payloads);
	ret->payloads = km_arena_alloc(f.json->arena, (ret->n_payloads + 1) * sizeof(*ret->payloads));
	for (size_t j = 0; j < ret->n_payloads; j++)
		read_payload(&f, payloads, j, &ret->payloads[j]);
	km_fields_done(&f);
	if (ret->n_payloads == 2 && !strcmp(ret->payloads[0].flavour, ret->payloads[1].flavour))
		km_fields_fail(&f, "two payloads have the same flavour");
}

static bool same_kernel(const struct km_release_kernel *a, const struct km_release_kernel *b)
{
	return !strcmp(a->build_id, b->build_id) && !strcmp(a->arch, b->arch) && !strcmp(a->release, b->release);
}

static void read_kernels(struct km_fields *f, struct km_release *ret)
{
	json_t *kernels = km_fields_array(f, "kernels", 1, KM_TRUST_KERNELS, &ret->n_kernels);

	ret->kernels = km_arena_alloc(f->json->arena, (ret->n_kernels + 1) * sizeof(*ret->kernels));
	for (size_t i = 0; i < ret->n_kernels; i++) {
		read_kernel(f, kernels, i, &ret->kernels[i]);
		for (size_t j = 0; j < i; j++)
			if (same_kernel(&ret->kernels[i], &ret->kernels[j]))
				km_fields_fail(f, "the kernel %s is there twice", ret->kernels[i].release);
	}
}

static void read_release(struct km_fields *f, struct km_release *ret)
{
	struct km_fields source;

	ret->name = km_fields_text(f, "name", text_module);
	ret->version = km_fields_text(f, "version", text_version);
	ret->summary = km_fields_text(f, "summary", text_summary);
	ret->severity = km_fields_text(f, "severity", text_severity);
	ret->issued = km_fields_int(f, "issued", 0, TIME_MAX);
	ret->cves = km_fields_texts(f, "cves", 256, text_cve, &ret->n_cves);
	ret->replace = km_fields_bool(f, "replace");
	source = km_fields_in(f, "source");
	km_fields_sha256(&source, "sha256", ret->source_sha256);
	ret->source_size = (uint64_t)km_fields_int(&source, "size", 1, (int64_t)KM_PAYLOAD_MAX);
	km_fields_done(&source);
	read_kernels(f, ret);
	km_fields_done(f);
}

km_error *km_release_parse(const km_envelope *envelope, struct km_release *ret)
{
	struct km_release release = {.arena = km_arena_create()};
	struct km_json json = {.arena = release.arena};
	struct km_fields f = fields_body(envelope, &json);
	km_error *err;

	read_release(&f, &release);
	err = km_json_end(&json);
	if (err) {
		km_release_free(&release);
		return km_error_add(err, "this release is not well-formed");
	}
	*ret = release;
	return NULL;
}

static json_t *kernel_json(const struct km_release_kernel *kernel)
{
	json_t *payloads = json_array();

	for (size_t i = 0; i < kernel->n_payloads; i++) {
		const struct km_payload *p = &kernel->payloads[i];

		body_append(payloads, json_pack("{s:s, s:s, s:I}", "flavour", p->flavour, "sha256", p->sha256, "size",
						(json_int_t)p->size));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "arch", kernel->arch, "release", kernel->release, "build_id",
			 kernel->build_id, "payloads", payloads);
}

km_error *km_release_make(const struct km_release *release, km_envelope **ret)
{
	json_t *o = body_begin(KM_DOC_RELEASE), *cves = json_array(), *kernels = json_array();

	for (size_t i = 0; i < release->n_cves; i++)
		body_append(cves, json_string(release->cves[i]));
	for (size_t i = 0; i < release->n_kernels; i++)
		body_append(kernels, kernel_json(&release->kernels[i]));
	json_object_set_new(o, "name", json_string(release->name));
	json_object_set_new(o, "version", json_string(release->version));
	json_object_set_new(o, "summary", json_string(release->summary));
	json_object_set_new(o, "severity", json_string(release->severity));
	json_object_set_new(o, "issued", json_integer(release->issued));
	json_object_set_new(o, "cves", cves);
	json_object_set_new(o, "replace", json_boolean(release->replace));
	json_object_set_new(
		o, "source",
		json_pack("{s:s, s:I}", "sha256", release->source_sha256, "size", (json_int_t)release->source_size));
	json_object_set_new(o, "kernels", kernels);
	return body_end(KM_DOC_RELEASE, o, ret);
}

void km_release_free(struct km_release *release)
{
	km_arena_destroy(release->arena);
	*release = (struct km_release){0};
}
