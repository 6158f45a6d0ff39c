#!/bin/sh
grep -q 'reads 1$' /proc/loadavg && grep -q 'reads 2$' /proc/loadavg
