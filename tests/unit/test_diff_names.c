/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far a RIP-relative field stands from its instruction's end, and which names are one another's. */
#include "check.h"

#include "../../lib/diff/part.h"

static void test_tail(void **state)
{
	/* Encodings as GNU as writes them; the field begins at `at`. */
	static const struct {
		const char *assembly;
		uint8_t code[12];
		unsigned n, at, tail;
	} cases[] = {
		{"lea x(%rip),%rdi", {0x48, 0x8d, 0x3d}, 7, 3, 4},
		{"mov x(%rip),%eax", {0x8b, 0x05}, 6, 2, 4},
		{"mov %eax,x(%rip)", {0x89, 0x05}, 6, 2, 4},
		{"cmpb $1,x(%rip)", {0x80, 0x3d, 0, 0, 0, 0, 1}, 7, 2, 5},
		{"cmpl $5,x(%rip)", {0x83, 0x3d, 0, 0, 0, 0, 5}, 7, 2, 5},
		{"cmpl $500,x(%rip)", {0x81, 0x3d, 0, 0, 0, 0, 0xf4, 1, 0, 0}, 10, 2, 8},
		{"cmpw $500,x(%rip)", {0x66, 0x81, 0x3d, 0, 0, 0, 0, 0xf4, 1}, 9, 3, 6},
		{"cmpq $500,x(%rip)", {0x48, 0x81, 0x3d, 0, 0, 0, 0, 0xf4, 1, 0, 0}, 11, 3, 8},
		{"movb $1,x(%rip)", {0xc6, 0x05, 0, 0, 0, 0, 1}, 7, 2, 5},
		{"movl $1,x(%rip)", {0xc7, 0x05, 0, 0, 0, 0, 1, 0, 0, 0}, 10, 2, 8},
		{"testb $1,x(%rip)", {0xf6, 0x05, 0, 0, 0, 0, 1}, 7, 2, 5},
		{"notb x(%rip)", {0xf6, 0x15}, 6, 2, 4},
		{"imul $3,x(%rip),%eax", {0x6b, 0x05, 0, 0, 0, 0, 3}, 7, 2, 5},
		{"imul $500,x(%rip),%eax", {0x69, 0x05, 0, 0, 0, 0, 0xf4, 1, 0, 0}, 10, 2, 8},
		{"shll $3,x(%rip)", {0xc1, 0x25, 0, 0, 0, 0, 3}, 7, 2, 5},
		{"xadd %eax,x(%rip)", {0x0f, 0xc1, 0x05}, 7, 3, 4},
		{"btl $3,x(%rip)", {0x0f, 0xba, 0x25, 0, 0, 0, 0, 3}, 8, 3, 5},
		{"bt %eax,x(%rip)", {0x0f, 0xa3, 0x05}, 7, 3, 4},
		{"mov $x,%rdi (no ModRM)", {0x48, 0xc7, 0xc7}, 7, 3, 4},
		{"an immediate past the end", {0x80, 0x3d}, 6, 2, 4},
		{"a field at the start", {0}, 4, 0, 4},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (km_operand_tail(cases[i].code, cases[i].n, cases[i].at, 4) != cases[i].tail)
			fail_msg("%s: %u instead of %u", cases[i].assembly,
				 km_operand_tail(cases[i].code, cases[i].n, cases[i].at, 4), cases[i].tail);
}

static void test_keys(void **state)
{
	static const struct {
		const char *name, *key;
	} cases[] = {
		{"foo", "foo"},
		{"count.12", "count."},
		{"foo.isra.0", "foo.isra."},
		{"foo.isra.0.cold", "foo.isra..cold"},
		{"foo.constprop.3.isra.1", "foo.constprop..isra."},
		{"foo.cold", "foo.cold"},
		{"v1.2x", "v1.2x"},
		{"__UNIQUE_ID_ddebug602.27", "__UNIQUE_ID_ddebug"},
		{"__UNIQUE_ID_license301", "__UNIQUE_ID_license"},
		{"__BTF_ID__struct__bpf_htab__5382194", "__BTF_ID__struct__bpf_htab__"},
		{"__BTF_ID__func__f2__17", "__BTF_ID__func__f2__"},
		{"__tracepoint_x2", "__tracepoint_x2"},
	};
	km_arena *arena = km_arena_create();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		assert_string_equal(km_name_key(arena, cases[i].name), cases[i].key);
	km_arena_destroy(arena);
}

static void test_never_same(void **state)
{
	static const struct {
		const char *name, *section;
		bool never;
	} cases[] = {
		{"__key.3", ".bss.__key.3", true},	    {"__warned.1", ".data.once", true},
		{"__already_done.7", ".data.once", true},   {"__func__.2", ".rodata.__func__.2", true},
		{"__FUNCTION__.2", ".rodata", true},	    {"__PRETTY_FUNCTION__.2", ".rodata", true},
		{"_rs.195", ".data._rs.195", true},	    {"CSWTCH.12", ".rodata.CSWTCH.12", true},
		{"descriptor.4", "__dyndbg", true},	    {"__UNIQUE_ID_ddebug602.27", "__dyndbg", true},
		{"_entry.5", ".rodata._entry.5", true},	    {"_entry_ptr.4", ".printk_index", true},
		{"anything", ".data.once", true},	    {"count.3", ".bss.count.3", false},
		{"descriptor", ".data.descriptor", false},  {"_rs", ".data._rs", false},
		{"__keyring.1", ".bss.__keyring.1", false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (km_name_never_same(cases[i].name, cases[i].section) != cases[i].never)
			fail_msg("%s in %s", cases[i].name, cases[i].section);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_never_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
