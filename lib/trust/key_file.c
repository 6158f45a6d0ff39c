/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys in files:
 *
 *	kmend public key 1           kmend private key 1
 *	role: builder                role: builder
 *	name: alice                  name: alice
 *	id: 5f0c…                    id: 5f0c…
 *	key: 8d21…                   key: 8d21…
 *	                             protection: none          or  protection: argon2id
 *	                             seed: 17ee…                   passes: 3
 *	                                                           memory: 268435456
 *	                                                           salt: 44…    (16 bytes)
 *	                                                           nonce: 90…   (24 bytes)
 *	                                                           seed: 6c…    (48 bytes: the seed in a secretbox)
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { BOXED = KM_KEY_LEN + crypto_secretbox_MACBYTES, FILE_MAX = 4096 };
/* A file from elsewhere must not be able to take all memory. */
#define OPS_MAX	   20
#define MEMORY_MAX ((uint64_t)2 << 30)

struct lines {
	const char *at;
	bool failed;
};

/* The value of the next line, which must have that name, as a view; NULL after a failure. */
static const char *next_view(struct lines *l, const char *name, size_t *n)
{
	size_t skip = strlen(name) + 2;
	const char *begin = l->at, *end = strchr(l->at, '\n');

	if (l->failed || !end || !km_starts(begin, name) || begin[skip - 2] != ':' || begin[skip - 1] != ' ') {
		l->failed = true;
		return NULL;
	}
	*n = (size_t)(end - begin) - skip;
	l->at = end + 1;
	return begin + skip;
}

/* A copy in the arena; "" after a failure. Not for secrets: an arena is not wiped. */
static char *next(struct lines *l, km_arena *arena, const char *name)
{
	size_t n = 0;
	const char *text = next_view(l, name, &n);

	return km_arena_strndup(arena, text ? text : "", n);
}

static void next_hex(struct lines *l, const char *name, uint8_t *ret, size_t n)
{
	size_t length = 0;
	const char *text = next_view(l, name, &length);

	if (!text || !km_hex_read(text, length, ret, n))
		l->failed = true;
}

static uint64_t next_number(struct lines *l, km_arena *arena, const char *name, uint64_t max)
{
	char *text = next(l, arena, name), *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*text || *end || n < 1 || n > max)
		l->failed = true;
	return n;
}

static void read_public(struct lines *l, km_arena *arena, struct km_public_key *ret)
{
	const char *name, *id;

	if (!km_role_of(next(l, arena, "role"), &ret->role))
		l->failed = true;
	name = next(l, arena, "name");
	if (!text_key_name(name))
		l->failed = true;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	id = next(l, arena, "id");
	next_hex(l, "key", ret->key, sizeof(ret->key));
	key_id(ret->key, ret->id);
	if (strcmp(id, ret->id))
		l->failed = true;
}

struct private_file {
	struct km_public_key public;
	struct km_key_cost cost;
	bool boxed;
	uint8_t salt[crypto_pwhash_SALTBYTES], nonce[crypto_secretbox_NONCEBYTES], seed[BOXED];
};

static void read_private(struct lines *l, km_arena *arena, struct private_file *ret)
{
	const char *protection;

	read_public(l, arena, &ret->public);
	protection = next(l, arena, "protection");
	ret->boxed = !strcmp(protection, "argon2id");
	if (ret->boxed) {
		ret->cost.ops = next_number(l, arena, "passes", OPS_MAX);
		ret->cost.memory = next_number(l, arena, "memory", MEMORY_MAX);
		next_hex(l, "salt", ret->salt, sizeof(ret->salt));
		next_hex(l, "nonce", ret->nonce, sizeof(ret->nonce));
		next_hex(l, "seed", ret->seed, BOXED);
	} else {
		if (strcmp(protection, "none"))
			l->failed = true;
		next_hex(l, "seed", ret->seed, KM_KEY_LEN);
	}
	if (*l->at)
		l->failed = true;
}

/* The text of a key's file, wiped by wipe(). */
static km_error *read_text(const char *path, char **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct stat st;
	size_t size;

	if (stat(path, &st) < 0)
		return km_error_sys(errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return km_error_new(KM_INPUT, "%s is no key file of kmend", path);
	KM_TRY(km_file_read(path, &bytes, &size));
	if (strlen((char *)bytes) != size) {
		sodium_memzero(bytes, size);
		return km_error_new(KM_INPUT, "%s is no key file of kmend", path);
	}
	*ret = (char *)bytes;
	bytes = NULL;
	return NULL;
}

static void wipe(char **text)
{
	if (*text)
		sodium_memzero(*text, strlen(*text));
	free(*text);
}

#define PUBLIC	"kmend public key 1\n"
#define PRIVATE "kmend private key 1\n"

static km_error *read_private_file(const char *path, struct private_file *ret)
{
	KM_CLEANUP(wipe) char *text = NULL;
	struct private_file file = {0};
	struct lines l;
	km_arena *arena;

	KM_TRY(read_text(path, &text));
	if (!km_starts(text, PRIVATE))
		return km_error_new(KM_INPUT, "%s is no private key of kmend", path);
	l = (struct lines){text + strlen(PRIVATE), false};
	arena = km_arena_create();
	read_private(&l, arena, &file);
	km_arena_destroy(arena);
	if (!l.failed)
		*ret = file;
	sodium_memzero(&file, sizeof(file));
	return l.failed ? km_error_new(KM_INPUT, "the private key %s is damaged", path) : NULL;
}

static km_error *stretch(const char *passphrase, const struct private_file *file,
			 uint8_t key[static crypto_secretbox_KEYBYTES])
{
	if (crypto_pwhash(key, crypto_secretbox_KEYBYTES, passphrase, strlen(passphrase), file->salt, file->cost.ops,
			  (size_t)file->cost.memory, crypto_pwhash_ALG_ARGON2ID13))
		return km_error_new(KM_ENV, "the passphrase cannot be stretched: this takes %llu MiB of memory",
				    (unsigned long long)(file->cost.memory >> 20));
	return NULL;
}

static km_error *unbox(const char *path, const struct private_file *file, const char *passphrase,
		       uint8_t seed[static KM_KEY_LEN])
{
	uint8_t key[crypto_secretbox_KEYBYTES];
	int bad;

	if (!passphrase)
		return km_error_hint(km_error_new(KM_REFUSED, "the key %s needs its passphrase", path),
				     "give it on a terminal or with --passphrase-file");
	KM_TRY(stretch(passphrase, file, key));
	bad = crypto_secretbox_open_easy(seed, file->seed, BOXED, file->nonce, key);
	sodium_memzero(key, sizeof(key));
	return bad ? km_error_new(KM_REFUSED, "this is not the passphrase of %s, or the file is damaged", path) : NULL;
}

km_error *km_key_load(const char *path, const char *passphrase, bool *encrypted, km_private_key **ret)
{
	struct private_file file = {0};
	uint8_t seed[KM_KEY_LEN];
	km_private_key *key;
	km_error *err;

	trust_sodium();
	KM_TRY(read_private_file(path, &file));
	if (encrypted)
		*encrypted = file.boxed;
	if (file.boxed) {
		err = unbox(path, &file, passphrase, seed);
		if (err)
			return err;
	} else {
		memcpy(seed, file.seed, sizeof(seed));
	}
	key = key_of_seed(file.public.role, file.public.name, seed);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(&file.seed, sizeof(file.seed));
	if (strcmp(key->public.id, file.public.id)) {
		km_key_destroy(key);
		return km_error_new(KM_INPUT, "the private key %s is damaged: its halves do not belong together", path);
	}
	*ret = key;
	return NULL;
}

bool km_key_encrypted(const char *path)
{
	struct private_file file = {0};
	km_error *err = read_private_file(path, &file);
	bool boxed = !err && file.boxed;

	km_error_free(err);
	sodium_memzero(&file, sizeof(file));
	return boxed;
}

static void print_public(km_str *s, const char *first, const struct km_public_key *key)
{
	char hex[2 * KM_KEY_LEN + 1];

	km_hex(key->key, sizeof(key->key), hex);
	km_str_printf(s, "%srole: %s\nname: %s\nid: %s\nkey: %s\n", first, km_role_name(key->role), key->name, key->id,
		      hex);
}

static void print_hex(km_str *s, const char *name, const uint8_t *bytes, size_t n)
{
	char hex[2 * BOXED + 1];

	km_hex(bytes, n, hex);
	km_str_add(s, name);
	km_str_add(s, ": ");
	km_str_addn(s, hex, 2 * n);
	km_str_add(s, "\n");
	sodium_memzero(hex, sizeof(hex));
}

static km_error *print_boxed(km_str *s, const km_private_key *key, const char *passphrase,
			     const struct km_key_cost *cost)
{
	struct private_file file = {.cost = *cost};
	uint8_t box[crypto_secretbox_KEYBYTES];

	randombytes_buf(file.salt, sizeof(file.salt));
	randombytes_buf(file.nonce, sizeof(file.nonce));
	KM_TRY(stretch(passphrase, &file, box));
	crypto_secretbox_easy(file.seed, key->seed, KM_KEY_LEN, file.nonce, box);
	sodium_memzero(box, sizeof(box));
	km_str_printf(s, "protection: argon2id\npasses: %llu\nmemory: %llu\n", (unsigned long long)cost->ops,
		      (unsigned long long)cost->memory);
	print_hex(s, "salt", file.salt, sizeof(file.salt));
	print_hex(s, "nonce", file.nonce, sizeof(file.nonce));
	print_hex(s, "seed", file.seed, BOXED);
	return NULL;
}

static km_error *print_private(const km_private_key *key, const char *passphrase, const struct km_key_cost *cost,
			       km_str *ret)
{
	trust_sodium();
	/* All at once: a buffer that grew would leave its first half behind in freed memory. */
	ret->cap = FILE_MAX;
	ret->at = km_calloc(FILE_MAX, 1);
	print_public(ret, PRIVATE, &key->public);
	if (passphrase)
		return print_boxed(ret, key, passphrase, cost ? cost : &km_key_cost_default);
	km_str_add(ret, "protection: none\n");
	print_hex(ret, "seed", key->seed, KM_KEY_LEN);
	return NULL;
}

/* Born with mode 0600: no moment at which others could open it. */
static km_error *write_private(const char *path, const char *text, size_t n)
{
	KM_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t done;

	if (fd < 0)
		return km_error_sys(errno, "cannot make %s", path);
	done = write(fd, text, n);
	if (done == (ssize_t)n && fsync(fd) == 0)
		return NULL;

	km_error *err = km_error_sys(done < 0 || done == (ssize_t)n ? errno : ENOSPC, "cannot write %s", path);

	unlink(path);
	return err;
}

km_error *km_key_save(const km_private_key *key, const char *path, const char *passphrase,
		      const struct km_key_cost *cost)
{
	km_str s = {0};
	km_error *err = print_private(key, passphrase, cost, &s);

	if (!err)
		err = write_private(path, s.at, s.n);
	sodium_memzero(s.at, s.n);
	km_str_free(&s);
	return err;
}

km_error *km_key_resave(const km_private_key *key, const char *path, const char *passphrase,
			const struct km_key_cost *cost)
{
	KM_AUTOFREE char *beside = km_printf("%s.new", path);

	KM_TRY(km_key_save(key, beside, passphrase, cost));
	if (rename(beside, path) == 0)
		return NULL;

	km_error *err = km_error_sys(errno, "cannot replace %s", path);

	unlink(beside);
	return err;
}

km_error *km_public_save(const struct km_public_key *key, const char *path)
{
	km_str s = {0};
	km_error *err;

	print_public(&s, PUBLIC, key);
	err = km_file_write(path, s.at, s.n);
	km_str_free(&s);
	return err;
}

km_error *km_public_load(const char *path, struct km_public_key *ret)
{
	KM_CLEANUP(wipe) char *text = NULL;
	struct private_file file = {0};
	struct km_public_key key = {0};
	km_arena *arena;
	struct lines l;

	KM_TRY(read_text(path, &text));
	if (km_starts(text, PRIVATE)) {
		KM_TRY(read_private_file(path, &file));
		*ret = file.public;
		sodium_memzero(&file, sizeof(file));
		return NULL;
	}
	if (!km_starts(text, PUBLIC))
		return km_error_new(KM_INPUT, "%s is no key file of kmend", path);
	l = (struct lines){text + strlen(PUBLIC), false};
	arena = km_arena_create();
	read_public(&l, arena, &key);
	km_arena_destroy(arena);
	if (l.failed || *l.at)
		return km_error_new(KM_INPUT, "the public key %s is damaged", path);
	*ret = key;
	return NULL;
}
