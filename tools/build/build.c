/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verb `kmend build`: parse, run, report. */
#include "build.h"

static int say(km_error *err)
{
	km_error_print("kmend build", err);
	int status = km_error_exit(err);
	km_error_free(err);
	return status;
}

int build_build(int argc, char **argv)
{
	struct build_job job;
	struct build_outcome out;
	bool done;

	km_error *err = build_job_read(&job, argc, argv, &done);
	if (err || done) {
		build_job_free(&job);
		return err ? say(err) : 0;
	}
	if (build_is_many(&job)) {
		int worst = 0;

		err = build_many(&job, argc, argv, &worst);
		build_job_free(&job);
		return err ? say(err) : worst;
	}
	enum build_result result = build_pipeline(&job, &out);
	/* The report goes to standard output unless the JSON does. */
	bool json_only = job.json_path && !strcmp(job.json_path, "-");
	build_report_text(&job, &out, result, json_only ? stderr : stdout);
	if (out.error)
		km_error_print("kmend build", out.error);
	if (job.json_path)
		err = build_report_json(&job, &out, result, job.json_path);
	int status = err ? say(km_error_add(err, "the report")) : (int)result;
	build_outcome_free(&out);
	build_job_free(&job);
	return status;
}
