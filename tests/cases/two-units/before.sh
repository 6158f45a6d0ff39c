#!/bin/sh
read -r up _ < /proc/uptime
[ "${up%.*}" -lt 1000000 ] && ! grep -q two /proc/loadavg
