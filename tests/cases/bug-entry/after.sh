#!/bin/sh
grep -q 'no bug' /proc/loadavg
