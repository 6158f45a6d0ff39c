/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/fleet.h - what hosts and server say to each other, and how a rollout goes on. It knows no network, no files, no
 * kernels and no clock: bytes and times are the caller's. docs/service.md has the words, server/openapi.json the exact
 * form.
 *
 * Everything that is parsed here comes from outside: bounded, UTF-8, KM_INPUT for whatever is not exactly as it should
 * be. What is written can be read: texts that could not are made so (km_plain_of()), numbers beyond their bounds become
 * the bound.
 */
#ifndef KMEND_FLEET_H
#define KMEND_FLEET_H

#include <kmend/trust.h>

enum {
	KM_FLEET_BODY_MAX = 64 << 10, /* bytes of a body from a host */
	KM_FLEET_PATCHES = 128,	      /* in one report */
	KM_FLEET_TAGS = 32,	      /* of one host */
	KM_FLEET_WAVES = 32,	      /* of one rollout */
	KM_FLEET_DETAIL_MAX = 200,    /* bytes of a detail or reason */
	KM_FLEET_KERNEL_MAX = 128,    /* bytes of a kernel release */
	KM_FLEET_URL_MAX = 1024,      /* bytes of a base URL */
	KM_FLEET_DAY = 86400,	      /* seconds; no interval is longer */
};

/* ---- words ------------------------------------------------------------------------------------------------------ */
enum km_standing {
	KM_UNKNOWN,
	KM_PROTECTED,
	KM_AVAILABLE,
	KM_TRANSITION,
	KM_UNCOVERED,
	KM_REBOOT,
	KM_UNATTACHED,
	KM_STANDINGS
};
enum km_patch_state {
	KM_PATCH_LOADING,
	KM_PATCH_LOADED,
	KM_PATCH_FAILED,
	KM_PATCH_STALLED,
	KM_PATCH_HELD,
	KM_PATCH_REMOVED,
	KM_PATCH_STATES
};
enum km_health { KM_HEALTH_NONE, KM_HEALTH_GOOD, KM_HEALTH_WARNED, KM_HEALTH_OOPSED, KM_HEALTH_CRASHED, KM_HEALTHS };
enum km_severity { KM_SEVERITY_LOW, KM_SEVERITY_MEDIUM, KM_SEVERITY_HIGH, KM_SEVERITY_CRITICAL, KM_SEVERITIES };

/* "protected", "waiting" (KM_TRANSITION), …; static. */
const char *km_standing_name(enum km_standing standing);
/* The standing of that name; false: there is none. The same for the others. */
bool km_standing_of(const char *name, enum km_standing *ret);
const char *km_patch_state_name(enum km_patch_state state);
bool km_patch_state_of(const char *name, enum km_patch_state *ret);
/* "" (KM_HEALTH_NONE: not loaded), "good", … */
const char *km_health_name(enum km_health health);
bool km_health_of(const char *name, enum km_health *ret);
const char *km_severity_name(enum km_severity severity);
bool km_severity_of(const char *name, enum km_severity *ret);

/* ---- hosts ------------------------------------------------------------------------------------------------------ */
/* A host's id in hex: SHA-256 of "kmend/1 host\n", the token's id, '\n' and the machine id. */
void km_fleet_host_id(const char *token_id, const char *machine_id, char ret[static KM_SHA256_HEX]);
/* A token's public id: the first 16 hex digits of the SHA-256 of "kmend/1 token\n" and its secret. Host and server
 * derive it alike. */
enum { KM_TOKEN_ID_LEN = 16 };
void km_fleet_token_id(const char *secret, char ret[static KM_TOKEN_ID_LEN + 1]);
/* What a secret (of a token, host or admin) is stored as: SHA-256 of "kmend/1 secret\n" and it, in hex. */
void km_fleet_secret_hash(const char *secret, char ret[static KM_SHA256_HEX]);
/* A new secret with that prefix ("kmt_" token, "kmh_" host, "kma_" admin) and 43 characters of base64url; for free().
 */
char *km_fleet_secret_new(const char *prefix);
/* Whether s can be a secret with that prefix: nothing that could not is worth a look into a database. */
bool km_fleet_secret_ok(const char *s, const char *prefix);
/* Takes the word of `kmend attach` apart: SECRET or SECRET.FINGERPRINT (64 hex digits). *fingerprint is NULL when there
 * is none. Both for free(). KM_USAGE for anything else; the message does not have the word in it. */
KM_CHECKED km_error *km_fleet_attach_word(const char *word, char **secret, char **fingerprint);

/* Which kernel a host runs; part of every message. */
struct km_fleet_kernel {
	char arch[32], release[KM_FLEET_KERNEL_MAX + 1]; /* as uname -m and uname -r say */
	char build_id[65];				 /* vmlinux's, 16 to 64 hex digits */
	char boot[33];					 /* the kernel's boot_id without dashes, 32 hex digits */
};
struct km_attach {
	char host[KM_SHA256_HEX];
	struct km_fleet_kernel kernel;
};
struct km_attach_answer {
	char secret[64], channel[KM_TRUST_NAME_MAX + 1];
	int64_t root, interval; /* newest root's version; seconds between check-ins, 1 to KM_FLEET_DAY */
};
struct km_report_patch {
	char release[KM_SHA256_HEX];
	enum km_patch_state state;
	enum km_health health;
	int64_t since;	       /* of the state, seconds since 1970 */
	int32_t transition_ms; /* -1: not known */
	int32_t age;	       /* seconds between the load and when health was taken */
	char detail[KM_FLEET_DETAIL_MAX + 1];
};
struct km_report {
	char host[KM_SHA256_HEX];
	struct km_fleet_kernel kernel;
	char agent[KM_TRUST_NAME_MAX + 1]; /* its version */
	enum km_standing standing;
	int64_t root, timestamp;	 /* versions that the host has; 0: none */
	struct km_report_patch *patches; /* each release once */
	size_t n_patches;
};
struct km_checkin_answer {
	int64_t interval;	 /* seconds until the next check-in, before jitter */
	int64_t root, timestamp; /* newest versions of the host's channel; timestamp 0: the channel has none yet */
	km_strv tags;
	enum km_severity min_severity;
	char *payloads; /* base URL of payloads with its last '/', or NULL: the server itself */
};

/*
 * Each pair is one message from and to bytes. _parse() gives memory that _free() frees; _text() is for free(). What
 * hosts send is read to the letter, with no key that is not known; what servers answer is read by older hosts too,
 * which ignore such keys.
 */
KM_CHECKED km_error *km_attach_parse(const void *bytes, size_t size, struct km_attach *ret);
char *km_attach_text(const struct km_attach *attach);
KM_CHECKED km_error *km_attach_answer_parse(const void *bytes, size_t size, struct km_attach_answer *ret);
char *km_attach_answer_text(const struct km_attach_answer *answer);
KM_CHECKED km_error *km_report_parse(const void *bytes, size_t size, struct km_report *ret);
char *km_report_text(const struct km_report *report);
void km_report_free(struct km_report *report);
KM_CHECKED km_error *km_checkin_answer_parse(const void *bytes, size_t size, struct km_checkin_answer *ret);
char *km_checkin_answer_text(const struct km_checkin_answer *answer);
void km_checkin_answer_free(struct km_checkin_answer *answer);

/* Seconds until the next check-in: interval * [0.9, 1.1), by a random number of 32 bits; after an answer with
 * Retry-After (seconds; 0: none) never less than that, and up to a tenth more, so that those who were sent away
 * together do not come back together. 1 to KM_FLEET_DAY. */
int64_t km_fleet_next(int64_t interval, int64_t retry_after, uint32_t random);

/* ---- rollouts --------------------------------------------------------------------------------------------------- */
enum km_rollout_state {
	KM_ROLLOUT_RUNNING,
	KM_ROLLOUT_HALTED,
	KM_ROLLOUT_DONE,
	KM_ROLLOUT_TAKEN_BACK,
	KM_ROLLOUT_STATES
};
const char *km_rollout_state_name(enum km_rollout_state state);
bool km_rollout_state_of(const char *name, enum km_rollout_state *ret);

/* Trips a gate when there is more than: */
struct km_gates {
	unsigned crashed;		  /* hosts */
	unsigned failed, stalled, silent; /* 1/10000 of those that tried (silent: that were reached) */
};
struct km_plan {
	char release[KM_SHA256_HEX], channel[KM_TRUST_NAME_MAX + 1];
	struct km_wave *waves; /* each is let in with those before; the last one is every host */
	size_t n_waves;
	int64_t not_before;   /* 0: at once */
	int64_t settle;	      /* seconds, 1 to 30 days */
	int64_t silent_after; /* seconds, up to 30 days; 0: three of the host's intervals and a minute */
	unsigned complete;    /* 1/10000 of a wave's hosts that are online that must have settled, 1 to 10000 */
	struct km_gates gates;
	km_arena *arena;
};
extern const struct km_gates km_gates_default; /* 0, 1 %, 5 %, 2 % */
enum {
	KM_SETTLE_DEFAULT = 900,
	KM_COMPLETE_DEFAULT = 9000,
	/* The age at which a host looks at a patch's health for the last time. Where settling takes longer, the rest of
	 * it goes by dates: how old the state is when the host is heard of. */
	KM_HEALTH_LAST = 900,
};
/* A plan from and to JSON (POST /v1/admin/rollouts). What is absent but release, channel and waves gets its default.
 * Each wave must bring something that those before do not have (so shares ascend), and the last is every host. */
KM_CHECKED km_error *km_plan_parse(const void *bytes, size_t size, struct km_plan *ret);
char *km_plan_text(const struct km_plan *plan);
void km_plan_free(struct km_plan *plan);
/* "canary,1%,10%,50%,100%" into the plan's waves: a word is a tag or a share, which may have two digits behind its
 * point. They live in plan->arena, which is made if absent. KM_USAGE; the rules are those of km_plan_parse(). */
KM_CHECKED km_error *km_plan_waves(const char *text, struct km_plan *plan);
/* silent_after of a plan, for hosts with that interval. */
int64_t km_plan_silent_after(const struct km_plan *plan, int64_t interval);

/* The first of the plan's waves that the host is in, by its tags and its cohort. (The last one is everybody.) */
size_t km_plan_wave(const struct km_plan *plan, const struct km_trust_host *host);

struct km_progress_of { /* a rollout's place */
	enum km_rollout_state state;
	size_t wave;			/* the last one that is let in, from 0 */
	int64_t wave_since;		/* when it was, or the rollout was resumed */
	int64_t let_in[KM_FLEET_WAVES]; /* when each one up to it was let in */
	struct {
		uint64_t failed, stalled, crashed, silent;
	} forgiven; /* at the last resume */
};

/* What the hosts of the waves reached so far have said of the release; zero-initialise and give each host to
 * km_counts_add(). */
struct km_counts {
	uint64_t members; /* all that were given */
	uint64_t online;  /* of members: heard of within silent_after */
	uint64_t reached; /* of members: heard of since their wave was let in, so that they could have it; or they said
			     something of it */
	uint64_t tried;	  /* of reached: say loaded, failed, stalled, held or removed */
	uint64_t loaded, failed, stalled; /* of tried: say so */
	uint64_t settled;		  /* of loaded: good at an age of at least settle, and online */
	uint64_t crashed;		  /* of reached: their health is crashed or oopsed */
	uint64_t silent; /* of reached: not online, and last heard saying nothing of the release, loading, or loaded and
			    not settled: these it may have killed. What falls silent later is as little its doing as a
			    crash then would be */
	uint64_t wave_online, wave_settled; /* of online and settled: whose wave is the last one that is let in */
};
/* One host, as the server knows it. It counts if it is of the plan's channel, its kernel is one of the release's, its
 * token's severity admits the release, and its wave is let in. */
struct km_member {
	size_t wave;			    /* km_plan_wave() */
	int64_t seen;			    /* when it was last heard of, by the server's clock */
	int64_t silent_after;		    /* km_plan_silent_after() */
	const struct km_report_patch *said; /* its last words on the release, or NULL */
};
void km_counts_add(struct km_counts *counts, const struct km_plan *plan, const struct km_progress_of *at,
		   const struct km_member *host, int64_t now);

enum km_step { KM_STEP_STAY, KM_STEP_NEXT_WAVE, KM_STEP_HALT, KM_STEP_DONE };
/*
 * What is to be done now; a pure function. A rollout that does not run, or whose time has not come, stays as it is.
 *
 * KM_STEP_HALT comes before all else, for the first gate that trips. In this table n is what counts says, less what is
 * forgiven. *reason then has the gate and its figures, "crashed: 1 host, and 0 are allowed"; else it is "".
 *
 *	crashed   n > gates.crashed
 *	failed    n * 10000 > gates.failed * tried
 *	stalled   n * 10000 > gates.stalled * tried
 *	silent    n * 10000 > gates.silent * reached
 *
 * Otherwise the answer is KM_STEP_NEXT_WAVE, or KM_STEP_DONE after the last one, when the last wave let in is complete:
 *
 *	now - wave_since >= settle, and
 *	wave_settled * 10000 >= complete * wave_online
 *
 * so a wave of nobody, or of nobody online, is complete after the settling time. The waves before it were complete when
 * it came; their hosts are watched by the gates only.
 */
enum km_step km_rollout_step(const struct km_plan *plan, const struct km_progress_of *at,
			     const struct km_counts *counts, int64_t now, char reason[static KM_TRUST_REASON_MAX + 1]);
/* A rollout that starts now: running, with its first wave. */
struct km_progress_of km_rollout_start(int64_t now);
/* Lets the next wave in. */
void km_rollout_next_wave(struct km_progress_of *at, int64_t now);
/* What a person's resume does: it runs again in the same wave, which settles anew, and what counts has is forgiven. */
void km_rollout_resume(struct km_progress_of *at, const struct km_counts *counts, int64_t now);
/* Forgives no more than there is left to forgive: a host that came back leaves no place for another one to fall. Call
 * it with each km_rollout_step(); true: at has changed. */
bool km_rollout_remember(struct km_progress_of *at, const struct km_counts *counts);
/* The rollout document's entry for it; strings and waves point into plan and reason, which is not empty for a halt.
 * Running: the waves so far. Done: everyone. Halted: as before, and the halt. Taken back: the halt with its rollback.
 */
void km_rollout_entry_of(const struct km_plan *plan, const struct km_progress_of *at, const char *reason,
			 struct km_rollout_entry *ret);

#endif
