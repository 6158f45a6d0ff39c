/* SPDX-License-Identifier: GPL-2.0-or-later WITH Linux-syscall-note */
/*
 * uapi/kmend.h - what kmend.ko shows to user space, and this is its manual. Compiles in the kernel and in user space.
 *
 * A patch is loaded by inserting its module, and removed by writing 0 to `enabled`, waiting until its directory is gone, and removing the
 * module. All files hold text, one line if nothing else is said; numbers are decimal. "root" is CAP_DAC_OVERRIDE or uid 0; what is not said
 * to be root's can be read by everybody. Names and meaning of the first six are those of /sys/kernel/livepatch.
 *
 * KMEND_SYSFS
 *   abi			r	version of the structures that patch modules are built with (<kmend.h>, KMEND_ABI)
 *   version			r	of kmend.ko
 *   mode			rw root	the operator's choice for patches that are inserted from now on: a mode's name, or "default": the patch's
 *					own, then /sys/module/kmend/parameters/mode. It goes before the patch's own.
 *   deadline_ms		rw root	the same for mode deadline, in milliseconds; 0: the patch's own, then /sys/module/kmend/parameters/deadline_ms
 *   <patch>/			one for each patch that is not wholly gone; the name is its module's
 *
 * KMEND_SYSFS/<patch>
 *   enabled			rw root	1 enabled or on the way there, 0 disabled or on the way there. 0 disables; during the patch's own
 *					transition the other value turns it round. EINVAL it is there already (a disabled patch cannot be
 *					enabled again: insert its module again); EBUSY another patch is in transition, a newer patch
 *					covers one of the functions, or (mode stop) a task stays inside one. The kernel log has the reason.
 *   transition			r	1 until every task has switched and the last callback has run
 *   force			w root	1 ends the transition at once, without regard to the tasks. Consistency is lost, and a module whose
 *					code may still be in use can never be removed. EINVAL when there is none. 0 does nothing.
 *   replace			r	1: cumulative, it has replaced all patches below
 *   stack_order		r	1 is the oldest; 0: it has left the stack
 *   <object>/patched		r	1: the module is loaded and its functions are redirected, or are about to; vmlinux likewise
 *   mode			rw root	the consistency model of its next transition: stop, lazy, hybrid or deadline. "default" as above
 *   deadline_ms		rw root	the time that mode deadline has in its next transition; 0 as above
 *   state			r	one of KMEND_STATE_*
 *   last_transition_ns		r	how long its last transition took from its beginning until the last task had switched; 0: none ended
 *   stop_ns			r	the longest time that all CPUs were stopped in it
 *   last_error			r	0, or the negative errno for which its last transition did not get there: -16 (EBUSY) a task stayed inside
 *					one of the functions, -62 (ETIME) the deadline
 *   tasks_left			r	tasks that have not switched; 0 without a transition
 *   blockers			r root	one line for each of them, as many as fit into a page (tasks_left counts all):
 *					PID TGID COMM STATE FUNCTION, separated by one blank. PID is the thread. In COMM whatever is not
 *					printable ASCII, blanks and backslashes are \ooo. STATE is running, sleeping, or unreliable: the
 *					stack cannot be told. FUNCTION is where its stack was inside, with " [module]"; "-": not known.
 *   <object>/<function,sympos>/redirect
 *				r	KMEND_REDIRECT_*: how calls get from the original function to the newest one. After "handler" may come
 *					": " and the reason why it is no direct call. "none": the object is not loaded, or nothing redirects.
 * <object> is vmlinux or a module's name; sympos counts from 1.
 *
 * Uevents (netlink; SUBSYSTEM=kmend, ACTION=change, DEVPATH=/kernel/kmend/<patch>) carry KMEND_EVENT=
 *   enabled	a transition has ended, the patch is in force
 *   disabled	a transition has ended, the patch is out of force, or replaced
 *   reverted	a transition has ended where it began
 *   blocked	in mode stop: tasks stayed inside the functions, nothing has changed
 *   forced	a transition was ended by force
 */
#ifndef UAPI_KMEND_H
#define UAPI_KMEND_H

#define KMEND_SYSFS "/sys/kernel/kmend"

#define KMEND_STATE_ENABLING "enabling"
#define KMEND_STATE_ENABLED "enabled"
#define KMEND_STATE_DISABLING "disabling"
#define KMEND_STATE_DISABLED "disabled"	  /* its files go in a moment */
#define KMEND_STATE_REPLACED "replaced"	  /* the same, by a newer patch */
#define KMEND_STATE_REVERTING "reverting" /* turned round: it goes back to where the transition began */
#define KMEND_STATE_STALLED "stalled"	  /* the deadline has passed and some task bars the way back too */

#define KMEND_MODE_WORD_DEFAULT "default"

#define KMEND_REDIRECT_NONE "none"
#define KMEND_REDIRECT_HANDLER "handler" /* an ftrace handler; always during a transition */
#define KMEND_REDIRECT_DIRECT "direct"	 /* a direct call */

#define KMEND_EVENT_KEY "KMEND_EVENT"
#define KMEND_EVENT_ENABLED "enabled"
#define KMEND_EVENT_DISABLED "disabled"
#define KMEND_EVENT_REVERTED "reverted"
#define KMEND_EVENT_BLOCKED "blocked"
#define KMEND_EVENT_FORCED "forced"

#define KMEND_TASK_RUNNING "running"
#define KMEND_TASK_SLEEPING "sleeping"
#define KMEND_TASK_UNRELIABLE "unreliable"

#endif
