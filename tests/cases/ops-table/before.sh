#!/bin/sh
grep -q '^Block devices' /proc/devices
