/* SPDX-License-Identifier: GPL-2.0-or-later */
/* admin.h - what people and programs of the publisher ask for, below /v1/admin/. */
#ifndef KMEND_SERVER_ADMIN_H
#define KMEND_SERVER_ADMIN_H

#include "call.h"

typedef km_http_response *admin_handler(km_http_request *request, void *server);

/* admin_hosts.c */
admin_handler admin_hosts, admin_host, admin_host_tags, admin_host_delete;
/* admin_releases.c */
admin_handler admin_releases, admin_release, admin_cves, admin_kernels;
/* admin_channels.c */
admin_handler admin_channels, admin_channel_history, admin_channel_halt, admin_channel_resume;
/* admin_rollouts.c */
admin_handler admin_rollouts, admin_rollout, admin_rollout_start, admin_rollout_halt, admin_rollout_resume,
	admin_rollout_rollback;
/* admin_secrets.c */
admin_handler admin_tokens, admin_token_create, admin_token_revoke, admin_admins, admin_admin_create,
	admin_admin_revoke;
/* admin_status.c */
admin_handler admin_status, admin_audit, admin_health;

/* Hosts of a channel, or (NULL) all. */
KM_CHECKED km_error *admin_count_hosts(struct call *call, const char *channel, int64_t *ret);
/* Tags with a space between each as an array. */
json_t *admin_tags_json(const char *tags);
/* The number after the last row of a page that is full, or null. */
json_t *admin_next(size_t n, size_t limit, int64_t last);

#endif
