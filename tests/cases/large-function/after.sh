#!/bin/sh
rm -f /tmp/large
nc -l -p 4711 > /tmp/large &
sleep 0.3
dd if=/dev/zero bs=64k count=16 2>/dev/null | nc 127.0.0.1 4711 -w 2
wait
[ "$(stat -c %s /tmp/large)" = 1048576 ] && dmesg | grep -q 'three acks'
