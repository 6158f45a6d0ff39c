/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal as a file: "kmend journal 1 SHA256\n" and then one JSON object with that sum:
 * {"boot","goodbye","patches":[{"release","payload","name","version","step","why","ran","since","boot","up","transition_ms",
 * "age","health","taint","warns","oopses","detail"}]}.
 */
#include <fcntl.h>

#include "internal.h"

#define JOURNAL KM_AGENT_DIR "/journal"
static const char magic[] = "kmend journal 1 ";
enum { HEAD = sizeof(magic) - 1 + KM_SHA256_HEX, FILE_MAX = 8 << 20 };

/* ---- words; those of health are not km_health_name()'s, whose first is empty ---- */

static const char *const healths[KM_HEALTHS] = {"none", "good", "warned", "oopsed", "crashed"};

static json_t *entry_json(const struct km_journal_entry *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:s, s:I, s:i, s:i, s:s, s:I, s:I, s:I, s:s}", "release",
			 e->release, "payload", e->payload, "name", e->name, "version", e->version, "step",
			 km_journal_step_name(e->step), "why", km_held_why_name(e->why), "ran", e->ran, "since",
			 (json_int_t)e->since, "boot", e->boot, "up", (json_int_t)e->up, "transition_ms", e->transition_ms,
			 "age", e->age, "health", healths[e->health], "taint", (json_int_t)e->before.taint, "warns",
			 (json_int_t)e->before.warns, "oopses", (json_int_t)e->before.oopses, "detail", e->detail);
}

char *km_journal_text(const struct km_journal *journal)
{
	json_t *patches = json_array(), *o;
	KM_AUTOFREE char *body = NULL;
	char sum[KM_SHA256_HEX];
	uint8_t digest[KM_SHA256_LEN];

	for (size_t i = 0; i < journal->entries.n; i++) {
		json_t *e = entry_json(&journal->entries.at[i]);

		if (!e)
			km_oom();
		json_array_append_new(patches, e);
	}
	o = json_pack("{s:s, s:b, s:o}", "boot", journal->boot, "goodbye", journal->goodbye, "patches", patches);
	body = json_dumps(o, JSON_SORT_KEYS);
	json_decref(o);
	if (!body)
		km_oom();
	km_sha256_of(body, strlen(body), digest);
	km_hex(digest, sizeof(digest), sum);
	return km_printf("%s%s\n%s", magic, sum, body);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

static bool word(const char *text, const char *(*name)(unsigned), unsigned n, unsigned *ret)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(text, name(i))) {
			*ret = i;
			return true;
		}
	return false;
}

static const char *step_at(unsigned i)
{
	return km_journal_step_name((enum km_journal_step)i);
}

static const char *why_at(unsigned i)
{
	return km_held_why_name((enum km_held_why)i);
}

static const char *health_at(unsigned i)
{
	return healths[i];
}

static bool take_entry(json_t *o, struct km_journal_entry *e)
{
	const char *release, *payload, *name, *version, *step, *why, *boot, *health, *detail;
	json_int_t since, up, taint, warns, oopses;
	unsigned at, held, how;
	int ran;

	if (json_unpack_ex(o, NULL, JSON_STRICT,
			   "{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:s, s:I, s:i, s:i, s:s, s:I, s:I, s:I, s:s}", "release",
			   &release, "payload", &payload, "name", &name, "version", &version, "step", &step, "why", &why,
			   "ran", &ran, "since", &since, "boot", &boot, "up", &up, "transition_ms", &e->transition_ms, "age",
			   &e->age, "health", &health, "taint", &taint, "warns", &warns, "oopses", &oopses, "detail", &detail))
		return false;
	if (!agent_is_sha256(release) || !word(step, step_at, KM_AT_STEPS, &at) || !word(why, why_at, KM_HELD_WHYS, &held) ||
	    !word(health, health_at, KM_HEALTHS, &how))
		return false;
	e->step = (enum km_journal_step)at;
	e->why = (enum km_held_why)held;
	e->health = (enum km_health)how;
	e->ran = ran;
	e->since = since;
	e->up = up;
	e->before = (struct km_trouble){(uint64_t)taint, warns, oopses};
	return agent_copy(e->release, sizeof(e->release), release) && agent_copy(e->payload, sizeof(e->payload), payload) &&
	       agent_copy(e->name, sizeof(e->name), name) && agent_copy(e->version, sizeof(e->version), version) &&
	       agent_copy(e->boot, sizeof(e->boot), boot) && agent_copy(e->detail, sizeof(e->detail), detail);
}

static bool take(json_t *o, struct km_journal *ret)
{
	const char *boot;
	json_t *patches;
	int goodbye;

	if (json_unpack_ex(o, NULL, JSON_STRICT, "{s:s, s:b, s:o}", "boot", &boot, "goodbye", &goodbye, "patches", &patches) ||
	    !agent_copy(ret->boot, sizeof(ret->boot), boot) || !json_is_array(patches) ||
	    json_array_size(patches) > KM_JOURNAL_MAX)
		return false;
	ret->goodbye = goodbye;
	for (size_t i = 0; i < json_array_size(patches); i++) {
		struct km_journal_entry e = {0};

		if (!take_entry(json_array_get(patches, i), &e) || km_journal_find(ret, e.release))
			return false;
		km_vec_push(&ret->entries, e);
	}
	return true;
}

km_error *km_journal_parse(const void *bytes, size_t size, struct km_journal *ret)
{
	const char *text = bytes, *body = text + HEAD;
	struct km_journal journal = {0};
	uint8_t digest[KM_SHA256_LEN];
	char sum[KM_SHA256_HEX];
	json_t *o;
	bool good;

	if (size < HEAD || memcmp(text, magic, strlen(magic)) || body[-1] != '\n')
		return km_error_new(KM_INPUT, "this is no journal that this version of kmend knows");
	km_sha256_of(body, size - HEAD, digest);
	km_hex(digest, sizeof(digest), sum);
	if (memcmp(text + strlen(magic), sum, KM_SHA256_HEX - 1))
		return km_error_new(KM_INPUT, "the journal's bytes have changed since they were written");
	o = json_loadb(body, size - HEAD, JSON_REJECT_DUPLICATES, NULL);
	good = o && take(o, &journal);
	json_decref(o);
	if (!good) {
		km_journal_free(&journal);
		return km_error_new(KM_INPUT, "the journal holds what it cannot hold");
	}
	*ret = journal;
	return NULL;
}

km_error *km_journal_read(const char *root, struct km_journal *ret)
{
	KM_AUTOFREE char *path = agent_path(root, JOURNAL);
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(agent_read(AT_FDCWD, path, FILE_MAX, &bytes, &size, NULL));
	return km_journal_parse(bytes, size, ret);
}

km_error *km_journal_write(const char *root, const struct km_journal *journal)
{
	KM_AUTOFREE char *path = agent_path(root, JOURNAL);
	KM_AUTOFREE char *text = km_journal_text(journal);
	km_error *err = km_file_write(path, text, strlen(text));

	return err ? km_error_add(err, "cannot keep the journal") : NULL;
}
