/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host reads of strangers and of its own damaged disk. The first byte chooses: 'b' a bundle, 'j' the body of a journal whose
 * sum is right.
 */
#include <kmend/agent.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target.h"

/* Every name that could be there is asked for; nobody gets more bytes than the bundle has. */
static void ask_all(const km_source *source, size_t size)
{
	static const char *const names[] = {"root.1", "timestamp", "index", "rollout", "answer", "../x"};

	for (size_t i = 0; i < KM_COUNT(names); i++) {
		uint8_t *bytes = NULL;
		size_t n = 0;
		km_error *err = km_source_get(source, names[i], size, &bytes, &n, NULL);

		fuzz_require(err || n < size, "a part is less than the whole", err);
		fuzz_require(!err || err->code == KM_NOTHING, "what was listed can be read", err);
		km_error_free(err);
		free(bytes);
	}
}

static void check_bundle(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	KM_AUTOFREE char *path = km_printf("/proc/self/fd/%d", fd);
	km_source *source = NULL;
	km_error *err;

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	err = km_source_bundle(path, &source);
	fuzz_require(!err || err->code == KM_INPUT, "a refusal names the input", err);
	if (!err)
		ask_all(source, size);
	km_error_free(err);
	km_source_close(source);
	close(fd);
}

static void check_journal(const uint8_t *bytes, size_t size)
{
	KM_AUTOFREE char *body = km_strndup((const char *)bytes, size), *text = NULL, *again = NULL;
	struct km_journal journal, twice;
	uint8_t digest[KM_SHA256_LEN];
	char sum[KM_SHA256_HEX];
	km_error *err;

	km_sha256_of(body, strlen(body), digest);
	km_hex(digest, sizeof(digest), sum);
	text = km_printf("kmend journal 1 %s\n%s", sum, body);
	err = km_journal_parse(text, strlen(text), &journal);
	if (err) {
		fuzz_require(err->code == KM_INPUT, "a refusal names the input", err);
		km_error_free(err);
		return;
	}
	again = km_journal_text(&journal);
	err = km_journal_parse(again, strlen(again), &twice);
	fuzz_require(!err, "what was read can be written and read", err);
	fuzz_require(twice.entries.n == journal.entries.n && twice.goodbye == journal.goodbye, "and is the same", NULL);
	km_journal_free(&journal);
	km_journal_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size && *bytes == 'b')
		check_bundle(bytes + 1, size - 1);
	if (size && *bytes == 'j')
		check_journal(bytes + 1, size - 1);
	return 0;
}
