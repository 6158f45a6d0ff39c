// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of <uapi/kmend.h>, and the memory behind them: a patch, its objects and functions live as long as their directories.
 *
 * A show or store holds its file active, and removing the directory waits for it. So nobody who holds km_mutex removes a directory.
 */
#include <linux/ctype.h>
#include <linux/kobject.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include <uapi/kmend.h>

#include "internal.h"

static struct kset *root;
static atomic_t alive = ATOMIC_INIT(0); /* kobjects whose release is still to come */
static DECLARE_WAIT_QUEUE_HEAD(all_released);
static enum kmend_mode operator_mode; /* for the patches to come; under km_mutex */
static unsigned int operator_deadline_ms;

static struct km_patch *to_patch(struct kobject *kobj) { return container_of(kobj, struct km_patch, kobj); }
static struct km_object *to_object(struct kobject *kobj) { return container_of(kobj, struct km_object, kobj); }
static struct km_func *to_func(struct kobject *kobj) { return container_of(kobj, struct km_func, kobj); }

/* ---- the livepatch part of a patch -------------------------------------------------------------------------------------------------- */
static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", km_patch_is_enabled(to_patch(kobj)));
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	bool enable;
	int err = kstrtobool(buf, &enable);

	if (err)
		return err;
	mutex_lock(&km_mutex);
	err = km_patch_set_enabled(to_patch(kobj), enable);
	mutex_unlock(&km_mutex);
	return err ?: count;
}

static ssize_t transition_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", km_patch_in_transition(to_patch(kobj)));
}

static ssize_t force_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	ssize_t ret = count;
	bool force;
	int err = kstrtobool(buf, &force);

	if (err)
		return err;
	if (!force)
		return count;
	mutex_lock(&km_mutex);
	if (km_patch_in_transition(to_patch(kobj)))
		km_transition_force();
	else
		ret = -EINVAL;
	mutex_unlock(&km_mutex);
	return ret;
}

static ssize_t replace_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_patch(kobj)->api->replace);
}

static ssize_t stack_order_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct km_patch *patch;
	unsigned int order = 0, found = 0;

	mutex_lock(&km_mutex);
	list_for_each_entry(patch, &km_patches, node) {
		order++;
		if (patch == to_patch(kobj))
			found = order;
	}
	mutex_unlock(&km_mutex);
	return sysfs_emit(buf, "%u\n", found);
}

/* ---- mode and deadline -------------------------------------------------------------------------------------------------------------- */
static int parse_mode(const char *word, enum kmend_mode *ret)
{
	const struct km_mode *mode = km_mode_find(word);

	if (!mode && !sysfs_streq(word, KMEND_MODE_WORD_DEFAULT))
		return -EINVAL;
	mutex_lock(&km_mutex);
	*ret = mode ? mode->id : KMEND_MODE_DEFAULT;
	mutex_unlock(&km_mutex);
	return 0;
}

static int parse_deadline(const char *text, unsigned int *ret)
{
	unsigned int ms;
	int err = kstrtouint(text, 10, &ms);

	if (err)
		return err;
	mutex_lock(&km_mutex);
	*ret = ms;
	mutex_unlock(&km_mutex);
	return 0;
}

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct km_patch *patch = to_patch(kobj);
	enum kmend_mode mode = patch->mode ?: patch->api->mode;

	return sysfs_emit(buf, "%s\n", km_modes[mode ?: km_default_mode]->name);
}

static ssize_t mode_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	return parse_mode(buf, &to_patch(kobj)->mode) ?: count;
}

static ssize_t deadline_ms_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct km_patch *patch = to_patch(kobj);
	unsigned int ms = patch->deadline_ms ?: patch->api->deadline_ms;

	return sysfs_emit(buf, "%u\n", ms ?: km_default_deadline_ms);
}

static ssize_t deadline_ms_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	return parse_deadline(buf, &to_patch(kobj)->deadline_ms) ?: count;
}

/* ---- what becomes of a transition --------------------------------------------------------------------------------------------------- */
static const char *state_word(const struct km_patch *patch)
{
	if (km_patch_in_transition(patch) && READ_ONCE(km_transition.patch) == patch) {
		if (km_transition.late)
			return KMEND_STATE_STALLED;
		if (!km_transition.target)
			return KMEND_STATE_REVERTING;
		return km_transition.enabling ? KMEND_STATE_ENABLING : KMEND_STATE_DISABLING;
	}
	if (patch->replaced)
		return KMEND_STATE_REPLACED;
	return patch->enabled ? KMEND_STATE_ENABLED : KMEND_STATE_DISABLED;
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", state_word(to_patch(kobj)));
}

static ssize_t last_transition_ns_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", to_patch(kobj)->transition_ns);
}

static ssize_t stop_ns_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", to_patch(kobj)->stop_ns);
}

static ssize_t last_error_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", to_patch(kobj)->last_error);
}

static ssize_t tasks_left_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	size_t left = 0;

	mutex_lock(&km_mutex);
	if (km_patch_in_transition(to_patch(kobj)))
		left = km_transition_blockers(NULL, 0);
	mutex_unlock(&km_mutex);
	return sysfs_emit(buf, "%zu\n", left);
}

#define COMM_ESCAPED (4 * TASK_COMM_LEN)
static const char *escape_comm(const char *comm, char *ret)
{
	char *p = ret;

	for (; *comm; comm++)
		if (isascii(*comm) && isgraph(*comm) && *comm != '\\')
			*p++ = *comm;
		else
			p += sprintf(p, "\\%03o", (unsigned char)*comm);
	*p = '\0';
	return ret;
}

static const char *task_word(const struct km_blocker *b)
{
	if (b->unreliable)
		return KMEND_TASK_UNRELIABLE;
	return b->running ? KMEND_TASK_RUNNING : KMEND_TASK_SLEEPING;
}

static int emit_blocker(char *buf, int at, const struct km_blocker *b)
{
	char comm[COMM_ESCAPED + 1];
	int n = sysfs_emit_at(buf, at, "%d %d %s %s ", b->pid, b->tgid, escape_comm(b->comm, comm), task_word(b));

	if (b->at)
		return n + sysfs_emit_at(buf, at + n, "%ps\n", (void *)b->at);
	return n + sysfs_emit_at(buf, at + n, "-\n");
}

#define BLOCKERS_SHOWN 64
#define LINE_ROOM (COMM_ESCAPED + KSYM_NAME_LEN + MODULE_NAME_LEN + 64)
static ssize_t blockers_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct km_blocker *list = kcalloc(BLOCKERS_SHOWN, sizeof(*list), GFP_KERNEL);
	size_t n = 0;
	int at = 0;

	if (!list)
		return -ENOMEM;
	mutex_lock(&km_mutex);
	if (km_patch_in_transition(to_patch(kobj)))
		n = min_t(size_t, km_transition_blockers(list, BLOCKERS_SHOWN), BLOCKERS_SHOWN);
	mutex_unlock(&km_mutex);
	for (size_t i = 0; i < n && at + LINE_ROOM < PAGE_SIZE; i++)
		at += emit_blocker(buf, at, &list[i]);
	kfree(list);
	return at;
}

static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);
static struct kobj_attribute transition_attr = __ATTR_RO(transition);
static struct kobj_attribute force_attr = __ATTR_WO(force);
static struct kobj_attribute replace_attr = __ATTR_RO(replace);
static struct kobj_attribute stack_order_attr = __ATTR_RO(stack_order);
static struct kobj_attribute mode_attr = __ATTR_RW(mode);
static struct kobj_attribute deadline_ms_attr = __ATTR_RW(deadline_ms);
static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute last_transition_ns_attr = __ATTR_RO(last_transition_ns);
static struct kobj_attribute stop_ns_attr = __ATTR_RO(stop_ns);
static struct kobj_attribute last_error_attr = __ATTR_RO(last_error);
static struct kobj_attribute tasks_left_attr = __ATTR_RO(tasks_left);
static struct kobj_attribute blockers_attr = __ATTR_RO_MODE(blockers, 0400);
static struct attribute *patch_attrs[] = {
	&enabled_attr.attr,   &transition_attr.attr,	     &force_attr.attr,	 &replace_attr.attr,	&stack_order_attr.attr,
	&mode_attr.attr,      &deadline_ms_attr.attr,	     &state_attr.attr,	 &stop_ns_attr.attr,	&last_transition_ns_attr.attr,
	&last_error_attr.attr, &tasks_left_attr.attr,	     &blockers_attr.attr, NULL,
};
ATTRIBUTE_GROUPS(patch);

/* ---- objects and functions ---------------------------------------------------------------------------------------------------------- */
static ssize_t patched_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_object(kobj)->patched));
}

static struct kobj_attribute patched_attr = __ATTR_RO(patched);
static struct attribute *object_attrs[] = {&patched_attr.attr, NULL};
ATTRIBUTE_GROUPS(object);

static ssize_t emit_handler(char *buf, int why)
{
	switch (why) {
	case 0:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER "\n");
	case -EBUSY:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER ": another direct call or BPF program has the place\n");
	case -ENOSPC:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER ": all stubs are in use\n");
	case -ERANGE:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER ": the new function is out of a jump's reach\n");
	case -EOPNOTSUPP:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER ": this kernel offers no direct calls\n");
	default:
		return sysfs_emit(buf, KMEND_REDIRECT_HANDLER ": a direct call failed with error %d\n", why);
	}
}

static ssize_t redirect_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	const struct km_site *site;
	ssize_t n;

	mutex_lock(&km_mutex);
	site = to_func(kobj)->site;
	if (!site || site->how == KM_HOW_NONE)
		n = sysfs_emit(buf, KMEND_REDIRECT_NONE "\n");
	else if (site->how == KM_HOW_DIRECT)
		n = sysfs_emit(buf, KMEND_REDIRECT_DIRECT "\n");
	else
		n = emit_handler(buf, site->why_handler);
	mutex_unlock(&km_mutex);
	return n;
}

static struct kobj_attribute redirect_attr = __ATTR_RO(redirect);
static struct attribute *func_attrs[] = {&redirect_attr.attr, NULL};
ATTRIBUTE_GROUPS(func);

/* ---- life --------------------------------------------------------------------------------------------------------------------------- */
static void released(void)
{
	if (atomic_dec_and_test(&alive))
		wake_up(&all_released);
}

static void patch_release(struct kobject *kobj)
{
	kfree(to_patch(kobj));
	released();
}

static void object_release(struct kobject *kobj)
{
	kfree(to_object(kobj));
	released();
}

static void func_release(struct kobject *kobj)
{
	kfree(to_func(kobj));
	released();
}

static const struct kobj_type patch_type = {
	.release = patch_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = patch_groups,
};
static const struct kobj_type object_type = {
	.release = object_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = object_groups,
};
static const struct kobj_type func_type = {
	.release = func_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = func_groups,
};

static void init_kobject(struct kobject *kobj, const struct kobj_type *type)
{
	atomic_inc(&alive);
	kobject_init(kobj, type);
}

static struct km_func *create_func(struct km_object *obj, struct kmend_func *api)
{
	struct km_func *func = kzalloc(sizeof(*func), GFP_KERNEL);

	if (!func)
		return NULL;
	func->api = api;
	func->object = obj;
	INIT_LIST_HEAD(&func->version);
	init_kobject(&func->kobj, &func_type);
	list_add_tail(&func->node, &obj->funcs);
	return func;
}

static struct km_object *create_object(struct km_patch *patch, struct kmend_object *api)
{
	struct km_object *obj = kzalloc(sizeof(*obj), GFP_KERNEL);
	struct kmend_func *f;

	if (!obj)
		return NULL;
	obj->api = api;
	obj->patch = patch;
	INIT_LIST_HEAD(&obj->funcs);
	init_kobject(&obj->kobj, &object_type);
	list_add_tail(&obj->node, &patch->objects);
	for (f = api->funcs; f->old_name; f++)
		if (!create_func(obj, f))
			return NULL;
	return obj;
}

struct km_patch *km_sysfs_create_patch(struct kmend_patch *api, void (*free)(struct work_struct *))
{
	struct km_patch *patch = kzalloc(sizeof(*patch), GFP_KERNEL);
	struct kmend_object *o;

	if (!patch)
		return NULL;
	patch->api = api;
	patch->mode = operator_mode;
	patch->deadline_ms = operator_deadline_ms;
	INIT_LIST_HEAD(&patch->objects);
	INIT_LIST_HEAD(&patch->node);
	INIT_WORK(&patch->free_work, free);
	init_kobject(&patch->kobj, &patch_type);
	patch->kobj.kset = root;
	for (o = api->objs; o->name || o->funcs; o++)
		if (!create_object(patch, o)) {
			km_sysfs_remove_patch(patch);
			return NULL;
		}
	return patch;
}

static int add_object(struct km_patch *patch, struct km_object *obj)
{
	struct km_func *func;
	int err = kobject_add(&obj->kobj, &patch->kobj, "%s", km_object_name(obj));

	if (err)
		return err;
	list_for_each_entry(func, &obj->funcs, node) {
		err = kobject_add(&func->kobj, &obj->kobj, "%s,%lu", func->api->old_name, func->api->old_sympos ?: 1);
		if (err)
			return err;
	}
	return 0;
}

int km_sysfs_add_patch(struct km_patch *patch)
{
	struct km_object *obj;
	int err = kobject_add(&patch->kobj, NULL, "%s", km_patch_name(patch));

	if (err)
		return err;
	list_for_each_entry(obj, &patch->objects, node) {
		err = add_object(patch, obj);
		if (err)
			return err;
	}
	return 0;
}

/* The directory goes now, the memory with the last reference. A patch that was refused early has none. */
static void drop(struct kobject *kobj)
{
	if (kobj->state_in_sysfs)
		kobject_del(kobj);
	kobject_put(kobj);
}

void km_sysfs_remove_patch(struct km_patch *patch)
{
	struct km_object *obj, *next_obj;
	struct km_func *func, *next_func;

	list_for_each_entry_safe(obj, next_obj, &patch->objects, node) {
		list_for_each_entry_safe(func, next_func, &obj->funcs, node) {
			list_del(&func->node);
			drop(&func->kobj);
		}
		list_del(&obj->node);
		drop(&obj->kobj);
	}
	drop(&patch->kobj);
}

void km_sysfs_event(struct km_patch *patch, const char *what)
{
	char event[32];
	char *env[] = {event, NULL};

	snprintf(event, sizeof(event), KMEND_EVENT_KEY "=%s", what);
	kobject_uevent_env(&patch->kobj, KOBJ_CHANGE, env); /* nobody listening, or no memory: sysfs tells the same */
}

/* ---- the top ------------------------------------------------------------------------------------------------------------------------ */
static ssize_t abi_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", KMEND_ABI);
}

static ssize_t version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", THIS_MODULE->version);
}

static ssize_t default_mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	enum kmend_mode mode = READ_ONCE(operator_mode);

	return sysfs_emit(buf, "%s\n", mode ? km_modes[mode]->name : KMEND_MODE_WORD_DEFAULT);
}

static ssize_t default_mode_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	return parse_mode(buf, &operator_mode) ?: count;
}

static ssize_t default_deadline_ms_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(operator_deadline_ms));
}

static ssize_t default_deadline_ms_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf, size_t count)
{
	return parse_deadline(buf, &operator_deadline_ms) ?: count;
}

static struct kobj_attribute abi_attr = __ATTR_RO(abi);
static struct kobj_attribute version_attr = __ATTR_RO(version);
static struct kobj_attribute default_mode_attr = __ATTR(mode, 0644, default_mode_show, default_mode_store);
static struct kobj_attribute default_deadline_ms_attr = __ATTR(deadline_ms, 0644, default_deadline_ms_show, default_deadline_ms_store);
static struct attribute *root_attrs[] = {
	&abi_attr.attr, &version_attr.attr, &default_mode_attr.attr, &default_deadline_ms_attr.attr, NULL,
};
static const struct attribute_group root_group = {.attrs = root_attrs};

int km_sysfs_init(void)
{
	int err;

	root = kset_create_and_add("kmend", NULL, kernel_kobj);
	if (!root)
		return -ENOMEM;
	err = sysfs_create_group(&root->kobj, &root_group);
	if (err)
		kset_unregister(root);
	return err;
}

void km_sysfs_exit(void)
{
	wait_event(all_released, !atomic_read(&alive));
	kset_unregister(root);
}
