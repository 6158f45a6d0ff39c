/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Debian's control data says of packages: versions, checksums, dependencies. */
#include <ctype.h>

#include "prepared.h"

static void package_free(struct package *p)
{
	free(p->name);
	free(p->version);
	free(p->architecture);
	free(p->depends);
	free(p->sha256);
	free(p->file);
}

void package_list_free(package_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		package_free(&l->at[i]);
	km_vec_free(l);
}

const struct package *package_find(const package_list *l, const char *name, const char *version)
{
	const struct package *best = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct package *p = &l->at[i];

		if (strcmp(p->name, name) || (version && strcmp(p->version, version)))
			continue;
		if (!best || version_compare(p->version, best->version) > 0)
			best = p;
	}
	return best;
}

/* '~' sorts before the end of the string, letters before everything else (Debian Policy, 5.6.12). */
static int weight(char c)
{
	if (c == '~')
		return -1;
	if (!c || isdigit((unsigned char)c))
		return 0;
	return isalpha((unsigned char)c) ? c : c + 256;
}

static int compare_part(const char *a, const char *a_end, const char *b, const char *b_end)
{
	while (a < a_end || b < b_end) {
		unsigned long na = 0, nb = 0;

		while ((a < a_end && !isdigit((unsigned char)*a)) || (b < b_end && !isdigit((unsigned char)*b))) {
			int wa = weight(a < a_end ? *a : 0), wb = weight(b < b_end ? *b : 0);

			if (wa != wb)
				return wa < wb ? -1 : 1;
			a += a < a_end;
			b += b < b_end;
		}
		while (a < a_end && isdigit((unsigned char)*a))
			na = na * 10 + (unsigned long)(*a++ - '0');
		while (b < b_end && isdigit((unsigned char)*b))
			nb = nb * 10 + (unsigned long)(*b++ - '0');
		if (na != nb)
			return na < nb ? -1 : 1;
	}
	return 0;
}

static const char *after_epoch(const char *version, unsigned long *epoch)
{
	const char *colon = strchr(version, ':');

	*epoch = colon ? strtoul(version, NULL, 10) : 0;
	return colon ? colon + 1 : version;
}

int version_compare(const char *a, const char *b)
{
	unsigned long ea, eb;
	const char *ra, *rb;
	int order;

	a = after_epoch(a, &ea);
	b = after_epoch(b, &eb);
	if (ea != eb)
		return ea < eb ? -1 : 1;
	ra = strrchr(a, '-');
	rb = strrchr(b, '-');
	ra = ra ? ra : a + strlen(a);
	rb = rb ? rb : b + strlen(b);
	order = compare_part(a, ra, b, rb);
	return order ? order : compare_part(ra, ra + strlen(ra), rb, rb + strlen(rb));
}

static void set_field(struct package *p, const char *line, const char *end)
{
	const struct {
		const char *name;
		char **to;
	} fields[] = {
		{"Package:", &p->name},	   {"Version:", &p->version}, {"Architecture:", &p->architecture},
		{"Depends:", &p->depends}, {"SHA256:", &p->sha256},   {"Filename:", &p->file},
	};

	for (size_t i = 0; i < KM_COUNT(fields); i++) {
		size_t n = strlen(fields[i].name);

		if ((size_t)(end - line) < n || strncmp(line, fields[i].name, n) || *fields[i].to)
			continue;
		line += n;
		while (line < end && isspace((unsigned char)*line))
			line++;
		*fields[i].to = km_strndup(line, (size_t)(end - line));
	}
}

static void package_done(struct package *p, package_list *ret)
{
	char *slash = p->file ? strrchr(p->file, '/') : NULL;

	if (slash)
		memmove(p->file, slash + 1, strlen(slash));
	if (p->name && p->version)
		km_vec_push(ret, *p);
	else
		package_free(p);
	*p = (struct package){0};
}

void packages_parse(const char *text, package_list *ret)
{
	struct package p = {0};

	while (*text) {
		const char *end = strchrnul(text, '\n');

		if (end == text)
			package_done(&p, ret);
		else
			set_field(&p, text, end);
		text = *end ? end + 1 : end;
	}
	package_done(&p, ret);
}

char *depends_find(const char *depends, const char *prefix)
{
	while (depends && *depends) {
		while (*depends == ' ' || *depends == ',')
			depends++;
		if (km_starts(depends, prefix))
			return km_strndup(depends, strcspn(depends, " ,|(:"));
		depends = strchr(depends, ',');
	}
	return NULL;
}
