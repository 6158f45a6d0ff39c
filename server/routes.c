/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin.h"
#include "blobs.h"
#include "documents.h"
#include "hosts.h"
#include "metrics.h"
#include "openapi.h"
#include "publish.h"
#include "routes.h"

static km_http_response *get_openapi(km_http_request *request, void *server)
{
	(void)request;
	(void)server;
	return km_http_static(200, "application/json", openapi_text, sizeof(openapi_text) - 1);
}

/* Bodies of hosts and admins are small; documents have their own bounds. */
#define SMALL	     (64 << 10)
#define DOCUMENT_MAX (4 << 20)
#define GET(pattern, need, handler)	   {"GET", pattern, 0, call_begin, NULL, handler, need}
#define DELETE(pattern, need, handler)	   {"DELETE", pattern, 0, call_begin, NULL, handler, need}
#define POST(pattern, need, max, handler) {"POST", pattern, max, call_begin, NULL, handler, need}
#define PUT(pattern, need, max, handler)  {"PUT", pattern, max, call_begin, NULL, handler, need}

const struct km_http_route routes[] = {
	POST("/v1/checkin", NEED_HOST, KM_FLEET_BODY_MAX, hosts_checkin),
	POST("/v1/attach", NEED_TOKEN, KM_FLEET_BODY_MAX, hosts_attach),
	{"POST", "/v1/detach", SMALL, call_begin, NULL, hosts_detach, NEED_HOST},
	GET("/v1/roots/:root", NEED_NOBODY, documents_get_root),
	GET("/v1/channels/:channel/timestamp", NEED_READ, documents_get_timestamp),
	GET("/v1/channels/:channel/index/:version", NEED_READ, documents_get_version),
	GET("/v1/channels/:channel/rollout/:version", NEED_READ, documents_get_version),
	GET("/v1/releases/:release", NEED_READ, documents_get_release),
	GET("/v1/payloads/:sha256", NEED_READ, blobs_get),
	GET("/v1/sources/:sha256", NEED_READ, blobs_get),
	GET("/v1/health", NEED_NOBODY, admin_health),
	GET("/metrics", NEED_NOBODY, metrics_get),
	GET("/v1/openapi.json", NEED_NOBODY, get_openapi),

	GET("/v1/admin/status", NEED_VIEWER, admin_status),
	GET("/v1/admin/hosts", NEED_VIEWER, admin_hosts),
	GET("/v1/admin/hosts/:host", NEED_VIEWER, admin_host),
	PUT("/v1/admin/hosts/:host/tags", NEED_OPERATOR, SMALL, admin_host_tags),
	DELETE("/v1/admin/hosts/:host", NEED_OPERATOR, admin_host_delete),
	GET("/v1/admin/releases", NEED_VIEWER, admin_releases),
	GET("/v1/admin/releases/:release", NEED_VIEWER, admin_release),
	POST("/v1/admin/releases", NEED_RELEASER, DOCUMENT_MAX, publish_release),
	POST("/v1/admin/roots", NEED_RELEASER, DOCUMENT_MAX, publish_root),
	{"PUT", "/v1/admin/blobs/:sha256", KM_PAYLOAD_MAX, blobs_begin, blobs_add, blobs_put, NEED_RELEASER},
	GET("/v1/admin/channels", NEED_VIEWER, admin_channels),
	GET("/v1/admin/channels/:channel/history", NEED_VIEWER, admin_channel_history),
	POST("/v1/admin/channels/:channel/index", NEED_RELEASER, DOCUMENT_MAX, publish_index),
	POST("/v1/admin/channels/:channel/halt", NEED_OPERATOR, SMALL, admin_channel_halt),
	POST("/v1/admin/channels/:channel/resume", NEED_OPERATOR, SMALL, admin_channel_resume),
	GET("/v1/admin/rollouts", NEED_VIEWER, admin_rollouts),
	GET("/v1/admin/rollouts/:rollout", NEED_VIEWER, admin_rollout),
	POST("/v1/admin/rollouts", NEED_RELEASER, SMALL, admin_rollout_start),
	POST("/v1/admin/rollouts/:rollout/halt", NEED_OPERATOR, SMALL, admin_rollout_halt),
	POST("/v1/admin/rollouts/:rollout/resume", NEED_OPERATOR, SMALL, admin_rollout_resume),
	POST("/v1/admin/rollouts/:rollout/rollback", NEED_OPERATOR, SMALL, admin_rollout_rollback),
	GET("/v1/admin/tokens", NEED_VIEWER, admin_tokens),
	POST("/v1/admin/tokens", NEED_OPERATOR, SMALL, admin_token_create),
	POST("/v1/admin/tokens/:token/revoke", NEED_OPERATOR, SMALL, admin_token_revoke),
	GET("/v1/admin/admins", NEED_VIEWER, admin_admins),
	POST("/v1/admin/admins", NEED_RELEASER, SMALL, admin_admin_create),
	POST("/v1/admin/admins/:admin/revoke", NEED_RELEASER, SMALL, admin_admin_revoke),
	GET("/v1/admin/audit", NEED_VIEWER, admin_audit),
	GET("/v1/admin/cves", NEED_VIEWER, admin_cves),
	GET("/v1/admin/kernels", NEED_VIEWER, admin_kernels),
};
const size_t n_routes = KM_COUNT(routes);

const struct km_http_route *routes_at(size_t i)
{
	return i < n_routes ? &routes[i] : NULL;
}

size_t routes_index(const struct km_http_route *route)
{
	return route ? (size_t)(route - routes) : n_routes;
}

void routes_print(FILE *f)
{
	static const struct {
		unsigned need;
		const char *name;
	} names[] = {{NEED_NOBODY, "anyone"},	{NEED_HOST, "host"},	     {NEED_TOKEN, "token"},	  {NEED_READ, "host,viewer"},
		     {NEED_VIEWER, "viewer"},	{NEED_OPERATOR, "operator"}, {NEED_RELEASER, "releaser"}};

	for (size_t i = 0; i < n_routes; i++)
		for (size_t j = 0; j < KM_COUNT(names); j++)
			if (names[j].need == routes[i].need)
				fprintf(f, "%s %s %s\n", routes[i].method, routes[i].pattern, names[j].name);
}
