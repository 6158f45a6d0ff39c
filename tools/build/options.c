/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `kmend build`. */
#include <ctype.h>
#include <getopt.h>

#include "build.h"

static const char usage_text[] =
	"usage: kmend build [OPTION...] PATCH...\n"
	"\n"
	"Makes a live patch module from source diffs, for one exact kernel.\n"
	"\n"
	"Which kernel (the running one by default):\n"
	"  --kernel RELEASE       as `uname -r` prints it; `kmend kernels` lists them\n"
	"                         given again, or as all-cached: one build for each, in DIR/RELEASE\n"
	"  --jobs-file FILE       write these builds as commands, one a line, and build nothing\n"
	"  --source DIR --config FILE --vmlinux FILE --symvers FILE [--modules DIR]\n"
	"                         a kernel of your own; DIR is never written to\n"
	"  --debs DIR             take Debian's packages from DIR instead of apt\n"
	"\n"
	"The patch:\n"
	"  --name NAME            of the module (default: kmend_ and the first PATCH's name)\n"
	"  --patch-version TEXT   default: 1\n"
	"  --cve CVE-YYYY-NNNN    what it closes; may be given again\n"
	"  --severity LEVEL       low, medium, high or critical\n"
	"  --description TEXT\n"
	"  --replace, --no-replace  whether it replaces all patches that are applied\n"
	"                         (default: yes when several PATCHes are given)\n"
	"  --flavour WHICH        klp, for the kernel's own livepatch (default); core, for kmend.ko;\n"
	"                         or both: then the core's goes to DIR/core/NAME.ko\n"
	"\n"
	"Signing, for kernels that want it:\n"
	"  --sign-key KEY         a private key in a PEM file, or a pkcs11: URI\n"
	"  --sign-cert FILE       its certificate, PEM or DER\n"
	"  --sign-hash HASH       sha256 (default), sha384 or sha512\n"
	"  --sign-passphrase-file FILE\n"
	"                         of the key, or a token's PIN; else $KMEND_SIGN_PASSPHRASE\n"
	"\n"
	"Overrides, recorded in the patch:\n"
	"  --allow-mismatch       replace functions that differ from the shipped kernel's\n"
	"  --allow-data           keep the running value of data whose initial value changed\n"
	"  --allow-layout         accept a changed layout of a type\n"
	"\n"
	"Output:\n"
	"  -o, --output DIR       where NAME.ko goes, and NAME.ko.diff, the PATCHes in one (default: .)\n"
	"  --json FILE            write the report as JSON too; - for standard output\n"
	"  -j, --jobs N           compilers at once (default: the number of CPUs)\n"
	"  -v, --verbose          also list what travels with the changed functions\n"
	"  -q, --quiet            no progress, no report; errors and refusals only\n"
	"  --colour WHEN          auto, always or never\n"
	"\n"
	"Exit status: 0 built, 1 usage or environment, 2 refused, 3 nothing to patch.\n";

enum {
	OPT_KERNEL = 256, OPT_SOURCE, OPT_CONFIG, OPT_VMLINUX, OPT_SYMVERS, OPT_MODULES, OPT_DEBS, OPT_NAME, OPT_VERSION,
	OPT_CVE, OPT_SEVERITY, OPT_DESCRIPTION, OPT_REPLACE, OPT_NO_REPLACE, OPT_MISMATCH, OPT_DATA, OPT_LAYOUT, OPT_JSON,
	OPT_COLOUR, OPT_FLAVOUR, OPT_SIGN_KEY, OPT_SIGN_CERT, OPT_SIGN_HASH, OPT_SIGN_PASSPHRASE, OPT_JOBS_FILE,
};

static const struct option options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "jobs-file", required_argument, NULL, OPT_JOBS_FILE },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "vmlinux", required_argument, NULL, OPT_VMLINUX },
	{ "symvers", required_argument, NULL, OPT_SYMVERS },
	{ "modules", required_argument, NULL, OPT_MODULES },
	{ "debs", required_argument, NULL, OPT_DEBS },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "patch-version", required_argument, NULL, OPT_VERSION },
	{ "cve", required_argument, NULL, OPT_CVE },
	{ "severity", required_argument, NULL, OPT_SEVERITY },
	{ "description", required_argument, NULL, OPT_DESCRIPTION },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "no-replace", no_argument, NULL, OPT_NO_REPLACE },
	{ "flavour", required_argument, NULL, OPT_FLAVOUR },
	{ "flavor", required_argument, NULL, OPT_FLAVOUR },
	{ "sign-key", required_argument, NULL, OPT_SIGN_KEY },
	{ "sign-cert", required_argument, NULL, OPT_SIGN_CERT },
	{ "sign-hash", required_argument, NULL, OPT_SIGN_HASH },
	{ "sign-passphrase-file", required_argument, NULL, OPT_SIGN_PASSPHRASE },
	{ "allow-mismatch", no_argument, NULL, OPT_MISMATCH },
	{ "allow-data", no_argument, NULL, OPT_DATA },
	{ "allow-layout", no_argument, NULL, OPT_LAYOUT },
	{ "output", required_argument, NULL, 'o' },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "jobs", required_argument, NULL, 'j' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "colour", required_argument, NULL, OPT_COLOUR },
	{ "color", required_argument, NULL, OPT_COLOUR },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* CVE-YYYY-N…: four digits, then at least four. */
static bool is_cve(const char *s)
{
	if (!km_starts(s, "CVE-"))
		return false;
	const char *year = s + 4;
	size_t digits = strspn(year, "0123456789");
	if (digits != 4 || year[4] != '-')
		return false;
	digits = strspn(year + 5, "0123456789");
	return digits >= 4 && year[5 + digits] == '\0';
}

static bool is_severity(const char *s)
{
	static const char *const levels[] = { "low", "medium", "high", "critical" };

	for (size_t i = 0; i < KM_COUNT(levels); i++)
		if (!strcmp(s, levels[i]))
			return true;
	return false;
}

static km_error *read_jobs(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end || n < 1 || n > 1024)
		return km_error_new(KM_USAGE, "-j takes a number from 1 to 1024, not '%s'", text);
	*ret = (unsigned)n;
	return NULL;
}

/* "fixes/CVE-2026-1.patch" gives "kmend_cve_2026_1". */
static char *name_from_patch(const char *path)
{
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t n = strlen(base);
	static const char *const endings[] = { ".patch", ".diff" };

	for (size_t i = 0; i < KM_COUNT(endings); i++)
		if (km_ends(base, endings[i]))
			n = strlen(base) - strlen(endings[i]);
	char *name = km_printf("kmend_%.*s", (int)(n < 48 ? n : 48), base);
	for (char *c = name; *c; c++)
		*c = isalnum((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '_';
	return name;
}

static km_error *read_flavour(const char *text, unsigned *ret)
{
	static const struct {
		const char *name;
		unsigned flavours;
	} known[] = { { "klp", 1 << KM_FLAVOUR_KLP }, { "core", 1 << KM_FLAVOUR_CORE },
		      { "both", 1 << KM_FLAVOUR_KLP | 1 << KM_FLAVOUR_CORE } };

	for (size_t i = 0; i < KM_COUNT(known); i++)
		if (!strcmp(text, known[i].name)) {
			*ret = known[i].flavours;
			return NULL;
		}
	return km_error_new(KM_USAGE, "--flavour is klp, core or both, not '%s'", text);
}

static km_error *read_option(struct build_job *job, char **argv, int opt, int *replace)
{
	struct km_patch_spec *spec = &job->spec;

	switch (opt) {
	case OPT_KERNEL:
		job->kernel.release = optarg;
		km_strv_push(&job->kernels, optarg);
		break;
	case OPT_JOBS_FILE: job->jobs_file = optarg; break;
	case OPT_SOURCE: job->kernel.source = optarg; break;
	case OPT_CONFIG: job->kernel.config = optarg; break;
	case OPT_VMLINUX: job->kernel.vmlinux = optarg; break;
	case OPT_SYMVERS: job->kernel.symvers = optarg; break;
	case OPT_MODULES: job->kernel.modules = optarg; break;
	case OPT_DEBS: job->kernel.debs = optarg; break;
	case OPT_NAME: free(job->name); job->name = km_strdup(optarg); break;
	case OPT_VERSION: spec->version = optarg; break;
	case OPT_DESCRIPTION: spec->description = optarg; break;
	case OPT_REPLACE: *replace = 1; break;
	case OPT_NO_REPLACE: *replace = 0; break;
	case OPT_MISMATCH: spec->allow_mismatch = true; break;
	case OPT_DATA: job->allow_data = true; break;
	case OPT_LAYOUT: job->allow_layout = true; break;
	case OPT_JSON: job->json_path = optarg; break;
	case OPT_FLAVOUR: return read_flavour(optarg, &spec->flavours);
	case OPT_SIGN_KEY: job->sign.key = optarg; break;
	case OPT_SIGN_CERT: job->sign.cert = optarg; break;
	case OPT_SIGN_HASH: job->sign.hash = optarg; break;
	case OPT_SIGN_PASSPHRASE: job->sign.passphrase_file = optarg; break;
	case OPT_COLOUR: km_colour_setup(optarg); break;
	case 'o': job->out_dir = optarg; break;
	case 'j': return read_jobs(optarg, &job->jobs);
	case 'v': job->verbose = true; break;
	case 'q': job->quiet = true; break;
	case OPT_CVE:
		if (!is_cve(optarg))
			return km_error_new(KM_USAGE, "--cve takes CVE-YYYY-NNNN, not '%s'", optarg);
		km_strv_push(&spec->cves, optarg);
		break;
	case OPT_SEVERITY:
		if (!is_severity(optarg))
			return km_error_new(KM_USAGE, "--severity is low, medium, high or critical, not '%s'", optarg);
		spec->severity = optarg;
		break;
	default: return build_bad_option(opt, argv, options, "build");
	}
	return NULL;
}

/* A kernel of one's own is named by four files together; a release stands alone. */
static km_error *check_kernel(const struct km_kernel_source *k)
{
	bool any = k->source || k->config || k->vmlinux || k->symvers || k->modules;
	bool all = k->source && k->config && k->vmlinux && k->symvers;

	if (any && k->release)
		return km_error_new(KM_USAGE, "--kernel names a packaged kernel, --source one of your own: give one of them");
	if (any && !all)
		return km_error_new(KM_USAGE, "a kernel of your own needs --source, --config, --vmlinux and --symvers together");
	return NULL;
}

static km_error *check_patches(const struct build_job *job)
{
	if (!job->patches.n)
		return km_error_hint(km_error_new(KM_USAGE, "no PATCH was given"),
				     "kmend build [OPTION...] PATCH...; --help lists the options");
	for (size_t i = 0; i < job->patches.n; i++)
		if (!km_exists(job->patches.at[i]))
			return km_error_new(KM_ENV, "there is no file '%s'", job->patches.at[i]);
	return NULL;
}

/* Opened before anything is built: a wrong key shows at once. */
static km_error *open_signer(struct build_job *job)
{
	const struct km_signer_files *sign = &job->sign;

	if (!sign->key && !sign->cert && !sign->hash && !sign->passphrase_file)
		return NULL;
	if (!sign->key || !sign->cert)
		return km_error_new(KM_USAGE, "signing needs --sign-key and --sign-cert together");
	KM_TRY(km_signer_open(sign, &job->signer));
	job->spec.signer = job->signer;
	return NULL;
}

static void record_overrides(struct build_job *job)
{
	if (job->allow_data)
		km_strv_push(&job->spec.flags, "allow-data");
	if (job->allow_layout)
		km_strv_push(&job->spec.flags, "allow-layout");
	if (job->spec.allow_mismatch)
		km_strv_push(&job->spec.flags, "allow-mismatch");
}

static km_error *complete(struct build_job *job, int replace)
{
	const char *why;

	KM_TRY(check_kernel(&job->kernel));
	KM_TRY(check_patches(job));
	if (!job->name)
		job->name = name_from_patch(job->patches.at[0]);
	if (!km_patch_name_ok(job->name, &why))
		return km_error_hint(km_error_new(KM_USAGE, "'%s' cannot be the name of a patch: %s", job->name, why),
				     "choose one with --name");
	job->spec.name = job->name;
	/* Several fixes in one patch are what is meant to stand in for the single ones that a host may have. */
	job->spec.replace = replace < 0 ? job->patches.n > 1 : replace;
	record_overrides(job);
	return open_signer(job);
}

km_error *build_job_read(struct build_job *job, int argc, char **argv, bool *done)
{
	int opt, replace = -1;

	*job = (struct build_job){ .out_dir = ".", .jobs = km_cpus(), .spec.version = "1" };
	*done = false;
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":o:j:vqh", options, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage_text, stdout);
			*done = true;
			return NULL;
		}
		KM_TRY(read_option(job, argv, opt, &replace));
	}
	for (int i = optind; i < argc; i++)
		km_strv_push(&job->patches, argv[i]);
	return complete(job, replace);
}

static const struct option *option_of(int value)
{
	for (size_t i = 0; options[i].name; i++)
		if (options[i].val == value)
			return &options[i];
	return NULL;
}

void build_job_words(int argc, char **argv, km_strv *ret)
{
	static const int anew[] = { OPT_KERNEL, 'o', OPT_JSON, 'j', OPT_JOBS_FILE };
	const struct option *o;
	int opt;

	optind = 0;
	while ((opt = getopt_long(argc, argv, ":o:j:vqh", options, NULL)) != -1) {
		bool skip = false;

		for (size_t i = 0; i < KM_COUNT(anew); i++)
			skip |= opt == anew[i];
		o = option_of(opt);
		if (skip || !o)
			continue;
		if (o->has_arg)
			km_strv_printf(ret, "--%s=%s", o->name, optarg);
		else
			km_strv_printf(ret, "--%s", o->name);
	}
	km_strv_push(ret, "--");
	for (int i = optind; i < argc; i++)
		km_strv_push(ret, argv[i]);
}

void build_job_free(struct build_job *job)
{
	km_strv_free(&job->patches);
	km_strv_free(&job->kernels);
	km_strv_free(&job->spec.cves);
	km_strv_free(&job->spec.flags);
	km_signer_close(job->signer);
	free(job->name);
}
