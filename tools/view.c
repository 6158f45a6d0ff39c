/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patches and tasks, for people and for programs. The JSON keys are documented in kmend-list(1) and
 * kmend-blockers(1). */
#include <time.h>

#include "cmd.h"

const char *view_state(const struct km_applied *patch)
{
	if (patch->transition)
		return patch->enabled ? "enabling" : "disabling";
	return patch->enabled ? "enabled" : "disabled";
}

/* Names come from the kernel and from files: what is not UTF-8 is shown byte by byte. */
json_t *view_text_json(const char *s)
{
	km_str safe = {0};
	json_t *o;

	if (!s)
		return json_null();
	o = json_string(s);
	if (o)
		return o;
	for (; *s; s++)
		if ((unsigned char)*s < 0x80)
			km_str_addn(&safe, s, 1);
		else
			km_str_printf(&safe, "\\x%02x", (unsigned char)*s);
	o = json_string(safe.at);
	km_str_free(&safe);
	return o;
}

json_t *view_strings_json(const km_strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, view_text_json(v->at[i]));
	return a;
}

void view_time(int64_t t, char out[static 32])
{
	time_t seconds = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		out[0] = '\0';
}

void view_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
	putchar('\n');
	json_decref(o);
}

static json_t *object_json(const struct km_applied_object *object)
{
	json_t *o = json_object(), *funcs = json_array();

	for (size_t i = 0; i < object->funcs.n; i++) {
		json_t *f = json_object();

		json_object_set_new(f, "name", view_text_json(object->funcs.at[i].name));
		json_object_set_new(f, "sympos", json_integer(object->funcs.at[i].sympos));
		json_array_append_new(funcs, f);
	}
	json_object_set_new(o, "name", view_text_json(object->name));
	json_object_set_new(o, "patched", object->patched < 0 ? json_null() : json_boolean(object->patched));
	json_object_set_new(o, "functions", funcs);
	return o;
}

json_t *view_applied_json(const struct km_applied *p)
{
	json_t *o = json_object(), *objects = json_array();
	char since[32];

	view_time(p->since, since);
	for (size_t i = 0; i < p->objects.n; i++)
		json_array_append_new(objects, object_json(&p->objects.at[i]));
	json_object_set_new(o, "name", view_text_json(p->name));
	json_object_set_new(o, "backend", json_string(p->backend));
	json_object_set_new(o, "state", json_string(view_state(p)));
	json_object_set_new(o, "replace", p->replace < 0 ? json_null() : json_boolean(p->replace));
	json_object_set_new(o, "stack_order", p->stack_order ? json_integer(p->stack_order) : json_null());
	json_object_set_new(o, "objects", objects);
	json_object_set_new(o, "build_id", view_text_json(p->build_id));
	json_object_set_new(o, "loaded_by", json_string(p->ours ? "kmend" : "other"));
	json_object_set_new(o, "loaded_at", p->since ? json_string(since) : json_null());
	json_object_set_new(o, "uid", p->uid >= 0 ? json_integer(p->uid) : json_null());
	json_object_set_new(o, "version", view_text_json(p->version));
	json_object_set_new(o, "description", view_text_json(p->description));
	json_object_set_new(o, "severity", view_text_json(p->severity));
	json_object_set_new(o, "path", view_text_json(p->path));
	json_object_set_new(o, "sha256", view_text_json(p->sha256));
	json_object_set_new(o, "cves", view_strings_json(&p->cves));
	return o;
}

static json_t *blocker_json(const struct km_blocker *b)
{
	json_t *o = json_object(), *stack = json_array();
	char state[2] = {b->state, '\0'};

	for (size_t i = 0; i < b->stack.n; i++) {
		const struct km_frame *frame = &b->stack.at[i];
		json_t *f = json_object();

		json_object_set_new(f, "text", view_text_json(frame->text));
		json_object_set_new(f, "function", view_text_json(frame->name));
		json_object_set_new(f, "module", view_text_json(frame->module));
		json_object_set_new(f, "patched", json_boolean(frame->patched));
		json_array_append_new(stack, f);
	}
	json_object_set_new(o, "pid", json_integer(b->pid));
	json_object_set_new(o, "tid", json_integer(b->tid));
	json_object_set_new(o, "comm", view_text_json(b->comm));
	json_object_set_new(o, "state", json_string(state));
	json_object_set_new(o, "kernel_thread", json_boolean(b->kthread));
	json_object_set_new(o, "stack", stack);
	return o;
}

json_t *view_blockers_json(const km_blocker_list *list)
{
	json_t *a = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(a, blocker_json(&list->at[i]));
	return a;
}

static const char *state_word(char state)
{
	static const struct {
		char state;
		const char *word;
	} words[] = {{'R', "running"}, {'S', "sleeping"}, {'D', "in uninterruptible sleep"},
		     {'T', "stopped"}, {'t', "traced"},	  {'I', "idle"},
		     {'Z', "zombie"},  {'X', "dead"}};

	for (size_t i = 0; i < KM_COUNT(words); i++)
		if (words[i].state == state)
			return words[i].word;
	return "in an unknown state";
}

void view_blockers(FILE *f, const km_blocker_list *list, const char *indent)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct km_blocker *b = &list->at[i];

		fprintf(f, "%s%s%s%s (%s %ld", indent, km_colour_on(f, KM_BOLD), b->comm, km_colour_off(f),
			b->kthread ? "kernel thread" : "pid", b->pid);
		if (b->tid != b->pid)
			fprintf(f, ", thread %ld", b->tid);
		fprintf(f, ") is %s\n", state_word(b->state));
		for (size_t j = 0; j < b->stack.n; j++) {
			const struct km_frame *frame = &b->stack.at[j];

			if (frame->patched)
				fprintf(f, "%s  %s> %s   <- patched%s\n", indent, km_colour_on(f, KM_RED), frame->text,
					km_colour_off(f));
			else
				fprintf(f, "%s    %s\n", indent, frame->text);
		}
	}
}
