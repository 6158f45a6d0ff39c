// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shadow variables: a hash table from <object, id> to data. Readers hold RCU only; whoever changes the table holds shadow_lock, and what is
 * taken out is freed a grace period later. They belong to nobody: one patch may leave them to the next.
 */
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "internal.h"

#define SHADOW_BITS 12

struct shadow {
	struct hlist_node node;
	struct rcu_head rcu;
	void *obj;
	unsigned long id;
	u8 data[] __aligned(8);
};
static DEFINE_HASHTABLE(shadows, SHADOW_BITS);
static DEFINE_SPINLOCK(shadow_lock);

/* Under RCU or shadow_lock. */
static struct shadow *find(void *obj, unsigned long id)
{
	struct shadow *s;

	hash_for_each_possible_rcu(shadows, s, node, (unsigned long)obj, lockdep_is_held(&shadow_lock))
		if (s->obj == obj && s->id == id)
			return s;
	return NULL;
}

void *kmend_shadow_get(void *obj, unsigned long id)
{
	struct shadow *s;

	rcu_read_lock();
	s = find(obj, id);
	rcu_read_unlock();
	return s ? s->data : NULL;
}
EXPORT_SYMBOL_GPL(kmend_shadow_get);

/* Puts a new one into the table unless there is one already, which is returned in *present then. */
static int attach(struct shadow *s, kmend_shadow_ctor_t ctor, void *ctor_data, void **present)
{
	struct shadow *old;
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&shadow_lock, flags);
	old = find(s->obj, s->id);
	*present = old ? old->data : NULL;
	if (!old && ctor)
		err = ctor(s->obj, s->data, ctor_data);
	if (!old && !err)
		hash_add_rcu(shadows, &s->node, (unsigned long)s->obj);
	spin_unlock_irqrestore(&shadow_lock, flags);
	return err;
}

static struct shadow *create(void *obj, unsigned long id, size_t size, gfp_t gfp)
{
	struct shadow *s = km_fails("shadow") ? NULL : kzalloc(struct_size(s, data, size), gfp);

	if (s) {
		s->obj = obj;
		s->id = id;
	}
	return s;
}

static void *get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp, kmend_shadow_ctor_t ctor, void *ctor_data, bool *was_there)
{
	void *present = kmend_shadow_get(obj, id);
	struct shadow *s;
	int err;

	*was_there = present;
	if (present)
		return present;
	s = create(obj, id, size, gfp);
	if (!s)
		return NULL;
	err = attach(s, ctor, ctor_data, &present);
	*was_there = present;
	if (!present && !err)
		return s->data;
	kfree(s); /* nobody has seen it */
	if (err)
		pr_err("Failed to construct shadow variable <%p, %lx> (%d)\n", obj, id, err);
	return present;
}

void *kmend_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, kmend_shadow_ctor_t ctor, void *ctor_data)
{
	bool was_there;
	void *data = get_or_alloc(obj, id, size, gfp_flags, ctor, ctor_data, &was_there);

	if (WARN(was_there, "Duplicate shadow variable <%p, %lx>\n", obj, id))
		return NULL;
	return data;
}
EXPORT_SYMBOL_GPL(kmend_shadow_alloc);

void *kmend_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags, kmend_shadow_ctor_t ctor, void *ctor_data)
{
	bool was_there;

	return get_or_alloc(obj, id, size, gfp_flags, ctor, ctor_data, &was_there);
}
EXPORT_SYMBOL_GPL(kmend_shadow_get_or_alloc);

/* Under shadow_lock. */
static void detach(struct shadow *s, kmend_shadow_dtor_t dtor)
{
	hash_del_rcu(&s->node);
	if (dtor)
		dtor(s->obj, s->data);
	kfree_rcu(s, rcu);
}

void kmend_shadow_free(void *obj, unsigned long id, kmend_shadow_dtor_t dtor)
{
	struct shadow *s;
	unsigned long flags;

	spin_lock_irqsave(&shadow_lock, flags);
	s = find(obj, id);
	if (s)
		detach(s, dtor);
	spin_unlock_irqrestore(&shadow_lock, flags);
}
EXPORT_SYMBOL_GPL(kmend_shadow_free);

void kmend_shadow_free_all(unsigned long id, kmend_shadow_dtor_t dtor)
{
	struct hlist_node *next;
	struct shadow *s;
	unsigned long flags;
	int bucket;

	spin_lock_irqsave(&shadow_lock, flags);
	hash_for_each_safe(shadows, bucket, next, s, node)
		if (s->id == id)
			detach(s, dtor);
	spin_unlock_irqrestore(&shadow_lock, flags);
}
EXPORT_SYMBOL_GPL(kmend_shadow_free_all);

/* No patch module is left that could free them, or read them. */
void km_shadow_exit(void)
{
	struct hlist_node *next;
	struct shadow *s;
	unsigned long flags;
	unsigned int left = 0;
	int bucket;

	spin_lock_irqsave(&shadow_lock, flags);
	hash_for_each_safe(shadows, bucket, next, s, node) {
		detach(s, NULL);
		left++;
	}
	spin_unlock_irqrestore(&shadow_lock, flags);
	if (left)
		pr_notice("%u shadow variables that the patches left behind are freed\n", left);
}
