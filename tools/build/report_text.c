/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report that a person reads. */
#include "build.h"

struct page {
	FILE *to;
	const struct build_job *job;
	const struct build_outcome *out;
	enum km_weight showing; /* which judgements are being listed */
	bool titled;
};

static void paint(const struct page *p, enum km_colour colour, const char *text)
{
	fprintf(p->to, "%s%s%s", km_colour_on(p->to, colour), text, km_colour_off(p->to));
}

static void title(const struct page *p, const char *text)
{
	fputc('\n', p->to);
	paint(p, KM_BOLD, text);
	fputc('\n', p->to);
}

static void show_kernel(const struct page *p)
{
	const km_kernel *k = p->out->kernel;

	if (!k)
		return;
	paint(p, KM_BOLD, p->job->name);
	fprintf(p->to, " for %s", k->release);
	if (*k->package_version)
		fprintf(p->to, " (%s)", k->package_version);
	fputc('\n', p->to);
}

static char mark_of(const struct km_change_item *item)
{
	if (item->replaces)
		return '~';
	return item->change == KM_NEW ? '+' : item->change == KM_REMOVED ? '-' : ' ';
}

/* Functions that are replaced or new and data that changed are the news; strings and the like that go with them are for --verbose. */
static bool is_news(const struct km_change_item *item)
{
	return item->replaces || item->change == KM_CHANGED ||
	       (item->change != KM_SAME && !strcmp(item->kind, "function"));
}

static void show_item(const struct page *p, const struct km_change_item *item)
{
	char place[300] = "";

	if (item->file)
		snprintf(place, sizeof(place), "%s:%u", item->file, item->line);
	fprintf(p->to, "  %c ", mark_of(item));
	paint(p, item->replaces ? KM_GREEN : KM_PLAIN, item->name);
	fprintf(p->to, "%*s %s", (int)(strlen(item->name) < 32 ? 32 - strlen(item->name) : 0), "", item->kind);
	if (*place)
		fprintf(p->to, " at %s", place);
	if (item->why != KM_WHY_NOT)
		fprintf(p->to, ": %s", km_why_text(item->why));
	if (item->detail)
		fprintf(p->to, " (%s)", item->detail);
	if (item->change == KM_REMOVED)
		fputs(": no longer called", p->to);
	fputc('\n', p->to);
}

static void show_unit(const struct page *p, const struct build_unit *u)
{
	if (!u->diff || !u->diff->items.n)
		return;
	fprintf(p->to, "\n%s%s%s in %s", km_colour_on(p->to, KM_BOLD), u->unit->source, km_colour_off(p->to),
		u->unit->object);
	if (u->unit->why_text)
		fprintf(p->to, " (%s)", u->unit->why_text);
	fputc('\n', p->to);
	size_t hidden = 0;
	for (size_t i = 0; i < u->diff->items.n; i++) {
		const struct km_change_item *item = &u->diff->items.at[i];
		if (p->job->verbose || is_news(item))
			show_item(p, item);
		else
			hidden += item->included;
	}
	if (hidden)
		fprintf(p->to, "    and %zu %s that they use (--verbose tells more)\n", hidden,
			hidden == 1 ? "string, constant or piece of data" : "strings, constants and pieces of data");
}

static void show_units(const struct page *p)
{
	size_t same = 0;

	for (size_t i = 0; i < p->out->units.n; i++) {
		const struct build_unit *u = &p->out->units.at[i];
		show_unit(p, u);
		same += !u->diff || !u->diff->items.n;
	}
	if (same)
		fprintf(p->to, "\n%zu of %zu unit%s to the same code as before\n", same, p->out->units.n,
			p->out->units.n == 1 ? " compiles" : "s compile");
}

static void show_left_out(const struct page *p)
{
	if (!p->out->left_out.n)
		return;
	title(p, "left out");
	for (size_t i = 0; i < p->out->left_out.n; i++)
		fprintf(p->to, "    %s: %s\n", p->out->left_out.at[i].path, p->out->left_out.at[i].reason);
}

static void show_judgement(void *ctx, const char *unit, const struct km_judgement *j)
{
	static const struct {
		const char *title;
		enum km_colour colour;
	} kinds[] = {
		[KM_NOTE] = { "notes", KM_PLAIN }, [KM_RISK] = { "risks", KM_YELLOW }, [KM_REFUSE] = { "refused", KM_RED },
	};
	struct page *p = ctx;

	if (j->severity != p->showing)
		return;
	if (!p->titled)
		title(p, kinds[j->severity].title);
	p->titled = true;
	fputs("  ", p->to);
	if (j->file)
		fprintf(p->to, "%s:%u: ", j->file, j->line);
	else if (*unit)
		fprintf(p->to, "%s: ", unit);
	paint(p, kinds[j->severity].colour, j->subject ? j->subject : j->code);
	fprintf(p->to, ": %s [%s]\n", j->reason, j->code);
	if (j->next)
		fprintf(p->to, "      next: %s\n", j->next);
}

static void show_judgements(struct page *p)
{
	static const enum km_weight order[] = { KM_NOTE, KM_RISK, KM_REFUSE };

	for (size_t i = 0; i < KM_COUNT(order); i++) {
		p->showing = order[i];
		p->titled = false;
		build_each_judgement(p->out, show_judgement, p);
	}
}

static void show_times(const struct page *p)
{
	title(p, "times");
	for (size_t i = 0; i < km_stages_count(p->out->stages); i++) {
		double wall, own, child;
		const char *name = km_stages_at(p->out->stages, i, &wall, &own, &child);
		fprintf(p->to, "    %-22s %7.2f s   CPU %6.2f s of ours, %6.2f s of tools\n", name, wall, own, child);
	}
	fprintf(p->to, "    %-22s %7.2f s   CPU %6.2f s of ours, %6.2f s of tools; our peak memory %ld MB\n", "all",
		p->out->seconds, p->out->own_cpu, p->out->child_cpu, p->out->own_peak_kb / 1024);
}

static void show_result(const struct page *p, enum build_result result)
{
	const struct km_patch_result *patch = &p->out->patch;
	size_t refused = build_count_judgements(p->out, KM_REFUSE);

	fputc('\n', p->to);
	switch (result) {
	case BUILD_BUILT:
		for (size_t i = 0; i < KM_FLAVOURS; i++) {
			if (!patch->files[i].path)
				continue;
			paint(p, KM_GREEN, "built");
			fprintf(p->to, " %s%s: %zu bytes, %zu function%s replaced, sha256 %.16s\n", patch->files[i].path,
				i == KM_FLAVOUR_CORE ? " for kmend.ko" : "", patch->files[i].size,
				patch->funcs.n, patch->funcs.n == 1 ? "" : "s", p->out->sha256[i]);
			if (patch->files[i].signature.there)
				fprintf(p->to, "signed by the certificate %s of %s, %s; sha256 %.16s without the signature\n",
					patch->files[i].signature.serial, patch->files[i].signature.issuer,
					patch->files[i].signature.hash, patch->files[i].unsigned_sha256);
		}
		break;
	case BUILD_REFUSED:
		paint(p, KM_RED, "refused");
		if (refused == 1)
			fputs(" for the reason above", p->to);
		else if (refused)
			fprintf(p->to, " for the %zu reasons above", refused);
		fputs(": nothing was written\n", p->to);
		break;
	case BUILD_NOTHING:
		paint(p, KM_YELLOW, "nothing to patch");
		fputs(": no function that can run from now on changed\n", p->to);
		break;
	case BUILD_ERROR:
		break;
	}
}

void build_report_text(const struct build_job *job, const struct build_outcome *out, enum build_result result, FILE *to)
{
	struct page p = { .to = to, .job = job, .out = out };

	if (out->error) /* there is nothing whole to report on; the error itself says what happened */
		return;
	if (job->quiet && result == BUILD_BUILT)
		return;
	show_kernel(&p);
	if (!job->quiet) {
		show_units(&p);
		show_left_out(&p);
	}
	show_judgements(&p);
	if (!job->quiet)
		show_times(&p);
	show_result(&p, result);
}
