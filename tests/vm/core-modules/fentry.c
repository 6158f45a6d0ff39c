// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fentry FUNCTION FILE [exit]: attaches a BPF fentry (or fexit) program that counts the calls of a kernel function, and writes the count to
 * FILE over and over until it is ended. The exit status is the errno of what failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int failed(const char *what)
{
	int err = errno;

	fprintf(stderr, "fentry: %s: %s\n", what, strerror(err));
	return err;
}

/* Bytes behind a struct btf_type. */
static size_t extra(const struct btf_type *t)
{
	size_t n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return n * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return n * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return n * 3 * sizeof(uint32_t);
	case BTF_KIND_FUNC_PROTO:
		return n * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return n * sizeof(struct btf_var_secinfo);
	default:
		return 0;
	}
}

/* The number of the function's type in the kernel's BTF, or 0. */
static unsigned find_type(const char *btf, const char *function)
{
	const struct btf_header *h = (const void *)btf;
	const char *types = btf + h->hdr_len + h->type_off, *strings = btf + h->hdr_len + h->str_off;
	unsigned id = 1;

	for (const char *at = types; at < types + h->type_len; id++) {
		const struct btf_type *t = (const void *)at;

		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC && !strcmp(strings + t->name_off, function))
			return id;
		at += sizeof(*t) + extra(t);
	}
	return 0;
}

static char *read_btf(void)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *bytes;
	ssize_t n = 1;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	bytes = malloc((size_t)st.st_size);
	for (off_t at = 0; bytes && at < st.st_size && n > 0; at += n)
		n = read(fd, bytes + at, (size_t)(st.st_size - at));
	close(fd);
	return bytes;
}

static int make_map(void)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};

	return bpf(BPF_MAP_CREATE, &attr);
}

#define INSN(c, d, s, o, i) {.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)}

/* map[0]++ */
static int load(int map, unsigned type, enum bpf_attach_type where)
{
	struct bpf_insn program[] = {
		INSN(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, -4, 0),
		INSN(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, -4),
		INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 2, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, 1),
		INSN(BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_0, BPF_REG_1, 0, BPF_ADD),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = where,
		.attach_btf_id = type,
		.insns = (uintptr_t)program,
		.insn_cnt = sizeof(program) / sizeof(*program),
		.license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static int attach(int program)
{
	union bpf_attr attr = {.raw_tracepoint = {.prog_fd = (unsigned)program}};

	return bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);
}

static uint64_t count(int map)
{
	uint32_t key = 0;
	uint64_t value = 0;
	union bpf_attr attr = {.map_fd = (unsigned)map, .key = (uintptr_t)&key, .value = (uintptr_t)&value};

	bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	return value;
}

int main(int argc, char **argv)
{
	int map, program, out;
	unsigned type;
	char *btf;

	if (argc < 3)
		return 255;
	btf = read_btf();
	if (!btf)
		return failed("the kernel's BTF");
	type = find_type(btf, argv[1]);
	free(btf);
	errno = ENOENT;
	if (!type)
		return failed(argv[1]);
	map = make_map();
	if (map < 0)
		return failed("map");
	program = load(map, type, argc > 3 ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY);
	if (program < 0)
		return failed("program");
	if (attach(program) < 0)
		return failed("attach");
	out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return failed(argv[2]);
	for (;;) {
		char text[24];
		int n = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)count(map));

		if (pwrite(out, text, (size_t)n, 0) != n)
			return failed(argv[2]);
		usleep(10000);
	}
}
