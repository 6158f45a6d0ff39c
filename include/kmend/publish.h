/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/publish.h - a publisher's work between the builder and the server: modules become a release, a release comes
 * into a channel's next index. Everything works on files; it knows no network and no clock.
 *
 * A release on its way is a file FILE and a directory `blobs` beside it, which has the payloads and the diff under the
 * names of their SHA-256. Several releases may share one directory.
 */
#ifndef KMEND_PUBLISH_H
#define KMEND_PUBLISH_H

#include <kmend/trust.h>

/* ---- from modules to a release ----------------------------------------------------------------------------------- */
struct km_publish {
	const char *const
		*paths; /* modules, or directories that are searched for them as `kmend build -o` leaves them */
	size_t n_paths;
	const char *source;		/* the diff, or NULL: the NAME.ko.diff that stands beside a module */
	const char *name, *version;	/* what the modules must say of themselves, or NULL: whatever they say */
	const char *summary, *severity; /* in place of what the modules say; or NULL */
	const km_strv *cves;		/* the same; NULL or empty: those of the modules */
	const km_strv *allow;		/* overrides of the builder ("allow-data", …) that may be in it; NULL: none */
	int64_t now;
};
struct km_blob {
	char *path;
	char sha256[KM_SHA256_HEX];
	uint64_t size;
	bool source; /* the diff, not a payload */
};
typedef km_vec(struct km_blob) km_blobs;
/* Frees the paths and the array. */
void km_blobs_free(km_blobs *blobs);

/* Reads all modules and makes the unsigned release of them; *blobs are its payloads and, last, its diff, where they
 * were found. KM_REFUSED for modules that do not belong together: another name, version, diff, severity or list of
 * CVEs, two of one flavour for one kernel, a diff that they were not made of, an override that is not allowed. */
KM_CHECKED km_error *km_publish_collect(const struct km_publish *publish, km_envelope **ret, km_blobs *blobs);
/* Writes the blobs below the directory of FILE, then FILE. What is there already and has the right bytes stays. */
KM_CHECKED km_error *km_publish_save(const km_envelope *release, const km_blobs *blobs, const char *file);
/* The blobs that the release in FILE names, as they should lie in `dir` (NULL: `blobs` beside FILE), each once; the
 * diff last. They are looked at: KM_ENV when one is not there, KM_REFUSED when it has other bytes. */
KM_CHECKED km_error *km_publish_blobs(const km_envelope *release, const char *file, const char *dir, km_blobs *ret);
/* For a reviewer: opens all blobs and makes the release anew of them. KM_REFUSED when it comes out otherwise: then the
 * modules are not what the release says, or not made of that diff. *overrides: what the builder was told to let pass.
 */
KM_CHECKED km_error *km_publish_review(const km_envelope *release, const km_blobs *blobs, km_strv *overrides);

/* ---- from a release to a channel ----------------------------------------------------------------------------------
 */
struct km_channel_change {
	const char *add;      /* a release's id that comes to the channel, or NULL */
	bool staged;	      /* … and waits for its rollout */
	const char *withdraw; /* a release's id that must not be loaded any more, or NULL */
	const char *reason;   /* … why; text for the hosts' users */
};
/* The unsigned index that follows `last`; with neither add nor withdraw just with new dates. last->version 0 makes a
 * channel's first one. KM_NOTHING when it would say the same, KM_REFUSED for a release that was withdrawn, or is not
 * listed. */
KM_CHECKED km_error *km_channel_next(const struct km_index *last, const struct km_channel_change *change, int64_t now,
				     int64_t lifetime, km_envelope **ret);

#endif
