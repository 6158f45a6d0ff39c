/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lab.h - the verbs of kmend-lab and what they share. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include <jansson.h>
#include <kmend/lab.h>

/* Exit statuses of `run` besides the script's own; the other verbs have 0 pass, 1 usage or environment, 2 fail. */
enum { RUN_TIMEOUT = 124, RUN_NO_LAB = 125, RUN_FINDING = 254, RUN_GUEST_DIED = 255 };
enum { EXIT_PASS, EXIT_ENV, EXIT_FAIL };

/* `kmend-lab run`: boots, inserts, runs a script. The script's status, or one of RUN_*. */
int cmd_run(int argc, char **argv);
/* `kmend-lab verify`: proves one patch in a guest. EXIT_*. */
int cmd_verify(int argc, char **argv);
/* `kmend-lab batch`: proves many patches in few guests. EXIT_FAIL when one of them failed. */
int cmd_batch(int argc, char **argv);

/* ---- options.c ------------------------------------------------------------------------------------------- */
/* What all verbs understand. Zero-initialise. */
struct lab_options {
	const char *release, *vmlinuz, *modules, *core, *json, *keep_log, *append, *net;
	km_strv carry, module, allow, disk;
	struct km_lab_options lab;
	double transition;
	bool help;
	/* verify's own */
	const char *before, *after, *workload;
};
/* argv[0] is the verb ("run", "verify", "batch"): it decides what is understood. words: the rest; for run all from
 * the script on, options or not. With --help the help is printed. KM_USAGE. ret's strings point into argv. */
KM_CHECKED km_error *lab_options_parse(int argc, char **argv, const char *verb, struct lab_options *ret,
				       km_strv *words);
/* Frees the lists; strings are argv's. */
void lab_options_free(struct lab_options *o);
/* The kernel that --kernel or --vmlinuz names; *ret is left alone when neither does. */
KM_CHECKED km_error *lab_options_kernel(const struct lab_options *o, struct km_lab_kernel *ret);

/* ---- report.c -------------------------------------------------------------------------------------------- */
/* A JSON array of the log's findings: line, reason, and the step or null for the boot. The caller's. */
json_t *report_findings(const struct km_lab_result *r);
/* A step of a lab; output is what it printed, made printable. */
json_t *report_step(const char *name, const struct km_lab_step_result *s);
/* boot, wall, kvm, end, log findings. */
json_t *report_guest(const struct km_lab_result *r);
/* Steals root; to a file or, with "-", to stdout. */
KM_CHECKED km_error *report_write(const char *path, json_t *root);
/* Writes the kernel's log as it came, for --keep-log. */
KM_CHECKED km_error *report_log(const char *path, const struct km_lab_result *r);
/* The last `lines` lines, indented, with an ellipsis when there were more. */
void report_tail(FILE *f, const char *bytes, size_t n, unsigned lines);
/* Lists findings for people, `most` of them and how many more there were. */
void report_print_findings(FILE *f, const struct km_lab_result *r, unsigned most);

#endif
