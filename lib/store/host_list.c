/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of hosts. One condition drives: its index, which ends with the host's number, gives the candidates in order, so
 * that a page costs what is on it. The others are only looked at: `|| ''` and `+ 0` keep both databases from choosing
 * their indexes instead, CROSS JOIN keeps SQLite from turning the join around. A free text is several drivers, whose
 * pages are merged.
 */
#include "internal.h"

enum driver { BY_RELEASE, BY_TAG, BY_TOKEN, BY_KERNEL, BY_BOTH, BY_STANDING, BY_CHANNEL, BY_NUMBER, BY_ID, DRIVERS };
static const struct {
	const char *from, *number;
} drivers[DRIVERS] = {
	[BY_RELEASE] = {"reports r CROSS JOIN hosts h", "r.host"},
	[BY_TAG] = {"host_tags t CROSS JOIN hosts h", "t.host"},
	[BY_TOKEN] = {"hosts h", "h.n"},
	[BY_KERNEL] = {"hosts h", "h.n"},
	[BY_BOTH] = {"hosts h", "h.n"}, /* channel and standing */
	[BY_STANDING] = {"hosts h", "h.n"},
	[BY_CHANNEL] = {"hosts h", "h.n"},
	[BY_NUMBER] = {"hosts h", "h.n"},
	[BY_ID] = {"hosts h", "h.n + 0"}, /* few have a beginning of 4 digits in common: they are sorted */
};

struct query {
	km_store *store;
	const struct km_store_filter *filter;
	km_arena *arena;
	km_vec(struct km_store_host) found;
};

/* A statement that grows: its text and its values. */
struct page {
	km_str sql;
	struct db_value values[20];
	size_t n;
};

/* before, the value, after. */
static void put(struct page *page, const char *before, struct db_value value, const char *after)
{
	page->values[page->n++] = value;
	km_str_printf(&page->sql, "%s$%zu%s", before, page->n, after);
}

static void release_condition(struct page *page, const struct km_store_filter *f)
{
	put(page, " AND r.release = (SELECT n FROM releases WHERE id = ", db_text(f->release), ")");
	if (f->by_state)
		put(page, " AND r.state = ", db_int(f->state), "");
	if (f->by_health)
		put(page, " AND r.health = ", db_int(f->health), "");
}

/* What the driver's index is asked for. */
static void driving(struct page *page, const struct km_store_filter *f, enum driver driver, const char *value)
{
	switch (driver) {
	case BY_RELEASE:
		km_str_add(&page->sql, " AND h.n = r.host");
		release_condition(page, f);
		break;
	case BY_TAG: put(page, " AND h.n = t.host AND t.tag = ", db_text(value), ""); break;
	case BY_TOKEN: put(page, " AND h.token = ", db_text(value), ""); break;
	case BY_KERNEL: put(page, " AND h.kernel = ", db_text(value), ""); break;
	case BY_STANDING: put(page, " AND h.standing = ", db_int(f->standing), ""); break;
	case BY_BOTH:
		put(page, " AND h.standing = ", db_int(f->standing), "");
		put(page, " AND h.channel = ", db_text(f->channel), "");
		break;
	case BY_CHANNEL: put(page, " AND h.channel = ", db_text(value), ""); break;
	case BY_ID:
		put(page, " AND h.id >= ", db_text(value), "");
		put(page, " AND h.id < ", db_text(value), " || 'g'");
		break;
	default: break;
	}
}

/* The filter's conditions but that which drives. */
static void checks(struct page *page, const struct km_store_filter *f, enum driver driver)
{
	if (f->release && driver != BY_RELEASE) {
		km_str_add(&page->sql, " AND EXISTS (SELECT 1 FROM reports r WHERE r.host = h.n");
		release_condition(page, f);
		km_str_add(&page->sql, ")");
	}
	if (f->tag && driver != BY_TAG)
		put(page, " AND EXISTS (SELECT 1 FROM host_tags o WHERE o.host = h.n AND o.tag = ", db_text(f->tag),
		    ")");
	if (f->token && driver != BY_TOKEN)
		put(page, " AND h.token || '' = ", db_text(f->token), "");
	if (f->kernel && driver != BY_KERNEL)
		put(page, " AND h.kernel || '' = ", db_text(f->kernel), "");
	if (f->by_standing && driver != BY_STANDING && driver != BY_BOTH)
		put(page, " AND h.standing + 0 = ", db_int(f->standing), "");
	if (f->channel && driver != BY_CHANNEL && driver != BY_BOTH)
		put(page, " AND h.channel || '' = ", db_text(f->channel), "");
}

/* Adds the page that one driver gives. With a text, every condition of the filter is one to look at. */
static km_error *page_of(struct query *q, enum driver driver, const char *value, bool text)
{
	const struct km_store_filter *f = q->filter;
	struct page page = {0};
	struct km_store_host *hosts;
	size_t n;
	km_error *err;

	km_str_printf(&page.sql, "SELECT " HOST_COLUMNS " FROM %s CROSS JOIN contacts c WHERE c.host = h.n",
		      drivers[driver].from);
	km_str_printf(&page.sql, " AND %s > ", drivers[driver].number);
	put(&page, "", db_int(f->after), "");
	driving(&page, f, driver, value);
	checks(&page, f, text ? DRIVERS : driver);
	km_str_printf(&page.sql, " ORDER BY %s", drivers[driver].number);
	put(&page, " LIMIT ", db_int((int64_t)f->limit), "");
	err = store_list(q->store, page.sql.at, page.values, page.n, host_read, sizeof(*hosts), q->arena, &hosts, &n);
	for (size_t i = 0; !err && i < n; i++)
		km_vec_push(&q->found, hosts[i]);
	km_str_free(&page.sql);
	return err;
}

/* Every kernel or tag that begins with the text drives once. Each is found from the one before by a step in the index.
 */
static km_error *prefix(struct query *q, const char *first, const char *next, enum driver driver)
{
	const char *text = q->filter->text, *at = text, *sql = first;

	for (;;) {
		const char *value = NULL;
		bool found;

		KM_TRY(store_one(q->store, sql, DB_VALUES(db_text(at)), text_read, q->arena, &value, &found));
		if (!value || !km_starts(value, text))
			return NULL;
		KM_TRY(page_of(q, driver, value, true));
		at = value;
		sql = next;
	}
}

static int by_number(const void *a, const void *b)
{
	const struct km_store_host *x = a, *y = b;

	return x->n < y->n ? -1 : x->n > y->n;
}

/* The pages of several drivers become one: a host may have come by more than one of them. */
static void merge(struct query *q)
{
	size_t n = 0;

	if (q->found.n)
		qsort(q->found.at, q->found.n, sizeof(*q->found.at), by_number);
	for (size_t i = 0; i < q->found.n; i++)
		if (!n || q->found.at[i].n != q->found.at[n - 1].n)
			q->found.at[n++] = q->found.at[i];
	q->found.n = n < q->filter->limit ? n : q->filter->limit;
}

static km_error *by_text(struct query *q)
{
	if (strlen(q->filter->text) >= 4)
		KM_TRY(page_of(q, BY_ID, q->filter->text, true));
	KM_TRY(prefix(q, "SELECT min(kernel) FROM hosts WHERE kernel >= $1",
		      "SELECT min(kernel) FROM hosts WHERE kernel > $1", BY_KERNEL));
	KM_TRY(prefix(q, "SELECT min(tag) FROM host_tags WHERE tag >= $1",
		      "SELECT min(tag) FROM host_tags WHERE tag > $1", BY_TAG));
	merge(q);
	return NULL;
}

static km_error *by_conditions(struct query *q)
{
	const struct km_store_filter *f = q->filter;

	if (f->release)
		return page_of(q, BY_RELEASE, f->release, false);
	if (f->tag)
		return page_of(q, BY_TAG, f->tag, false);
	if (f->token)
		return page_of(q, BY_TOKEN, f->token, false);
	if (f->kernel)
		return page_of(q, BY_KERNEL, f->kernel, false);
	if (f->by_standing)
		return page_of(q, f->channel ? BY_BOTH : BY_STANDING, NULL, false);
	return page_of(q, f->channel ? BY_CHANNEL : BY_NUMBER, f->channel, false);
}

km_error *km_store_hosts(km_store *store, const struct km_store_filter *filter, km_arena *arena,
			 struct km_store_host **ret, size_t *n)
{
	struct query q = {.store = store, .filter = filter, .arena = arena};
	km_error *err = NULL;

	if (!filter->limit || filter->limit > KM_STORE_PAGE_MAX)
		err = km_error_new(KM_USAGE, "a page has 1 to %d hosts", KM_STORE_PAGE_MAX);
	else if ((filter->by_state || filter->by_health) && !filter->release)
		err = km_error_new(KM_USAGE, "the state of which release is not said");
	else
		err = filter->text && *filter->text ? by_text(&q) : by_conditions(&q);
	if (!err) {
		*ret = km_arena_copy(arena, q.found.at ? q.found.at : (void *)"", q.found.n * sizeof(**ret));
		*n = q.found.n;
	}
	km_vec_free(&q.found);
	return err;
}
