/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend release: what there is to look at before and after it is signed. */
#include "admin.h"

enum { SHOW_DIFF = AT_OWN, SHOW_BLOBS };

static const struct cmd_option show_options[] = {
	COMMON_OPTIONS,
	[SHOW_DIFF] = {"diff", NULL, "also show the source diff"},
	[SHOW_BLOBS] = {"blobs", "DIR", "where its modules and its diff are (blobs, beside the file)"},
	{0},
};

static km_error *read_diff(const km_blobs *blobs, char **ret)
{
	const struct km_blob *diff = &blobs->at[blobs->n - 1];
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_file_read(diff->path, &bytes, &size));
	*ret = km_strndup((char *)bytes, size);
	return NULL;
}

/* What a terminal would act on instead of showing it could hide a line from the reviewer. */
static void print_diff(const char *diff)
{
	putchar('\n');
	for (const char *c = diff; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\n' && *c != '\t')
			printf("^%c", *c + '@');
		else if (*c == 0x7f)
			printf("^?");
		else
			putchar(*c);
}

static km_error *show_text(const km_envelope *release, const km_strv *overrides, const char *diff)
{
	KM_TRY(trust_show(release));
	for (size_t i = 0; i < overrides->n; i++)
		printf("%sbuilt with%s  --%s\n", km_colour_on(stdout, KM_YELLOW), km_colour_off(stdout),
		       overrides->at[i]);
	printf("\nThe modules are at hand, say what the release says, and were made of the diff.\n");
	if (diff)
		print_diff(diff);
	return NULL;
}

static void show_json(const km_envelope *release, const km_strv *overrides, const char *diff)
{
	json_t *signatures = json_array(), *o;

	for (size_t i = 0; i < release->signatures.n; i++)
		json_array_append_new(signatures,
				      json_pack("{s:s, s:s}", "role", km_role_name(release->signatures.at[i].role),
						"key", release->signatures.at[i].key));
	o = json_pack("{s:s, s:o, s:o, s:o}", "id", release->id, "body", trust_body_json(release), "signatures",
		      signatures, "overrides", view_strings_json(overrides));
	if (diff)
		json_object_set_new(o, "diff", view_text_json(diff));
	view_json(o);
}

static km_error *show_file(const struct cmd_args *args, const char *file)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *release = NULL;
	KM_AUTOFREE char *diff = NULL;
	km_blobs blobs = {0};
	km_strv overrides = {0};
	km_error *err;

	KM_TRY(km_envelope_load(KM_DOC_RELEASE, file, &release));
	KM_TRY(km_publish_blobs(release, file, args->value[SHOW_BLOBS], &blobs));
	err = km_publish_review(release, &blobs, &overrides);
	if (!err && args->value[SHOW_DIFF])
		err = read_diff(&blobs, &diff);
	if (!err && args->json)
		show_json(release, &overrides, diff);
	else if (!err)
		err = show_text(release, &overrides, diff);
	km_blobs_free(&blobs);
	km_strv_free(&overrides);
	return err;
}

static km_error *show(const struct cmd_args *args, int *status)
{
	(void)status;
	return show_file(args, args->words[0]);
}

const struct cmd release_cmds[] = {
	{"release show", "FILE", "show what one says, after checking its modules and its diff", 1, 1, show_options,
	 show, NULL},
	{0},
};
