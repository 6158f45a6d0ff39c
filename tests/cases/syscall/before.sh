#!/bin/sh
mkdir -p /tmp/kmend-closed && cd /tmp/kmend-closed && [ "$(readlink /proc/self/cwd)" = /tmp/kmend-closed ] && env -u PWD busybox pwd >/dev/null 2>&1
