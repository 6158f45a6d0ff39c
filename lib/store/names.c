/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of the store. */
#include <kmend/store.h>

static const char *const whys[KM_STORE_WHYS] = {
	[KM_STORE_FINE] = "fine",	[KM_STORE_ABSENT] = "absent", [KM_STORE_EXISTS] = "exists",
	[KM_STORE_STALE] = "stale",	[KM_STORE_LIMIT] = "limit",   [KM_STORE_REVOKED] = "revoked",
	[KM_STORE_EXPIRED] = "expired",
};

static const char *const roles[KM_ADMIN_ROLES] = {
	[KM_ADMIN_VIEWER] = "viewer",
	[KM_ADMIN_OPERATOR] = "operator",
	[KM_ADMIN_RELEASER] = "releaser",
};

const char *km_store_why_name(enum km_store_why why)
{
	return whys[why];
}

const char *km_admin_role_name(enum km_admin_role role)
{
	return roles[role];
}

bool km_admin_role_of(const char *name, enum km_admin_role *ret)
{
	for (int i = 0; i < KM_ADMIN_ROLES; i++)
		if (!strcmp(roles[i], name)) {
			*ret = (enum km_admin_role)i;
			return true;
		}
	return false;
}
