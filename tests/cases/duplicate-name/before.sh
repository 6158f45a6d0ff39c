#!/bin/sh
grep -q duplicate /proc/crypto /proc/cpuinfo /proc/consoles && exit 1
exit 0
