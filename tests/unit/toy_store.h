/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fresh states in SQLite and in a PostgreSQL of the test's own, and a few things to put into them. */
#ifndef KMEND_TESTS_TOY_STORE_H
#define KMEND_TESTS_TOY_STORE_H

#include <kmend/store.h>

#include "check.h"

enum { TOY_NOW = 1800000000 };
#define TOY_RELEASE_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOY_RELEASE_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* Texts that would do something if they became part of a statement, or that a database may spoil. */
extern const char *const toy_texts[];
extern const size_t toy_n_texts;

/* Starts a PostgreSQL that only this program reaches; false: none is installed. It ends with toy_postgres_stop(), or
 * with this program. */
bool toy_postgres_start(void);
void toy_postgres_stop(void);
/* A state that nobody has opened; for free(). PostgreSQL must run for its own. */
char *toy_where(bool postgres);
/* Ends every connection to the PostgreSQL but those that psql makes. */
void toy_postgres_cut(void);

struct toy_store {
	km_store *store;
	km_arena *arena;
	char *where;
	bool postgres;
};
struct toy_test {
	const char *name;
	void (*test)(void **state);
};
#define TOY_TEST(test)                                                                                                 \
	{                                                                                                              \
#test, test                                                                                            \
	}
/* Runs each on a fresh state, with SQLite and then with PostgreSQL; *state is a struct toy_store. Gives the number of
 * failures. */
int toy_store_tests(const char *name, const struct toy_test *tests, size_t n);

/* Fails unless err is KM_REFUSED and *why the reason; frees it. */
void toy_store_refused(km_error *err, const enum km_store_why *why, enum km_store_why want);

/* Each gives 64 hex digits (or an id of 16) that stand for this number and kind. Four can be used at once. */
const char *toy_sum(const char *kind, int i);
/* A token for the channel "stable" with the tags "web", and any number of hosts. */
void toy_token(km_store *store, const char *id);
/* The host i of that token comes; its kernel is "6.1.0-<i mod 8>". Gives its number. */
int64_t toy_attach(km_store *store, const char *token, int i);
struct km_attach toy_attach_of(int i);
/* A release of that id with two CVEs and one kernel. */
void toy_release(km_store *store, const char *id, const char *severity);
/* What host i reports of that release. */
void toy_report(km_store *store, int i, const char *release, enum km_patch_state state, enum km_health health,
		int32_t age, int64_t now);

#endif
