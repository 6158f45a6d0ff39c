// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shadow variables, used in every way that does not warn. The module gets in when all checks hold; one that does not is told.
 */
#include <linux/module.h>

#include "kmend.h"

struct data {
	long number;
	char tail[100];
};
static int objects[3], ctors, dtors;

static bool is(const char *claim, bool holds)
{
	if (!holds)
		pr_info("kmt: not true: %s\n", claim);
	return holds;
}

static int fill(void *obj, void *shadow, void *arg)
{
	struct data *d = shadow;

	ctors++;
	if (!arg)
		return -EINVAL;
	if (d->number || memchr_inv(d->tail, 0, sizeof(d->tail)))
		return -EEXIST; /* it must come zeroed */
	d->number = *(long *)arg;
	return 0;
}

static void count(void *obj, void *shadow)
{
	dtors += obj == &objects[0] || obj == &objects[1];
}

static struct data *make(int object, unsigned long id, long number)
{
	return kmend_shadow_get_or_alloc(&objects[object], id, sizeof(struct data), GFP_KERNEL, fill, &number);
}

static bool making_works(void)
{
	struct data *first = make(0, 1, 11), *other_id = make(0, 2, 12), *other_obj = make(1, 1, 13);

	return is("each is made", first && other_id && other_obj) && is("ctor is called once for each", ctors == 3) &&
	       is("they are different", first != other_id && first != other_obj) &&
	       is("ctor gets its argument", first->number == 11 && other_id->number == 12 && other_obj->number == 13) &&
	       is("get finds it", kmend_shadow_get(&objects[0], 1) == first) &&
	       is("get_or_alloc finds it", make(0, 1, 99) == first && first->number == 11 && ctors == 3) &&
	       is("get finds nothing else", !kmend_shadow_get(&objects[2], 1) && !kmend_shadow_get(&objects[0], 3));
}

static bool failing_works(void)
{
	return is("an error of ctor leaves nothing", !kmend_shadow_alloc(&objects[2], 1, 8, GFP_KERNEL, fill, NULL) &&
							     !kmend_shadow_get(&objects[2], 1)) &&
	       is("without ctor it is zero", kmend_shadow_alloc(&objects[2], 7, sizeof(struct data), GFP_ATOMIC, NULL, NULL) &&
						      !((struct data *)kmend_shadow_get(&objects[2], 7))->number);
}

static bool freeing_works(void)
{
	kmend_shadow_free(&objects[0], 3, count);
	if (!is("freeing none is fine", dtors == 0))
		return false;
	kmend_shadow_free(&objects[0], 2, count);
	if (!is("free calls dtor and takes it out", dtors == 1 && !kmend_shadow_get(&objects[0], 2)))
		return false;
	kmend_shadow_free_all(1, count);
	if (!is("free_all takes out all of an id", dtors == 3 && !kmend_shadow_get(&objects[0], 1) && !kmend_shadow_get(&objects[1], 1)))
		return false;
	return is("and no other", kmend_shadow_get(&objects[2], 7));
}

static int __init shadow_init(void)
{
	bool good = making_works() && failing_works() && freeing_works();

	kmend_shadow_free_all(7, NULL);
	return good ? 0 : -EINVAL;
}

static void __exit shadow_exit(void)
{
}

module_init(shadow_init);
module_exit(shadow_exit);
MODULE_LICENSE("GPL");
