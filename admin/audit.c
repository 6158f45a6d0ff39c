/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend audit: who did what, and whether anyone has changed the record of it. */
#include <kmend/store.h>

#include "admin.h"

enum { SHOW_AFTER = AT_OWN, SHOW_LIMIT };
enum { EXPORT_OUTPUT = AT_OWN, EXPORT_AFTER };
enum { VERIFY_HEAD = AT_OWN };
enum { PAGE = 1000, PAGES_MAX = 1000000, HASH_LEN = KM_SHA256_HEX - 1 };

static const struct cmd_option show_options[] = {
	COMMON_OPTIONS,
	[SHOW_AFTER] = {"after", "N", "begin behind this record (show the newest ones)"},
	[SHOW_LIMIT] = {"limit", "N", "at most so many (50)"},
	{0},
};
static const struct cmd_option export_options[] = {
	COMMON_OPTIONS,
	[EXPORT_OUTPUT] = {"output", "FILE", "where the records go (standard output)"},
	[EXPORT_AFTER] = {"after", "N", "begin behind this record (0)"},
	{0},
};
static const struct cmd_option verify_options[] = {
	COMMON_OPTIONS,
	[VERIFY_HEAD] = {"head", "HASH", "this hash, kept from before, must be in the chain"},
	{0},
};

static km_error *open_server(const struct cmd_args *args, bool raw, struct api *ret)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};

	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, ret));
	ret->raw = raw;
	return NULL;
}

static km_error *take_record(const json_t *o, struct km_store_audit *ret)
{
	const char *hash = json_text(o, "hash");

	if (!km_hex_ok(hash, HASH_LEN))
		return km_error_new(KM_INPUT, "record %lld has no hash", (long long)json_number(o, "seq"));
	*ret = (struct km_store_audit){
		.seq = json_number(o, "seq"),
		.at = json_number(o, "at"),
		.actor = json_text(o, "actor"),
		.action = json_text(o, "action"),
		.object = json_text(o, "object"),
		.detail = json_text(o, "detail"),
	};
	memcpy(ret->hash, hash, KM_SHA256_HEX);
	return NULL;
}

/* Gives every record behind `after`, page by page. */
static km_error *each_of_server(const struct api *api, int64_t after,
				km_error *(*row)(void *ctx, const struct km_store_audit *record), void *ctx)
{
	for (unsigned pages = 0; pages < PAGES_MAX; pages++) {
		json_t *page = NULL, *records, *o;
		struct km_store_audit record;
		km_error *err = NULL;
		size_t i, n;

		KM_TRY(api_get(api, &page, "audit?after=%lld&limit=%d", (long long)after, PAGE));
		records = json_object_get(page, "records");
		n = json_array_size(records);
		json_array_foreach(records, i, o)
		{
			err = take_record(o, &record);
			if (!err && record.seq <= after)
				err = km_error_new(KM_REFUSED, "record %lld comes behind record %lld",
						   (long long)record.seq, (long long)after);
			if (!err)
				err = row(ctx, &record);
			if (err)
				break;
			after = record.seq;
		}
		json_decref(page);
		if (err || !n)
			return err;
	}
	return NULL;
}

/* ---- show ---- */

static km_error *show(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	json_t *page = NULL, *o;
	int64_t limit = 50, after = -1;
	struct table t;
	char when[32];
	size_t i;

	(void)status;
	if (args->value[SHOW_LIMIT])
		KM_TRY(words_number("--limit", args->value[SHOW_LIMIT], PAGE, &limit));
	if (args->value[SHOW_AFTER])
		KM_TRY(words_number("--after", args->value[SHOW_AFTER], INT64_MAX / 2, &after));
	KM_TRY(open_server(args, false, &api));
	if (after < 0) { /* the newest ones: the head tells where they are */
		KM_TRY(api_get(&api, &page, "audit?limit=1"));
		after = json_number(json_object_get(page, "head"), "seq") - limit;
		json_decref(page);
	}
	KM_TRY(api_get(&api, &page, "audit?after=%lld&limit=%lld", (long long)(after > 0 ? after : 0),
		       (long long)limit));
	if (args->json) {
		view_json(page);
		return NULL;
	}
	table_begin(&t, "N|WHEN|WHO|ACTION|OBJECT|DETAIL");
	json_array_foreach(json_object_get(page, "records"), i, o)
	{
		table_addf(&t, "%lld", (long long)json_number(o, "seq"));
		table_add(&t, short_time(json_number(o, "at"), when));
		table_add(&t, json_text(o, "actor"));
		table_add(&t, json_text(o, "action"));
		table_addf(&t, "%.24s", json_text(o, "object"));
		table_add(&t, json_text(o, "detail"));
	}
	table_end(&t, "there is no record");
	json_decref(page);
	return NULL;
}

/* ---- export ---- */

static km_error *write_record(void *ctx, const struct km_store_audit *record)
{
	KM_AUTOFREE char *line = km_audit_line(record);

	km_str_add(ctx, line);
	return NULL;
}

static km_error *export(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_str_free) km_str text = {0};
	const char *output = args->value[EXPORT_OUTPUT];
	int64_t after = 0;

	(void)status;
	if (args->json && !output)
		return km_error_hint(km_error_new(KM_USAGE, "records are lines of text"),
				     "--json goes with --output FILE");
	if (args->value[EXPORT_AFTER])
		KM_TRY(words_number("--after", args->value[EXPORT_AFTER], INT64_MAX / 2, &after));
	KM_TRY(open_server(args, true, &api));
	km_str_add(&text, "");
	KM_TRY(each_of_server(&api, after, write_record, &text));
	if (!output) {
		fwrite(text.at, 1, text.n, stdout);
		return NULL;
	}
	KM_TRY(km_file_write(output, text.at, text.n));
	if (args->json)
		view_json(json_pack("{s:s, s:I}", "file", output, "bytes", (json_int_t)text.n));
	else
		printf("%s: the records; kmend audit verify checks them\n", output);
	return NULL;
}

/* ---- verify ---- */

struct chain {
	int64_t first, last;
	char hash[KM_SHA256_HEX]; /* of the last record */
	const char *head;
	bool head_seen;
};

static km_error *check_record(void *ctx, const struct km_store_audit *record)
{
	struct chain *c = ctx;
	char hash[KM_SHA256_HEX];

	if (c->last && record->seq != c->last + 1)
		return km_error_new(KM_REFUSED, "record %lld follows record %lld", (long long)record->seq,
				    (long long)c->last);
	/* Records that were exported from the middle on hang on the first one's hash, which nothing here can prove. */
	if (!c->last && record->seq != 1)
		memcpy(hash, record->hash, KM_SHA256_HEX);
	else
		km_audit_hash(c->hash, record, hash);
	if (strcmp(hash, record->hash))
		return km_error_hint(km_error_new(KM_REFUSED, "record %lld is not the one that was written: %s %s %s",
						  (long long)record->seq, record->actor, record->action,
						  record->object),
				     "it or the one before it was changed afterwards");
	c->first = c->first ? c->first : record->seq;
	c->last = record->seq;
	memcpy(c->hash, hash, KM_SHA256_HEX);
	c->head_seen |= c->head && !strcmp(c->head, hash);
	return NULL;
}

static km_error *each_of_file(const char *path, struct chain *chain)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	char *rest, *line;
	size_t size;
	km_error *err = NULL;

	KM_TRY(km_file_read(path, &bytes, &size));
	if (strlen((char *)bytes) != size)
		return km_error_new(KM_INPUT, "%s is no export of an audit log: it has a NUL", path);
	rest = (char *)bytes;
	for (size_t number = 1; !err && (line = strsep(&rest, "\n")); number++) {
		km_arena *arena = km_arena_create();
		struct km_store_audit record;

		if (*line || rest) { /* the last newline ends the last line */
			err = km_audit_line_parse(line, arena, &record);
			err = err ? km_error_add(err, "%s, line %zu", path, number) : check_record(chain, &record);
		}
		km_arena_destroy(arena);
	}
	return err;
}

static km_error *verify(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	struct chain chain = {.head = args->value[VERIFY_HEAD]};

	(void)status;
	memset(chain.hash, '0', HASH_LEN);
	if (chain.head && !km_hex_ok(chain.head, HASH_LEN))
		return km_error_new(KM_USAGE, "--head: '%s' is no hash of 64 hex digits", chain.head);
	if (args->n) {
		KM_TRY(each_of_file(args->words[0], &chain));
	} else {
		KM_TRY(open_server(args, true, &api));
		KM_TRY(each_of_server(&api, 0, check_record, &chain));
	}
	if (!chain.last)
		return km_error_new(KM_NOTHING, "there is no record");
	if (chain.head && !chain.head_seen)
		return km_error_hint(km_error_new(KM_REFUSED, "no record has the hash %s", chain.head),
				     "records were cut off or written anew since it was kept");
	if (args->json)
		view_json(json_pack("{s:I, s:I, s:s}", "first", (json_int_t)chain.first, "last", (json_int_t)chain.last,
				    "head", chain.hash));
	else
		printf("records %lld to %lld are as they were written\nhead %s\nKeep it elsewhere: --head HASH finds "
		       "out when records are cut off.\n",
		       (long long)chain.first, (long long)chain.last, chain.hash);
	return NULL;
}

const struct cmd audit_cmds[] = {
	{"audit show", "", "show the newest records", 0, 0, show_options, show, NULL},
	{"audit export", "", "write all records, a line each", 0, 0, export_options, export, NULL},
	{"audit verify", "[FILE]", "check the chain of hashes, of the server or of an export", 0, 1, verify_options,
	 verify, NULL},
	{0},
};
