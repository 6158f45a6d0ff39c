#!/bin/sh
grep -q 'level 3' /proc/loadavg && grep -q 'level 4' /proc/loadavg
