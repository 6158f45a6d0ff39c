/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Relocation types of objects, by machine. Types that only a dynamic linker sees are not here: in an object they are an
 * error. Sources: AMD64 psABI, table 4.9; ELF for the Arm 64-bit architecture, section 5.7.
 */
#include <kmend/elf.h>

#ifndef R_X86_64_CODE_4_GOTPCRELX
#define R_X86_64_CODE_4_GOTPCRELX 43
#endif

/* Names need the same spelling as <elf.h>. */
#define ABS(t, n) [t] = {#t, n, false, false}
#define ABS_S(t, n) [t] = {#t, n, false, true}
#define PC(t, n) [t] = {#t, n, true, true}

static const struct km_rel_type x86_64[] = {
	ABS(R_X86_64_NONE, 0),
	ABS(R_X86_64_64, 8),
	PC(R_X86_64_PC32, 4),
	ABS_S(R_X86_64_GOT32, 4),
	PC(R_X86_64_PLT32, 4),
	PC(R_X86_64_GOTPCREL, 4),
	ABS(R_X86_64_32, 4),
	ABS_S(R_X86_64_32S, 4),
	ABS(R_X86_64_16, 2),
	PC(R_X86_64_PC16, 2),
	ABS(R_X86_64_8, 1),
	PC(R_X86_64_PC8, 1),
	ABS(R_X86_64_DTPMOD64, 8),
	ABS(R_X86_64_DTPOFF64, 8),
	ABS(R_X86_64_TPOFF64, 8),
	PC(R_X86_64_TLSGD, 4),
	PC(R_X86_64_TLSLD, 4),
	ABS_S(R_X86_64_DTPOFF32, 4),
	PC(R_X86_64_GOTTPOFF, 4),
	ABS_S(R_X86_64_TPOFF32, 4),
	PC(R_X86_64_PC64, 8),
	ABS(R_X86_64_GOTOFF64, 8),
	PC(R_X86_64_GOTPC32, 4),
	ABS(R_X86_64_GOT64, 8),
	PC(R_X86_64_GOTPCREL64, 8),
	PC(R_X86_64_GOTPC64, 8),
	ABS(R_X86_64_PLTOFF64, 8),
	ABS(R_X86_64_SIZE32, 4),
	ABS(R_X86_64_SIZE64, 8),
	PC(R_X86_64_GOTPC32_TLSDESC, 4),
	ABS(R_X86_64_TLSDESC_CALL, 0),
	PC(R_X86_64_GOTPCRELX, 4),
	PC(R_X86_64_REX_GOTPCRELX, 4),
	PC(R_X86_64_CODE_4_GOTPCRELX, 4),
};

static const struct km_rel_type aarch64[] = {
	ABS(R_AARCH64_NONE, 0),
	ABS(R_AARCH64_ABS64, 8),
	ABS(R_AARCH64_ABS32, 4),
	ABS(R_AARCH64_ABS16, 2),
	PC(R_AARCH64_PREL64, 8),
	PC(R_AARCH64_PREL32, 4),
	PC(R_AARCH64_PREL16, 2),
	ABS(R_AARCH64_MOVW_UABS_G0, 4),
	ABS(R_AARCH64_MOVW_UABS_G0_NC, 4),
	ABS(R_AARCH64_MOVW_UABS_G1, 4),
	ABS(R_AARCH64_MOVW_UABS_G1_NC, 4),
	ABS(R_AARCH64_MOVW_UABS_G2, 4),
	ABS(R_AARCH64_MOVW_UABS_G2_NC, 4),
	ABS(R_AARCH64_MOVW_UABS_G3, 4),
	ABS_S(R_AARCH64_MOVW_SABS_G0, 4),
	ABS_S(R_AARCH64_MOVW_SABS_G1, 4),
	ABS_S(R_AARCH64_MOVW_SABS_G2, 4),
	PC(R_AARCH64_LD_PREL_LO19, 4),
	PC(R_AARCH64_ADR_PREL_LO21, 4),
	PC(R_AARCH64_ADR_PREL_PG_HI21, 4),
	PC(R_AARCH64_ADR_PREL_PG_HI21_NC, 4),
	ABS(R_AARCH64_ADD_ABS_LO12_NC, 4),
	ABS(R_AARCH64_LDST8_ABS_LO12_NC, 4),
	PC(R_AARCH64_TSTBR14, 4),
	PC(R_AARCH64_CONDBR19, 4),
	PC(R_AARCH64_JUMP26, 4),
	PC(R_AARCH64_CALL26, 4),
	ABS(R_AARCH64_LDST16_ABS_LO12_NC, 4),
	ABS(R_AARCH64_LDST32_ABS_LO12_NC, 4),
	ABS(R_AARCH64_LDST64_ABS_LO12_NC, 4),
	PC(R_AARCH64_MOVW_PREL_G0, 4),
	PC(R_AARCH64_MOVW_PREL_G0_NC, 4),
	PC(R_AARCH64_MOVW_PREL_G1, 4),
	PC(R_AARCH64_MOVW_PREL_G1_NC, 4),
	PC(R_AARCH64_MOVW_PREL_G2, 4),
	PC(R_AARCH64_MOVW_PREL_G2_NC, 4),
	PC(R_AARCH64_MOVW_PREL_G3, 4),
	ABS(R_AARCH64_LDST128_ABS_LO12_NC, 4),
	PC(R_AARCH64_ADR_GOT_PAGE, 4),
	ABS(R_AARCH64_LD64_GOT_LO12_NC, 4),
};

static const struct {
	uint16_t machine;
	const struct km_rel_type *types;
	size_t n;
} machines[] = {
	{EM_X86_64, x86_64, KM_COUNT(x86_64)},
	{EM_AARCH64, aarch64, KM_COUNT(aarch64)},
};

const struct km_rel_type *km_rel_type(uint16_t machine, uint32_t type)
{
	for (size_t i = 0; i < KM_COUNT(machines); i++)
		if (machines[i].machine == machine)
			return type < machines[i].n && machines[i].types[type].name ? &machines[i].types[type] : NULL;
	return NULL;
}
