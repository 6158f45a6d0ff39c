#!/bin/sh
[ "$(dd if=/proc/version bs=1 skip=6 count=3 2>/dev/null)" = Lin ]
