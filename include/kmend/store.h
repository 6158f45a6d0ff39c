/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/store.h - the state of kmend-server, in SQLite (a file) or in PostgreSQL (several servers on one state).
 * Operations are in terms of the service; both databases give the same answers. It verifies no signature, parses no
 * document and has no clock: times are the caller's, in seconds since 1970.
 *
 * Threads: any thread may call anything. One writes at a time, over all servers on the state; readers do not wait for
 * it.
 *
 * Transactions: an operation is one by itself, durable when it returns. Between km_store_begin() and km_store_commit()
 * a thread puts many into one (group commit): they are durable when the commit returns, other threads' writes wait
 * meanwhile, and this thread sees what it has written. An operation that fails leaves nothing behind and does not spoil
 * the others.
 *
 * Memory: what is read lives in the caller's arena. What is passed in is only read. Text is UTF-8 (else KM_INPUT) and
 * goes to the database as a parameter, never as part of the statement.
 *
 * Errors: KM_ENV for the database, the disk and the network; KM_REFUSED with *why (which may be NULL) for what a caller
 * must expect.
 *
 * Cost: O(log n) in hosts, unless a function says otherwise; tests/bench/store.c measures it. With 100,000 hosts in
 * SQLite a report takes 20 us of CPU, a last contact 6, a page of a list 0.1 to 5 ms, all hosts at a start 70 ms; the
 * whole takes about 40 MB of memory. A commit costs an fsync.
 */
#ifndef KMEND_STORE_H
#define KMEND_STORE_H

#include <kmend/fleet.h>

enum km_store_why {
	KM_STORE_FINE,
	KM_STORE_ABSENT,  /* there is no such thing */
	KM_STORE_EXISTS,  /* it is there already */
	KM_STORE_STALE,	  /* somebody else was faster: read again, decide again */
	KM_STORE_LIMIT,	  /* the token has all of its hosts */
	KM_STORE_REVOKED, /* the token or admin was revoked */
	KM_STORE_EXPIRED, /* … or its time is over */
	KM_STORE_WHYS
};
/* "absent", "exists", …; static. */
const char *km_store_why_name(enum km_store_why why);

enum {
	KM_STORE_PAGE_MAX = 1000, /* rows that a list gives at once */
	KM_STORE_HISTORY = 64,	  /* steps that are kept of one host */
	KM_STORE_ONLINE_KEPT =
		16, /* rollouts and timestamps that are kept of one channel; roots and indexes stay for good */
};

/* ---- the store --------------------------------------------------------------------------------------------------- */
typedef struct km_store km_store;
/* Opens the state, and makes or migrates its tables: `where` is the path of an SQLite file (its directory must be
 * there) or a postgres:// or postgresql:// URL. KM_REFUSED when a newer kmend wrote it, or when it is another
 * program's database. */
KM_CHECKED km_error *km_store_open(const char *where, km_store **ret);
/* Takes back a transaction that this thread left open. NULL is fine. */
void km_store_close(km_store *store);
/* For KM_CLEANUP. */
void km_store_closep(km_store **store);
/* "SQLite 3.40.1, /var/lib/kmend/server/state.db" or "PostgreSQL 15.4, kmend on db.example.org": for the log, without
 * a password; the store's. */
const char *km_store_describe(const km_store *store);
/* 32 random hex digits that name this state, for good: what else depends on it carries them. The store's. */
const char *km_store_id(const km_store *store);
/* The version of the tables, and the newest that this program knows. */
int64_t km_store_schema(const km_store *store);
extern const int64_t km_store_schema_newest;
/* Asks the database whether it is whole (SQLite: integrity and foreign keys; PostgreSQL looks after itself). Reads
 * everything. */
KM_CHECKED km_error *km_store_check(km_store *store);

/* Begins a transaction; blocks while another thread has one. Nests: an inner begin … rollback takes back what is
 * between, and only the outermost commit is durable. The same thread must end it. */
KM_CHECKED km_error *km_store_begin(km_store *store);
/* After an error nothing of it is stored, unless the error's sys is ECONNABORTED: the connection to PostgreSQL broke
 * before the answer of an outermost commit, nor could it be asked afterwards: to do it again could be to do it twice.
 * The transaction has ended in any case. */
KM_CHECKED km_error *km_store_commit(km_store *store);
void km_store_rollback(km_store *store);
/* Begin, work, commit; rollback if work fails. Work is called again (three times at most) when the database broke the
 * transaction off for a reason that passes: a lost connection, a conflict with another server. It is not when the
 * commit itself may have come through. */
KM_CHECKED km_error *km_store_transact(km_store *store, km_error *(*work)(km_store *store, void *ctx), void *ctx);

/* ---- admins ------------------------------------------------------------------------------------------------------ */
enum km_admin_role { KM_ADMIN_VIEWER, KM_ADMIN_OPERATOR, KM_ADMIN_RELEASER, KM_ADMIN_ROLES };
/* "viewer", …; static. */
const char *km_admin_role_name(enum km_admin_role role);
bool km_admin_role_of(const char *name, enum km_admin_role *ret);

struct km_store_admin {
	const char *id, *name; /* id: km_fleet_token_id() of the secret */
	enum km_admin_role role;
	const char *secret;		   /* km_fleet_secret_hash(); unique */
	int64_t created, expires, revoked; /* expires 0: never; revoked 0: not */
};
/* why: exists. `revoked` is not looked at. */
KM_CHECKED km_error *km_store_admin_add(km_store *store, const struct km_store_admin *admin, enum km_store_why *why);
/* why: absent, revoked, expired (at now). */
KM_CHECKED km_error *km_store_admin_find(km_store *store, const char *secret_hash, int64_t now, km_arena *arena,
					 struct km_store_admin *ret, enum km_store_why *why);
/* All of them by creation. */
KM_CHECKED km_error *km_store_admins(km_store *store, km_arena *arena, struct km_store_admin **ret, size_t *n);
/* why: absent; one that was revoked before is fine, and keeps its time. */
KM_CHECKED km_error *km_store_admin_revoke(km_store *store, const char *id, int64_t now, enum km_store_why *why);

/* ---- tokens ------------------------------------------------------------------------------------------------------ */
struct km_store_token {
	const char *id, *name, *channel; /* id: km_fleet_token_id() */
	const char *tags;		 /* with a space between each, sorted; "" for none */
	int64_t limit;			 /* hosts; 0: any number */
	enum km_severity min_severity;
	const char *secret; /* km_fleet_secret_hash(); unique */
	int64_t created, expires, revoked;
	int64_t hosts; /* that it has now; read only */
};
/* The five are as for admins. */
KM_CHECKED km_error *km_store_token_add(km_store *store, const struct km_store_token *token, enum km_store_why *why);
KM_CHECKED km_error *km_store_token_find(km_store *store, const char *secret_hash, int64_t now, km_arena *arena,
					 struct km_store_token *ret, enum km_store_why *why);
/* By its public id, whether it is revoked or not. why: absent. */
KM_CHECKED km_error *km_store_token(km_store *store, const char *id, km_arena *arena, struct km_store_token *ret,
				    enum km_store_why *why);
KM_CHECKED km_error *km_store_tokens(km_store *store, km_arena *arena, struct km_store_token **ret, size_t *n);
KM_CHECKED km_error *km_store_token_revoke(km_store *store, const char *id, int64_t now, enum km_store_why *why);

/* ---- hosts ------------------------------------------------------------------------------------------------------- */
struct km_store_host {
	int64_t n; /* its number, ascending as hosts attach, never used again: what lists go by, and what is passed as
		      `host` below */
	const char *id, *token, *secret; /* secret: its hash */
	const char *channel, *tags;	 /* tags as in km_store_token */
	const char *arch, *kernel, *build_id, *boot, *agent;
	enum km_standing standing;
	int64_t root, timestamp; /* versions that it has; 0: none */
	int64_t attached, seen;	 /* seen: the last contact */
	int64_t digest;		 /* of its last report, by the caller's function; 0: none yet */
};
/* A host comes, with the token's channel and tags; if it is there already its secret, kernel and `attached` are
 * replaced, and its tags stay. The limit is enforced. why: absent (no such token), revoked, expired, limit, exists
 * (the id is another token's). *n is its number. */
KM_CHECKED km_error *km_store_attach(km_store *store, const struct km_attach *attach, const char *token,
				     const char *secret_hash, int64_t now, int64_t *n, enum km_store_why *why);
/* Forgets the host with all it has said. why: absent. */
KM_CHECKED km_error *km_store_detach(km_store *store, const char *id, enum km_store_why *why);
/* Tags with a space between each; stored sorted, each once. KM_INPUT when one is no km_trust_name_ok() or there are
 * more than KM_FLEET_TAGS. */
KM_CHECKED km_error *km_store_host_tag(km_store *store, const char *id, const char *tags, enum km_store_why *why);
/* Whether its token still holds is for the caller to ask. why: absent. */
KM_CHECKED km_error *km_store_host(km_store *store, const char *id, km_arena *arena, struct km_store_host *ret,
				   enum km_store_why *why);
KM_CHECKED km_error *km_store_host_by_secret(km_store *store, const char *secret_hash, km_arena *arena,
					     struct km_store_host *ret, enum km_store_why *why);

/* All that are given must hold; zeroes and NULLs are no conditions. */
struct km_store_filter {
	const char *channel, *tag, *kernel, *token;
	bool by_standing, by_state, by_health;
	enum km_standing standing;
	const char *release;	   /* the host has said something of it … */
	enum km_patch_state state; /* … with by_state: this; */
	enum km_health health;	   /* … with by_health: this */
	const char *text; /* a tag or a kernel begins with it, or an id does (from 4 characters on); one lookup for each
			     such tag and kernel */
	int64_t after;	  /* only hosts with a greater number: the last one of the page before */
	size_t limit;	  /* 1 to KM_STORE_PAGE_MAX */
};
/* Up to `limit` hosts by number. One index gives the candidates (the first given of id, release, tag, token, kernel,
 * standing, channel): O(limit) for one condition; with several it may pass over hosts of that index that the others
 * exclude. */
KM_CHECKED km_error *km_store_hosts(km_store *store, const struct km_store_filter *filter, km_arena *arena,
				    struct km_store_host **ret, size_t *n);

/* How many hosts stand how, of one channel or (NULL) of all. O(hosts), by an index. */
KM_CHECKED km_error *km_store_count_standing(km_store *store, const char *channel, int64_t ret[static KM_STANDINGS]);
struct km_store_kernels {
	const char *arch, *kernel;
	enum km_standing standing;
	int64_t hosts;
};
/* How many hosts run which kernel and stand how, by kernel. O(hosts), by an index. */
KM_CHECKED km_error *km_store_count_kernels(km_store *store, km_arena *arena, struct km_store_kernels **ret, size_t *n);

/* Gives every host, by number; what *host points at is valid during the call. For the start of a server: reads page
 * by page, so that hosts that attach meanwhile may be among them. An error of row() ends it. row() may not write to
 * the store. O(hosts). */
KM_CHECKED km_error *km_store_hosts_all(km_store *store, km_error *(*row)(void *ctx, const struct km_store_host *host),
					void *ctx);

struct km_store_seen {
	int64_t host, at;
	int64_t digest; /* that the caller believes in */
	bool gone;	/* out: there is no such host any more */
	bool other;	/* out: the stored digest is another one: read the host again */
};
/* Moves last contacts forward, never back, for n hosts at once. */
KM_CHECKED km_error *km_store_seen(km_store *store, struct km_store_seen *rows, size_t n);

/* ---- reports ----------------------------------------------------------------------------------------------------- */
/* Takes a whole report: kernel, standing and versions of the host, and its patches, of which those that it no longer
 * names are dropped. Releases that the store does not have are passed over. Each change of a patch's state or health
 * goes into the host's history. Counts as a contact. why: absent. */
KM_CHECKED km_error *km_store_report(km_store *store, const struct km_report *report, int64_t digest, int64_t now,
				     enum km_store_why *why);

struct km_store_patch {
	struct km_report_patch said;
	int64_t updated; /* when state or health came to be what they are, by the server's clock */
};
/* What a host last said of its patches, by release. */
KM_CHECKED km_error *km_store_host_patches(km_store *store, int64_t host, km_arena *arena, struct km_store_patch **ret,
					   size_t *n);
/* The last KM_STORE_HISTORY changes, the newest first. */
KM_CHECKED km_error *km_store_host_history(km_store *store, int64_t host, km_arena *arena, struct km_store_patch **ret,
					   size_t *n);

/* Gives what every host last said of a release, by number: state, health, since and age. Failures, stalls and crashes
 * that the server heard before `since` are left out. row() calls nothing of the store. O(what was said of it). */
KM_CHECKED km_error *km_store_said(km_store *store, const char *release, int64_t since,
				   km_error *(*row)(void *ctx, int64_t host, const struct km_report_patch *said),
				   void *ctx);

struct km_store_release_count {
	const char *release, *channel;
	enum km_patch_state state;
	enum km_health health;
	int64_t hosts;
};
/* How many hosts have said what, of one release or (NULL) of all, by release and channel. O(patches said), by an
 * index. */
KM_CHECKED km_error *km_store_release_counts(km_store *store, const char *release, km_arena *arena,
					     struct km_store_release_count **ret, size_t *n);

/* ---- documents --------------------------------------------------------------------------------------------------- */
struct km_store_document {
	const char *channel; /* "" for roots */
	enum km_doc doc;     /* not KM_DOC_RELEASE */
	int64_t version;
	char sha256[KM_SHA256_HEX]; /* of the body, as km_envelope's id */
	const void *bytes;	    /* the whole envelope */
	size_t size;
	int64_t stored; /* when */
};
/* Only as the successor: version 1 after none, else the newest version + 1. why: stale when there is that version
 * already or one lacks in between: of two servers that both sign version N, one gets this. For an index, the list of
 * its releases is replaced in the same transaction: `index` is its body, NULL for the others. A channel comes into
 * being with its first document. */
KM_CHECKED km_error *km_store_document_add(km_store *store, const struct km_store_document *document,
					   const struct km_index *index, enum km_store_why *why);
/* version 0: the newest. why: absent. */
KM_CHECKED km_error *km_store_document(km_store *store, const char *channel, enum km_doc doc, int64_t version,
				       km_arena *arena, struct km_store_document *ret, enum km_store_why *why);
/* By its body's sum. why: absent. */
KM_CHECKED km_error *km_store_document_by_sum(km_store *store, const char *sha256, km_arena *arena,
					      struct km_store_document *ret, enum km_store_why *why);
/* The versions that are kept, the newest first, without bytes (NULL, but size is set); at most `limit`. */
KM_CHECKED km_error *km_store_documents(km_store *store, const char *channel, enum km_doc doc, size_t limit,
					km_arena *arena, struct km_store_document **ret, size_t *n);

struct km_store_channel {
	const char *name;
	const char *halt; /* why all of it is halted, or NULL */
	int64_t changed;  /* when halt was last set or taken away */
};
/* By name. */
KM_CHECKED km_error *km_store_channels(km_store *store, km_arena *arena, struct km_store_channel **ret, size_t *n);
/* why: absent. */
KM_CHECKED km_error *km_store_channel(km_store *store, const char *name, km_arena *arena, struct km_store_channel *ret,
				      enum km_store_why *why);
/* reason NULL: goes on. why: absent. */
KM_CHECKED km_error *km_store_channel_halt(km_store *store, const char *name, const char *reason, int64_t now,
					   enum km_store_why *why);

/* ---- releases ---------------------------------------------------------------------------------------------------- */
struct km_store_release {
	const char *id, *name, *version, *summary;
	enum km_severity severity;
	int64_t issued, uploaded;
	const void *bytes; /* the whole envelope */
	size_t size;
};
/* body: the release's own, for its kernels, CVEs and blobs. why: exists; nothing changes then. */
KM_CHECKED km_error *km_store_release_add(km_store *store, const char *id, const struct km_release *body,
					  const void *bytes, size_t size, int64_t now, enum km_store_why *why);
/* why: absent. */
KM_CHECKED km_error *km_store_release(km_store *store, const char *id, km_arena *arena, struct km_store_release *ret,
				      enum km_store_why *why);
/* The newest uploads first, without bytes. `before`: NULL, or the id that the page before ended with. */
KM_CHECKED km_error *km_store_releases(km_store *store, const char *before, size_t limit, km_arena *arena,
				       struct km_store_release **ret, size_t *n);
/* CVEs of a release, sorted. */
KM_CHECKED km_error *km_store_release_cves(km_store *store, const char *id, km_arena *arena, const char ***ret,
					   size_t *n);

struct km_store_listed {
	const char *channel, *release; /* as the channel's newest index has it */
	bool staged;
	const char *withdrawn; /* the reason, or NULL */
};
/* A channel's newest index, in its order. */
KM_CHECKED km_error *km_store_index(km_store *store, const char *channel, km_arena *arena, struct km_store_listed **ret,
				    size_t *n);
/* Whether a host of that channel and severity policy may have the release: its index lists it. Withdrawn ones too:
 * the host must see why. */
KM_CHECKED km_error *km_store_may_release(km_store *store, const char *channel, enum km_severity min,
					  const char *release, bool *ret);
/* … or the payload or source with that sum: a release that it may have, which is not withdrawn, names it. */
KM_CHECKED km_error *km_store_may_blob(km_store *store, const char *channel, enum km_severity min, const char *sha256,
				       bool *ret);

struct km_store_cve {
	const char *cve, *release,
		*channel; /* the channel's index lists that release, which closes it, and it is not withdrawn */
	enum km_severity severity;
};
/* By CVE. O(releases). */
KM_CHECKED km_error *km_store_cves(km_store *store, km_arena *arena, struct km_store_cve **ret, size_t *n);
struct km_store_covered {
	const char *arch, *kernel, *build_id, *release, *channel; /* as in km_store_cve */
};
/* Kernels that the channels have something for. O(releases). */
KM_CHECKED km_error *km_store_covered(km_store *store, km_arena *arena, struct km_store_covered **ret, size_t *n);

/* ---- rollouts ---------------------------------------------------------------------------------------------------- */
struct km_store_rollout {
	int64_t id;
	const char *channel, *release, *plan; /* km_plan_text() */
	struct km_progress_of at;	      /* all of it is stored */
	const char *reason;		      /* of its last change */
	int64_t created;
	const char *by;
	int64_t revision; /* grows with each change */
};
/* id and revision are given by the store. why: exists when one of that release in that channel is running or halted. */
KM_CHECKED km_error *km_store_rollout_add(km_store *store, const struct km_store_rollout *rollout, int64_t *id,
					  enum km_store_why *why);
/* Stores at and reason, if the revision is still rollout->revision. why: absent, stale; exists when it shall run
 * again and another one does. */
KM_CHECKED km_error *km_store_rollout_set(km_store *store, const struct km_store_rollout *rollout,
					  enum km_store_why *why);
/* why: absent. */
KM_CHECKED km_error *km_store_rollout(km_store *store, int64_t id, km_arena *arena, struct km_store_rollout *ret,
				      enum km_store_why *why);
/* The newest first; channel NULL: of all; open: only those that run or are halted. before 0, or the id that the page
 * before ended with. */
KM_CHECKED km_error *km_store_rollouts(km_store *store, const char *channel, bool open, int64_t before, size_t limit,
				       km_arena *arena, struct km_store_rollout **ret, size_t *n);

/* ---- leases ------------------------------------------------------------------------------------------------------ */
/* Takes or prolongs the lease until now + seconds. *held: whether holder has it; another one keeps it until it
 * expires. Servers' clocks must agree better than the lease is long. What is done under it is guarded by revisions
 * and versions nevertheless. */
KM_CHECKED km_error *km_store_lease(km_store *store, const char *name, const char *holder, int64_t now, int64_t seconds,
				    bool *held);
/* Gives it back, if holder has it. */
KM_CHECKED km_error *km_store_lease_end(km_store *store, const char *name, const char *holder);

/* ---- audit ------------------------------------------------------------------------------------------------------- */
struct km_store_audit {
	int64_t seq; /* 1, 2, 3, … without gaps */
	int64_t at;
	const char *actor, *action, *object,
		*detail;	  /* "admin:ops", "token.revoke", "0123456789abcdef", "lost laptop" */
	char hash[KM_SHA256_HEX]; /* of the record before (64 zeros for the first) and this one's canonical bytes */
};
/* The hash that a record must have after one with `previous`: SHA-256 of "kmend/1 audit\n", previous, '\n', seq,
 * '\n', at, '\n' and each text as its length in decimal, ':', its bytes, '\n'. For whoever verifies an export. */
void km_audit_hash(const char *previous, const struct km_store_audit *record, char ret[static KM_SHA256_HEX]);
/* A line of an export: fields separated by tabs in the order above, with \t, \n, \r and \\ escaped; ends with '\n'.
 * For free(). */
char *km_audit_line(const struct km_store_audit *record);
/* Reads such a line, with or without its '\n'. KM_INPUT. */
KM_CHECKED km_error *km_audit_line_parse(const char *line, km_arena *arena, struct km_store_audit *ret);

/* Appends a record; seq and hash are given by the store. Inside of the transaction of the change that it is about.
 * *seq may be NULL. */
KM_CHECKED km_error *km_store_audit(km_store *store, const struct km_store_audit *record, int64_t *seq);
/* The newest record's number and hash; 0 and zeros when there is none. It moves with each change by an admin: other
 * servers on this state poll it. */
KM_CHECKED km_error *km_store_audit_head(km_store *store, int64_t *seq, char hash[static KM_SHA256_HEX]);
/* Up to `limit` records after that one, ascending. */
KM_CHECKED km_error *km_store_audit_list(km_store *store, int64_t after, size_t limit, km_arena *arena,
					 struct km_store_audit **ret, size_t *n);
/* Gives every record after that one, ascending; valid during the call. O(records). */
KM_CHECKED km_error *km_store_audit_each(km_store *store, int64_t after,
					 km_error *(*row)(void *ctx, const struct km_store_audit *record), void *ctx);
/* Checks the chain from record `from` (1: all of it) to the newest: no gap, each hash right. *checked: how many.
 * KM_REFUSED names the first record that is wrong. That the newest ones were cut off shows only against a head that
 * was kept elsewhere: head NULL, or a hash that must be among them. */
KM_CHECKED km_error *km_store_audit_verify(km_store *store, int64_t from, const char *head, int64_t *checked);

#endif
