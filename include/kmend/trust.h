/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/trust.h - signed documents: who may say which code runs on a host, and how a host decides. It knows no kernels,
 * no network and no clock: every function that needs the time takes it, in seconds since 1970.
 *
 * The documents, their bytes and their keys are drawn in kmend-trust(5). In short:
 *   root       the keys of all roles, and how many of each must sign. Signed offline; N+1 by the thresholds of N and
 *              of itself
 *   release    what one patch is: payloads by SHA-256, each for one exact kernel. Signed offline by builder AND
 *              reviewer; never changes
 *   index      which releases a channel has. Signed offline
 *   rollout    which hosts must wait, and what is halted. Signed online. It can only take away from what the index
 *              gives
 *   timestamp  which index and rollout are the current ones. Signed online, short-lived
 *
 * A host holds a km_trust_client and feeds it root, timestamp, index, rollout in this order (km_trust_take_*), then
 * asks km_trust_allows() about a release, at once before it loads. A refusal is KM_REFUSED, broken bytes are KM_INPUT;
 * *why tells a program which rule it was.
 */
#ifndef KMEND_TRUST_H
#define KMEND_TRUST_H

#include <kmend/base.h>

/* ---- what there is ----------------------------------------------------------------------------------------------- */
enum km_doc { KM_DOC_ROOT, KM_DOC_RELEASE, KM_DOC_INDEX, KM_DOC_ROLLOUT, KM_DOC_TIMESTAMP, KM_DOCS };
enum km_role {
	KM_ROLE_ROOT,
	KM_ROLE_BUILDER,
	KM_ROLE_REVIEWER,
	KM_ROLE_INDEX,
	KM_ROLE_ROLLOUT,
	KM_ROLE_TIMESTAMP,
	KM_ROLES
};

enum {
	KM_KEY_LEN = 32,
	KM_SIGNATURE_LEN = 64,
	KM_TRUST_NAME_MAX = 64,	   /* characters of a channel, a key's name, a patch's name, a tag, a version */
	KM_TRUST_REASON_MAX = 200, /* bytes of why something is halted or withdrawn */
	KM_TRUST_SIGNATURES = 32,  /* in one document */
	KM_TRUST_KEYS = 64,	   /* in one root */
	KM_TRUST_KERNELS = 512,	   /* in one release */
	KM_TRUST_RELEASES = 4096,  /* in one index or rollout */
	KM_TRUST_SKEW = 86400,	   /* seconds that a document may come from the future before a clock is called wrong */
	KM_TIMESTAMP_MAX = 31 * 86400, /* seconds that a timestamp may live */
	KM_PERMYRIAD = 10000,
};
#define KM_VERSION_MAX ((int64_t)1 << 53)    /* a document's version lies in [1, KM_VERSION_MAX) */
#define KM_PAYLOAD_MAX ((uint64_t)256 << 20) /* bytes of one payload */

/* Why a document or a release was refused. */
enum km_trust_why {
	KM_WHY_NONE,
	KM_WHY_TOO_LARGE,  /* more bytes than such a document may have */
	KM_WHY_MALFORMED,  /* not the bytes of a document, or values outside of their bounds */
	KM_WHY_WRONG_TYPE, /* a document, but another one than was asked for */
	KM_WHY_SIGNATURES, /* fewer good signatures than the root asks for */
	KM_WHY_ROLLBACK,   /* older than what was seen */
	KM_WHY_GAP,	   /* a root that does not follow the one before */
	KM_WHY_TWO_FACED,  /* the same version with other content */
	KM_WHY_EXPIRED,
	KM_WHY_CLOCK,	   /* comes from the future */
	KM_WHY_MIXED,	   /* not the one that the timestamp names */
	KM_WHY_CHANNEL,	   /* of another channel */
	KM_WHY_INCOMPLETE, /* a document that must come before is lacking */
	KM_WHY_NOT_LISTED, /* the index does not have the release */
	KM_WHY_WITHDRAWN,  /* the index says that it is withdrawn */
	KM_WHY_HALTED,	   /* the rollout halts it */
	KM_WHY_WAITING,	   /* the rollout lets this host wait */
	KM_WHY_KERNEL,	   /* the release has nothing for this kernel */
	KM_WHY_PAYLOAD,	   /* other bytes than the release names */
	KM_WHYS
};

/* "root", "release", …; static. */
const char *km_doc_name(enum km_doc doc);
/* The document of that name; false: there is none. */
bool km_doc_of(const char *name, enum km_doc *ret);
/* Bytes that such a document may have with its envelope; what is larger is not looked at. A reader from the network
 * stops there. */
size_t km_doc_max(enum km_doc doc);
/* "root", "builder", …; static. */
const char *km_role_name(enum km_role role);
/* The role of that name; false: there is none. */
bool km_role_of(const char *name, enum km_role *ret);
/* True for rollout and timestamp, whose keys a server holds. */
bool km_role_online(enum km_role role);
/* The document that the role signs. */
enum km_doc km_role_doc(enum km_role role);
/* One word for programs: "rollback", "expired", …; static. */
const char *km_trust_why_name(enum km_trust_why why);
/* Whether s names a channel or a tag: a-z, 0-9, '-', '_', '.', begun with a letter or digit, 1 to KM_TRUST_NAME_MAX
 * characters. */
bool km_trust_name_ok(const char *s);

/* ---- keys ---------------------------------------------------------------------------------------------------------
 * A key has one role for life. Its id is the SHA-256 of "kmend/1 key\n" and its 32 bytes, in hex.
 */
struct km_public_key {
	enum km_role role;
	char id[KM_SHA256_HEX];
	char name[KM_TRUST_NAME_MAX + 1]; /* of the person or machine */
	uint8_t key[KM_KEY_LEN];
};
typedef struct km_private_key km_private_key;

/* How the passphrase of a private key is stretched (argon2id); small costs are for tests. */
struct km_key_cost {
	uint64_t ops, memory; /* passes; bytes */
};
extern const struct km_key_cost km_key_cost_default; /* 3 passes over 256 MiB: about a second */

/* A new key pair. KM_USAGE when the name has other characters than letters, digits and ". _ @ -". */
KM_CHECKED km_error *km_key_create(enum km_role role, const char *name, km_private_key **ret);
/* Wipes it from memory; NULL is fine. */
void km_key_destroy(km_private_key *key);
/* For KM_CLEANUP. */
void km_key_destroyp(km_private_key **key);
/* The public half; the key's. */
const struct km_public_key *km_key_public(const km_private_key *key);
/* Writes a private key's file, mode 0600, never over an existing one. passphrase NULL: not encrypted, cost NULL: the
 * default. */
KM_CHECKED km_error *km_key_save(const km_private_key *key, const char *path, const char *passphrase,
				 const struct km_key_cost *cost);
/* The same over an existing file, for a new passphrase. */
KM_CHECKED km_error *km_key_resave(const km_private_key *key, const char *path, const char *passphrase,
				   const struct km_key_cost *cost);
/* Reads a private key's file. *encrypted says whether it needs a passphrase; with passphrase NULL such a file is
 * KM_REFUSED and a wrong one too. encrypted may be NULL. */
KM_CHECKED km_error *km_key_load(const char *path, const char *passphrase, bool *encrypted, km_private_key **ret);
/* Whether the file is a private key that needs a passphrase; false also when it cannot be read. */
bool km_key_encrypted(const char *path);
/* Writes a public key's file. */
KM_CHECKED km_error *km_public_save(const struct km_public_key *key, const char *path);
/* Reads the public half from a public or a private key's file. */
KM_CHECKED km_error *km_public_load(const char *path, struct km_public_key *ret);

/* ---- envelopes ----------------------------------------------------------------------------------------------------
 * The body is kept as the bytes that were signed. A signature covers "kmend/1 <document> <role>\n" and then the body.
 */
struct km_signature {
	enum km_role role;
	char key[KM_SHA256_HEX]; /* id */
	uint8_t bytes[KM_SIGNATURE_LEN];
};
typedef struct km_envelope {
	enum km_doc doc;
	uint8_t *body; /* NUL-terminated past its end */
	size_t size;
	char id[KM_SHA256_HEX]; /* SHA-256 of the body: a release's name everywhere */
	km_vec(struct km_signature) signatures;
} km_envelope;

/* An unsigned document around a copy of the body. */
km_envelope *km_envelope_create(enum km_doc doc, const void *body, size_t size);
/* NULL is fine. */
void km_envelope_destroy(km_envelope *envelope);
/* For KM_CLEANUP. */
void km_envelope_destroyp(km_envelope **envelope);
/* Takes the frame apart. The body is NOT looked at and nothing is verified. why may be NULL. */
KM_CHECKED km_error *km_envelope_parse(enum km_doc doc, const void *bytes, size_t size, km_envelope **ret,
				       enum km_trust_why *why);
/* Which document these bytes say they are; false: none. For programs that show files; never decide by it. */
bool km_envelope_peek(const void *bytes, size_t size, enum km_doc *ret);
/* The document's bytes, for free(). */
char *km_envelope_text(const km_envelope *envelope, size_t *size);
/* Reads a file of at most km_doc_max() bytes. */
KM_CHECKED km_error *km_envelope_load(enum km_doc doc, const char *path, km_envelope **ret);
/* Writes it whole or not at all. */
KM_CHECKED km_error *km_envelope_save(const km_envelope *envelope, const char *path);
/* Signs as the key's role. KM_REFUSED when that role does not sign such documents. The envelope stays as it is. */
KM_CHECKED km_error *km_envelope_sign(const km_envelope *envelope, const km_private_key *key, struct km_signature *ret);
/* Adds a signature; one that it has already is fine. KM_REFUSED when there are too many. */
KM_CHECKED km_error *km_envelope_add(km_envelope *envelope, const struct km_signature *signature);
/* km_envelope_sign() and km_envelope_add(). */
KM_CHECKED km_error *km_envelope_sign_with(km_envelope *envelope, const km_private_key *key);
/* Whether that signature of the envelope is good under that key. */
bool km_signature_good(const km_envelope *envelope, const struct km_signature *signature,
		       const struct km_public_key *key);
/* A detached signature's file, for free(). */
char *km_signature_text(const km_envelope *envelope, const struct km_signature *signature);
/* Reads one. KM_REFUSED (why: mixed) when it is for other bytes than the envelope's. */
KM_CHECKED km_error *km_signature_parse(const km_envelope *envelope, const void *bytes, size_t size,
					struct km_signature *ret);

/* ---- bodies -------------------------------------------------------------------------------------------------------
 * What _parse() gives owns its memory and is freed by its _free(). What a caller fills in by hand may point anywhere:
 * _text() only reads, writes sorted JSON and checks the same bounds as _parse() (KM_USAGE). All counts are bounded as
 * above.
 */
struct km_root {
	int64_t version, issued, expires;
	struct km_public_key *keys;
	size_t n_keys;
	unsigned threshold[KM_ROLES];
	km_arena *arena;
};
struct km_payload {
	char flavour[8]; /* "klp" or "core" */
	char sha256[KM_SHA256_HEX];
	uint64_t size;
};
struct km_release_kernel {
	const char *arch, *release, *build_id; /* as uname -m and uname -r say; vmlinux's, hex */
	struct km_payload *payloads;	       /* one or two, of different flavours */
	size_t n_payloads;
};
struct km_release {
	const char *name, *version, *summary,
		*severity; /* the module's name; free text; "low", "medium", "high", "critical" */
	int64_t issued;
	const char **cves;
	size_t n_cves;
	char source_sha256[KM_SHA256_HEX]; /* of the source diff that anyone may have who may have the patch */
	uint64_t source_size;
	bool replace; /* cumulative */
	struct km_release_kernel *kernels;
	size_t n_kernels;
	km_arena *arena;
};
struct km_index_entry {
	char id[KM_SHA256_HEX];
	bool staged;	       /* no host takes it until a rollout names it */
	const char *withdrawn; /* the reason, or NULL */
};
struct km_index {
	const char *channel;
	int64_t version, issued, expires;
	struct km_index_entry *releases; /* in the order in which they came to the channel */
	size_t n_releases;
	km_arena *arena;
};
struct km_wave {
	const char **tags; /* the host has one of them; none: any host */
	size_t n_tags;
	unsigned permyriad; /* … and lies below this with km_trust_cohort() */
};
struct km_rollout_entry {
	char id[KM_SHA256_HEX];
	const char *halt;      /* the reason, or NULL */
	bool rollback;	       /* with halt: who has the release takes it back */
	int64_t not_before;    /* 0 for at once */
	bool all;	       /* every host; waves then are none */
	struct km_wave *waves; /* a host that is in one of them goes on; with no wave and !all nobody does */
	size_t n_waves;
};
struct km_rollout {
	const char *channel;
	int64_t version, issued, expires;
	const char *halt; /* of the whole channel: the reason, or NULL */
	struct km_rollout_entry *releases;
	size_t n_releases;
	km_arena *arena;
};
struct km_named {
	int64_t version;
	char sha256[KM_SHA256_HEX]; /* of the body */
};
struct km_timestamp {
	const char *channel;
	int64_t version, issued, expires;
	struct km_named index, rollout;
	km_arena *arena;
};

/* Each takes the body of a VERIFIED envelope apart. KM_INPUT for whatever is not exactly as kmend-trust(5) says. */
KM_CHECKED km_error *km_root_parse(const km_envelope *envelope, struct km_root *ret);
KM_CHECKED km_error *km_release_parse(const km_envelope *envelope, struct km_release *ret);
KM_CHECKED km_error *km_index_parse(const km_envelope *envelope, struct km_index *ret);
KM_CHECKED km_error *km_rollout_parse(const km_envelope *envelope, struct km_rollout *ret);
KM_CHECKED km_error *km_timestamp_parse(const km_envelope *envelope, struct km_timestamp *ret);
/* Each makes an unsigned document. KM_USAGE for values that _parse() would refuse. */
KM_CHECKED km_error *km_root_make(const struct km_root *root, km_envelope **ret);
KM_CHECKED km_error *km_release_make(const struct km_release *release, km_envelope **ret);
KM_CHECKED km_error *km_index_make(const struct km_index *index, km_envelope **ret);
KM_CHECKED km_error *km_rollout_make(const struct km_rollout *rollout, km_envelope **ret);
KM_CHECKED km_error *km_timestamp_make(const struct km_timestamp *timestamp, km_envelope **ret);
/* Each frees what _parse() gave and leaves zeros. */
void km_root_free(struct km_root *root);
void km_release_free(struct km_release *release);
void km_index_free(struct km_index *index);
void km_rollout_free(struct km_rollout *rollout);
void km_timestamp_free(struct km_timestamp *timestamp);
/* Whether the body of any document can be parsed: for whoever signs, before they sign. */
KM_CHECKED km_error *km_body_check(const km_envelope *envelope);

/* ---- verifying --------------------------------------------------------------------------------------------------- */
/* How many distinct keys of the role in root have signed the envelope well. */
unsigned km_verify_count(const km_envelope *envelope, const struct km_root *root, enum km_role role);
/* Every role of that document reaches the root's threshold. Looks at no time and no body. why may be NULL. */
KM_CHECKED km_error *km_verify(const km_envelope *envelope, const struct km_root *root, enum km_trust_why *why);
/* A root that its own keys sign: the begin of all trust. fingerprint: its body's SHA-256 in hex as a person was given
 * it, or NULL. */
KM_CHECKED km_error *km_verify_first_root(const km_envelope *envelope, const char *fingerprint, struct km_root *ret,
					  enum km_trust_why *why);
/* The root that follows `old`: version + 1, signed by the thresholds of both. */
KM_CHECKED km_error *km_verify_next_root(const km_envelope *envelope, const struct km_root *old, struct km_root *ret,
					 enum km_trust_why *why);

/* What is to be different in the next root. */
struct km_root_change {
	const struct km_public_key *add;
	size_t n_add;
	const char *const *remove; /* key ids, or names of which there is just one */
	size_t n_remove;
	unsigned threshold[KM_ROLES]; /* 0: as before */
};
/* The unsigned root that follows `old`. KM_REFUSED when a key to remove is not there or its name is two keys', KM_USAGE
 * for a root that could not be. */
KM_CHECKED km_error *km_root_next(const struct km_root *old, const struct km_root_change *change, int64_t now,
				  int64_t lifetime, km_envelope **ret);

/* ---- a host's view ------------------------------------------------------------------------------------------------
 * The caller keeps it in a file (km_trust_save() after each change) that only root can write. Not thread-safe.
 */
typedef struct km_trust_client km_trust_client;
struct km_trust_host {
	const char *arch, *release, *build_id; /* of the running kernel */
	const char *id;			       /* hashed machine id, what km_trust_cohort() takes */
	const char *const *tags;
	size_t n_tags;
};
enum km_trust_age {
	KM_FRESH, /* a first load: every document must be valid now */
	KM_HELD,  /* this host has run the release before (boot, reload): expired documents will do, halts and
		     withdrawals still count */
};

/* Begins with a root that its own keys sign; fingerprint as in km_verify_first_root(). */
KM_CHECKED km_error *km_trust_create(const void *root, size_t size, const char *channel, const char *fingerprint,
				     km_trust_client **ret, enum km_trust_why *why);
/* NULL is fine. */
void km_trust_destroy(km_trust_client *client);
/* For KM_CLEANUP. */
void km_trust_destroyp(km_trust_client **client);
/* The client of a file that km_trust_save() wrote; its documents are verified again, expiry aside. */
KM_CHECKED km_error *km_trust_load(const char *path, km_trust_client **ret);
/* Writes the file whole or not at all. There is no secret in it. */
KM_CHECKED km_error *km_trust_save(const km_trust_client *client, const char *path);
/* The same from and to bytes; *ret as text for free(). */
KM_CHECKED km_error *km_trust_parse(const void *bytes, size_t size, km_trust_client **ret);
char *km_trust_text(const km_trust_client *client);

/* Takes the next root; the one that is held is fine and changes nothing. Ask for version + 1 until there is none,
 * before all else. A role that loses a key forgets its document and the versions seen: the way back when a thief has
 * used up the numbers. */
KM_CHECKED km_error *km_trust_take_root(km_trust_client *client, const void *bytes, size_t size,
					enum km_trust_why *why);
/* Takes a timestamp that is valid now, and not older than the one before. */
KM_CHECKED km_error *km_trust_take_timestamp(km_trust_client *client, const void *bytes, size_t size, int64_t now,
					     enum km_trust_why *why);
/* Take exactly the document that the timestamp names. */
KM_CHECKED km_error *km_trust_take_index(km_trust_client *client, const void *bytes, size_t size, int64_t now,
					 enum km_trust_why *why);
KM_CHECKED km_error *km_trust_take_rollout(km_trust_client *client, const void *bytes, size_t size, int64_t now,
					   enum km_trust_why *why);
/* Whether the timestamp names an index (or rollout) that is not held yet; *ret says which one to ask for. */
bool km_trust_wants(const km_trust_client *client, enum km_doc doc, struct km_named *ret);

/* May this host load that release now? Verifies it against the root, then asks index and rollout, which must be those
 * that the timestamp names. *ret (may be NULL) is the payload of that flavour ("klp", "core") for exactly this kernel.
 * Nothing is changed or kept. */
KM_CHECKED km_error *km_trust_allows(const km_trust_client *client, const void *release, size_t size,
				     const struct km_trust_host *host, const char *flavour, enum km_trust_age age,
				     int64_t now, struct km_payload *ret, enum km_trust_why *why);

/* Whether a host that has the release must take it back: the index that the timestamp names withdraws it, or the rollout
 * that it names asks for a rollback. What is held but not named says nothing. *reason (may be NULL) is the client's,
 * valid until the next km_trust_take_*(). Dates do not count: what was called back stays so while the server is gone. */
bool km_trust_recalls(const km_trust_client *client, const char *release_id, const char **reason);

/* What is held; NULL when there is none. The client's, valid until the next km_trust_take_*(). */
const struct km_root *km_trust_root(const km_trust_client *client);
const struct km_index *km_trust_index(const km_trust_client *client);
const struct km_rollout *km_trust_rollout(const km_trust_client *client);
const struct km_timestamp *km_trust_timestamp(const km_trust_client *client);
/* The channel that it was made for; the client's. */
const char *km_trust_channel(const km_trust_client *client);

/* A host's place in a release's waves, [0, KM_PERMYRIAD): fixed by both ids, equally spread, and so monotone: who is in
 * at 5 % is in at 10 %. */
unsigned km_trust_cohort(const char *release_id, const char *host_id);
/* Whether the wave lets the host, which has that cohort, in. */
bool km_wave_admits(const struct km_wave *wave, const struct km_trust_host *host, unsigned cohort);
/* Whether an entry of a rollout lets that host go on now, halts aside. */
bool km_rollout_admits(const struct km_rollout_entry *entry, const struct km_trust_host *host, int64_t now);

/* Reads a payload's file whole, as far as its size goes, and gives the bytes only if they are the named ones: what is
 * loaded must be these bytes and not the file once more. For free(). */
KM_CHECKED km_error *km_payload_read(const char *path, const struct km_payload *payload, uint8_t **ret,
				     enum km_trust_why *why);
/* Whether these are all of the named bytes. */
KM_CHECKED km_error *km_payload_check(const struct km_payload *payload, const void *bytes, size_t size, enum km_trust_why *why);
/* The same piece by piece, for a download: an add beyond the size fails at once, km_payload_end() says whether all is
 * there and right, and frees it in any case. */
typedef struct km_payload_sum km_payload_sum;
km_payload_sum *km_payload_begin(const struct km_payload *payload);
KM_CHECKED km_error *km_payload_add(km_payload_sum *sum, const void *bytes, size_t n, enum km_trust_why *why);
KM_CHECKED km_error *km_payload_end(km_payload_sum *sum, enum km_trust_why *why);

/* ---- a publisher's directory ---------------------------------------------------------------------------------------
 * DIR/keys holds NAME.pub and, where they are at hand, NAME.key; DIR/public what anyone may fetch: N.root,
 * CHANNEL.index, CHANNEL.rollout, CHANNEL.timestamp. DIR/.lock keeps two writers apart.
 */
struct km_expiry {
	char name[KM_TRUST_NAME_MAX + 16]; /* the file's */
	enum km_doc doc;
	int64_t version, issued, expires;
	unsigned missing; /* signatures that it lacks under the newest root */
};
typedef km_vec(struct km_expiry) km_expiries;
struct km_lifetimes {
	int64_t root, index, rollout, timestamp; /* seconds */
};
extern const struct km_lifetimes km_lifetimes_default; /* 365, 365, 30 and 2 days */

/* The newest N.root of dir (DIR/public), verified along the chain from the oldest that is there. */
KM_CHECKED km_error *km_public_root(const char *dir, struct km_root *ret);
/* Every document of dir (DIR/public) but releases; the root is the newest one. */
KM_CHECKED km_error *km_public_status(const char *dir, km_expiries *ret);
/* Makes a signed timestamp for that index and rollout. version is the new one's. */
KM_CHECKED km_error *km_timestamp_for(const km_envelope *index, const km_envelope *rollout, int64_t version,
				      int64_t now, int64_t lifetime, const km_private_key *key, km_envelope **ret);
/* What one call of km_refresh() did. */
struct km_refreshed {
	size_t timestamps, rollouts;
};
/* Signs a new timestamp for each channel of DIR, and anew each rollout that has less than half its time left, with the
 * keys of DIR/keys that need no passphrase. Content does not change. For a timer; lifetimes NULL: the default. */
KM_CHECKED km_error *km_refresh(const char *dir, int64_t now, const struct km_lifetimes *lifetimes,
				struct km_refreshed *ret);

/* The first set-up. Run again it goes on where it stopped: keys and signatures that are there are used. */
struct km_ceremony {
	const char *dir;
	unsigned keys[KM_ROLES];      /* how many of each role there shall be */
	unsigned threshold[KM_ROLES]; /* how many must sign */
	const char *const *channels;
	size_t n_channels;
	int64_t now;
	struct km_lifetimes lifetimes;
	struct km_key_cost cost;
	/* The passphrase for an offline key that is made or used, for free(), or *ret NULL for none; called only for
	 * offline roles. */
	km_error *(*passphrase)(void *ctx, const char *key, bool is_new, char **ret);
	/* A line on what was done; may be NULL. */
	void (*say)(void *ctx, const char *line);
	void *ctx;
};
struct km_ceremony_done {
	bool complete;			 /* root and every channel's documents are signed */
	unsigned root_missing;		 /* signatures that the root lacks */
	char fingerprint[KM_SHA256_HEX]; /* of the first root: what hosts are given */
};
/* Makes keys that are lacking, root 1, and an empty index, rollout and timestamp for each channel, and signs with the
 * private keys of DIR/keys. Keys made elsewhere take part as their .pub files; their signatures are detached and added
 * with kmend-sign(1). */
KM_CHECKED km_error *km_ceremony_run(const struct km_ceremony *ceremony, struct km_ceremony_done *ret);

#endif
