/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signed documents for people and for programs, and the words that key and sign share. */
#include <errno.h>
#include <time.h>

#include "cmd.h"

km_error *trust_date(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	char *number_end;
	long long n;

	if (!text) {
		*ret = time(NULL);
		return NULL;
	}
	if (end && !*end) {
		*ret = timegm(&tm);
		return NULL;
	}
	n = strtoll(text, &number_end, 10);
	if (!*text || *number_end || n < 0 || n > 253402300799LL)
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is no date", text),
				     "for example 2026-03-01, or seconds since 1970");
	*ret = n;
	return NULL;
}

km_error *trust_days(const char *option, const char *text, int64_t fallback, int64_t *ret)
{
	char *end;
	long n = text ? strtol(text, &end, 10) : 0;

	if (text && (!*text || *end || n < 1 || n > 36500))
		return km_error_new(KM_USAGE, "%s: '%s' is no number of days", option, text);
	*ret = text ? (int64_t)n * 86400 : fallback;
	return NULL;
}

void trust_words(const char *text, km_strv *ret)
{
	while (text && *text) {
		size_t n = strcspn(text, ",");

		if (n) {
			KM_AUTOFREE char *word = km_strndup(text, n);

			km_strv_push(ret, word);
		}
		text += n + (text[n] == ',');
	}
}

static km_error *one_number(const char *option, const char *word, unsigned ret[])
{
	size_t n = strcspn(word, "=");
	KM_AUTOFREE char *name = km_strndup(word, n);
	char *end = NULL;
	enum km_role role;
	long number = word[n] ? strtol(word + n + 1, &end, 10) : 0;

	if (!end || *end || number < 1 || number > KM_TRUST_SIGNATURES / 2 || !km_role_of(name, &role))
		return km_error_hint(km_error_new(KM_USAGE, "%s: '%s' is no ROLE=NUMBER", option, word),
				     "for example root=3,builder=2; the roles are root, builder, reviewer, index, "
				     "rollout, timestamp");
	ret[role] = (unsigned)number;
	return NULL;
}

km_error *trust_numbers(const char *option, const char *text, unsigned ret[])
{
	km_strv words = {0};
	km_error *err = NULL;

	trust_words(text, &words);
	for (size_t i = 0; i < words.n && !err; i++)
		err = one_number(option, words.at[i], ret);
	km_strv_free(&words);
	return err;
}

km_error *trust_load(const char *path, km_envelope **ret)
{
	static const enum km_doc docs[] = {KM_DOC_ROOT, KM_DOC_RELEASE, KM_DOC_INDEX, KM_DOC_ROLLOUT, KM_DOC_TIMESTAMP};
	uint8_t begin[64] = {0};
	FILE *f = fopen(path, "re");
	enum km_doc doc;
	size_t n;

	if (!f)
		return km_error_sys(errno, "cannot open %s", path);
	n = fread(begin, 1, sizeof(begin), f);
	fclose(f);
	for (size_t i = 0; i < KM_COUNT(docs) && km_envelope_peek(begin, n, &doc); i++)
		if (docs[i] == doc)
			return km_envelope_load(doc, path, ret);
	return km_error_hint(km_error_new(KM_INPUT, "%s is no signed document of kmend", path),
			     "kmend sign --wrap makes one of a JSON body");
}

json_t *trust_body_json(const km_envelope *envelope)
{
	json_t *o = json_loadb((const char *)envelope->body, envelope->size, JSON_REJECT_DUPLICATES, NULL);

	return o ? o : json_null();
}

static void line(const char *name, const char *value)
{
	printf("%-11s %s\n", name, value);
}

static void date_line(const char *name, int64_t t)
{
	char date[32];

	view_time(t, date);
	line(name, date);
}

static void dates(const char *channel, int64_t version, int64_t issued, int64_t expires)
{
	if (channel)
		line("channel", channel);
	printf("%-11s %lld\n", "version", (long long)version);
	date_line("issued", issued);
	date_line("expires", expires);
}

static km_error *show_root(const km_envelope *envelope)
{
	struct km_root root;

	KM_TRY(km_root_parse(envelope, &root));
	dates(NULL, root.version, root.issued, root.expires);
	for (unsigned role = 0; role < KM_ROLES; role++) {
		printf("%-11s %u must sign:\n", km_role_name((enum km_role)role), root.threshold[role]);
		for (size_t i = 0; i < root.n_keys; i++)
			if (root.keys[i].role == (enum km_role)role)
				printf("  %s %s\n", root.keys[i].id, root.keys[i].name);
	}
	km_root_free(&root);
	return NULL;
}

static km_error *show_release(const km_envelope *envelope)
{
	struct km_release release;

	KM_TRY(km_release_parse(envelope, &release));
	line("name", release.name);
	line("version", release.version);
	line("summary", release.summary);
	line("severity", release.severity);
	date_line("issued", release.issued);
	for (size_t i = 0; i < release.n_cves; i++)
		line(i ? "" : "closes", release.cves[i]);
	line("diff", release.source_sha256);
	for (size_t i = 0; i < release.n_kernels; i++) {
		const struct km_release_kernel *k = &release.kernels[i];

		printf("kernel      %s %s, build-id %s\n", k->release, k->arch, k->build_id);
		for (size_t j = 0; j < k->n_payloads; j++)
			printf("  %-5s %s, %llu bytes\n", k->payloads[j].flavour, k->payloads[j].sha256,
			       (unsigned long long)k->payloads[j].size);
	}
	km_release_free(&release);
	return NULL;
}

static km_error *show_index(const km_envelope *envelope)
{
	struct km_index index;

	KM_TRY(km_index_parse(envelope, &index));
	dates(index.channel, index.version, index.issued, index.expires);
	for (size_t i = 0; i < index.n_releases; i++) {
		const struct km_index_entry *e = &index.releases[i];

		printf("release     %s%s%s%s\n", e->id, e->staged ? ", staged" : "",
		       e->withdrawn ? ", withdrawn: " : "", e->withdrawn ? e->withdrawn : "");
	}
	km_index_free(&index);
	return NULL;
}

static void print_wave(const struct km_wave *wave)
{
	printf("  wave of %u of %d", wave->permyriad, KM_PERMYRIAD);
	for (size_t i = 0; i < wave->n_tags; i++)
		printf("%s%s", i ? " or " : " with the tag ", wave->tags[i]);
	putchar('\n');
}

static km_error *show_rollout(const km_envelope *envelope)
{
	struct km_rollout rollout;

	KM_TRY(km_rollout_parse(envelope, &rollout));
	dates(rollout.channel, rollout.version, rollout.issued, rollout.expires);
	if (rollout.halt)
		line("HALTED", rollout.halt);
	for (size_t i = 0; i < rollout.n_releases; i++) {
		const struct km_rollout_entry *e = &rollout.releases[i];

		printf("release     %s%s%s\n", e->id, e->halt ? ", HALTED: " : "", e->halt ? e->halt : "");
		for (size_t j = 0; j < e->n_waves; j++)
			print_wave(&e->waves[j]);
	}
	km_rollout_free(&rollout);
	return NULL;
}

static km_error *show_timestamp(const km_envelope *envelope)
{
	struct km_timestamp t;

	KM_TRY(km_timestamp_parse(envelope, &t));
	dates(t.channel, t.version, t.issued, t.expires);
	printf("index       %lld, %s\nrollout     %lld, %s\n", (long long)t.index.version, t.index.sha256,
	       (long long)t.rollout.version, t.rollout.sha256);
	km_timestamp_free(&t);
	return NULL;
}

km_error *trust_show(const km_envelope *envelope)
{
	static km_error *(*const shows[KM_DOCS])(const km_envelope *) = {
		[KM_DOC_ROOT] = show_root,	 [KM_DOC_RELEASE] = show_release,     [KM_DOC_INDEX] = show_index,
		[KM_DOC_ROLLOUT] = show_rollout, [KM_DOC_TIMESTAMP] = show_timestamp,
	};

	line("document", km_doc_name(envelope->doc));
	line("sha256", envelope->id);
	KM_TRY(shows[envelope->doc](envelope));
	for (size_t i = 0; i < envelope->signatures.n; i++)
		printf("signature   %s %s\n", km_role_name(envelope->signatures.at[i].role),
		       envelope->signatures.at[i].key);
	return NULL;
}
