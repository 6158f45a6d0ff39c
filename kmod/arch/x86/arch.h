/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arch.h - what arch.c and stubs.S share.
 */
#ifndef KMEND_ARCH_H
#define KMEND_ARCH_H

#define KM_STUB_SIZE 16 /* bytes, and alignment */
#define KM_STUBS 1024
#define KM_GATES 32

#ifdef __ASSEMBLY__
#include <asm/asm.h>
#else
extern char km_stubs[];
extern const unsigned long km_gate_table[KM_GATES];
#endif

#endif
