/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blobs.h"
#include "call.h"

static char *path_of(const struct server *server, const char *sha256)
{
	return km_printf("%s/blobs/%.2s/%s", server->config->data, sha256, sha256 + 2);
}

bool blobs_have(const struct server *server, const char *sha256, uint64_t size)
{
	KM_AUTOFREE char *path = path_of(server, sha256);
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size;
}

km_error *blobs_setup(const char *data)
{
	KM_AUTOFREE char *dir = km_path(data, "blobs"), *part = km_path(dir, "part");

	KM_TRY(km_mkdirs(dir));
	KM_TRY(km_remove_tree(part));
	return km_mkdirs(part);
}

/* ---- an upload ---- */

struct upload {
	int fd;
	char *part, *path;
	const char *sha256; /* the request's */
	km_sha256 *sum;
	uint64_t size;
	bool had; /* it is there, and is replaced: what the disk has spoiled can be mended so */
};

static void upload_free(void *data)
{
	struct upload *u = data;
	uint8_t sum[KM_SHA256_LEN];

	if (u->fd >= 0)
		close(u->fd);
	if (u->part)
		unlink(u->part);
	if (u->sum)
		km_sha256_end(u->sum, sum);
	free(u->part);
	free(u->path);
	free(u);
}

static km_http_response *disk(int sys, const char *what)
{
	server_warn("cannot %s a blob: %s", what, strerror(sys));
	if (sys == ENOSPC || sys == EDQUOT)
		return km_http_fail(507, "disk-full", "the server's disk is full; nothing was stored");
	return km_http_fail(500, "internal", "internal error");
}

km_http_response *blobs_begin(km_http_request *request, void *ctx)
{
	static atomic_uint_fast64_t number;
	struct server *server = ctx;
	km_http_response *refused = call_begin(request, ctx);
	struct call *call = call_of(request);
	struct upload *u;

	if (refused)
		return refused;
	if (!km_hex_ok(call_param(call, "sha256"), KM_SHA256_HEX - 1))
		return km_http_fail(400, "bad-path",
				    "a blob's name is the SHA-256 of its bytes: 64 lower-case hex digits");
	u = km_calloc(1, sizeof(*u));
	call->data = u;
	call->free = upload_free;
	u->sha256 = call_param(call, "sha256");
	u->path = path_of(server, u->sha256);
	u->sum = km_sha256_create();
	u->had = km_exists(u->path);
	u->part = km_printf("%s/blobs/part/%d.%llu", server->config->data, (int)getpid(), (unsigned long long)number++);
	u->fd = open(u->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return u->fd < 0 ? disk(errno, "begin") : NULL;
}

km_http_response *blobs_add(km_http_request *request, const void *bytes, size_t size, void *ctx)
{
	struct upload *u = call_of(request)->data;
	const char *at = bytes;

	(void)ctx;
	km_sha256_add(u->sum, bytes, size);
	u->size += size;
	while (size) {
		ssize_t n = write(u->fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return disk(errno, "write");
		at += n;
		size -= (size_t)n;
	}
	return NULL;
}

static int sync_dir(const char *path)
{
	KM_AUTOFREE char *dir = km_strndup(path, (size_t)(strrchr(path, '/') - path));
	KM_AUTOCLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? errno : 0;
}

/* Synced, renamed, and the name synced. */
static int keep(struct upload *u)
{
	KM_AUTOFREE char *dir = km_strndup(u->path, (size_t)(strrchr(u->path, '/') - u->path));
	int sys;

	if (fsync(u->fd) || (mkdir(dir, 0750) && errno != EEXIST))
		return errno;
	sys = sync_dir(dir);
	if (sys || rename(u->part, u->path))
		return sys ? sys : errno;
	free(u->part);
	u->part = NULL;
	return sync_dir(u->path);
}

static km_error *put(struct call *call)
{
	struct upload *u = call->data;
	uint8_t sum[KM_SHA256_LEN];
	char hex[KM_SHA256_HEX];
	int sys;

	km_sha256_end(u->sum, sum);
	u->sum = NULL;
	km_hex(sum, sizeof(sum), hex);
	if (strcmp(hex, u->sha256))
		return call_fail(call, 422, "blob-sum", "these bytes have another SHA-256: %s", hex);
	sys = keep(u);
	if (sys) {
		call->response = disk(sys, "keep");
		return NULL;
	}
	return call_json(call, u->had ? 200 : 201, json_pack("{s:s, s:I}", "sha256", hex, "size", (json_int_t)u->size));
}

km_http_response *blobs_put(km_http_request *request, void *ctx)
{
	(void)ctx;
	return call_read(call_of(request), put);
}

/* ---- a download ---- */

static km_http_response *absent(void)
{
	return km_http_fail(404, "blob-absent", "there is no such payload or source");
}

km_http_response *blobs_get(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	struct server *server = ctx;
	const char *sha256 = call_param(call, "sha256");
	bool may = call->as != NEED_HOST, source = km_starts(km_http_request_route(request)->pattern, "/v1/sources/");
	KM_AUTOFREE char *path = NULL;
	KM_AUTOCLOSE int fd = -1;
	km_http_response *response;
	struct stat st;
	km_error *err = NULL;

	if (!km_hex_ok(sha256, KM_SHA256_HEX - 1))
		return absent();
	if (!may)
		err = km_store_may_blob(server->store, call->host.token.channel, call->host.token.min_severity, sha256,
					&may);
	if (err) {
		server_warn_error(err, "cannot look for a blob");
		return km_http_retry_after(km_http_fail(503, "store", "the state cannot be read now; come again"), 10);
	}
	path = path_of(server, sha256);
	fd = may ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0 || fstat(fd, &st))
		return absent();
	response = km_http_file(fd, (uint64_t)st.st_size, source ? "text/x-diff" : "application/octet-stream");
	fd = -1;
	km_http_etag(response, sha256);
	km_http_header(response, "Cache-Control", "private, max-age=31536000, immutable");
	return response;
}
