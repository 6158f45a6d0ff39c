#!/bin/sh
grep -q '^Character' /proc/devices && ! grep -q '^Block devices' /proc/devices
