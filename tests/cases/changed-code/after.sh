#!/bin/sh
read -r up _ < /proc/uptime
[ "${up%.*}" -ge 1000000 ]
