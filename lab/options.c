/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options of the verbs: one table. */
#include <math.h>
#include <time.h>

#include "lab.h"

enum kind { TEXT, LIST, COUNT, SECONDS, DATE, YES };

/* Letters of the verbs that understand it: r(un) v(erify) b(atch). */
static const struct option_row {
	const char *name, *verbs, *arg;
	enum kind kind;
	size_t at;
	const char *help;
} rows[] = {
	{"kernel", "rvb", "RELEASE", TEXT, offsetof(struct lab_options, release),
	 "boot this kernel (prepared, or installed)"},
	{"vmlinuz", "rvb", "FILE", TEXT, offsetof(struct lab_options, vmlinuz), "boot this image instead"},
	{"modules", "rvb", "DIR", TEXT, offsetof(struct lab_options, modules), "its /lib/modules/RELEASE"},
	{"core", "vb", "FILE", TEXT, offsetof(struct lab_options, core),
	 "kmend.ko, for patches of the flavour core (built otherwise)"},
	{"before", "v", "CMD", TEXT, offsetof(struct lab_options, before), "exits 0 while the patch is not applied"},
	{"after", "v", "CMD", TEXT, offsetof(struct lab_options, after), "exits 0 while the patch is applied"},
	{"workload", "v", "CMD", TEXT, offsetof(struct lab_options, workload), "runs all the time; its status counts"},
	{"carry", "rv", "PATH[:GUESTPATH]", LIST, offsetof(struct lab_options, carry),
	 "put a file, program or directory into the guest"},
	{"module", "rv", "NAME", LIST, offsetof(struct lab_options, module), "insert a module of the kernel first"},
	{"disk", "r", "FILE:PATH[:SIZE]", LIST, offsetof(struct lab_options, disk),
	 "a disk that stays, mounted at PATH; made when there is none (64M)"},
	{"net", "r", "PORT[,PORT]...", TEXT, offsetof(struct lab_options, net),
	 "the guest reaches these ports of 127.0.0.1 at http://host"},
	{"date", "r", "DATE[THH:MM:SS]", DATE, offsetof(struct lab_options, lab.date), "what the guest's clock begins with, UTC"},
	{"allow-log", "rvb", "TEXT", LIST, offsetof(struct lab_options, allow),
	 "a log line with TEXT in it is no finding"},
	{"timeout", "rvb", "S", SECONDS, offsetof(struct lab_options, lab.timeout), "end the guest after S seconds"},
	{"silence", "rvb", "S", SECONDS, offsetof(struct lab_options, lab.silence),
	 "… after S seconds without a sign of life (30)"},
	{"transition", "vb", "S", SECONDS, offsetof(struct lab_options, transition),
	 "how long a transition may take (60)"},
	{"smp", "rvb", "N", COUNT, offsetof(struct lab_options, lab.smp), "CPUs of the guest (2)"},
	{"memory", "rvb", "MIB", COUNT, offsetof(struct lab_options, lab.memory), "memory of the guest in MiB (512)"},
	{"icount", "rvb", NULL, YES, offsetof(struct lab_options, lab.icount),
	 "the guest's clock counts instructions, one a nanosecond"},
	{"one-thread", "rvb", NULL, YES, offsetof(struct lab_options, lab.one_thread),
	 "the guest's CPUs take turns"},
	{"append", "rvb", "WORDS", TEXT, offsetof(struct lab_options, append), "more of the kernel's command line"},
	{"panic-on-warn", "rvb", NULL, YES, offsetof(struct lab_options, lab.panic_on_warn),
	 "a WARNING ends the guest"},
	{"boot-log", "rvb", NULL, YES, offsetof(struct lab_options, lab.boot_log), "keep the log of the boot too"},
	{"keep-log", "rv", "FILE", TEXT, offsetof(struct lab_options, keep_log), "write the kernel's log to FILE"},
	{"json", "rvb", "FILE", TEXT, offsetof(struct lab_options, json), "write a report; - is the standard output"},
	{"help", "rvb", NULL, YES, offsetof(struct lab_options, help), "this text"},
};

static const struct option_row *find(const char *name, size_t n, const char *verb)
{
	for (size_t i = 0; i < KM_COUNT(rows); i++)
		if (strlen(rows[i].name) == n && !memcmp(rows[i].name, name, n) && strchr(rows[i].verbs, *verb))
			return &rows[i];
	return NULL;
}

/* What people type: verify is a verb of kmend's. */
static const char *program(const char *verb)
{
	return *verb == 'v' ? "kmend" : "kmend-lab";
}

static km_error *unknown(const char *name, size_t n, const char *verb)
{
	const char *known[KM_COUNT(rows)], *near;
	KM_AUTOFREE char *word = km_strndup(name, n);
	size_t count = 0;
	km_error *err;

	for (size_t i = 0; i < KM_COUNT(rows); i++)
		if (strchr(rows[i].verbs, *verb))
			known[count++] = rows[i].name;
	near = km_nearest(word, known, count);
	err = km_error_new(KM_USAGE, "`%s %s` has no option --%s", program(verb), verb, word);
	return near ? km_error_hint(err, "did you mean --%s?", near) : err;
}

/* "2027-11-28", "2027-11-28T12:00:00". */
static km_error *set_date(int64_t *at, const struct option_row *row, const char *value)
{
	struct tm tm = {0};
	const char *end = strptime(value, "%Y-%m-%d", &tm);

	if (end && *end == 'T')
		end = strptime(end + 1, "%H:%M:%S", &tm);
	if (!end || *end || timegm(&tm) <= 0)
		return km_error_new(KM_USAGE, "--%s takes a date as 2027-11-28 or 2027-11-28T12:00:00, not '%s'", row->name, value);
	*at = timegm(&tm);
	return NULL;
}

static km_error *set(struct lab_options *o, const struct option_row *row, const char *value)
{
	void *at = (char *)o + row->at;
	char *end;
	double number;

	switch (row->kind) {
	case TEXT: *(const char **)at = value; return NULL;
	case LIST: km_strv_push(at, value); return NULL;
	case YES: *(bool *)at = true; return NULL;
	case DATE: return set_date(at, row, value);
	case COUNT:
	case SECONDS: break;
	}
	number = strtod(value, &end);
	if (end == value || *end || !(number > 0) || number > 1e6 || (row->kind == COUNT && number != floor(number)))
		return km_error_new(KM_USAGE, "--%s takes a number above 0, not '%s'", row->name, value);
	if (row->kind == COUNT)
		*(unsigned *)at = number;
	else
		*(double *)at = number;
	return NULL;
}

static void print_help(const char *verb)
{
	printf("usage: %s %s [OPTION]... %s\n\n", program(verb), verb,
	       *verb == 'r'   ? "SCRIPT [ARG]..."
	       : *verb == 'v' ? "FILE.ko"
			      : "DIR|LIST|FILE.ko...");
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		KM_AUTOFREE char *left = km_printf("--%s %s", rows[i].name, rows[i].arg ? rows[i].arg : "");

		if (strchr(rows[i].verbs, *verb))
			printf("  %-26s %s\n", left, rows[i].help);
	}
}

/* One option at argv[i]; *used: the words it took. */
static km_error *parse_one(int argc, char **argv, int i, const char *verb, struct lab_options *o, int *used)
{
	const char *name = argv[i] + 2, *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *row = find(name, n, verb);
	const char *value = equals ? equals + 1 : NULL;

	*used = 1;
	if (!row)
		return unknown(name, n, verb);
	if (!row->arg && value)
		return km_error_new(KM_USAGE, "--%s takes no value", row->name);
	if (row->arg && !value) {
		if (i + 1 >= argc)
			return km_error_new(KM_USAGE, "--%s needs %s", row->name, row->arg);
		value = argv[i + 1];
		*used = 2;
	}
	return set(o, row, value);
}

km_error *lab_options_parse(int argc, char **argv, const char *verb, struct lab_options *ret, km_strv *words)
{
	for (int i = 1, used; i < argc; i += used) {
		used = 1;
		if (!strcmp(argv[i], "--") || (*verb == 'r' && argv[i][0] != '-')) {
			for (i += argv[i][0] == '-'; i < argc; i++) /* the rest is the script's */
				km_strv_push(words, argv[i]);
			break;
		}
		if (km_starts(argv[i], "--"))
			KM_TRY(parse_one(argc, argv, i, verb, ret, &used));
		else if (argv[i][0] == '-' && argv[i][1])
			return km_error_new(KM_USAGE, "`%s %s` has no option %s", program(verb), verb,
					    argv[i]);
		else
			km_strv_push(words, argv[i]);
	}
	ret->lab.append = ret->append;
	ret->lab.allow = &ret->allow;
	if (ret->help)
		print_help(verb);
	else if (ret->modules && !ret->vmlinuz)
		return km_error_new(KM_USAGE, "--modules goes with --vmlinuz");
	else if (ret->release && ret->vmlinuz)
		return km_error_new(KM_USAGE, "--kernel and --vmlinuz exclude each other");
	else if (ret->lab.icount && ret->lab.smp > 1)
		return km_error_new(KM_USAGE, "--icount counts for one CPU, not for %u", ret->lab.smp);
	else if (!words->n)
		return km_error_hint(km_error_new(KM_USAGE, "nothing to %s was named", verb), "`%s %s --help` lists the options",
				     program(verb), verb);
	return NULL;
}

void lab_options_free(struct lab_options *o)
{
	km_strv_free(&o->carry);
	km_strv_free(&o->module);
	km_strv_free(&o->allow);
	km_strv_free(&o->disk);
}

km_error *lab_options_kernel(const struct lab_options *o, struct km_lab_kernel *ret)
{
	if (o->vmlinuz)
		return km_lab_kernel_files(o->vmlinuz, o->modules, ret);
	if (o->release)
		return km_lab_kernel_find(o->release, NULL, ret);
	return NULL;
}
