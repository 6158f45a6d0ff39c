/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What counts as a change, and what travels: objects as text in, differences as text out. */
#include "check.h"
#include "diff_text.h"

struct pair {
	const char *name, *orig, *patched, *expected;
};

static void run(const struct pair *cases, size_t n, const struct km_diff_options *opt)
{
	for (size_t i = 0; i < n; i++) {
		char *got KM_AUTOFREE = difference_of(cases[i].orig, cases[i].patched, opt);

		if (strcmp(got, cases[i].expected))
			fail_msg("%s:\n     got: %s\nexpected: %s", cases[i].name, got, cases[i].expected);
	}
}

static void test_nothing(void **state)
{
	static const struct pair cases[] = {
		{"the same", "F foo global : x:90 str:hello call:bar", "F foo global : x:90 str:hello call:bar", ""},
		{"another order of strings", "F a : str:one\nF b : str:two", "F b : str:two\nF a : str:one", ""},
		{"the end of another string", "F a : str:bar", "F a : tail:3:foobar", ""},
		{"constants at other places", "F a : cst:5\nF b : cst:6", "F b : cst:6\nF a : cst:5", ""},
		{"pooled blobs at other places", "F a : blob:11\nF b : blob:22", "F b : blob:22\nF a : blob:11", ""},
		{"a blob before others that did not change", "F a : blob:11", "F b nofentry : blob:33\nF a : blob:11",
		 "b:new:new:-"},
		{"a static local's number", "F a : ld:count.1\nB count.1 : 4", "F a : ld:count.27\nB count.27 : 4", ""},
		{"static locals that swapped numbers", "F a : ld:n.1\nF b : ld:n.2\nD n.1 : 01\nD n.2 : 02",
		 "F b : ld:n.1\nF a : ld:n.2\nD n.1 : 02\nD n.2 : 01", ""},
		{"a clone's number", "F a : call:f.constprop.0\nF f.constprop.0 : x:90",
		 "F a : call:f.constprop.3\nF f.constprop.3 : x:90", ""},
		{"clones that swapped numbers",
		 "F a : call:f.part.0 call:f.part.1\nF f.part.0 : x:11\nF f.part.1 : x:22",
		 "F a : call:f.part.1 call:f.part.0\nF f.part.1 : x:11\nF f.part.0 : x:22", ""},
		{"a warning's state by number", "F a : ld:__already_done.3 bug:7\nB __already_done.3 @.data.once : 1",
		 "F a : ld:__already_done.9 bug:7\nB __already_done.9 @.data.once : 1", ""},
		{"__func__ by number", "F a : ld:__func__.0\nD __func__.0 ro : 6100",
		 "F a : ld:__func__.4\nD __func__.4 ro : 6100", ""},
		{"a function that moved within its section", "F a @.ref.text : x:90\nF b @.ref.text : x:91",
		 "F b @.ref.text : x:91\nF a @.ref.text : x:90", ""},
		{"a datum that moved within its section",
		 "F a : ld:q\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02",
		 "F a : ld:q\nD q @.data..read_mostly : 02\nD p @.data..read_mostly : 01", ""},
		{"an immediate behind the field",
		 "F a : cmpb:q\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02",
		 "F a : cmpb:q\nD q @.data..read_mostly : 02\nD p @.data..read_mostly : 01", ""},
		{"unwinder rows", "F a : orc:1 x:90", "F a : orc:2 x:90", ""},
		{"a table of labels that moved with its function", "F a : x:90 x:91 ld:t\nD t ro : &a+6",
		 "F a : x:90 x:91 ld:t\nD t ro : &a+6", ""},
		{"an alternative without replacement", "F a : alt:00*0\nF b : alt:90*2",
		 "F b : alt:90*2\nF a : alt:00*0", ""},
	};

	(void)state;
	run(cases, KM_COUNT(cases), NULL);
}

static void test_changes(void **state)
{
	static const struct pair cases[] = {
		{"code", "F a : x:90\nF b : x:90", "F a : x:91\nF b : x:90", "a:changed:code:r"},
		{"size", "F a global : x:90", "F a global : x:90 x:90", "a:changed:code:r"},
		{"string", "F a : str:foo", "F a : str:bar", "a:changed:string:r"},
		{"the end that is used", "F a : tail:3:foobar", "F a : tail:3:foobaz", "a:changed:string:r"},
		{"constant", "F a : cst:5", "F a : cst:6", "a:changed:string:r"},
		{"pooled blob", "F a : blob:11\nF b : blob:22", "F a : blob:11\nF b : blob:23", "b:changed:data:r"},
		{"callee", "F a : call:capable", "F a : call:ns_capable", "a:changed:reference:r"},
		{"place in a datum", "F a : ld:q\nB q : 8", "F a : ld:q+4\nB q : 8", "a:changed:reference:r"},
		{"place in a shared section", "F a : ld:p\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02",
		 "F a : ld:q\nD p @.data..read_mostly : 01\nD q @.data..read_mostly : 02", "a:changed:reference:r"},
		{"new function", "F a : x:90", "F a : call:n\nF n : str:hi", "a:changed:code:r, n:new:new:i"},
		{"new function that nobody needs", "F a : x:90", "F a : x:90\nF n : x:90", "n:new:new:-"},
		{"a new global, which another file may use", "F a : x:90", "F a : x:90\nF n global : x:90",
		 "n:new:new:i"},
		{"removed function", "F a : call:n\nF n : x:90", "F a : x:90", "a:changed:code:r, n:removed:not:-"},
		{"new data, and data of new data", "F a : x:90", "F a : ld:n\nD n : &m\nB m : 8",
		 "a:changed:code:r, n:new:new:i, m:new:new:i"},
		{"an isra clone is another function", "F a : call:f\nF f : x:90",
		 "F a : call:f.isra.0\nF f.isra.0 : x:90",
		 "a:changed:reference:r, f.isra.0:new:new:i, f:removed:not:-"},
		{"existing data is not copied", "F a : ld:q x:90\nD q : 01", "F a : ld:q x:91\nD q : 01",
		 "a:changed:code:r"},
		{"unchanged functions are not copied", "F a : call:b x:90\nF b : x:90", "F a : call:b x:91\nF b : x:90",
		 "a:changed:code:r"},
		{"never-same state comes anew", "F a : ld:__already_done.1 x:90\nB __already_done.1 @.data.once : 1",
		 "F a : ld:__already_done.1 x:91\nB __already_done.1 @.data.once : 1",
		 "a:changed:code:r, __already_done.1:new:never:i"},
		{"a dynamic debug descriptor comes anew",
		 "F a : ld:descriptor.1 x:90\nD descriptor.1 @__dyndbg : s:msg 00",
		 "F a : ld:descriptor.1 x:91\nD descriptor.1 @__dyndbg : s:msg 00",
		 "a:changed:code:r, descriptor.1:new:never:i"},
		{"a message in a descriptor", "F a : ld:descriptor.1\nD descriptor.1 @__dyndbg : s:msg",
		 "F a : ld:descriptor.1\nD descriptor.1 @__dyndbg : s:other",
		 "a:changed:data:r, descriptor.1:new:never:i"},
		{"per-CPU data", "F a : x:90", "F a : ld:n\nD n @.data..percpu : 00", "a:changed:code:r, n:new:new:i"},
		{"a static local of another function", "F a : ld:n.1\nF b : x:90\nB n.1 : 4",
		 "F a : x:90\nF b : ld:n.1\nB n.1 : 4",
		 "a:changed:code:r, b:changed:code:r, n.1:new:new:i, n.1:removed:not:-; state-renamed:risk:n.1"},
		{"a new static local beside an old one", "F a : ld:n.1\nF b : x:90\nB n.1 : 4",
		 "F a : ld:n.2\nF b : ld:n.1\nB n.1 : 4\nB n.2 : 4", "b:changed:code:r, n.1:new:new:i"},
		{"a table of labels comes along", "F a : x:90 x:91 ld:t\nD t ro : &a+6",
		 "F a : x:92 x:91 ld:t\nD t ro : &a+6", "a:changed:code:r, t:new:new:i"},
	};

	(void)state;
	run(cases, KM_COUNT(cases), NULL);
}

static void test_families(void **state)
{
	static const struct pair cases[] = {
		{"a cold part takes its parent along", "F a : jmp:a.cold+2\nF a.cold nofentry : x:90 jmp:a+5",
		 "F a : jmp:a.cold+2\nF a.cold nofentry : x:91 jmp:a+5", "a:changed:clone:r, a.cold:changed:code:i"},
		{"a parent takes its cold part along", "F a : x:90 jmp:a.cold\nF a.cold nofentry : x:90",
		 "F a : x:91 jmp:a.cold\nF a.cold nofentry : x:90", "a:changed:code:r, a.cold:changed:clone:i"},
		{"a new cold part", "F a : x:90", "F a : jmp:a.cold\nF a.cold nofentry : x:90",
		 "a:changed:code:r, a.cold:new:new:i"},
		{"a clone with a fentry stands for itself", "F a : call:f.part.0\nF f.part.0 : x:90",
		 "F a : call:f.part.0\nF f.part.0 : x:91", "f.part.0:changed:code:r"},
		{"callers stand in for one without", "F a : call:f\nF b : x:90\nF f nofentry : x:90",
		 "F a : call:f\nF b : x:90\nF f nofentry : x:91", "a:changed:clone:r, f:changed:code:i"},
		{"but not when its address is known", "F a : ld:f\nF f nofentry : x:90",
		 "F a : ld:f\nF f nofentry : x:91", "f:changed:code:i; no-fentry:refuse:f"},
		{"nor when it is global", "F a : call:f\nF f global nofentry : x:90",
		 "F a : call:f\nF f global nofentry : x:91", "f:changed:code:i; no-fentry:refuse:f"},
		{"nor in a section that is never traced", "F f global nofentry @.noinstr.text : x:90",
		 "F f global nofentry @.noinstr.text : x:91", "f:changed:code:i; no-fentry:refuse:f"},
	};

	(void)state;
	run(cases, KM_COUNT(cases), NULL);
}

static void test_data(void **state)
{
	static const struct pair cases[] = {
		{"a local table", "F a : ld:t\nF b : x:90\nD t ro : 0102", "F a : ld:t\nF b : x:90\nD t ro : 0103",
		 "a:changed:data:r, t:changed:data:i"},
		{"a local table that grew", "F a : ld:t\nD t ro : 0102", "F a : ld:t\nD t ro : 010203",
		 "a:changed:data:r, t:changed:data:i"},
		{"a local table of strings", "F a : ld:t\nD t ro : s:one", "F a : ld:t\nD t ro : s:two",
		 "a:changed:data:r, t:changed:string:i"},
		{"a global table", "F a : ld:t\nD t ro global : 01", "F a : ld:t\nD t ro global : 02",
		 "t:changed:data:-; data-changed:refuse:t"},
		{"a table that data refer to", "F a : ld:t\nD t ro : 01\nD u : &t", "F a : ld:t\nD t ro : 02\nD u : &t",
		 "t:changed:data:-; data-changed:refuse:t"},
		{"a table that was registered at boot", "F a @.init.text : ld:t\nD t ro : 01",
		 "F a @.init.text : ld:t\nD t ro : 02", "t:changed:data:-; data-changed:refuse:t"},
		{"operations", "F a : ld:t\nF f : x:90\nF g : x:91\nD t ro : &f",
		 "F a : ld:t\nF f : x:90\nF g : x:91\nD t ro : &g", "t:changed:reference:-; data-changed:refuse:t"},
		{"writable data", "D v : 01", "D v : 02", "v:changed:data:-; data-changed:refuse:v"},
		{"zeroed data that grew", "B v : 4", "B v : 8", "v:changed:data:-; data-changed:refuse:v"},
		{"data for boot", "D v @.init.data : 01", "D v @.init.data : 02", "v:changed:data:-; init-data:note:v"},
		{"a function for boot", "F f @.init.text : x:90", "F f @.init.text : x:91",
		 "f:changed:code:-; init-function:note:f"},
		{"new data in a section for boot", "F a : x:90", "F a : ld:v\nD v @.init.data : 02",
		 "a:changed:code:r, v:new:new:-; init-reference:refuse:v"},
	};

	(void)state;
	run(cases, KM_COUNT(cases), NULL);
}

static void test_allow_data(void **state)
{
	static const struct pair cases[] = {
		{"the old value is kept", "F a : ld:v x:90\nD v : 01", "F a : ld:v x:91\nD v : 02",
		 "a:changed:code:r, v:changed:data:-; data-changed:risk:v"},
		{"not so another size", "D v : 01", "D v : 0102", "v:changed:data:-; data-changed:refuse:v"},
	};
	static const struct km_diff_options opt = {.object = "vmlinux", .unit = "kernel/file.c", .allow_data = true};

	(void)state;
	run(cases, KM_COUNT(cases), &opt);
}

static void test_judgements(void **state)
{
	static const struct pair cases[] = {
		{"a thread's function", "F f : x:90 site:return\nF a : ld:f call:kthread_create_on_node",
		 "F f : x:91 site:return\nF a : ld:f call:kthread_create_on_node",
		 "f:changed:code:r; kthread-loop:risk:f"},
		{"it returns", "F f : x:90 site:return", "F f : x:91 site:return", "f:changed:code:r"},
		{"it never returns", "F f stays : x:90 jmp:f", "F f stays : x:91 jmp:f",
		 "f:changed:code:r; noreturn:risk:f"},
		{"a new callback", "F a : x:90", "F a : ld:n\nF n : x:90",
		 "a:changed:code:r, n:new:new:i; new-callback:note:n"},
		{"state under another name", "F a : ld:old x:90\nB old : 8", "F a : ld:new x:90\nB new : 8",
		 "a:changed:reference:r, new:new:new:i, old:removed:not:-; state-renamed:refuse:new"},
		{"state of a function under another name", "F a : ld:n.1 x:90\nB n.1 : 8\nF c : call:a",
		 "F b : ld:n.2 x:90\nB n.2 : 4\nF c : call:b",
		 "b:new:new:i, n.2:new:new:i, c:changed:reference:r, a:removed:not:-, n.1:removed:not:-; "
		 "state-renamed:refuse:n.2"},
		{"new state of another size beside it", "F a : ld:old x:90\nB old : 8", "F a : ld:new x:90\nB new : 4",
		 "a:changed:reference:r, new:new:new:i, old:removed:not:-"},
		{"the end of an array, or what is new behind it", "F a : ld:r+2 x:90\nD r @.data..read_mostly : 0102",
		 "F a : ld:r+2 x:91\nD r @.data..read_mostly : 0102\n"
		 "D n @.data..read_mostly : 01",
		 "a:changed:code:r, n:new:new:i; ambiguous-address:refuse:n"},
		{"what is new behind an array", "F a : ld:r x:90\nD r @.data..read_mostly : 0102",
		 "F a : ld:n x:91\nD r @.data..read_mostly : 0102\nD n @.data..read_mostly : 01",
		 "a:changed:code:r, n:new:new:i"},
		{"an address in new per-CPU data", "F a : x:90", "F a : ld:p\nD p @.data..percpu : &a",
		 "a:changed:code:r, p:new:new:-; percpu-address:refuse:p"},
		{"a new export", "F a : x:90", "F a : x:90\nD __ksymtab_a @___ksymtab+a : 00", "; registration:risk:a"},
		{"a new parameter", "F a : x:90", "F a : x:90\nD __param_p @__param : 00", "; registration:risk:p"},
		{"a parameter with another mode", "F a : x:90\nD __param_p @__param : 24",
		 "F a : x:90\nD __param_p @__param : 20", "; registration:risk:p"},
		{"a new BTF id", "F a : x:90", "F a : x:90\nD i @.BTF_ids : 00", "; registration:risk:i"},
		{"a new initcall", "F a : x:90", "F a : x:90\nD i @.initcall6.init : &a", "; registration:risk:i"},
		{"a new tracepoint in use", "F a : x:90",
		 "F a : ld:__tracepoint_t\nD __tracepoint_t @__tracepoints : 00",
		 "a:changed:code:r; registration:refuse:__tracepoint_t, registration:risk:t"},
		{"a function that feeds a trace event", "F perf_trace_x nofentry : x:90\nD e : &perf_trace_x",
		 "F perf_trace_x nofentry : x:91\nD e : &perf_trace_x",
		 "perf_trace_x:changed:code:-; trace-event:risk:perf_trace_x"},
		{"a section of unknown purpose", "F a : x:90 site:mystery", "F a : x:91 site:mystery",
		 "a:changed:code:r; unknown-section:refuse:.mystery"},
		{"that has nothing to do with it", "F a : x:90\nF b : site:mystery", "F a : x:91\nF b : site:mystery",
		 "a:changed:code:r"},
		{"new data in it", "F a : x:90", "F a : ld:m\nD m @.mystery : 01",
		 "a:changed:code:r, m:new:new:-; unknown-section:refuse:m"},
	};

	(void)state;
	run(cases, KM_COUNT(cases), NULL);
}

static void test_details(void **state)
{
	static const struct {
		const char *orig, *patched, *detail;
	} cases[] = {
		{"F a : call:capable", "F a : call:ns_capable", "calls ns_capable instead of capable"},
		{"F a : str:foo", "F a : str:bar", "string \"foo\" became \"bar\""},
		{"F a : call:b", "F a : call:b call:c", "now refers to c"},
		{"F a : call:b call:c", "F a : call:c", "no longer refers to b"},
		{"F a : x:90", "F a : x:90 x:90", "7 bytes became 8"},
		{"F a : bug:1", "F a : bug:2", "a WARN or BUG in it changed (__bug_table)"},
		{"F a : ld:t\nD t ro : 01", "F a : ld:t\nD t ro : 02", "it uses t, which changed"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_diff_options opt = {.object = "vmlinux"};
		km_elf *o KM_AUTOELF = object_of(cases[i].orig), *p KM_AUTOELF = object_of(cases[i].patched);
		km_diff *d = NULL;

		check_ok(km_diff_unit(o, p, &opt, &d));
		assert_true(d->items.n >= 1);
		assert_string_equal(d->items.at[0].detail, cases[i].detail);
		assert_true(strlen(km_why_text(d->items.at[0].why)) > 0);
		km_diff_destroy(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_changes),	   cmocka_unit_test(test_families),
		cmocka_unit_test(test_data),	cmocka_unit_test(test_allow_data), cmocka_unit_test(test_judgements),
		cmocka_unit_test(test_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
