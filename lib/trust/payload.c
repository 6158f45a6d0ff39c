/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Payloads against the size and the sum that a release gives them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

struct km_payload_sum {
	struct km_payload payload;
	km_sha256 *sum;
	uint64_t seen;
};

km_payload_sum *km_payload_begin(const struct km_payload *payload)
{
	km_payload_sum *sum = km_calloc(1, sizeof(*sum));

	sum->payload = *payload;
	sum->sum = km_sha256_create();
	return sum;
}

km_error *km_payload_add(km_payload_sum *sum, const void *bytes, size_t n, enum km_trust_why *why)
{
	if (n > sum->payload.size - sum->seen)
		return trust_refuse(why, KM_WHY_PAYLOAD,
				    "the payload is larger than the %llu bytes that its release gives it",
				    (unsigned long long)sum->payload.size);
	km_sha256_add(sum->sum, bytes, n);
	sum->seen += n;
	return NULL;
}

km_error *km_payload_end(km_payload_sum *sum, enum km_trust_why *why)
{
	struct km_payload payload = sum->payload;
	uint64_t seen = sum->seen;
	uint8_t bytes[KM_SHA256_LEN];
	char hex[KM_SHA256_HEX];

	km_sha256_end(sum->sum, bytes);
	free(sum);
	km_hex(bytes, sizeof(bytes), hex);
	if (seen != payload.size)
		return trust_refuse(why, KM_WHY_PAYLOAD, "the payload has %llu bytes, and its release gives it %llu",
				    (unsigned long long)seen, (unsigned long long)payload.size);
	if (strcmp(hex, payload.sha256))
		return trust_refuse(why, KM_WHY_PAYLOAD, "the payload's SHA-256 is %s, and its release says %s", hex,
				    payload.sha256);
	return NULL;
}

/* Reads size bytes and, if there is one, one more. */
static km_error *read_up_to(const char *path, uint64_t size, uint8_t **bytes, size_t *n)
{
	KM_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	KM_AUTOFREE uint8_t *buffer = NULL;
	struct stat st;
	size_t done = 0;

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return km_error_new(KM_INPUT, "%s is no regular file", path);
	buffer = km_calloc(size + 2, 1);
	while (done <= size) {
		ssize_t got = read(fd, buffer + done, size + 1 - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return km_error_sys(errno, "cannot read %s", path);
		if (!got)
			break;
		done += (size_t)got;
	}
	*bytes = buffer;
	*n = done;
	buffer = NULL;
	return NULL;
}

km_error *km_payload_read(const char *path, const struct km_payload *payload, uint8_t **ret, enum km_trust_why *why)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	km_payload_sum *sum;
	km_error *err, *end;
	size_t n = 0;

	if (payload->size > KM_PAYLOAD_MAX)
		return trust_refuse(why, KM_WHY_TOO_LARGE, "a payload has at most %llu bytes",
				    (unsigned long long)KM_PAYLOAD_MAX);
	KM_TRY(read_up_to(path, payload->size, &bytes, &n));
	sum = km_payload_begin(payload);
	err = km_payload_add(sum, bytes, n, why);
	end = km_payload_end(sum, err ? NULL : why);
	if (err)
		km_error_free(end);
	else
		err = end;
	if (err)
		return km_error_add(err, "%s", path);
	*ret = bytes;
	bytes = NULL;
	return NULL;
}

km_error *km_payload_check(const struct km_payload *payload, const void *bytes, size_t size, enum km_trust_why *why)
{
	km_payload_sum *sum = km_payload_begin(payload);
	km_error *err = km_payload_add(sum, bytes, size, why);

	if (!err)
		return km_payload_end(sum, why);
	km_error_free(km_payload_end(sum, NULL));
	return err;
}
