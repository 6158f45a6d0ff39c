/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run says to people and to programs. Everything that the guest said is made printable on the way. */
#include "lab.h"

json_t *report_findings(const struct km_lab_result *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->findings.n; i++) {
		const struct km_lab_finding *f = &r->findings.at[i];
		json_t *o = json_pack("{s:s, s:s}", "line", f->line, "reason", f->reason);

		if (f->step != KM_LAB_BOOT)
			json_object_set_new(o, "step", json_integer(f->step));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *report_step(const char *name, const struct km_lab_step_result *s)
{
	KM_AUTOFREE char *text = km_lab_printable(s->output.at, s->output.n);
	json_t *o = json_pack("{s:s, s:b}", "name", name, "ran", s->begun);

	if (!s->begun)
		return o;
	json_object_set_new(o, "output", json_string(text));
	json_object_set_new(o, "output_cut", json_boolean(s->cut));
	if (!s->ended)
		return o;
	json_object_set_new(o, "status", json_integer(s->status));
	json_object_set_new(o, "seconds", json_real(s->seconds));
	if (s->transition >= 0)
		json_object_set_new(o, "transition_seconds", json_real(s->transition));
	return o;
}

json_t *report_guest(const struct km_lab_result *r)
{
	return json_pack("{s:s, s:b, s:f, s:f, s:b, s:o}", "end", km_lab_end_text(r->end), "clean_end",
			 r->end == KM_LAB_CLEAN, "boot_seconds", r->boot, "seconds", r->wall, "kvm", r->kvm, "findings",
			 report_findings(r));
}

km_error *report_write(const char *path, json_t *root)
{
	KM_AUTOFREE char *text = json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(4));
	KM_AUTOFREE char *lines = NULL;

	json_decref(root);
	if (!text)
		return km_error_new(KM_BUG, "cannot write the report as JSON");
	lines = km_printf("%s\n", text);
	if (!strcmp(path, "-")) {
		fputs(lines, stdout);
		return NULL;
	}
	return km_file_write(path, lines, strlen(lines));
}

km_error *report_log(const char *path, const struct km_lab_result *r)
{
	return km_file_write(path, r->log.at ? r->log.at : "", r->log.n);
}

void report_tail(FILE *f, const char *bytes, size_t n, unsigned lines)
{
	KM_AUTOFREE char *text = km_lab_printable(bytes, n);
	char *p = text + n;

	while (p > text && p[-1] == '\n')
		*--p = '\0';
	for (unsigned seen = 0; p > text; p--)
		if (p[-1] == '\n' && ++seen == lines)
			break;
	if (p > text)
		fputs("    …\n", f);
	for (char *save = NULL, *line = strtok_r(p, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		fprintf(f, "    %s\n", line);
}

void report_print_findings(FILE *f, const struct km_lab_result *r, unsigned most)
{
	for (size_t i = 0; i < r->findings.n && i < most; i++)
		fprintf(f, "  %s%s%s: %s\n", km_colour_on(f, KM_RED), r->findings.at[i].reason, km_colour_off(f),
			r->findings.at[i].line);
	if (r->findings.n > most)
		fprintf(f, "  … and %zu more\n", r->findings.n - most);
}
