/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patch files that have what the host looks at: modinfo, notes and metadata, and no code. */
#include <kmend/elf.h>

#include "sim.h"

static void add_entry(km_str *s, const char *key, const char *value)
{
	km_str_printf(s, "%s=%s", key, value);
	km_str_addn(s, "", 1);
}

static void add_modinfo(km_elf *elf, const struct sim_patch *p)
{
	struct km_sec *sec = km_elf_add_sec(elf, ".modinfo", SHT_PROGBITS, SHF_ALLOC, 1);
	KM_AUTOFREE char *magic = km_printf("%s SMP preempt mod_unload modversions ", p->release);
	km_str s = {0};

	add_entry(&s, "license", "GPL");
	if (!p->ordinary && !p->core)
		add_entry(&s, "livepatch", "Y");
	add_entry(&s, "name", p->name);
	add_entry(&s, "vermagic", magic);
	if (!p->foreign && !p->ordinary) {
		add_entry(&s, "kmend_format", "1");
		add_entry(&s, "kmend_name", p->name);
		add_entry(&s, "kmend_version", "1");
		add_entry(&s, "kmend_release", p->release);
		add_entry(&s, "kmend_build_id", p->build_id);
		add_entry(&s, "kmend_tool", "kmend 0.1.0");
	}
	km_sec_set(elf, sec, s.at, s.n);
	km_str_free(&s);
}

static const char *source_hash(const char *source, char hash[static KM_SHA256_HEX])
{
	km_strv diffs = {0};

	memset(hash, '0', KM_SHA256_HEX - 1);
	hash[KM_SHA256_HEX - 1] = '\0';
	if (!source)
		return hash;
	km_strv_push(&diffs, source);
	km_error_free(km_patches_hash(&diffs, hash));
	km_strv_free(&diffs);
	return hash;
}

static void add_meta(km_elf *elf, const struct sim_patch *p)
{
	static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
	char hash[KM_SHA256_HEX];
	KM_AUTOFREE char *text = km_printf(
		"{\"cves\":[\"%s\"],\"description\":\"closes a hole\",\"flags\":[%s%s%s],\"format\":1,"
		"\"kernel\":{\"arch\":\"x86_64\",\"build_id\":\"%s\",\"package\":\"6.1.176-1\",\"release\":\"%s\"},"
		"\"name\":\"%s\",\"objects\":[{\"functions\":[{\"expected\":\"%s\",\"mask\":[[0,5]],\"matched\":true,"
		"\"name\":\"do_thing\","
		"\"size\":64,\"sympos\":1,\"unit\":\"kernel/thing.c\"}],\"name\":\"vmlinux\"}],\"replace\":false,"
		"\"severity\":\"%s\",\"source_hash\":\"%s\",\"tool\":\"kmend 0.1.0\",\"version\":\"%s\"}",
		p->cve ? p->cve : "CVE-2026-0001", p->flag ? "\"" : "", p->flag ? p->flag : "", p->flag ? "\"" : "", p->build_id,
		p->release, p->name, zeros, p->severity ? p->severity : "high", source_hash(p->source, hash),
		p->version ? p->version : "1");
	struct km_sec *sec = km_elf_add_sec(elf, ".kmend.meta", SHT_PROGBITS, 0, 1);

	km_sec_set(elf, sec, text, strlen(text));
}

static void add_note(km_elf *elf, const char *id)
{
	uint8_t note[36] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
	struct km_sec *sec = km_elf_add_sec(elf, ".note.gnu.build-id", SHT_NOTE, SHF_ALLOC, 4);

	for (size_t i = 0; i < 20; i++) {
		unsigned byte = 0;

		sscanf(id + 2 * i, "%2x", &byte);
		note[16 + i] = (uint8_t)byte;
	}
	km_sec_set(elf, sec, note, sizeof(note));
}

void sim_write_patch(const char *path, const struct sim_patch *patch)
{
	struct sim_patch p = *patch;
	KM_AUTOELF km_elf *elf = km_elf_create(EM_X86_64);
	uint8_t module[1280] = {0};
	struct km_sec *sec;
	km_error *err;

	p.release = p.release ? p.release : SIM_RELEASE;
	p.build_id = p.build_id ? p.build_id : SIM_BUILD_ID;
	add_modinfo(elf, &p);
	/* struct module, with the name behind state and list head */
	snprintf((char *)module + 24, 56, "%s", p.module ? p.module : p.name);
	sec = km_elf_add_sec(elf, ".gnu.linkonce.this_module", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 64);
	km_sec_set(elf, sec, module, sizeof(module));
	if (p.core)
		km_elf_add_sym(elf, "kmend_enable_patch", STB_GLOBAL, STT_NOTYPE, NULL, 0, 0);
	add_note(elf, p.id ? p.id : "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	if (!p.foreign && !p.ordinary)
		add_meta(elf, &p);
	err = km_elf_write_file(elf, path);
	if (err) {
		fprintf(stderr, "%s\n", err->message);
		abort();
	}
}
