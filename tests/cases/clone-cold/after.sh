#!/bin/sh
echo > /tmp/clone-cold && now=$(date +%s) && [ "$(stat -c %Y /tmp/clone-cold)" -gt $((now + 86400)) ]
