/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/statvfs.h>

#include "documents.h"
#include "health.h"
#include "sign.h"
#include "writer.h"

enum { DISK_LEAST = 16 << 20, STUCK = 5 /* seconds */ };

struct looking {
	int64_t now;
	km_strv *problems;
};

static void look(void *ctx, enum km_doc doc, const char *channel, const struct held *held)
{
	const struct looking *l = ctx;
	const char *space = *channel ? " of " : "";
	int64_t left = held->expires - l->now;

	if (!held->is_signed)
		km_strv_printf(l->problems, "the %s%s%s is not signed as the newest root wants it", km_doc_name(doc),
			       space, channel);
	if (left <= 0)
		km_strv_printf(l->problems, "the %s%s%s has expired", km_doc_name(doc), space, channel);
	else if (left < HEALTH_SOON && (doc == KM_DOC_ROOT || doc == KM_DOC_INDEX))
		km_strv_printf(l->problems, "the %s%s%s expires in %lld hours", km_doc_name(doc), space, channel,
			       (long long)left / 3600);
}

static void documents(struct server *server, int64_t now, km_strv *ret)
{
	struct looking l = {now, ret};
	struct snapshot *s = documents_get(server);

	if (!s->root.version)
		km_strv_push(ret, "there is no root yet");
	else if (!sign_can(server, &s->keys, KM_ROLE_ROLLOUT))
		km_strv_push(ret, "there is no rollout key of the newest root: nothing can be halted");
	else if (!sign_can(server, &s->keys, KM_ROLE_TIMESTAMP))
		km_strv_push(ret, "there is no timestamp key of the newest root: documents will expire");
	snapshot_each(s, look, &l);
	documents_release(server, s);
}

bool health_problems(struct server *server, int64_t now, km_strv *ret)
{
	char head[KM_SHA256_HEX];
	struct statvfs fs;
	int64_t seq;
	bool bad = false;
	km_error *err = km_store_audit_head(server->store, &seq, head);

	if (err) {
		km_strv_push(ret, "the state cannot be read");
		bad = true;
	}
	km_error_free(err);
	if (statvfs(server->config->data, &fs) || fs.f_bavail * fs.f_frsize < DISK_LEAST) {
		km_strv_push(ret, "the disk is full");
		bad = true;
	}
	if (queue_length(server->writer) >= (size_t)server->config->queue) {
		km_strv_push(ret, "too many requests wait");
		bad = true;
	}
	if (writer_busy(server->writes) > STUCK) {
		km_strv_printf(ret, "the state has taken no change for %.0f seconds", writer_busy(server->writes));
		bad = true;
	}
	documents(server, now, ret);
	return bad;
}
