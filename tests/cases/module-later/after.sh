#!/bin/sh
[ "$(cat /sys/class/net/ifb0/mtu)" = 1234 ]
