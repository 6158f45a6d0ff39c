#!/bin/sh
[ ! -d /sys/module/ifb ] || [ "$(cat /sys/class/net/ifb0/mtu)" = 1234 ]
