/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stubs.S - text that is completed at run time by text_poke_copy(): where direct calls of ftrace land, and the way into kernel functions
 * that were found by name.
 */
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/ibt.h>
#include <asm/unwind_hints.h>

#include "arch.h"

	.text

/*
 * The redirects. Called by the fentry call of a patched function, or entered by the RET of an ftrace trampoline; so none has an ENDBR.
 * The stack at the first instruction is [behind the fentry call][caller], at the second [caller]: each begins with a return address, which
 * is what UNWIND_HINT_FUNC says. A jump takes the place of the trap while the stub is in use. No register and no flag changes.
 */
	.balign	KM_STUB_SIZE
SYM_CODE_START(km_stubs)
	ANNOTATE_NOENDBR
.rept KM_STUBS
	.balign	KM_STUB_SIZE, 0xcc
	ANNOTATE_NOENDBR
	UNWIND_HINT_FUNC
	lea	8(%rsp), %rsp
	ANNOTATE_NOENDBR
	UNWIND_HINT_FUNC
	ud2
.endr
	.balign	KM_STUB_SIZE, 0xcc
SYM_CODE_END(km_stubs)

#ifdef CONFIG_X86_KERNEL_IBT
/*
 * The gates. A kernel function that nobody in vmlinux calls through a pointer has lost its ENDBR, and a pointer to it faults. A direct
 * jump needs none.
 */
	.balign	KM_STUB_SIZE
SYM_CODE_START(km_gates)
gate = 0
.rept KM_GATES
	.balign	KM_STUB_SIZE, 0xcc
	UNWIND_HINT_FUNC
	ENDBR
	ud2
.endr
	.balign	KM_STUB_SIZE, 0xcc
SYM_CODE_END(km_gates)

/* Their addresses: an ENDBR without any reference is taken away. */
	.pushsection .rodata, "a"
	.balign	8
SYM_DATA_START(km_gate_table)
gate = 0
.rept KM_GATES
	.quad	km_gates + gate
	gate = gate + KM_STUB_SIZE
.endr
SYM_DATA_END(km_gate_table)
	.popsection

/* unsigned long km_arch_call(unsigned long function, a, b, c): by RET, before there are gates. */
SYM_FUNC_START(km_arch_call)
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	pushq	%rax
	UNWIND_HINT_FUNC
	RET
SYM_FUNC_END(km_arch_call)
#endif
