/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include "job.h"

enum { LINE_MAX_KEPT = 1024 };

/* The first row that fits decides. A row without a reason lets a line pass: it stands above the row that would
 * take it. */
static const struct {
	const char *text, *reason;
} patterns[] = {
	{"traps: ", NULL}, /* a fault of a user program: "traps: cat[90] general protection fault ip:…" */
	{"Kernel panic", "the kernel panicked"},
	{"KASAN: ", "a memory error (KASAN)"},
	{"KCSAN: ", "a data race (KCSAN)"},
	{"UBSAN: ", "undefined behaviour (UBSAN)"},
	{"WARNING: possible circular locking", "a lock order problem (lockdep)"},
	{"WARNING: possible recursive locking", "a lock order problem (lockdep)"},
	{"WARNING: inconsistent lock state", "a lock order problem (lockdep)"},
	{"WARNING: suspicious RCU usage", "wrong use of RCU (lockdep)"},
	{"WARNING: bad unlock balance", "a lock problem (lockdep)"},
	{"WARNING: held lock freed", "a lock problem (lockdep)"},
	{"WARNING: lock held when returning", "a lock problem (lockdep)"},
	{"INFO: lockdep is turned off", "a lock problem (lockdep)"},
	{"INFO: trying to register non-static key", "a lock problem (lockdep)"},
	{"soft lockup", "a CPU stuck in the kernel (soft lockup)"},
	{"hard LOCKUP", "a CPU stuck in the kernel (hard lockup)"},
	{"detected stall", "an RCU stall"},
	{"self-detected stall", "an RCU stall"},
	{"rcu_tasks detected", "an RCU stall"},
	{"blocked for more than", "a hung task"},
	{"BUG: scheduling while atomic", "sleeping where that is forbidden"},
	{"BUG: sleeping function called from invalid context", "sleeping where that is forbidden"},
	{"BUG: Bad page", "a memory state that is corrupt"},
	{"BUG: Bad rss-counter", "a memory state that is corrupt"},
	{"kernel BUG at", "a BUG()"},
	{"kernel NULL pointer dereference", "a NULL pointer in the kernel"},
	{"unable to handle", "a bad address in the kernel"},
	{"Unable to handle kernel", "a bad address in the kernel"},
	{"BUG: ", "a BUG"},
	{"WARNING: ", "a warning"},
	{"general protection fault", "a general protection fault in the kernel"},
	{"invalid opcode: ", "an invalid opcode in the kernel"},
	{"stack segment: ", "a stack fault in the kernel"},
	{"double fault: ", "a double fault"},
	{"PANIC: double fault", "a double fault"},
	{"divide error: ", "a division by zero in the kernel"},
	{"Oops: ", "an oops"},
	{"refcount_t: ", "a reference count that went wrong"},
	{"list_add corruption", "a list that is corrupt"},
	{"list_del corruption", "a list that is corrupt"},
	{"page allocation failure", "an allocation that failed"},
	{"Out of memory: ", "the guest's memory ran out (--memory)"},
	{"invoked oom-killer", "the guest's memory ran out (--memory)"},
	{"unreferenced object", "a memory leak (kmemleak)"},
	{"existing value is nonzero",
	 "a relocation that was applied before (this kernel cannot patch a module that came back)"},
	{"livepatch: failed to", "the kernel's livepatch failed"},
	{"refusing to load the module", "a patched module that the kernel refused"},
};

const char *km_lab_finding(const char *line)
{
	for (size_t i = 0; i < KM_COUNT(patterns); i++)
		if (strstr(line, patterns[i].text))
			return patterns[i].reason;
	return NULL;
}

static bool allowed(const struct lab_log *log, const char *line)
{
	for (size_t i = 0; log->allow && i < log->allow->n; i++)
		if (strstr(line, log->allow->at[i]))
			return true;
	return false;
}

static void look(struct lab_log *log)
{
	char *line = km_lab_printable(log->line.at, log->line.n);
	const char *mark = strstr(line, LAB_MARK), *reason = km_lab_finding(line);

	if (strstr(line, "Kernel panic"))
		log->panicked = true;
	if (mark && mark[strlen(LAB_MARK)] >= '0' && mark[strlen(LAB_MARK)] <= '9')
		log->step = strtoul(mark + strlen(LAB_MARK), NULL, 10);
	if (reason && log->findings.n < KM_LAB_FINDINGS_MAX && !allowed(log, line)) {
		struct km_lab_finding found = {.line = line, .reason = reason, .step = log->step};

		km_vec_push(&log->findings, found);
		return;
	}
	free(line);
}

static void end_line(struct lab_log *log)
{
	if (log->line.n)
		look(log);
	km_str_free(&log->line);
}

/* The serial line puts a '\r' before each '\n': dropped, also where a guest says one itself. */
void lab_log_feed(struct lab_log *log, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\r')
			continue;
		if (log->text.n < KM_LAB_LOG_MAX)
			km_str_addn(&log->text, bytes + i, 1);
		if (bytes[i] == '\n' || log->line.n == LINE_MAX_KEPT)
			end_line(log);
		if (bytes[i] != '\n')
			km_str_addn(&log->line, bytes + i, 1);
	}
}

void lab_log_end(struct lab_log *log)
{
	end_line(log);
}

void lab_log_free(struct lab_log *log)
{
	km_str_free(&log->text);
	km_str_free(&log->line);
	for (size_t i = 0; i < log->findings.n; i++)
		free(log->findings.at[i].line);
	km_vec_free(&log->findings);
}
