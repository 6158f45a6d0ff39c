/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of lib/agent share. */
#ifndef KMEND_AGENT_INTERNAL_H
#define KMEND_AGENT_INTERNAL_H

#include <jansson.h>
#include <kmend/agent.h>

/* root and a path below it; fmt begins with '/'. For free(). */
char *agent_path(const char *root, const char *fmt, ...) KM_PRINTF(2, 3);
/* A file of at most max bytes: a regular one, not through a link. KM_NOTHING: absent. *modified may be NULL. */
KM_CHECKED km_error *agent_read(int dir, const char *name, size_t max, uint8_t **bytes, size_t *size, int64_t *modified);
/* A small file of the kernel's without its last newline, or NULL; for free(). */
char *agent_text(const char *root, const char *path);
/* Copies text that fits; false: too long. */
bool agent_copy(char *to, size_t room, const char *text);
/* 64 hex digits. */
bool agent_is_sha256(const char *s);
/* Less than that long ago; a time to come is none: the clock was wrong when it was written down. */
bool agent_recent(int64_t since, int64_t now, int64_t seconds);
/* Puts text into a detail: cut at a character's border, control characters as blanks. */
void agent_detail(char to[static KM_FLEET_DETAIL_MAX + 1], const char *text);
/* The group kmend-fetch runs in, or 0 when there is none. */
gid_t agent_group(const char *root);

/* Keeps the first error's message in *trouble and frees err; NULL is fine. */
void agent_trouble(char **trouble, km_error *err);

#endif
