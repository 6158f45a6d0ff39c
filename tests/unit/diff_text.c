/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff_text.h"

#include <ctype.h>

struct maker {
	km_elf *elf;
	struct km_sym *fn; /* being written */
};

/* ---- pieces of an object --------------------------------------------------------------------- */

static struct km_sec *section(km_elf *elf, const char *name, uint32_t type, uint64_t flags, uint64_t align,
			      uint64_t entsize)
{
	struct km_sec *sec = km_elf_sec(elf, name);

	if (!sec) {
		sec = km_elf_add_sec(elf, name, type, flags, align);
		sec->entsize = entsize;
	}
	return sec;
}

static struct km_sym *symbol(km_elf *elf, const char *name)
{
	struct km_sym *sym = km_elf_sym(elf, name);

	return sym ? sym : km_elf_add_sym(elf, name, STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
}

/* "name+8" */
static struct km_sym *symbol_at(km_elf *elf, const char *text, int64_t *offset)
{
	const char *plus = strrchr(text, '+');
	char *name = plus ? km_strndup(text, plus - text) : km_strdup(text);
	struct km_sym *sym = symbol(elf, name);

	*offset = plus ? strtoll(plus + 1, NULL, 0) : 0;
	free(name);
	return sym;
}

static uint64_t string_at(km_elf *elf, const char *text, struct km_sec **ret)
{
	struct km_sec *sec = section(elf, ".rodata.str1.1", SHT_PROGBITS, SHF_ALLOC | SHF_MERGE | SHF_STRINGS, 1, 1);
	char *copy = km_strdup(text);

	for (char *c = copy; *c; c++)
		if (*c == '_')
			*c = ' ';
	uint64_t at = 0;

	while (at < sec->size && strcmp((char *)sec->data + at, copy))
		at += strlen((char *)sec->data + at) + 1;
	if (at >= sec->size)
		km_sec_append(elf, sec, copy, strlen(copy) + 1);
	free(copy);
	*ret = sec;
	return at;
}

static void bytes(struct maker *m, const char *hex)
{
	uint8_t b;

	for (; isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]); hex += 2) {
		char pair[3] = {hex[0], hex[1], 0};

		b = strtoul(pair, NULL, 16);
		km_sec_append(m->elf, m->fn->sec, &b, 1);
	}
}

/* An instruction whose last four bytes, before `tail` more, are a field. */
static void instruction(struct maker *m, const char *opcode, uint32_t type, struct km_sym *sym, int64_t addend,
			const char *tail)
{
	bytes(m, opcode);
	km_sec_add_rel(m->fn->sec, m->fn->sec->size, type, sym, addend);
	bytes(m, "00000000");
	bytes(m, tail);
}

/* An entry of a special section; '@' in the layout is a PC-relative field to the code at `pos`, '#' one to *other, '*'
   an 8-byte one to code, 'k' an 8-byte PC-relative one to *other; two digits are a byte. */
static void entry(struct maker *m, const char *name, const char *layout, uint64_t pos, struct km_sym *other,
		  int64_t other_at)
{
	struct km_sec *sec = section(m->elf, name, SHT_PROGBITS, SHF_ALLOC, 1, 0);
	static const uint8_t zero[8];

	for (const char *c = layout; *c;) {
		bool wide = *c == '*' || *c == 'k', code = *c == '@' || *c == '*';

		if (isxdigit((unsigned char)*c)) {
			char pair[3] = {c[0], c[1], 0};
			uint8_t b = strtoul(pair, NULL, 16);

			km_sec_append(m->elf, sec, &b, 1);
			c += 2;
			continue;
		}
		km_sec_add_rel(sec, sec->size,
			       *c == '*' ? R_X86_64_64
			       : wide	 ? R_X86_64_PC64
					 : R_X86_64_PC32,
			       code ? m->fn : other, code ? (int64_t)(pos - m->fn->value) : other_at);
		km_sec_append(m->elf, sec, zero, wide ? 8 : 4);
		c++;
	}
}

/* ---- ops ------------------------------------------------------------------------------------- */

static void op_call(struct maker *m, const char *arg)
{
	instruction(m, "e8", R_X86_64_PLT32, symbol(m->elf, arg), -4, "");
}

static void op_jmp(struct maker *m, const char *arg)
{
	int64_t off;
	struct km_sym *sym = symbol_at(m->elf, arg, &off);

	instruction(m, "e9", R_X86_64_PLT32, sym, off - 4, "");
}

static void op_ld(struct maker *m, const char *arg)
{
	int64_t off;
	struct km_sym *sym = symbol_at(m->elf, arg, &off);

	instruction(m, "48c7c7", R_X86_64_32S, sym, off, "");
}

static void op_lea(struct maker *m, const char *arg)
{
	instruction(m, "488d3d", R_X86_64_PC32, symbol(m->elf, arg), -4, "");
}

/* movq $symbol,-0x18(%rdi): the displacement is the opcode of a call */
static void op_store(struct maker *m, const char *arg)
{
	instruction(m, "48c747e8", R_X86_64_32S, symbol(m->elf, arg), 0, "");
}

static void op_cmpb(struct maker *m, const char *arg)
{
	instruction(m, "803d", R_X86_64_PC32, symbol(m->elf, arg), -5, "01");
}

static void op_str(struct maker *m, const char *arg)
{
	struct km_sec *sec;
	uint64_t at = string_at(m->elf, arg, &sec);

	instruction(m, "48c7c7", R_X86_64_32S, km_elf_secsym(m->elf, sec), at, "");
}

/* The text's end: "tail:3:foobar" is "bar". */
static void op_tail(struct maker *m, const char *arg)
{
	struct km_sec *sec;
	uint64_t at = string_at(m->elf, strchr(arg, ':') + 1, &sec);

	instruction(m, "48c7c7", R_X86_64_32S, km_elf_secsym(m->elf, sec), at + atoi(arg), "");
}

static void op_cst(struct maker *m, const char *arg)
{
	struct km_sec *sec = section(m->elf, ".rodata.cst8", SHT_PROGBITS, SHF_ALLOC | SHF_MERGE, 8, 8);
	uint64_t value = strtoull(arg, NULL, 16), at = sec->size;

	km_sec_append(m->elf, sec, &value, 8);
	instruction(m, "488b05", R_X86_64_PC32, km_elf_secsym(m->elf, sec), at - 4, "");
}

/* Sixteen bytes without a name. */
static void op_blob(struct maker *m, const char *arg)
{
	struct km_sec *sec = section(m->elf, ".rodata", SHT_PROGBITS, SHF_ALLOC, 32, 0);
	uint8_t blob[16], zero[32] = {0};

	km_sec_append(m->elf, sec, zero, -sec->size & 31);
	memset(blob, strtoul(arg, NULL, 16), sizeof(blob));
	uint64_t at = sec->size;

	km_sec_append(m->elf, sec, blob, sizeof(blob));
	instruction(m, "48c7c6", R_X86_64_32S, km_elf_secsym(m->elf, sec), at, "");
}

static void op_bug(struct maker *m, const char *arg)
{
	struct km_sec *sec;
	uint64_t at = string_at(m->elf, "kernel/file.c", &sec), pos = m->fn->sec->size;
	char layout[16];

	snprintf(layout, sizeof(layout), "@#%02x000100", atoi(arg) & 0xff);
	bytes(m, "0f0b");
	entry(m, "__bug_table", layout, pos, km_elf_secsym(m->elf, sec), at);
}

static void op_ex(struct maker *m, const char *arg)
{
	char layout[16];

	snprintf(layout, sizeof(layout), "@@%02x000000", atoi(arg));
	entry(m, "__ex_table", layout, m->fn->sec->size, NULL, 0);
	bytes(m, "90");
}

static void op_jl(struct maker *m, const char *arg)
{
	int64_t off;
	struct km_sym *key = symbol_at(m->elf, arg, &off);

	entry(m, "__jump_table", "@@k", m->fn->sec->size, key, off);
	bytes(m, "0f1f440000");
}

static void op_sc(struct maker *m, const char *arg)
{
	char name[64];

	snprintf(name, sizeof(name), "__SCK__%s", arg);
	entry(m, ".static_call_sites", "@#", m->fn->sec->size, symbol(m->elf, name), 0);
	snprintf(name, sizeof(name), "__SCT__%s", arg);
	op_call(m, name);
}

/* "90*3": replacement bytes and how many; none for "00*0". */
static void op_alt(struct maker *m, const char *arg)
{
	struct km_sec *sec = section(m->elf, ".altinstr_replacement", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 1, 0);
	uint8_t byte = strtoul(arg, NULL, 16);
	int n = atoi(arg + 3);
	uint64_t at = sec->size;
	char layout[16];

	for (int i = 0; i < n; i++)
		km_sec_append(m->elf, sec, &byte, 1);
	snprintf(layout, sizeof(layout), "@#010004%02x", n);
	entry(m, ".altinstructions", layout, m->fn->sec->size, km_elf_secsym(m->elf, sec), at);
	bytes(m, "90909090");
}

/* As of Linux 6.3: a larger struct alt_instr. */
static void op_alt14(struct maker *m, const char *arg)
{
	struct km_sec *sec = section(m->elf, ".altinstr_replacement", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 1, 0);
	uint64_t at = sec->size;
	uint8_t byte = strtoul(arg, NULL, 16);

	km_sec_append(m->elf, sec, &byte, 1);
	entry(m, ".altinstructions", "@#010000000101", m->fn->sec->size, km_elf_secsym(m->elf, sec), at);
	bytes(m, "90");
}

/* A jump into .altinstr_aux, where code jumps back. */
static void op_aux(struct maker *m, const char *arg)
{
	struct km_sec *sec = section(m->elf, ".altinstr_aux", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, 1, 0);
	uint8_t code[] = {0xf6, 0x05, 0, 0, 0, 0, strtoul(arg, NULL, 16), 0xe9, 0, 0, 0, 0};
	uint64_t at = sec->size;

	km_sec_append(m->elf, sec, code, sizeof(code));
	km_sec_add_rel(sec, at + 2, R_X86_64_PC32, symbol(m->elf, "boot_cpu_data"), 24 - 5);
	instruction(m, "e9", R_X86_64_PC32, km_elf_secsym(m->elf, sec), at - 4, "");
	km_sec_add_rel(sec, at + 8, R_X86_64_PC32, m->fn, m->fn->sec->size - m->fn->value - 4);
}

static void op_site(struct maker *m, const char *arg)
{
	static const struct {
		const char *name, *section, *layout;
	} sites[] = {
		{"para", ".parainstructions", "*0101000000000000"},
		{"lock", ".smp_locks", "@"},
		{"retpoline", ".retpoline_sites", "@"},
		{"return", ".return_sites", "@"},
		{"callsite", ".call_sites", "@"},
		{"ibt", ".ibt_endbr_seal", "@"},
		{"kprobe", "_kprobe_blacklist", "*"},
		{"inject", "_error_injection_whitelist", "*0000000000000000"},
		{"cfi", ".cfi_sites", "@"},
		{"pfe", "__patchable_function_entries", "*"},
		{"mystery", ".mystery", "*"},
	};

	for (size_t i = 0; i < KM_COUNT(sites); i++)
		if (!strcmp(sites[i].name, arg))
			entry(m, sites[i].section, sites[i].layout, m->fn->sec->size, NULL, 0);
	bytes(m, "90");
}

static void op_orc(struct maker *m, const char *arg)
{
	struct km_sec *orc = section(m->elf, ".orc_unwind", SHT_PROGBITS, SHF_ALLOC, 1, 6);
	uint8_t row[6] = {strtoul(arg, NULL, 16)};

	entry(m, ".orc_unwind_ip", "@", m->fn->sec->size, NULL, 0);
	km_sec_append(m->elf, orc, row, sizeof(row));
}

static const struct {
	const char *name;
	void (*write)(struct maker *m, const char *arg);
} ops[] = {
	{"call", op_call}, {"jmp", op_jmp},   {"ld", op_ld},   {"lea", op_lea},	  {"cmpb", op_cmpb}, {"store", op_store},
	{"str", op_str},   {"tail", op_tail}, {"cst", op_cst}, {"blob", op_blob}, {"bug", op_bug},
	{"ex", op_ex},	   {"jl", op_jl},     {"sc", op_sc},   {"alt", op_alt},	  {"alt14", op_alt14},
	{"aux", op_aux},   {"site", op_site}, {"orc", op_orc}, {"x", bytes},
};

static void op(struct maker *m, const char *token)
{
	const char *colon = strchr(token, ':');

	for (size_t i = 0; colon && i < KM_COUNT(ops); i++)
		if (!strncmp(ops[i].name, token, colon - token) && !ops[i].name[colon - token]) {
			ops[i].write(m, colon + 1);
			return;
		}
	abort();
}

/* ---- definitions ----------------------------------------------------------------------------- */

static void datum(struct maker *m, const char *token)
{
	struct km_sec *sec = m->fn->sec, *strings;
	struct km_sym *sym = NULL;
	int64_t off = 0;

	if (*token != '&' && !km_starts(token, "s:")) {
		bytes(m, token);
		return;
	}
	if (*token == '&') {
		sym = symbol_at(m->elf, token + 1, &off);
	} else {
		off = string_at(m->elf, token + 2, &strings);
		sym = km_elf_secsym(m->elf, strings);
	}
	km_sec_add_rel(sec, sec->size, R_X86_64_64, sym, off);
	bytes(m, "0000000000000000");
}

struct definition {
	char kind;
	const char *name, *sec;
	bool global, nofentry, ro, stays;
	char *rest;
};

static struct definition parse(char *line)
{
	struct definition d = {.kind = *line};
	char *save, *head = line + 2;

	d.rest = strstr(line, " :");
	*d.rest = 0;
	d.rest += 2;
	d.name = strtok_r(head, " ", &save);
	for (char *t; (t = strtok_r(NULL, " ", &save));) {
		d.global |= !strcmp(t, "global");
		d.nofentry |= !strcmp(t, "nofentry");
		d.ro |= !strcmp(t, "ro");
		d.stays |= !strcmp(t, "stays");
		if (*t == '@')
			d.sec = t + 1;
	}
	return d;
}

static void define(km_elf *elf, char *line, bool contents)
{
	static const uint64_t flags[] = {
		['F'] = SHF_ALLOC | SHF_EXECINSTR, ['D'] = SHF_ALLOC | SHF_WRITE, ['B'] = SHF_ALLOC | SHF_WRITE};
	struct definition d = parse(line);
	const char *prefix = d.kind == 'F' ? ".text." : d.kind == 'B' ? ".bss." : d.ro ? ".rodata." : ".data.";
	char *name = d.sec ? km_strdup(d.sec) : km_printf("%s%s", prefix, d.name), *save;
	struct km_sec *sec = section(elf, name, d.kind == 'B' ? SHT_NOBITS : SHT_PROGBITS,
				     d.ro ? SHF_ALLOC : flags[(int)d.kind], 1, 0);
	struct maker m = {elf, km_elf_sym(elf, d.name)};

	free(name);
	if (!contents) {
		km_elf_add_sym(elf, d.name, d.global ? STB_GLOBAL : STB_LOCAL, d.kind == 'F' ? STT_FUNC : STT_OBJECT,
			       sec, 0, 0);
		return;
	}
	m.fn->value = sec->size;
	if (d.kind == 'F' && !d.nofentry) {
		entry(&m, "__mcount_loc", "*", sec->size, NULL, 0);
		op_call(&m, "__fentry__");
	}
	for (char *t = strtok_r(d.rest, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		if (d.kind == 'B')
			sec->size += atoi(t);
		else
			d.kind == 'F' ? op(&m, t) : datum(&m, t);
	}
	if (d.kind == 'F' && !d.stays)
		bytes(&m, "c3");
	m.fn->size = sec->size - m.fn->value;
}

static void each_line(km_elf *elf, const char *text, bool contents)
{
	char *copy KM_AUTOFREE = km_strdup(text), *save;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		define(elf, line, contents);
}

km_elf *object_of(const char *text)
{
	km_elf *elf = km_elf_create(EM_X86_64);

	each_line(elf, text, false);
	each_line(elf, text, true);
	for (size_t i = 0; i < elf->secs.n; i++)
		for (size_t r = 0; r < elf->secs.at[i]->rels.n; r++) {
			struct km_rel *rel = &elf->secs.at[i]->rels.at[r];
			struct km_sym *sym = rel->sym;

			if (!sym->sec || sym->bind != STB_LOCAL || sym->type == STT_SECTION ||
			    rel->type == R_X86_64_PLT32)
				continue;
			rel->addend += sym->value;
			rel->sym = km_elf_secsym(elf, sym->sec);
		}
	return elf;
}

/* ---- results as text ------------------------------------------------------------------------- */

static void describe(km_str *s, const km_diff *d)
{
	static const char *const changes[] = {"same", "changed", "new", "removed"};
	static const char *const whys[] = {"not",   "code", "reference", "string", "special",
					   "clone", "new",  "data",	 "never"};
	static const char *const severities[] = {"note", "risk", "refuse"};

	km_str_add(s, "");
	for (size_t i = 0; i < d->items.n; i++) {
		const struct km_change_item *it = &d->items.at[i];

		km_str_printf(s, "%s%s:%s:%s:%s", i ? ", " : "", it->name, changes[it->change], whys[it->why],
			      it->replaces   ? "r"
			      : it->included ? "i"
					     : "-");
	}
	for (size_t i = 0; i < d->judgements.n; i++)
		km_str_printf(s, "%s%s:%s:%s", i ? ", " : "; ", d->judgements.at[i].code,
			      severities[d->judgements.at[i].severity], d->judgements.at[i].subject);
}

char *difference_of(const char *orig, const char *patched, const struct km_diff_options *opt)
{
	static const struct km_diff_options none = {.object = "vmlinux", .unit = "kernel/file.c"};
	km_elf *o KM_AUTOELF = object_of(orig), *p KM_AUTOELF = object_of(patched);
	km_diff *d = NULL;
	km_str s = {0};
	km_error *err = km_diff_unit(o, p, opt ? opt : &none, &d);

	if (err) {
		km_str_printf(&s, "error: %s", err->message);
		km_error_free(err);
		return s.at;
	}
	describe(&s, d);
	km_diff_destroy(d);
	return s.at;
}

char *sections_of(const km_diff *d)
{
	km_str s = {0};

	km_str_add(&s, "");
	for (size_t i = 0; d->carry && i < d->carry->secs.n; i++) {
		const struct km_sec *sec = d->carry->secs.at[i];

		km_str_printf(&s, "%s%s/%llu/%zu", i ? " " : "", sec->name, (unsigned long long)sec->size, sec->rels.n);
	}
	return s.at;
}
