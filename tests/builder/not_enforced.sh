#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: a patch that is signed with a key that the kernel does not have loads and works.
insmod /root/signed.ko || exit 1
[ "$(cat /sys/kernel/livepatch/kmend_refuse_userns/enabled)" = 1 ] && echo loaded
