/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend-apply: root, and no network. The first thing that it does is to leave the network behind; what it reads of strangers
 * goes through lib/agent.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apply.h"
#include "exit.h"

/* ---- privileges ------------------------------------------------------------------------------------------------------- */

/* What loading modules and files of two owners need. */
static const int kept[] = {CAP_SYS_MODULE, CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER, CAP_SYS_PTRACE,
			   CAP_SYSLOG};

static bool keeps(int cap)
{
	for (size_t i = 0; i < KM_COUNT(kept); i++)
		if (kept[i] == cap)
			return true;
	return false;
}

static km_error *drop_others(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	for (size_t i = 0; i < KM_COUNT(kept); i++) {
		data[kept[i] / 32].permitted |= 1u << (kept[i] % 32);
		data[kept[i] / 32].effective |= 1u << (kept[i] % 32);
	}
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!keeps(cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return km_error_sys(errno, "cannot drop privileges");
	if (syscall(SYS_capset, &head, data) < 0)
		return km_error_sys(errno, "cannot drop privileges");
	return NULL;
}

/* A tree of files is no kernel, and its user need not be root. */
static km_error *leave_network(const char *root)
{
	if (*root)
		return NULL;
	if (geteuid())
		return km_error_hint(km_error_new(KM_ENV, "only root can do this"), "run it through sudo");
	if (unshare(CLONE_NEWNET) < 0)
		return km_error_sys(errno, "cannot leave the network behind");
	KM_TRY(drop_others());
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return km_error_sys(errno, "cannot refuse new privileges");
	return NULL;
}

/* ---- verbs --------------------------------------------------------------------------------------------------------------- */

struct call {
	struct km_apply apply;
	char **words;
	km_source *source;
	struct km_applied_done done;
};

static km_error *run(struct call *c)
{
	return km_apply_run(&c->apply, &c->done);
}

/* The spool, unless the mode forbids to take anything from it. */
static km_error *open_spool(struct call *c)
{
	struct km_agent_config config;
	unsigned mode;

	KM_TRY(km_agent_config_read(c->apply.root, &config));
	mode = km_agent_mode(c->apply.root, &config);
	km_agent_config_free(&config);
	if (mode & KM_MODE_REFRESH)
		KM_TRY(km_source_spool(c->apply.root, &c->source));
	c->apply.source = c->source;
	return NULL;
}

static km_error *cycle(struct call *c)
{
	KM_TRY(open_spool(c));
	c->apply.fresh = true;
	return run(c);
}

static km_error *boot(struct call *c)
{
	KM_TRY(km_agent_prepare(c->apply.root));
	return run(c);
}

static km_error *attach(struct call *c)
{
	KM_TRY(km_source_spool(c->apply.root, &c->source));
	c->apply.source = c->source;
	return km_apply_attach(&c->apply, c->words[0], c->words[1]);
}

static km_error *bundle(struct call *c)
{
	KM_TRY(km_source_bundle(c->words[0], &c->source));
	c->apply.source = c->source;
	c->apply.fresh = true;
	if (*c->words[1]) {
		KM_TRY(km_agent_prepare(c->apply.root));
		KM_TRY(km_apply_attach(&c->apply, "", c->words[1]));
	}
	return run(c);
}

static km_error *retry(struct call *c)
{
	return km_apply_retry(&c->apply, c->words[0]);
}

static km_error *rollback(struct call *c)
{
	return km_apply_rollback(&c->apply, c->words[0], &c->done);
}

static km_error *prepare(struct call *c)
{
	return km_agent_prepare(c->apply.root);
}

static km_error *forget(struct call *c)
{
	return km_agent_forget(c->apply.root);
}

static km_error *goodbye(struct call *c)
{
	return km_apply_goodbye(c->apply.root);
}

static const struct {
	const char *name;
	int words; /* an empty word stands for one that is not given */
	const char *usage;
	km_error *(*run)(struct call *c);
} verbs[] = {
	{"cycle", 0, "", cycle},
	{"boot", 0, "", boot},
	{"goodbye", 0, "", goodbye},
	{"attach", 2, "TOKEN-ID FINGERPRINT", attach},
	{"bundle", 2, "FILE FINGERPRINT", bundle},
	{"retry", 1, "NAME", retry},
	{"rollback", 1, "NAME", rollback},
	{"prepare", 0, "", prepare},
	{"forget", 0, "", forget},
};

static int finish(struct call *c, km_error *err)
{
	int status = c->done.changed ? AGENT_EXIT_CHANGED : AGENT_EXIT_OK;

	if (c->done.trouble)
		fprintf(stderr, "kmend-apply: %s\n", c->done.trouble);
	if (err) {
		status = err->code == KM_NOTHING   ? AGENT_EXIT_UNATTACHED
			 : err->code == KM_REFUSED ? AGENT_EXIT_REFUSED
						   : AGENT_EXIT_ERROR;
		km_error_print("kmend-apply", err);
	}
	km_error_free(err);
	free(c->done.trouble);
	km_source_close(c->source);
	return status;
}

static int usage(void)
{
	fprintf(stderr, "kmend-apply is run by kmend-agent(8), systemd and kmend(1):\n");
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		fprintf(stderr, "  kmend-apply %s %s\n", verbs[i].name, verbs[i].usage);
	return AGENT_EXIT_ERROR;
}

static int64_t clock_of(void *ctx)
{
	return km_agent_now(ctx);
}

int apply_main(int argc, char **argv, const struct km_door *door)
{
	KM_AUTOFREE char *root = km_agent_root();
	struct call c = {.apply = {.root = root, .door = door, .now = clock_of, .ctx = root}, .words = argv + 2};
	km_error *err = leave_network(root);

	umask(022);
	for (size_t i = 0; !err && argc > 1 && i < KM_COUNT(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name) && argc == 2 + verbs[i].words)
			return finish(&c, verbs[i].run(&c));
	return err ? finish(&c, err) : usage();
}
