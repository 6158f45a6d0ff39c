// SPDX-License-Identifier: GPL-2.0-or-later
/* The generated C of a patch module: the tables that klp_enable_patch() takes, and modinfo. */
#include "link.h"

void km_glue_literal(km_str *s, const char *text)
{
	km_str_add(s, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			km_str_printf(s, "\\%c", c);
		else if (c < ' ' || c == 0x7f || c == '?')
			km_str_printf(s, "\\%03o", c);
		else
			km_str_addn(s, text, 1);
	}
	km_str_add(s, "\"");
}

static void add_info(km_str *s, const char *tag, const char *value)
{
	if (!value)
		return;
	km_str_printf(s, "MODULE_INFO(%s, ", tag);
	km_glue_literal(s, value);
	km_str_add(s, ");\n");
}

static void add_funcs(km_str *s, const struct km_link *link, size_t from, size_t to, size_t object)
{
	for (size_t i = from; i < to; i++)
		km_str_printf(s, "extern char %s[];\n", link->funcs.at[i].temp);
	km_str_printf(s, "static struct klp_func funcs_%zu[] = {\n", object);
	for (size_t i = from; i < to; i++) {
		const struct km_link_func *f = &link->funcs.at[i];

		km_str_add(s, "\t{ .old_name = ");
		km_glue_literal(s, f->name);
		km_str_printf(s, ", .new_func = %s, .old_sympos = %u },\n", f->temp, f->sympos);
	}
	km_str_add(s, "\t{ }\n};\n\n");
}

static void add_objects(km_str *s, const struct km_link *link)
{
	km_str objects = {0};
	size_t n = 0;

	for (size_t i = 0, j; i < link->funcs.n; i = j, n++) {
		const char *object = link->funcs.at[i].object;

		for (j = i; j < link->funcs.n && !strcmp(link->funcs.at[j].object, object); j++)
			;
		add_funcs(s, link, i, j, n);
		km_str_add(&objects, "\t{ ");
		if (strcmp(object, "vmlinux")) {
			km_str_add(&objects, ".name = ");
			km_glue_literal(&objects, object);
			km_str_add(&objects, ", ");
		}
		km_str_printf(&objects, ".funcs = funcs_%zu },\n", n);
	}
	km_str_printf(s, "static struct klp_object objects[] = {\n%s\t{ }\n};\n\n", objects.at ? objects.at : "");
	km_str_free(&objects);
}

void km_glue_modinfo(km_str *s, const struct km_link *link)
{
	char build_id[2 * 20 + 1];

	km_hex(link->k->vmlinux->build_id, link->k->vmlinux->build_id_len, build_id);
	km_str_add(s, "MODULE_LICENSE(\"GPL\");\n");
	if (link->flavour == KM_FLAVOUR_KLP)
		km_str_add(s, "MODULE_INFO(livepatch, \"Y\");\n");
	km_str_printf(s, "MODULE_INFO(kmend_format, \"%d\");\n", KM_PATCH_FORMAT);
	add_info(s, "kmend_flavour", km_flavour_name(link->flavour));
	add_info(s, "kmend_name", link->spec->name);
	add_info(s, "kmend_version", link->spec->version);
	add_info(s, "kmend_release", link->k->release);
	add_info(s, "kmend_build_id", build_id);
	add_info(s, "kmend_tool", "kmend " KMEND_VERSION);
	add_info(s, "description", link->spec->description);
	for (size_t i = 0; i < link->namespaces.n; i++)
		km_str_printf(s, "MODULE_IMPORT_NS(%s);\n", link->namespaces.at[i]);
}

char *km_glue_source(const struct km_link *link)
{
	km_str s = {0};

	km_str_add(&s, "#include <linux/livepatch.h>\n#include <linux/module.h>\n\n");
	add_objects(&s, link);
	km_str_printf(&s, "static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects, .replace = %s };\n\n",
		      link->spec->replace ? "true" : "false");
	km_str_add(&s, "static int __init patch_init(void)\n{\n\treturn klp_enable_patch(&patch);\n}\n\n");
	/* Without an exit function the module could not be unloaded. */
	km_str_add(&s, "static void __exit patch_exit(void)\n{\n}\n\n");
	km_str_add(&s, "module_init(patch_init);\nmodule_exit(patch_exit);\n");
	km_glue_modinfo(&s, link);
	return s.at;
}

char *km_glue_kbuild(const struct km_link *link, size_t units)
{
	km_str s = {0};

	km_str_printf(&s, "obj-m := %s.o\n%s-y := glue.o", link->spec->name, link->spec->name);
	/* unit<n>.o_shipped is copied to unit<n>.o: objtool has seen it already when the unit was compiled. */
	for (size_t i = 0; i < units; i++)
		km_str_printf(&s, " unit%zu.o", i);
	km_str_add(&s, "\n");
	return s.at;
}
