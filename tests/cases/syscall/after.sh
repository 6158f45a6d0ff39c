#!/bin/sh
cd /tmp/kmend-closed && ! env -u PWD busybox pwd >/dev/null 2>&1 && cd / && env -u PWD busybox pwd >/dev/null
