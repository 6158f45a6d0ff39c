// SPDX-License-Identifier: GPL-2.0-only
/*
 * arch.c - x86-64: relocations, stubs, and calls of functions that were found by name.
 */
#include <linux/bitmap.h>
#include <linux/elf.h>
#include <linux/kprobes.h>
#include <asm/cpufeature.h>
#include <asm/ibt.h>
#include <asm/text-patching.h>

#include "../../internal.h"
#include "arch.h"

#define JMP32 0xe9
#define JMP_SIZE 5
#define STUB_JMP 5	/* behind lea 8(%rsp), %rsp */
#define STUB_TRAP 0x0b0f /* ud2 */

/* Protected by km_mutex. */
static DECLARE_BITMAP(stubs_used, KM_STUBS);

static bool fits32(s64 value)
{
	return value == (s32)value;
}

static const struct howto {
	u8 size; /* bytes; 0: not known */
	bool relative, sign;
} howtos[] = {
	[R_X86_64_64] = { .size = 8 },
	[R_X86_64_PC64] = { .size = 8, .relative = true },
	[R_X86_64_32] = { .size = 4 },
	[R_X86_64_32S] = { .size = 4, .sign = true },
	[R_X86_64_PC32] = { .size = 4, .relative = true, .sign = true },
	[R_X86_64_PLT32] = { .size = 4, .relative = true, .sign = true },
};

size_t km_arch_reloc_size(u32 type)
{
	return type < ARRAY_SIZE(howtos) ? howtos[type].size : 0;
}

int km_arch_reloc(const struct kmend_reloc *r, unsigned long target, u64 *value, size_t *size)
{
	const struct howto *how;
	u64 v = target + r->addend;

	if (!km_arch_reloc_size(r->type))
		return -EINVAL;
	how = &howtos[r->type];
	if (how->relative)
		v -= (unsigned long)r->place;
	if (how->size == 4 && (how->sign ? !fits32(v) : v != (u32)v))
		return -ERANGE;
	*value = v;
	*size = how->size;
	return 0;
}

void km_arch_write(void *place, const void *bytes, size_t n)
{
	km_kernel.text_poke_copy(place, bytes, n);
}

/* A breakpoint stands for the first byte, or a jump for the first five. */
void km_arch_unprobe(u8 *at, size_t n, const struct kprobe *p)
{
	const struct optimized_kprobe *op = container_of(p, struct optimized_kprobe, kp);
	bool jump = at[0] == JMP32 && p->flags & KPROBE_FLAG_OPTIMIZED;

	if (at[0] != INT3_INSN_OPCODE && !jump)
		return;
	at[0] = p->opcode;
	if (jump)
		memcpy(at + 1, op->optinsn.copied_insn, min(n, (size_t)JMP_SIZE) - 1);
}

/* A jump from `at` to target; false when it does not reach. */
static bool make_jump(u8 jmp[JMP_SIZE], unsigned long at, unsigned long target)
{
	s64 distance = (s64)(target - (at + JMP_SIZE));
	s32 rel = distance;

	jmp[0] = JMP32;
	memcpy(jmp + 1, &rel, sizeof(rel));
	return fits32(distance);
}

unsigned long km_arch_stub_addr(int stub)
{
	return (unsigned long)km_stubs + stub * KM_STUB_SIZE;
}

void km_arch_stubs(unsigned long *start, unsigned long *end)
{
	*start = km_arch_stub_addr(0);
	*end = km_arch_stub_addr(KM_STUBS);
}

/* No CPU has this text in its pipeline: it was never run, or nobody was in it for a grace period; and the text that leads here is
 * changed by ftrace, which lets every CPU serialize. */
int km_arch_stub_get(unsigned long target)
{
	unsigned int stub = find_first_zero_bit(stubs_used, KM_STUBS);
	unsigned long at;
	u8 jmp[JMP_SIZE];

	if (!km_kernel.text_poke_copy)
		return -EOPNOTSUPP;
	if (stub >= KM_STUBS || km_fails("stub"))
		return -ENOSPC;
	at = km_arch_stub_addr(stub) + STUB_JMP;
	if (!make_jump(jmp, at, target))
		return -ERANGE;
	km_arch_write((void *)at, jmp, sizeof(jmp));
	__set_bit(stub, stubs_used);
	return stub;
}

void km_arch_stub_put(int stub)
{
	static const u16 trap = STUB_TRAP;

	km_arch_write((void *)km_arch_stub_addr(stub) + STUB_JMP, &trap, sizeof(trap));
	__clear_bit(stub, stubs_used);
}

#ifdef CONFIG_X86_KERNEL_IBT

unsigned long km_arch_callable(unsigned long function, unsigned long writer)
{
	static unsigned int used; /* gates; given out while the module is loaded, by one task */
	unsigned long at;
	u8 jmp[JMP_SIZE];

	if (used == KM_GATES || !writer)
		return cpu_feature_enabled(X86_FEATURE_IBT) ? 0 : function;
	at = km_gate_table[used] + ENDBR_INSN_SIZE;
	if (!make_jump(jmp, at, function))
		return 0;
	km_arch_call(writer, at, (unsigned long)jmp, sizeof(jmp));
	return km_gate_table[used++];
}

#else

unsigned long km_arch_callable(unsigned long function, unsigned long writer)
{
	return function;
}

asmlinkage unsigned long km_arch_call(unsigned long function, unsigned long a, unsigned long b, unsigned long c)
{
	return ((unsigned long (*)(unsigned long, unsigned long, unsigned long))function)(a, b, c);
}

#endif
