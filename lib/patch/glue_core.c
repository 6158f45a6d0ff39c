// SPDX-License-Identifier: GPL-2.0-or-later
/* The generated C of a patch module for kmend.ko: the tables that kmend_enable_patch() takes. See kmod/kmend.h. */
#include "link.h"

static void add_expect(km_str *s, const struct km_link_func *f, size_t n)
{
	if (f->mask.n) {
		km_str_printf(s, "static const struct kmend_range masks_%zu[] = {\n", n);
		for (size_t i = 0; i < f->mask.n; i++)
			km_str_printf(s, "\t{ %llu, %llu },\n", (unsigned long long)f->mask.at[i].offset,
				      (unsigned long long)f->mask.at[i].length);
		km_str_add(s, "};\n");
	}
	km_str_printf(s, "static const struct kmend_expect expect_%zu = {\n\t.size = %llu, ", n,
		      (unsigned long long)f->size);
	if (f->mask.n)
		km_str_printf(s, ".n_masks = %zu, .masks = masks_%zu, ", f->mask.n, n);
	km_str_add(s, ".sha256 = {");
	for (size_t i = 0; i < KM_SHA256_LEN; i++)
		km_str_printf(s, "%s0x%02x,", i % 16 ? " " : "\n\t\t", f->expected[i]);
	km_str_add(s, "\n\t},\n};\n\n");
}

/* A function that was allowed to differ has no hash that its running bytes would have. */
static void add_funcs(km_str *s, const struct km_link *link, const char *object, size_t index)
{
	for (size_t i = 0; i < link->funcs.n; i++) {
		if (strcmp(link->funcs.at[i].object, object))
			continue;
		if (link->funcs.at[i].matched)
			add_expect(s, &link->funcs.at[i], i);
		km_str_printf(s, "extern char %s[];\n", link->funcs.at[i].temp);
	}
	km_str_printf(s, "static struct kmend_func funcs_%zu[] = {\n", index);
	for (size_t i = 0; i < link->funcs.n; i++) {
		const struct km_link_func *f = &link->funcs.at[i];

		if (strcmp(f->object, object))
			continue;
		km_str_add(s, "\t{ .old_name = ");
		km_glue_literal(s, f->name);
		km_str_printf(s, ", .new_func = %s, .old_sympos = %u", f->temp, f->sympos);
		if (f->matched)
			km_str_printf(s, ", .expect = &expect_%zu", i);
		km_str_add(s, " },\n");
	}
	km_str_add(s, "\t{ }\n};\n\n");
}

static void add_objects(km_str *s, const struct km_link *link)
{
	km_str objects = {0};
	km_strv names = {0};

	km_core_objects(link, &names);
	for (size_t i = 0; i < names.n; i++) {
		add_funcs(s, link, names.at[i], i);
		km_str_add(&objects, "\t{ ");
		if (strcmp(names.at[i], "vmlinux")) {
			km_str_add(&objects, ".name = ");
			km_glue_literal(&objects, names.at[i]);
			km_str_add(&objects, ", ");
		}
		km_str_printf(&objects, ".funcs = funcs_%zu", i);
		if (km_core_has_relocs(link, names.at[i])) {
			km_str_printf(s, "extern const struct kmend_reloc " KM_TEMP_RELOCS "%zu[];\n\n", i);
			km_str_printf(&objects, ", .relocs = " KM_TEMP_RELOCS "%zu", i);
		}
		km_str_add(&objects, " },\n");
	}
	km_str_printf(s, "static struct kmend_object objects[] = {\n%s\t{ }\n};\n\n", objects.at ? objects.at : "");
	km_str_free(&objects);
	km_strv_free(&names);
}

char *km_glue_core_source(const struct km_link *link)
{
	char build_id[2 * 20 + 1];
	km_str s = {0};

	km_hex(link->k->vmlinux->build_id, link->k->vmlinux->build_id_len, build_id);
	km_str_add(&s, "#include <linux/module.h>\n#include \"kmend.h\"\n\n");
	add_objects(&s, link);
	if (link->late_jumps)
		km_str_add(&s, "extern char " KM_TEMP_JUMPS "[], " KM_TEMP_JUMPS_END "[];\n\n");
	km_str_printf(&s, "static struct kmend_patch patch = {\n\tKMEND_PATCH_INIT,\n\t.objs = objects,\n\t.replace = %s,\n",
		      link->spec->replace ? "true" : "false");
	if (link->late_jumps)
		km_str_add(&s, "\t.jump_table = " KM_TEMP_JUMPS ",\n\t.jump_table_end = " KM_TEMP_JUMPS_END ",\n");
	if (*build_id)
		km_str_printf(&s, "\t.build_id = \"%s\",\n", build_id);
	km_str_add(&s, "};\n\nstatic int __init patch_init(void)\n{\n\treturn " KM_CORE_ENABLE "(&patch);\n}\n\n");
	/* Without an exit function the module could not be unloaded. */
	km_str_add(&s, "static void __exit patch_exit(void)\n{\n}\n\n");
	km_str_add(&s, "module_init(patch_init);\nmodule_exit(patch_exit);\n");
	km_glue_modinfo(&s, link);
	return s.at;
}
