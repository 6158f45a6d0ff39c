// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver gets a new field, and callbacks that look after it.
 *
 * The dummy network driver drops every frame. This patch says in the log when a device does so for the first time, and how many it were when
 * the patch goes. struct net_device has no room for the counter: a shadow variable holds it. The driver may come later, leave and come back
 * while the patch stays.
 */
#include <linux/netdevice.h>
#include <linux/notifier.h>

#include "kmend.h"

#define SHADOW_FRAMES 0x64756d6d79 /* any number that no other patch uses for another purpose */

struct frames {
	struct net_device *dev;
	atomic64_t dropped;
};

static int frames_ctor(void *obj, void *shadow, void *unused)
{
	((struct frames *)shadow)->dev = obj;
	return 0;
}

/* Under a spinlock: it may print, but not sleep. */
static void frames_dtor(void *obj, void *shadow)
{
	struct frames *f = shadow;

	netdev_info(f->dev, "%lld frames were dropped\n", atomic64_read(&f->dropped));
}

/* Devices that were there before the patch have no counter yet: it is made when it is needed. */
static netdev_tx_t frames_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct frames *f = kmend_shadow_get_or_alloc(dev, SHADOW_FRAMES, sizeof(*f), GFP_ATOMIC, frames_ctor, NULL);

	if (f && atomic64_inc_return(&f->dropped) == 1)
		netdev_info(dev, "the first frame is dropped\n");
	dev_lstats_add(dev, skb->len);
	skb_tx_timestamp(skb);
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}

/* A shadow variable must go before its object does, or the next object at that address would inherit it. */
static int device_event(struct notifier_block *nb, unsigned long event, void *data)
{
	if (event == NETDEV_UNREGISTER)
		kmend_shadow_free(netdev_notifier_info_to_dev(data), SHADOW_FRAMES, frames_dtor);
	return NOTIFY_DONE;
}

static struct notifier_block device_notifier = {.notifier_call = device_event};

/* Before the first call of frames_xmit(); an error would keep the patch off, or the driver out. */
static int frames_pre_patch(struct kmend_object *obj)
{
	return register_netdevice_notifier(&device_notifier);
}

static void frames_post_patch(struct kmend_object *obj)
{
	pr_info("frames are counted from now on\n");
}

static void frames_pre_unpatch(struct kmend_object *obj)
{
	pr_info("frames are not counted any more\n");
}

/* After the last call of frames_xmit(): nobody makes a counter any more. */
static void frames_post_unpatch(struct kmend_object *obj)
{
	unregister_netdevice_notifier(&device_notifier);
	kmend_shadow_free_all(SHADOW_FRAMES, frames_dtor);
}

static struct kmend_func funcs[] = {
	{.old_name = "dummy_xmit", .new_func = frames_xmit},
	{},
};

static struct kmend_object objs[] = {
	{
		.name = "dummy",
		.funcs = funcs,
		.callbacks = {
			.pre_patch = frames_pre_patch,
			.post_patch = frames_post_patch,
			.pre_unpatch = frames_pre_unpatch,
			.post_unpatch = frames_post_unpatch,
		},
	},
	{},
};

static struct kmend_patch patch = {
	KMEND_PATCH_INIT,
	.objs = objs,
};

static int __init frames_init(void)
{
	return kmend_enable_patch(&patch);
}

static void __exit frames_exit(void)
{
}

module_init(frames_init);
module_exit(frames_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Example: counts what dummy network devices drop");
