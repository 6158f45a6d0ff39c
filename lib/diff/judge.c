/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * judge.c - what stands in the way of a patch, in the words of its author.
 */
#include "part.h"

void km_judge(struct km_work *w, struct km_judgement j)
{
	for (size_t i = 0; i < w->d->judgements.n; i++) {
		const struct km_judgement *old = &w->d->judgements.at[i];

		if (!strcmp(old->code, j.code) && !strcmp(old->subject, j.subject) && !strcmp(old->reason, j.reason))
			return;
	}
	km_vec_push(&w->d->judgements, j);
}

void km_judge_part(struct km_work *w, enum km_weight severity, const char *code, struct km_part *part,
		   const char *reason, const char *next)
{
	struct km_decl decl = km_decl_of(&w->patched, part);
	const char *name = *km_part_name(part) ? km_part_name(part) : part->sec->name;

	km_judge(w, (struct km_judgement){.severity = severity,
					  .code = code,
					  .line = decl.line,
					  .reason = reason,
					  .next = next,
					  .file = decl.file ? km_arena_strdup(w->d->arena, decl.file) : NULL,
					  .subject = km_arena_strdup(w->d->arena, name)});
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Refers to text and constants only: a copy means the same as the original. */
static bool is_plain_table(const struct km_part *p)
{
	for (size_t i = 0; i < p->n_refs; i++) {
		const struct km_part *to = p->refs[i].to.part;

		if (!to || (to->kind != KM_PART_STRING && to->kind != KM_PART_CONST))
			return false;
	}
	return true;
}

/* Nobody but functions that can be replaced looks at it. */
static bool only_functions_use(const struct km_part *p)
{
	for (size_t i = 0; i < p->users.n; i++)
		if (p->users.at[i].part->kind != KM_PART_FUNC || p->users.at[i].part->init)
			return false;
	return true;
}

static bool can_renew(const struct km_part *p)
{
	return !p->writable && !p->twin->writable && !p->percpu && p->sym->bind == STB_LOCAL &&
	       p->twin->sym->bind == STB_LOCAL && is_plain_table(p) && is_plain_table(p->twin) &&
	       only_functions_use(p) && only_functions_use(p->twin);
}

static const char *data_reason(struct km_work *w, const struct km_part *p)
{
	unsigned long long was = p->twin->end - p->twin->start, is = p->end - p->start;
	const char *kept = p->writable		       ? "the running kernel holds its current value"
			   : p->sym->bind != STB_LOCAL ? "other files use it too"
						       : "others hold pointers to it";

	if (was != is)
		return km_arena_printf(w->d->arena, "its size changed from %llu to %llu bytes, and %s", was, is, kept);
	if (!p->detail)
		return km_arena_printf(w->d->arena, "its initial value changed, and %s", kept);
	return km_arena_printf(w->d->arena, "its initial value changed (%s), and %s", p->detail, kept);
}

static void judge_datum(struct km_work *w, struct km_part *p)
{
	bool keep = w->opt->allow_data && p->end - p->start == p->twin->end - p->twin->start;

	if (p->init) {
		km_judge_part(w, KM_NOTE, "init-data", p, "it is used only at boot or at module load, which is over",
			      "nothing: the change takes effect at the next boot");
		return;
	}
	if (can_renew(p)) {
		p->renewed = true;
		return;
	}
	km_judge_part(
		w, keep ? KM_RISK : KM_REFUSE, "data-changed", p, data_reason(w, p),
		keep ? "its old value is kept, as you asked; write the new one in a callback if it matters"
		: w->opt->allow_data
			? "put what is new into a new variable or a shadow variable"
			: "set the new value in a pre-patch callback, or keep the running value with --allow-data");
}

void km_judge_data(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		enum km_class class = km_info_of(&w->patched, p->sec)->class;

		if (p->kind == KM_PART_DATA && p->twin && p->differs && class != KM_CLASS_CODE &&
		    class != KM_CLASS_DROPPED)
			judge_datum(w, p);
	}
}

/* ---- state that got another name ------------------------------------------------------------- */

static bool is_state(const struct km_side *side, const struct km_part *p)
{
	return p->kind == KM_PART_DATA && p->writable && !p->init && !p->twin && !p->by_content && p->end > p->start &&
	       km_info_of(side, p->sec)->class == KM_CLASS_DATA;
}

/* What the running kernel holds in a variable that the patched source no longer has, and where a new one of its name or
 * of its size and users stands now: that one would begin empty, with its locks free and its lists lost. */
static const struct km_part *former_self(const struct km_work *w, const struct km_part *p)
{
	for (size_t i = 0; i < w->orig.parts.n; i++) {
		const struct km_part *o = w->orig.parts.at[i];

		if (!is_state(&w->orig, o) || o->percpu != p->percpu)
			continue;
		if (!strcmp(o->key, p->key) || (o->end - o->start == p->end - p->start && km_users_meet(o, p)))
			return o;
	}
	return NULL;
}

static bool has_lone_user(const struct km_part *p)
{
	for (size_t i = 0; i < p->users.n; i++)
		if (p->users.at[i].part->kind == KM_PART_FUNC && !p->users.at[i].part->twin)
			return true;
	return false;
}

/* Two functions that were and are there may have a variable of one name each. */
static bool may_be_chance(const struct km_part *o, const struct km_part *p)
{
	return !km_users_meet(o, p) && !has_lone_user(o) && !has_lone_user(p);
}

void km_judge_state(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];
		const struct km_part *o = p->included && is_state(&w->patched, p) ? former_self(w, p) : NULL;

		if (o)
			km_judge_part(w, w->opt->allow_data || may_be_chance(o, p) ? KM_RISK : KM_REFUSE,
				      "state-renamed", p,
				      km_arena_printf(w->d->arena,
						      "it seems to be the existing %s under another name or in another "
						      "function, and what the running kernel holds there would be lost",
						      km_part_name(o)),
				      "keep the variable's name and place; if it is a new one, use --allow-data");
	}
}

/* ---- functions ------------------------------------------------------------------------------- */

static bool starts_a_thread(const char *name)
{
	return km_starts(name, "kthread_create_on_") || km_starts(name, "kthread_run_on_") ||
	       !strcmp(name, "kernel_thread") || !strcmp(name, "user_mode_thread");
}

/* Its address is loaded shortly before a call that starts a thread. */
static const struct km_part *thread_starter(const struct km_part *p)
{
	enum { NEAR = 96 };

	for (size_t u = 0; u < p->users.n; u++) {
		const struct km_part *user = p->users.at[u].part;

		for (size_t i = 0; i < user->n_refs; i++) {
			if (user->refs[i].to.part != p || km_ref_is_direct(user, &user->refs[i]))
				continue;
			for (size_t k = i + 1;
			     k < user->n_refs && user->refs[k].rel->offset - user->refs[i].rel->offset <= NEAR; k++)
				if (!user->refs[k].to.part && starts_a_thread(user->refs[k].to.sym->name))
					return user;
		}
	}
	return NULL;
}

static bool leaves(const struct km_side *side, const struct km_part *p)
{
	for (size_t i = 0; i < p->entries.n; i++)
		if (!strcmp(p->entries.at[i]->kind->name, ".return_sites"))
			return true;
	for (size_t i = 0; i < p->n_refs; i++) {
		const struct km_ref *ref = &p->refs[i];

		if (km_rel_is_branch(p->sec, ref->rel) && p->sec->data[ref->rel->offset - 1] != 0xe8 &&
		    (!ref->to.part || (ref->to.part != p && ref->to.part != p->cold)))
			return true;
	}
	/* 0xc3 may be a part of another instruction: then a function that never returns goes unnoticed, which is no
	 * harm. */
	return !p->sec->data || memchr(p->sec->data + p->start, 0xc3, p->end - p->start) ||
	       (p->cold && leaves(side, p->cold));
}

static void judge_no_fentry(struct km_work *w, struct km_part *p)
{
	const char *sec = p->twin->sec->name;
	bool special = !km_starts(sec, ".text");

	if (km_callers_stand_in(p))
		return;
	km_judge_part(w, KM_REFUSE, "no-fentry", p,
		      special ? km_arena_printf(
					w->d->arena,
					"it lives in %s, where nothing may be traced, so it cannot be redirected", sec)
			      : "it is compiled without a place for ftrace (marked inline or notrace, or in a file that is not traced), so "
				"it cannot be redirected",
		      "change the traceable functions that call it instead");
}

/* A module may come after the patch; it then runs what its file on disk holds. */
static void judge_init(struct km_work *w, struct km_part *p)
{
	bool module = w->opt->object && strcmp(w->opt->object, "vmlinux");

	if (km_starts(p->sec->name, ".exit."))
		km_judge_part(w, KM_NOTE, "init-function", p, "it runs only when its module is removed; it is left out",
			      "nothing, unless what the module leaves behind matters: then update the module itself");
	else if (module)
		km_judge_part(w, KM_RISK, "init-function", p,
			      "it runs when its module is loaded, also after this patch, and then as the module's file has it: the "
			      "change to it is left out",
			      "update the module's file, too, if the rest of the patch relies on the change");
	else
		km_judge_part(w, KM_NOTE, "init-function", p, "it ran at boot and is gone: the change to it is left out",
			      "nothing: the change takes effect with the next kernel that has it");
}

static void judge_function(struct km_work *w, struct km_part *p)
{
	const struct km_part *starter;

	if (p->init) {
		judge_init(w, p);
		return;
	}
	if (p->parent)
		return;
	if (p->tracing) {
		km_judge_part(w, KM_RISK, "trace-event", p,
			      "it only feeds a trace event and cannot be redirected; it is left out",
			      "expect the event to be recorded as before until the next boot");
		return;
	}
	if (!p->twin->fentry) {
		judge_no_fentry(w, p);
		return;
	}
	starter = thread_starter(p->twin);
	if (starter)
		km_judge_part(w, KM_RISK, "kthread-loop", p,
			      km_arena_printf(
				      w->d->arena,
				      "%s runs it as a kernel thread: the transition waits until the thread leaves it",
				      km_part_name(starter)),
			      "move the change into a function that the loop calls");
	else if (!leaves(&w->orig, p->twin))
		km_judge_part(
			w, KM_RISK, "noreturn", p,
			"it never returns: a task that is in it keeps the old code, and the transition waits for it",
			"move the change into a function that it calls");
}

static void judge_new_callback(struct km_work *w, struct km_part *p)
{
	for (size_t i = 0; i < p->users.n; i++) {
		if (!p->users.at[i].part->included || p->users.at[i].direct)
			continue;
		km_judge_part(w, KM_NOTE, "new-callback", p,
			      km_arena_printf(w->d->arena,
					      "%s takes the address of this new function; a stored pointer dangles "
					      "once the patch is removed",
					      km_part_name(p->users.at[i].part)),
			      "make sure that nothing holds the pointer after an unload (timers, work items, "
			      "registered operations)");
		return;
	}
}

void km_judge_functions(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		if (p->kind != KM_PART_FUNC)
			continue;
		if (p->differs)
			judge_function(w, p);
		else if (p->included && !p->twin && !p->parent)
			judge_new_callback(w, p);
	}
}

/* ---- registrations --------------------------------------------------------------------------- */

static bool announces(const struct km_special *s)
{
	return s && s->kind == KM_SPECIAL_DROPPED && strstr(s->note, "new ");
}

static uint64_t registered(const struct km_side *side, const struct km_special *kind)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < side->elf->secs.n; i++)
		if (announces(side->secs[i].special) && !strcmp(side->secs[i].special->note, kind->note))
			sum += side->elf->secs.at[i]->size;
	return sum;
}

/* "__ksymtab_foo" is about foo. */
static const char *announced_name(const char *name)
{
	static const char *const prefixes[] = {
		"__ksymtab_", "__kstrtabns_",  "__kstrtab_",  "__crc_",	  "__param_str_",
		"__param_",   "__tracepoint_", "__tpstrtab_", "__event_",
	};

	for (size_t i = 0; i < KM_COUNT(prefixes); i++)
		if (km_starts(name, prefixes[i]))
			return name + strlen(prefixes[i]);
	return name;
}

static struct km_part *first_new_in(const struct km_side *side, const struct km_special *kind)
{
	for (size_t i = 0; i < side->parts.n; i++) {
		struct km_part *p = side->parts.at[i];
		const struct km_special *s = km_info_of(side, p->sec)->special;

		if (announces(s) && !strcmp(s->note, kind->note) && !p->twin && p->sym)
			return p;
	}
	return NULL;
}

/* A parameter's mode, a PCI fixup's device: what was registered with the old value stays so. */
static void judge_settings(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		if (p->differs && p->sym && km_info_of(&w->patched, p->sec)->class == KM_CLASS_DROPPED)
			km_judge(w, (struct km_judgement){
					    .severity = KM_RISK,
					    .code = "registration",
					    .file = w->opt->unit ? km_arena_strdup(w->d->arena, w->opt->unit) : NULL,
					    .subject = km_arena_strdup(w->d->arena, announced_name(km_part_name(p))),
					    .reason = "its registration changed, and the running kernel keeps the old one",
					    .next = "change it by hand on the host, or expect it with the next boot or "
						    "load only",
				    });
	}
}

void km_judge_registrations(struct km_work *w)
{
	judge_settings(w);
	for (size_t i = 0; i < w->patched.elf->secs.n; i++) {
		const struct km_special *s = w->patched.secs[i].special;

		if (!announces(s) || registered(&w->patched, s) <= registered(&w->orig, s))
			continue;
		struct km_part *p = first_new_in(&w->patched, s);
		const char *subject = p ? announced_name(km_part_name(p)) : w->patched.elf->secs.at[i]->name;
		struct km_sym *about = km_elf_sym(w->patched.elf, subject);

		if (about && w->patched.by_sym[about->index])
			p = w->patched.by_sym[about->index];
		struct km_decl decl = p ? km_decl_of(&w->patched, p) : (struct km_decl){0};

		km_judge(w, (struct km_judgement){
				    .severity = KM_RISK,
				    .code = "registration",
				    .file = decl.file ? km_arena_strdup(w->d->arena, decl.file) : NULL,
				    .line = decl.line,
				    .subject = km_arena_strdup(w->d->arena, subject),
				    .reason = s->note,
				    .next = "leave it out of the patch, or expect it to appear with the next boot or "
					    "load only",
			    });
	}
}

/* ---- sections that nobody knows -------------------------------------------------------------- */

void km_judge_unknown(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		if (km_info_of(&w->patched, p->sec)->class != KM_CLASS_UNKNOWN)
			continue;
		for (size_t r = 0; r < p->n_refs; r++) {
			const struct km_part *to = p->refs[r].to.part;

			if (!to || to->kind != KM_PART_FUNC || !to->included)
				continue;
			km_judge_part(
				w, KM_REFUSE, "unknown-section", p,
				km_arena_printf(w->d->arena,
						"section %s refers to %s, and the purpose of that section is not known",
						p->sec->name, km_part_name(to)),
				"report the section's name and the source line; the change cannot be proved safe");
			break;
		}
	}
}
