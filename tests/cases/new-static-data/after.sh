#!/bin/sh
grep -q 'counts 1 40 odd' /proc/loadavg && grep -q 'counts 2 41 even' /proc/loadavg
