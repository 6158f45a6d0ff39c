/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operand.c - how far a RIP-relative field stands from the end of its x86-64 instruction.
 *
 * The CPU adds the displacement to the address of the next instruction, so an assembler that turns `cmpb $0,
 * flag(%rip)` into a section symbol and an addend has subtracted the immediate's size too. To know the place meant, add
 * it again. Source: Intel SDM volume 2, appendix A (opcode maps).
 */
#include "part.h"

struct opcode {
	uint8_t op;
	uint8_t reg_mask; /* bit n: applies when ModRM.reg is n */
	uint8_t imm;	  /* bytes; 4 becomes 2 with an operand-size prefix */
};

static const struct opcode one_byte[] = {
	{0x69, 0xff, 4}, {0x6b, 0xff, 1}, {0x80, 0xff, 1}, {0x81, 0xff, 4}, {0x83, 0xff, 1}, {0xc0, 0xff, 1},
	{0xc1, 0xff, 1}, {0xc6, 0x01, 1}, {0xc7, 0x01, 4}, {0xf6, 0x03, 1}, {0xf7, 0x03, 4},
};
static const struct opcode two_byte[] = {
	{0x70, 0xff, 1}, {0xa4, 0xff, 1}, {0xac, 0xff, 1}, {0xba, 0xf0, 1},
	{0xc2, 0xff, 1}, {0xc4, 0xff, 1}, {0xc6, 0xff, 1},
};

static unsigned immediate(const struct opcode *map, size_t n, uint8_t op, uint8_t reg)
{
	for (size_t i = 0; i < n; i++)
		if (map[i].op == op && map[i].reg_mask & 1u << reg)
			return map[i].imm;
	return 0;
}

/* Prefixes stand directly before the opcode: an optional REX, before it 0x66. */
static bool operand16(const uint8_t *code, uint64_t opcode_at)
{
	uint64_t i = opcode_at;

	if (i && (code[i - 1] & 0xf0) == 0x40) {
		if (code[i - 1] & 8)
			return false;
		i--;
	}
	return i && code[i - 1] == 0x66;
}

unsigned km_operand_tail(const uint8_t *code, uint64_t size, uint64_t field, unsigned width)
{
	if (!code || field < 2 || field + width > size || (code[field - 1] & 0xc7) != 0x05)
		return width;
	uint8_t reg = code[field - 1] >> 3 & 7, op = code[field - 2];
	bool escaped = field >= 3 && code[field - 3] == 0x0f;
	unsigned imm = escaped ? immediate(two_byte, KM_COUNT(two_byte), op, reg)
			       : immediate(one_byte, KM_COUNT(one_byte), op, reg);

	if (imm == 4 && operand16(code, field - 2))
		imm = 2;
	return field + width + imm <= size ? width + imm : width;
}
