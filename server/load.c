/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "load.h"

km_error *load_tokens(struct server *server)
{
	km_arena *arena = km_arena_create();
	struct km_store_token *tokens;
	size_t n = 0;
	km_error *err = km_store_tokens(server->store, arena, &tokens, &n);

	for (size_t i = 0; i < n && !err; i++)
		table_token_put(server->table, &tokens[i]);
	km_arena_destroy(arena);
	return err ? km_error_add(err, "cannot read the tokens") : NULL;
}

static km_error *row(void *ctx, const struct km_store_host *host)
{
	struct server *server = ctx;

	table_put(server->table, host);
	return NULL;
}

km_error *load_hosts(struct server *server)
{
	km_error *err;

	table_load_begin(server->table);
	err = km_store_hosts_all(server->store, row, server);
	if (err)
		return km_error_add(err, "cannot read the hosts");
	table_load_end(server->table);
	return NULL;
}
