/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What hosts, servers and admins send, in any bytes. The first byte chooses the message. What is read can be written,
 * and reads the same; what is refused names the input and leaves nothing behind.
 */
#include <kmend/fleet.h>

#include "target.h"

/* Reads the message and writes it once more; NULL: *ret is its text. */
typedef km_error *rewrite_fn(const void *bytes, size_t size, char **ret);

#define REWRITE(name, type, parse, write, end)                                                                         \
	static km_error *name(const void *bytes, size_t size, char **ret)                                              \
	{                                                                                                              \
		type message;                                                                                          \
                                                                                                                       \
		KM_TRY(parse(bytes, size, &message));                                                                  \
		*ret = write(&message);                                                                                \
		end;                                                                                                   \
		return NULL;                                                                                           \
	}
REWRITE(rewrite_attach, struct km_attach, km_attach_parse, km_attach_text, (void)0)
REWRITE(rewrite_attach_answer, struct km_attach_answer, km_attach_answer_parse, km_attach_answer_text, (void)0)
REWRITE(rewrite_report, struct km_report, km_report_parse, km_report_text, km_report_free(&message))
REWRITE(rewrite_answer, struct km_checkin_answer, km_checkin_answer_parse, km_checkin_answer_text,
	km_checkin_answer_free(&message))
REWRITE(rewrite_plan, struct km_plan, km_plan_parse, km_plan_text, km_plan_free(&message))

static void check_message(rewrite_fn *rewrite, const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE char *once = NULL, *twice = NULL;
	km_error *err = rewrite(bytes, size, &once);

	if (err) {
		fuzz_require(err->code == KM_INPUT && !once, "a refusal names the input", err);
		km_error_free(err);
		return;
	}
	err = rewrite(once, strlen(once), &twice);
	/* Near its bound a message can grow by a rewrite: an escape can be longer than what it stands for. */
	if (err) {
		fuzz_require(size > KM_FLEET_BODY_MAX / 8, "what was read can be written", err);
		km_error_free(err);
		return;
	}
	fuzz_require(!strcmp(once, twice), "what was written reads the same", NULL);
}

/* The words of a command line. */
static void check_words(const char *text)
{
	KM_AUTOFREE char *secret = NULL, *fingerprint = NULL, *plain = km_plain_of(text, KM_FLEET_DETAIL_MAX);
	struct km_plan plan = {.settle = 1, .complete = 1, .channel = "stable"};
	km_error *err = km_fleet_attach_word(text, &secret, &fingerprint);

	fuzz_require(km_plain(plain, KM_FLEET_DETAIL_MAX), "what was made plain is plain", NULL);
	fuzz_require(!err == !!secret && (!err || err->code == KM_USAGE), "a word is a token or a mistake", err);
	km_error_free(err);
	memset(plan.release, 'a', KM_SHA256_HEX - 1);
	err = km_plan_waves(text, &plan);
	if (!err) {
		KM_AUTOFREE char *made = km_plan_text(&plan);
		struct km_plan back;

		err = km_plan_parse(made, strlen(made), &back);
		fuzz_require(!err, "waves that were taken make a plan", err);
		km_plan_free(&back);
	}
	km_error_free(err);
	km_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static rewrite_fn *const messages[] = {
		['r' - 'a'] = rewrite_report,	     ['a' - 'a'] = rewrite_attach, ['c' - 'a'] = rewrite_answer,
		['w' - 'a'] = rewrite_attach_answer, ['p' - 'a'] = rewrite_plan,
	};
	KM_AUTOFREE char *text = NULL;
	unsigned which = size ? bytes[0] - 'a' : 0;

	if (!size)
		return 0;
	if (which < KM_COUNT(messages) && messages[which]) {
		check_message(messages[which], bytes + 1, size - 1);
		return 0;
	}
	text = km_strndup((const char *)bytes, size);
	check_words(text);
	return 0;
}
