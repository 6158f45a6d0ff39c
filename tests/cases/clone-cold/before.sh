#!/bin/sh
touch /tmp/clone-cold-plain && echo > /tmp/clone-cold-b && now=$(date +%s) && [ "$(stat -c %Y /tmp/clone-cold-b)" -lt $((now + 86400)) ]
