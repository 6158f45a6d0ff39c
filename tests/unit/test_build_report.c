/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both reports over an outcome made by hand: two units, every kind of item and judgement. */
#include <jansson.h>

#include "check.h"

#include "build.h"

struct scene {
	struct build_job job;
	struct build_outcome out;
	km_kernel kernel;
	km_object vmlinux;
	km_diff diff;
	km_unit units[2];
	struct km_sym orig;
};

static const struct km_judgement unit_risk = {.severity = KM_RISK,
					      .code = "kthread-loop",
					      .file = "fs/one.c",
					      .line = 12,
					      .subject = "one_loop",
					      .reason = "it never returns",
					      .next = "wake it"},
				 unit_note = {.severity = KM_NOTE, .code = "string", .reason = "a text changed"},
				 patch_refusal = {.severity = KM_REFUSE,
						  .code = "mismatch",
						  .subject = "one_get",
						  .reason = "it differs from the kernel's"};

static void add_items(struct scene *s)
{
	km_vec_push(&s->diff.items, (struct km_change_item){.name = "one_get.new",
							    .kind = "function",
							    .file = "fs/one.c",
							    .line = 5,
							    .change = KM_CHANGED,
							    .why = KM_WHY_STRING,
							    .detail = "\"a\" became \"b\"",
							    .included = true,
							    .replaces = true,
							    .orig = &s->orig});
	km_vec_push(&s->diff.items,
		    (struct km_change_item){.name = "one_new", .kind = "function", .change = KM_NEW, .why = KM_WHY_NEW, .included = true});
	km_vec_push(&s->diff.items,
		    (struct km_change_item){.name = "one_gone", .kind = "function", .change = KM_REMOVED});
	km_vec_push(&s->diff.items,
		    (struct km_change_item){.name = "warned", .kind = "data", .change = KM_NEW, .why = KM_WHY_NEVER_SAME, .included = true});
}

/* What the pipeline would leave behind after a patch was written. */
static struct scene *scene_create(void)
{
	struct scene *s = km_calloc(1, sizeof(*s));

	s->kernel = (km_kernel){.release = (char *)"6.1.0-toy",
				.package_version = (char *)"6.1.1-1",
				.arch = (char *)"x86_64",
				.compiler_text = (char *)"gcc \xff 12",
				.vmlinux = &s->vmlinux};
	s->vmlinux = (km_object){.build_id = {0xab, 0x01}, .build_id_len = 2};
	s->job.name = (char *)"kmend_one";
	s->job.spec.version = "1";
	strcpy(s->job.spec.source_hash, "f00d");
	km_strv_push(&s->job.patches, "one.patch");
	s->orig.name = "one_get";
	s->units[0] = (km_unit){.source = (char *)"fs/one.c", .object = (char *)"vmlinux", .why_text = (char *)"changed"};
	s->units[1] = (km_unit){.source = (char *)"net/two.c", .object = (char *)"two", .why_text = (char *)"includes x.h"};
	add_items(s);
	km_vec_push(&s->diff.judgements, unit_risk);
	km_vec_push(&s->diff.judgements, unit_note);
	km_vec_push(&s->out.units, (struct build_unit){.unit = &s->units[0], .diff = &s->diff});
	km_vec_push(&s->out.units, (struct build_unit){.unit = &s->units[1], .files.same_tokens = true});
	km_vec_push(&s->out.left_out, (struct km_left_out){(char *)"d.rst", (char *)"documentation"});
	km_vec_push(&s->out.patch.funcs, (struct km_patch_func){.name = "one_get", .object = "two", .unit = "fs/one.c", .size = 1});
	km_vec_push(&s->out.patch.funcs, (struct km_patch_func){.name = "one_get",
								.object = "vmlinux",
								.unit = "fs/one.c",
								.sympos = 2,
								.size = 64,
								.expected = {0xcd},
								.matched = true});
	s->out.kernel = &s->kernel;
	s->out.stages = km_stages_create(true);
	km_stage(s->out.stages, "locate");
	km_stage(s->out.stages, "compile");
	km_stages_end(s->out.stages);
	s->out.patch.files[KM_FLAVOUR_KLP].path = (char *)"out/kmend_one.ko";
	s->out.patch.files[KM_FLAVOUR_KLP].size = 4096;
	strcpy(s->out.sha256[KM_FLAVOUR_KLP], "0123456789abcdef0123");
	return s;
}

static void scene_destroy(struct scene *s)
{
	km_stages_destroy(s->out.stages);
	km_strv_free(&s->job.patches);
	km_vec_free(&s->diff.items);
	km_vec_free(&s->diff.judgements);
	km_vec_free(&s->out.units);
	km_vec_free(&s->out.left_out);
	km_vec_free(&s->out.patch.funcs);
	km_vec_free(&s->out.patch.judgements);
	km_vec_free(&s->out.judgements);
	free(s);
}

static json_t *json_of(const struct scene *s, enum build_result result)
{
	char *dir = check_dir(), *path = km_path(dir, "report.json");
	json_error_t why;
	json_t *j;

	check_ok(build_report_json(&s->job, &s->out, result, path));
	j = json_load_file(path, 0, &why);
	if (!j)
		fail_msg("line %d: %s", why.line, why.text);
	free(path);
	check_dir_end(dir);
	return j;
}

/* The value at "units.0.items.1.name", as JSON text. */
static void assert_at(json_t *j, const char *path, const char *value)
{
	char *copy = km_strdup(path), *save = NULL, *text;
	json_t *at = j;

	for (char *key = strtok_r(copy, ".", &save); key && at; key = strtok_r(NULL, ".", &save))
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(key)) : json_object_get(at, key);
	text = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : km_strdup("(absent)");
	if (strcmp(text, value))
		fail_msg("%s: expected %s, is %s", path, value, text);
	free(text);
	free(copy);
}

struct expected {
	const char *path, *value;
};

static void assert_all(json_t *j, const struct expected *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_at(j, e[i].path, e[i].value);
}

static void json_tells_all(void **state)
{
	static const struct expected expected[] = {
		{"result", "\"built\""},
		{"exit", "0"},
		{"error", "null"},
		{"kernel.release", "\"6.1.0-toy\""},
		{"kernel.package", "\"6.1.1-1\""},
		{"kernel.build_id", "\"ab01\""},
		{"kernel.compiler", "\"gcc ? 12\""},
		{"patch.name", "\"kmend_one\""},
		{"patch.source_hash", "\"f00d\""},
		{"patch.replace", "false"},
		{"patch.sources", "[\"one.patch\"]"},
		{"patch.file", "\"out/kmend_one.ko\""},
		{"patch.flavour", "\"klp\""},
		{"patch.size", "4096"},
		{"patch.sha256", "\"0123456789abcdef0123\""},
		{"units.0.source", "\"fs/one.c\""},
		{"units.0.object", "\"vmlinux\""},
		{"units.0.why", "\"changed\""},
		{"units.0.items.0.name", "\"one_get.new\""},
		{"units.0.items.0.change", "\"changed\""},
		{"units.0.items.0.replaces", "true"},
		{"units.0.items.0.detail", "\"\\\"a\\\" became \\\"b\\\"\""},
		{"units.0.items.0.file", "\"fs/one.c\""},
		{"units.0.items.0.line", "5"},
		{"units.0.items.0.sympos", "2"},
		{"units.0.items.0.size", "64"},
		{"units.0.items.0.matched", "true"},
		{"units.0.items.1.change", "\"new\""},
		{"units.0.items.1.sympos", "(absent)"},
		{"units.0.items.1.file", "(absent)"},
		{"units.0.items.2.change", "\"removed\""},
		{"units.0.items.2.why", "(absent)"},
		{"units.0.items.4", "(absent)"},
		{"units.1.same_tokens", "true"},
		{"units.1.items", "[]"},
		{"left_out", "[{\"path\":\"d.rst\",\"reason\":\"documentation\"}]"},
		{"judgements.0.severity", "\"risk\""},
		{"judgements.0.unit", "\"fs/one.c\""},
		{"judgements.0.line", "12"},
		{"judgements.1.severity", "\"note\""},
		{"judgements.1.subject", "null"},
		{"judgements.2", "(absent)"},
		{"times.0.stage", "\"locate\""},
		{"times.1.stage", "\"compile\""},
		{"times.2", "(absent)"},
	};
	struct scene *s = scene_create();
	json_t *j = json_of(s, BUILD_BUILT);

	(void)state;
	assert_all(j, expected, KM_COUNT(expected));
	json_decref(j);
	scene_destroy(s);
}

static void json_of_a_failure_has_the_error(void **state)
{
	static const struct expected expected[] = {
		{"result", "\"error\""}, {"exit", "1"},	     {"error.message", "\"no such kernel\""},
		{"error.hint", "null"},	 {"kernel", "null"}, {"patch.file", "(absent)"},
	};
	struct scene *s = scene_create();
	json_t *j;

	(void)state;
	s->out.kernel = NULL;
	s->out.patch.files[KM_FLAVOUR_KLP].path = NULL;
	s->out.error = km_error_new(KM_ENV, "no such kernel");
	j = json_of(s, BUILD_ERROR);
	assert_all(j, expected, KM_COUNT(expected));
	json_decref(j);
	km_error_free(s->out.error);
	scene_destroy(s);
}

static void json_of_a_refusal_has_the_reason(void **state)
{
	static const struct expected expected[] = {
		{"result", "\"refused\""},
		{"exit", "2"},
		{"judgements.2.severity", "\"refuse\""},
		{"judgements.2.unit", "\"\""},
		{"judgements.2.file", "null"},
		{"judgements.2.code", "\"mismatch\""},
	};
	struct scene *s = scene_create();
	json_t *j;

	(void)state;
	km_vec_push(&s->out.patch.judgements, patch_refusal);
	j = json_of(s, BUILD_REFUSED);
	assert_all(j, expected, KM_COUNT(expected));
	json_decref(j);
	scene_destroy(s);
}

static void a_full_disk_is_told(void **state)
{
	struct scene *s = scene_create();

	(void)state;
	check_error(build_report_json(&s->job, &s->out, BUILD_BUILT, "/nonexistent/report.json"), KM_ENV,
		    "/nonexistent/report.json");
	scene_destroy(s);
}

static void judgements_are_counted_wherever_they_are(void **state)
{
	struct scene *s = scene_create();

	(void)state;
	km_vec_push(&s->out.judgements, patch_refusal);
	km_vec_push(&s->out.patch.judgements, patch_refusal);
	assert_int_equal(build_count_judgements(&s->out, KM_NOTE), 4);
	assert_int_equal(build_count_judgements(&s->out, KM_RISK), 3);
	assert_int_equal(build_count_judgements(&s->out, KM_REFUSE), 2);
	scene_destroy(s);
}

/* The name alone is not enough: a unit may be built into two objects. */
static void a_function_is_found_in_its_unit_and_object(void **state)
{
	struct scene *s = scene_create();
	const struct km_patch_func *f = build_placed(&s->out, &s->out.units.at[0], "one_get");

	(void)state;
	assert_ptr_equal(f, &s->out.patch.funcs.at[1]);
	assert_null(build_placed(&s->out, &s->out.units.at[0], "one"));
	assert_null(build_placed(&s->out, &s->out.units.at[1], "one_get"));
	scene_destroy(s);
}

/* The text without the times, which differ from run to run. */
static char *text_of(const struct scene *s, enum build_result result)
{
	char *text = NULL, *times, *end;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	build_report_text(&s->job, &s->out, result, f);
	fclose(f);
	times = strstr(text, "\ntimes\n");
	end = times ? strstr(times + 1, "\n\n") : NULL;
	if (end)
		memmove(times, end + 1, strlen(end + 1) + 1);
	return text;
}

static void assert_report(const struct scene *s, enum build_result result, const char *expected)
{
	char *text = text_of(s, result);

	if (strcmp(text, expected))
		fail_msg("expected\n%s\ngot\n%s", expected, text);
	free(text);
}

#define UNITS                                                                                                       \
	"kmend_one for 6.1.0-toy (6.1.1-1)\n"                                                                       \
	"\nfs/one.c in vmlinux (changed)\n"                                                                         \
	"  ~ one_get.new                      function at fs/one.c:5: a string or constant it uses changed ("      \
	"\"a\" became \"b\")\n"                                                                                     \
	"  + one_new                          function: it is new\n"                 \
	"  - one_gone                         function: no longer called\n"
#define HIDDEN "    and 1 string, constant or piece of data that they use (--verbose tells more)\n"
#define REST                                                                                                        \
	"\n1 of 2 units compile to the same code as before\n"                                                       \
	"\nleft out\n    d.rst: documentation\n"
#define NOTES                                                                                                       \
	"\nnotes\n  fs/one.c: string: a text changed [string]\n"                                                    \
	"\nrisks\n  fs/one.c:12: one_loop: it never returns [kthread-loop]\n      next: wake it\n"

static void text_tells_the_news(void **state)
{
	struct scene *s = scene_create();
	static const char done[] = "\nbuilt out/kmend_one.ko: 4096 bytes, 2 functions replaced, sha256 0123456789abcdef\n";
	char *expected = km_printf("%s%s%s%s%s", UNITS, HIDDEN, REST, NOTES, done);

	(void)state;
	km_colour_setup("never");
	assert_report(s, BUILD_BUILT, expected);
	free(expected);
	s->job.quiet = true;
	assert_report(s, BUILD_BUILT, "");
	scene_destroy(s);
}

static void two_flavours_are_two_files(void **state)
{
	static const struct expected expected[] = {
		{"patch.file", "\"out/kmend_one.ko\""},
		{"patch.files.0.flavour", "\"klp\""},
		{"patch.files.1.flavour", "\"core\""},
		{"patch.files.1.file", "\"out/core/kmend_one.ko\""},
		{"patch.files.1.size", "5000"},
		{"patch.files.2", "(absent)"},
	};
	struct scene *s = scene_create();
	char *text = km_printf("%s%s%s%s%s", UNITS, HIDDEN, REST, NOTES,
			       "\nbuilt out/kmend_one.ko: 4096 bytes, 2 functions replaced, sha256 0123456789abcdef\n"
			       "built out/core/kmend_one.ko for kmend.ko: 5000 bytes, 2 functions replaced, sha256 fedc\n");
	json_t *j;

	(void)state;
	s->out.patch.files[KM_FLAVOUR_CORE] = (struct km_patch_file){(char *)"out/core/kmend_one.ko", 5000};
	strcpy(s->out.sha256[KM_FLAVOUR_CORE], "fedc");
	j = json_of(s, BUILD_BUILT);
	assert_all(j, expected, KM_COUNT(expected));
	json_decref(j);
	km_colour_setup("never");
	assert_report(s, BUILD_BUILT, text);
	free(text);
	scene_destroy(s);
}

static void text_of_a_refusal_counts_the_reasons(void **state)
{
	struct scene *s = scene_create();
	static const char one[] = "\nrefused\n  one_get: it differs from the kernel's [mismatch]\n"
				  "\nrefused for the reason above: nothing was written\n",
			  two[] = "\nrefused for the 2 reasons above: nothing was written\n";
	char *text;

	(void)state;
	km_vec_push(&s->out.patch.judgements, patch_refusal);
	text = text_of(s, BUILD_REFUSED);
	assert_string_equal(text + strlen(text) - strlen(one), one);
	free(text);
	km_vec_push(&s->out.patch.judgements, patch_refusal);
	text = text_of(s, BUILD_REFUSED);
	assert_string_equal(text + strlen(text) - strlen(two), two);
	free(text);
	s->job.quiet = true; /* errors and refusals only */
	text = text_of(s, BUILD_REFUSED);
	assert_null(strstr(text, "left out"));
	assert_non_null(strstr(text, "[mismatch]"));
	free(text);
	scene_destroy(s);
}

static void text_of_nothing_and_of_an_error(void **state)
{
	struct scene *s = scene_create();
	static const char nothing[] = "\nnothing to patch: no function that can run from now on changed\n";
	char *text = text_of(s, BUILD_NOTHING);

	(void)state;
	assert_string_equal(text + strlen(text) - strlen(nothing), nothing);
	free(text);
	s->out.error = km_error_new(KM_ENV, "no such kernel");
	assert_report(s, BUILD_ERROR, "");
	km_error_free(s->out.error);
	scene_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_tells_all),
		cmocka_unit_test(json_of_a_failure_has_the_error),
		cmocka_unit_test(json_of_a_refusal_has_the_reason),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(judgements_are_counted_wherever_they_are),
		cmocka_unit_test(a_function_is_found_in_its_unit_and_object),
		cmocka_unit_test(text_tells_the_news),
		cmocka_unit_test(two_flavours_are_two_files),
		cmocka_unit_test(text_of_a_refusal_counts_the_reasons),
		cmocka_unit_test(text_of_nothing_and_of_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
