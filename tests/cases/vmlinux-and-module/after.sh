#!/bin/sh
ip link add kmend9 type dummy && mtu=$(cat /sys/class/net/kmend9/mtu)
ip link del kmend9
[ "$mtu" = 1234 ] && grep -q 'both objects' /proc/loadavg
