/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/agent.h - a host of a fleet: its files, what it takes from a server, what is to be done next, and how it stands.
 *
 * Three programs share it. kmend-fetch has the network and nothing else; what it brings lies in the spool and is hostile
 * bytes to everyone. kmend-apply has the kernel and no network; it takes from the spool only what is signed. kmend-agent
 * only sleeps and starts the two. kmend(1) reads what they leave for people.
 *
 * `root` stands before every path: "" for this machine, a directory in tests (km_agent_root()). No function here asks a
 * network or (km_agent_now() aside) a clock; the time is the caller's.
 */
#ifndef KMEND_AGENT_H
#define KMEND_AGENT_H

#include <kmend/fleet.h>
#include <kmend/host.h>

#define KM_AGENT_DIR "/var/lib/kmend/agent"
#define KM_AGENT_SPOOL "/var/lib/kmend/spool"
#define KM_AGENT_LOCK "/run/kmend/agent.lock"	/* held by whoever runs fetch and apply: the agent, or a person's verb */
#define KM_AGENT_NEXT "/run/kmend/agent.next"	/* seconds since boot at which kmend-apply wants to run again */
#define KM_AGENT_FLEET "/run/kmend/fleet"
#define KM_AGENT_USER "kmend"

/* $KMEND_ROOT without a '/' at its end, or ""; for free(). */
char *km_agent_root(void);
/* The kernel and boot that root shows: /proc, /sys/kernel/notes. */
KM_CHECKED km_error *km_agent_kernel(const char *root, struct km_fleet_kernel *ret);
/* Seconds since 1970, for programs; below a root of its own $KMEND_CLOCK seconds later, for tests of wrong clocks. */
int64_t km_agent_now(const char *root);
/* Seconds since boot, suspended ones included; 0 when /proc does not tell. */
int64_t km_agent_uptime(const char *root);

/* ---- /etc/kmend/agent.conf ---------------------------------------------------------------------------------------
 * KEY = VALUE a line, '#' begins a comment, unknown keys are an error. See kmend-agent(8).
 */
enum { KM_MODE_APPLY = 1, KM_MODE_REFRESH = 2, KM_MODE_NORMAL = 3 }; /* "no-apply" lacks the first, "off" both */
struct km_agent_config {
	char *server, *proxy, *ca; /* URL without a '/' at its end, URL, file; NULL: none */
	char *flavour;		   /* "klp" or "core"; NULL: core where kmend.ko is available */
	unsigned mode;		   /* KM_MODE_ bits */
	double deadline;	   /* seconds that a transition may take; 0: KM_HOST_TIMEOUT */
	km_strv hold;		   /* names of patches that are never loaded */
};
struct km_agent_key {
	const char *name, *help;
};
extern const struct km_agent_key km_agent_keys[]; /* ends with name NULL */
/* No file is an empty one. KM_INPUT names the line. */
KM_CHECKED km_error *km_agent_config_read(const char *root, struct km_agent_config *ret);
void km_agent_config_free(struct km_agent_config *config);
/* The value of that key as it stands in the file (for free()), or NULL. KM_USAGE: there is no such key. */
KM_CHECKED km_error *km_agent_config_get(const char *root, const char *key, char **ret);
/* Changes that one line, whole or not at all; value NULL takes it out. KM_USAGE for what _read() would not take. */
KM_CHECKED km_error *km_agent_config_set(const char *root, const char *key, const char *value);
/* What is allowed: the file's mode and `kmend.mode=` of the kernel's command line; each can only take away. An unknown
 * word there is "off": who writes one wants less. */
unsigned km_agent_mode(const char *root, const struct km_agent_config *config);
/* "normal", "no-apply", "no-refresh", "off"; static. */
const char *km_agent_mode_name(unsigned mode);

/* ---- identity ----------------------------------------------------------------------------------------------------- */
struct km_identity {
	char host[KM_SHA256_HEX], secret[64], channel[KM_TRUST_NAME_MAX + 1]; /* secret "": attached by a bundle, no server */
};
/* Whether the host is attached; also for who may not read the identity. */
bool km_identity_exists(const char *root);
/* KM_NOTHING: unattached. KM_INPUT: damaged. */
KM_CHECKED km_error *km_identity_read(const char *root, struct km_identity *ret);
/* root:kmend 0640 (root alone where there is no such group). */
KM_CHECKED km_error *km_identity_write(const char *root, const struct km_identity *identity);
/* Forgets the host: identity, trust, journal, held patches, report, spool, fleet. What is in the kernel stays. */
KM_CHECKED km_error *km_agent_forget(const char *root);
/* Makes the directories with their owners and modes. */
KM_CHECKED km_error *km_agent_prepare(const char *root);
/* The trust of this host, or KM_NOTHING; km_trust_save() to the same path. */
KM_CHECKED km_error *km_agent_trust(const char *root, km_trust_client **ret);
KM_CHECKED km_error *km_agent_trust_save(const char *root, const km_trust_client *client);

/* ---- where documents come from: the spool, or a bundle --------------------------------------------------------------
 * Both hold the same names: root.N, timestamp, index, rollout, release.SHA256, payload.SHA256, and in the spool also
 * `answer` (of the last check-in) and `attach`. A bundle is one file (kmend-bundle(5)):
 *
 *   kmend bundle 1\n
 *   file NAME SIZE\n      and SIZE bytes, without anything after them; again for each file
 *   end\n
 */
enum { KM_BUNDLE_FILES = 8192, KM_SOURCE_NAME = 80 };
typedef struct km_source km_source;
/* The spool. What is no regular file below its bound is refused, links are not followed; who owns it does not matter. */
KM_CHECKED km_error *km_source_spool(const char *root, km_source **ret);
/* A bundle; its frame is looked through at once, contents are read when they are asked for. */
KM_CHECKED km_error *km_source_bundle(const char *path, km_source **ret);
void km_source_close(km_source *source);
void km_source_closep(km_source **source);
/* The bytes of that name, at most max, NUL-terminated past their end; for free(). KM_NOTHING: not there. *modified (may be
 * NULL): seconds since 1970, as the file system says, which a stranger can set. */
KM_CHECKED km_error *km_source_get(const km_source *source, const char *name, size_t max, uint8_t **bytes, size_t *size,
				   int64_t *modified);
/* "timestamp", "release.SHA256", "root.3" (id is the number as text): the name of that document. */
void km_source_name(enum km_doc doc, const char *id, char ret[static KM_SOURCE_NAME]);
void km_source_payload_name(const char *sha256, char ret[static KM_SOURCE_NAME]);
/* Whether a spool or bundle may hold a file of that name. */
bool km_source_name_ok(const char *name);

/* Writes a bundle beside path; _end() renames it there, _drop() takes it away. */
typedef struct km_bundle km_bundle;
KM_CHECKED km_error *km_bundle_create(const char *path, km_bundle **ret);
KM_CHECKED km_error *km_bundle_add(km_bundle *bundle, const char *name, const void *bytes, size_t size);
/* Ends and frees it in any case. */
KM_CHECKED km_error *km_bundle_end(km_bundle *bundle);
/* Frees it without a trace; NULL is fine. */
void km_bundle_drop(km_bundle *bundle);
void km_bundle_dropp(km_bundle **bundle);

/* ---- what is held: verified releases and payloads ------------------------------------------------------------------ */
struct km_held_release {
	char id[KM_SHA256_HEX];
	uint8_t *bytes; /* of the signed document */
	size_t size;
	struct km_release release;
};
typedef km_vec(struct km_held_release) km_held_list;
/* Releases of the index that are held, or lie in source (may be NULL), in its order; each verified by the client's root once
 * more. Damaged ones count as not there. */
KM_CHECKED km_error *km_held_list_read(const char *root, const km_source *source, const km_trust_client *client,
				       km_held_list *ret);
void km_held_list_free(km_held_list *list);
const struct km_held_release *km_held_find(const km_held_list *list, const char *id);
/* Keeps a release that was verified. */
KM_CHECKED km_error *km_held_put_release(const char *root, const char *id, const void *bytes, size_t size);
/* Keeps a payload that was verified. */
KM_CHECKED km_error *km_held_put_payload(const char *root, const struct km_payload *payload, const void *bytes);
/* The file of a payload, whether it is there or not; for free(). */
char *km_held_payload_path(const char *root, const char *sha256);
bool km_held_has_payload(const char *root, const struct km_payload *payload);
/* Removes what is neither in the index nor named in keep. */
KM_CHECKED km_error *km_held_prune(const char *root, const km_held_list *list, const km_strv *keep_payloads);

/* ---- the journal of the crash guard ---------------------------------------------------------------------------------
 * Written and synced before each step is taken. First line "kmend journal 1 SHA256", then JSON with that sum. When it is
 * damaged, or gone while patches are held, everything that is held counts as unsettled.
 */
enum km_journal_step {
	KM_AT_LOADING,	 /* it is going into the kernel */
	KM_AT_LOADED,	 /* in effect, younger than KM_AGENT_SETTLE */
	KM_AT_SETTLED,	 /* 15 minutes in effect without an oops */
	KM_AT_FAILED,	 /* refused, nothing changed */
	KM_AT_STALLED,	 /* its transition did not end and was taken back; tried again after KM_AGENT_AGAIN */
	KM_AT_HELD,	 /* kept out until refresh --retry */
	KM_AT_UNLOADING, /* it is going out */
	KM_AT_REMOVED,
	KM_AT_STEPS
};
enum km_held_why { KM_HELD_NOT, KM_HELD_CRASHED, KM_HELD_ROLLED_BACK, KM_HELD_DAMAGED, KM_HELD_WHYS };
enum { KM_AGENT_SETTLE = 900, KM_AGENT_AGAIN = 3600, KM_AGENT_AGES = 4, KM_JOURNAL_MAX = 4096 };
extern const int32_t km_agent_ages[KM_AGENT_AGES]; /* 0, 60, 300, 900: when health is taken, seconds after the load */

struct km_trouble { /* what the kernel has said of itself since boot */
	uint64_t taint;
	int64_t warns, oopses; /* /sys/kernel/warn_count, oops_count; -1: this kernel does not count */
};
struct km_trouble km_trouble_now(const char *root);
/* What has come since `before`. */
enum km_health km_trouble_since(const struct km_trouble *before, const struct km_trouble *now);

struct km_journal_entry {
	char release[KM_SHA256_HEX], payload[KM_SHA256_HEX]; /* ids */
	char name[KM_TRUST_NAME_MAX + 1], version[KM_TRUST_NAME_MAX + 1];
	enum km_journal_step step;
	enum km_held_why why; /* of KM_AT_HELD */
	bool ran;	      /* has been in effect on this host */
	int64_t since;	      /* of the step, seconds since 1970 */
	char boot[33];	      /* of the step */
	int64_t up;	      /* when it was loaded: seconds since boot */
	int32_t transition_ms, age;
	enum km_health health;
	struct km_trouble before; /* at the load */
	char detail[KM_FLEET_DETAIL_MAX + 1];
};
struct km_journal {
	char boot[33]; /* the one that wrote it */
	bool goodbye;  /* that boot has ended in order, or is about to */
	km_vec(struct km_journal_entry) entries;
};
const char *km_journal_step_name(enum km_journal_step step);
const char *km_held_why_name(enum km_held_why why);
/* Pure: from and to bytes; text is for free(). */
KM_CHECKED km_error *km_journal_parse(const void *bytes, size_t size, struct km_journal *ret);
char *km_journal_text(const struct km_journal *journal);
void km_journal_free(struct km_journal *journal);
/* KM_NOTHING: there is none. KM_INPUT: damaged. */
KM_CHECKED km_error *km_journal_read(const char *root, struct km_journal *ret);
/* Synced when it returns. */
KM_CHECKED km_error *km_journal_write(const char *root, const struct km_journal *journal);
/* The entry of that release, or NULL; km_journal_make() adds one. Valid until the next km_journal_make(). */
struct km_journal_entry *km_journal_find(const struct km_journal *journal, const char *release);
struct km_journal_entry *km_journal_make(struct km_journal *journal, const char *release);
/* What a new boot makes of it: what was under way or not settled when the host died is held; returns how many. Nothing when
 * it is of this boot; then a goodbye was no end, and is taken back. */
size_t km_journal_boot(struct km_journal *journal, const char *boot, int64_t now);
/* All that is held is kept out: the journal cannot be trusted. */
void km_journal_distrust(struct km_journal *journal, const km_held_list *held, const char *boot, int64_t now);
/* Takes health and age at the marks that have passed, and settles. True: something is new. *next (seconds since boot): the
 * next mark, INT64_MAX: none. */
bool km_journal_health(struct km_journal *journal, const struct km_trouble *trouble, int64_t up, int64_t now, int64_t *next);
/* Lets a patch go on: by name, or with "" everything that is held, failed or stalled. Returns how many. */
size_t km_journal_retry(struct km_journal *journal, const char *name, int64_t now);

/* ---- what to do ------------------------------------------------------------------------------------------------------
 * A pure function of what is known. The channel's index is walked in its order; a cumulative release starts afresh.
 */
struct km_view {
	const km_trust_client *client;
	const km_held_list *held;
	const struct km_journal *journal;
	const km_applied_list *applied;
	struct km_trust_host host;
	const char *const *flavours; /* by preference; NULL-terminated */
	enum km_severity min_severity;
	const km_strv *hold; /* names from the configuration */
	unsigned mode;
	int64_t now;
};
enum km_decision {
	KM_DO_NOTHING,	 /* in effect */
	KM_DO_LOAD,	 /* may be loaded now */
	KM_DO_UNLOAD,	 /* recalled */
	KM_IS_SUPERSEDED, /* a cumulative one that is wanted stands for it */
	KM_IS_HELD,	 /* by the crash guard, a person or the configuration */
	KM_IS_WAITING,	 /* not this host's turn, or halted */
	KM_IS_BLOCKED,	 /* the documents do not allow it; why tells */
	KM_IS_LATER,	 /* failed or stalled before */
	KM_IS_OTHER,	 /* nothing for this kernel */
	KM_IS_WITHDRAWN,
	KM_IS_MINOR,	 /* below the token's severity */
	KM_IS_UNKNOWN,	 /* the release's document is not here */
	KM_DECISIONS
};
struct km_choice { /* for one entry of the index */
	enum km_decision decision;
	const struct km_held_release *release; /* NULL: KM_IS_UNKNOWN */
	struct km_payload payload;	       /* the preferred one for this kernel */
	enum km_trust_age age;
	enum km_trust_why why;
	bool in_effect;
	char detail[KM_FLEET_DETAIL_MAX + 1];
};
typedef km_vec(struct km_choice) km_choices;
const char *km_decision_name(enum km_decision decision);
/* One choice for each entry of the index, in its order. */
void km_decide(const struct km_view *view, km_choices *ret);
/* The patch of that release is in the kernel, enabled and not moving. */
bool km_in_effect(const km_applied_list *applied, const char *name, const char *sha256);

/* How the host stands by these choices. KM_UNATTACHED is the caller's to say. */
enum km_standing km_stand(const struct km_view *view, const km_choices *choices);

/* ---- /run/kmend/fleet ------------------------------------------------------------------------------------------------
 * How the host stands, JSON, world-readable; kmend-status(1) has its keys. Text for free().
 */
struct km_fleet_facts {
	const struct km_view *view;
	const km_choices *choices;
	const char *channel, *server; /* server NULL: none */
	const char *trouble;	      /* what a person should know, or NULL */
	enum km_standing standing;
	int64_t contact; /* last one with the server, 0: never */
};
char *km_fleet_file_text(const struct km_fleet_facts *facts);
/* The report that goes to the server next; km_report_free(). */
void km_agent_report(const struct km_view *view, const struct km_identity *identity, const struct km_fleet_kernel *kernel,
		     enum km_standing standing, struct km_report *ret);

/* ---- what kmend-apply does --------------------------------------------------------------------------------------------
 * One run at a time on a host: the caller holds KM_AGENT_LOCK. Steps at which a test can kill it (km_host_step()), besides
 * those of load and unload: apply-taken apply-kept apply-journaled apply-loaded apply-done apply-unloading apply-unloaded.
 */
struct km_apply {
	const char *root;
	const struct km_door *door; /* NULL: the real one */
	const km_source *source;    /* NULL: only what is held */
	int64_t (*now)(void *ctx);  /* seconds since 1970 */
	void *ctx;
	bool fresh; /* may load what this host has not run yet: one patch, so that the server is asked before the next */
};
struct km_applied_done {
	bool changed; /* something that the server should hear of, or there is more to do at once */
	enum km_standing standing;
	char *trouble; /* the first thing that did not go well, or NULL; for free() */
};
/* Takes the documents, keeps the journal, takes health, unloads what is recalled, loads what is wanted, and writes down how
 * the host stands. An error only when nothing of that could be done. KM_NOTHING: unattached. */
KM_CHECKED km_error *km_apply_run(const struct km_apply *apply, struct km_applied_done *ret);
/* This boot ends in order. */
KM_CHECKED km_error *km_apply_goodbye(const char *root);
/* Lets what is held back go on, by name or "" for all; KM_NOTHING: there is no such. Then km_apply_run(). */
KM_CHECKED km_error *km_apply_retry(const struct km_apply *apply, const char *name);
/* Takes a patch back ("": the last one that came), keeps it out until km_apply_retry(), and loads what it had replaced: runs as
 * km_apply_run() does. KM_NOTHING: there is none. KM_REFUSED: the mode forbids it, or it could not be taken back. */
KM_CHECKED km_error *km_apply_rollback(const struct km_apply *apply, const char *name, struct km_applied_done *ret);
/* Makes this host one of a channel: root and answer come from the source and are believed only with the fingerprint.
 * token_id "": a bundle, no server. */
KM_CHECKED km_error *km_apply_attach(const struct km_apply *apply, const char *token_id, const char *fingerprint);

/* What kmend-fetch and kmend-apply both ask of a server's answer; zeros and KM_SEVERITY_LOW without one. */
struct km_policy {
	km_strv tags;
	enum km_severity min_severity;
	int64_t contact;
};
void km_policy_read(const km_source *source, struct km_policy *ret);
void km_policy_free(struct km_policy *policy);
/* The flavours of payloads that this host takes, by preference; NULL-terminated, static. */
const char *const *km_agent_flavours(const struct km_agent_config *config, km_host *host);
/* Takes root, timestamp, index and rollout from the source, as far as they are good. *trouble (for free()): the first
 * refusal, or NULL. */
void km_agent_take(const km_source *source, km_trust_client *client, int64_t now, char **trouble);

#endif
