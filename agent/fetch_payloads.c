/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads into the spool: only those that would be loaded now, and a download that broke off goes on. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch.h"

static km_error *add(void *ctx, uint64_t at, const void *bytes, size_t size)
{
	const int *fd = ctx;
	const char *from = bytes;

	while (size) {
		ssize_t n = pwrite(*fd, from, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return km_error_sys(errno, "cannot write into the spool");
		from += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return NULL;
}

static km_error *download(struct fetch *f, const char *base, const struct km_payload *payload, const char *part)
{
	KM_AUTOFREE char *path = base ? km_printf("%s%s", base, payload->sha256) : km_printf("/v1/payloads/%s", payload->sha256);
	KM_AUTOCLOSE int fd = open(part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	struct km_http_call call = {.path = path, .redirects = true};
	struct km_http_sink sink = {.max = payload->size, .add = add, .ctx = &fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return km_error_sys(errno, "cannot open %s", part);
	if ((uint64_t)st.st_size <= payload->size)
		sink.from = (uint64_t)st.st_size;
	else if (ftruncate(fd, 0) < 0)
		return km_error_sys(errno, "cannot write %s", part);
	if (sink.from == payload->size)
		return NULL;
	KM_TRY(km_http_download(f->http, &call, &sink, NULL));
	return fsync(fd) < 0 ? km_error_sys(errno, "cannot write %s", part) : NULL;
}

/* Whole and right, or gone: bytes that are wrong must not be gone on from. */
static km_error *get_payload(struct fetch *f, const char *base, const struct km_payload *payload, const char *name)
{
	KM_AUTOFREE char *path = fetch_spool_path(f->root, name), *part = km_printf("%s.part", path);
	KM_AUTOFREE uint8_t *bytes = NULL;
	km_error *err;

	KM_TRY(download(f, base, payload, part));
	err = km_payload_read(part, payload, &bytes, NULL);
	if (err) {
		unlink(part);
		return km_error_add(err, "the payload %.12s that the server gave", payload->sha256);
	}
	if (rename(part, path) < 0)
		return km_error_sys(errno, "cannot write %s", path);
	f->payload_came = true;
	return NULL;
}

static bool is_here(struct fetch *f, const struct km_payload *payload, const char *name)
{
	KM_AUTOFREE char *path = fetch_spool_path(f->root, name);
	struct stat st;

	return km_held_has_payload(f->root, payload) ||
	       (!lstat(path, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == payload->size);
}

static km_error *get_all(struct fetch *f, const km_choices *choices, const char *base, km_strv *keep)
{
	for (size_t i = 0; i < choices->n; i++) {
		const struct km_choice *c = &choices->at[i];
		char name[KM_SOURCE_NAME];

		if (c->decision != KM_DO_LOAD)
			continue;
		km_source_payload_name(c->payload.sha256, name);
		if (!km_held_has_payload(f->root, &c->payload)) {
			km_strv_push(keep, name);
			km_strv_printf(keep, "%s.part", name);
		}
		if (!is_here(f, &c->payload, name))
			KM_TRY(get_payload(f, base, &c->payload, name));
	}
	return NULL;
}

/* The journal is read as it stands: without one, or with a damaged one, kmend-apply will say what is what. */
static km_error *decide(struct fetch *f, const km_held_list *held, const km_applied_list *applied, const char *base, km_strv *keep)
{
	struct km_journal journal = {0};
	struct km_policy policy;
	km_choices choices;
	km_error *err = km_journal_read(f->root, &journal);
	struct km_view view = {.client = f->client, .held = held, .journal = &journal, .applied = applied};

	km_error_free(err);
	km_policy_read(f->spool, &policy);
	view.host = (struct km_trust_host){.arch = f->kernel.arch,
					   .release = f->kernel.release,
					   .build_id = f->kernel.build_id,
					   .id = f->identity.host,
					   .tags = (const char *const *)policy.tags.at,
					   .n_tags = policy.tags.n};
	view.flavours = km_agent_flavours(&f->config, f->host);
	view.min_severity = policy.min_severity;
	view.hold = &f->config.hold;
	view.now = km_agent_now(f->root);
	km_decide(&view, &choices);
	err = get_all(f, &choices, base, keep);
	km_vec_free(&choices);
	km_policy_free(&policy);
	km_journal_free(&journal);
	return err;
}

km_error *fetch_payloads(struct fetch *f, const char *base, km_strv *keep)
{
	km_held_list held = {0};
	km_applied_list applied = {0};
	km_error *err;

	KM_TRY(km_held_list_read(f->root, f->spool, f->client, &held));
	err = km_host_list(f->host, &applied);
	if (!err)
		err = decide(f, &held, &applied, base, keep);
	km_applied_list_free(&applied);
	km_held_list_free(&held);
	return err;
}
