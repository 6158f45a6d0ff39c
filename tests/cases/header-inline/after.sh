#!/bin/sh
read -r up _ < /proc/uptime
[ "${up%.*}" -ge 2000000 ]
