/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What getopt_long() could not read, in the words of the user. */
#include <getopt.h>

#include "build.h"

static km_error *no_value(const struct option *options, const char *word)
{
	for (const struct option *o = options; o->name; o++)
		if (o->val == optopt)
			return km_error_new(KM_USAGE, "--%s needs a value", o->name);
	return km_error_new(KM_USAGE, "%s needs a value", word);
}

static km_error *unknown(const struct option *options, const char *verb, const char *word)
{
	KM_AUTOFREE char *name = km_strndup(word, strcspn(word, "="));
	km_vec(const char *) names = {0};
	const char *near;
	km_error *err;

	for (const struct option *o = options; o->name; o++)
		km_vec_push(&names, o->name);
	near = km_starts(name, "--") ? km_nearest(name + 2, names.at, names.n) : NULL;
	err = km_error_new(KM_USAGE, "there is no option %s", name);
	err = near ? km_error_hint(err, "did you mean --%s?", near)
		   : km_error_hint(err, "kmend %s --help lists the options", verb);
	km_vec_free(&names);
	return err;
}

km_error *build_bad_option(int opt, char **argv, const struct option *options, const char *verb)
{
	const char *word = argv[optind - 1];

	if (opt == ':')
		return no_value(options, word);
	if (!optopt) /* a long one that is not known, or that begins several */
		return unknown(options, verb, word);
	for (const struct option *o = options; o->name; o++)
		if (o->val == optopt && !o->has_arg)
			return km_error_new(KM_USAGE, "--%s takes no value", o->name);
	return km_error_hint(km_error_new(KM_USAGE, "there is no option -%c", optopt), "kmend %s --help lists the options",
			     verb);
}
