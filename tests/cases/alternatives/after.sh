#!/bin/sh
grep -q alternatives /proc/loadavg && grep -q '^fpu [0-9]' /proc/loadavg
