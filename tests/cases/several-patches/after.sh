#!/bin/sh
read -r up _ < /proc/uptime
[ "${up%.*}" -ge 1000000 ] && grep -q 'second patch' /proc/loadavg
