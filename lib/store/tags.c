/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tags: with the host as one text, and each in a table that finds its hosts. */
#include "internal.h"

km_error *tags_of(const char *text, km_strv *ret)
{
	KM_CLEANUP(km_strv_free) km_strv all = {0};

	for (const char *at = text; *at;) {
		size_t n = strcspn(at, " ");
		KM_AUTOFREE char *tag = km_strndup(at, n);

		if (n && !km_trust_name_ok(tag))
			return km_error_hint(km_error_new(KM_INPUT, "'%s' is no tag", tag),
					     "a tag has a-z, 0-9, '-', '_' and '.', at most %d", KM_TRUST_NAME_MAX);
		if (n && !km_strv_has(&all, tag))
			km_strv_push(&all, tag);
		if (all.n > KM_FLEET_TAGS)
			return km_error_new(KM_INPUT, "more than %d tags", KM_FLEET_TAGS);
		at += n + (at[n] != '\0');
	}
	km_strv_sort(&all);
	*ret = all;
	all = (km_strv){0};
	return NULL;
}

char *tags_text(const km_strv *tags)
{
	km_str text = {0};

	km_str_add(&text, "");
	for (size_t i = 0; i < tags->n; i++)
		km_str_printf(&text, "%s%s", i ? " " : "", tags->at[i]);
	return text.at;
}

km_error *tags_set(km_store *store, int64_t host, const char *tags)
{
	KM_CLEANUP(km_strv_free) km_strv all = {0};
	KM_AUTOFREE char *text = NULL;

	KM_TRY(tags_of(tags, &all));
	text = tags_text(&all);
	KM_TRY(store_run(store, "UPDATE hosts SET tags = $2 WHERE n = $1", DB_VALUES(db_int(host), db_text(text)), NULL,
			 NULL));
	KM_TRY(store_run(store, "DELETE FROM host_tags WHERE host = $1", DB_VALUES(db_int(host)), NULL, NULL));
	for (size_t i = 0; i < all.n; i++)
		KM_TRY(store_run(store, "INSERT INTO host_tags (tag, host) VALUES ($1, $2)",
				 DB_VALUES(db_text(all.at[i]), db_int(host)), NULL, NULL));
	return NULL;
}
