#!/bin/sh
grep -q 'switch 11 red' /proc/loadavg && grep -q 'switch 7 green' /proc/loadavg && grep -q 'switch 300 blue' /proc/loadavg
