/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The frame of a bundle, taken apart and put together. */
#ifndef KMEND_AGENT_SOURCE_H
#define KMEND_AGENT_SOURCE_H

#include <kmend/agent.h>

struct bundle_file {
	char name[KM_SOURCE_NAME];
	uint64_t at, size; /* of its bytes in the bundle */
};
struct bundle_list {
	struct bundle_file *at;
	size_t n, cap;
};
/* Looks through the frame of a bundle of that size: every name is allowed and there once, every byte belongs to one of them.
 * KM_INPUT with the place where it does not. */
KM_CHECKED km_error *bundle_scan(int fd, uint64_t size, struct bundle_list *ret);
/* The file of that name, or NULL. */
const struct bundle_file *bundle_find(const struct bundle_list *list, const char *name);
/* Exactly size bytes from that place. */
KM_CHECKED km_error *bundle_pread(int fd, void *bytes, size_t size, uint64_t at);

#endif
