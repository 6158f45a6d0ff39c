#!/bin/sh
dmesg -c >/dev/null
rm -f /tmp/large
{ dd if=/dev/zero bs=64k count=16 2>/dev/null; sleep 1; } | nc -l -p 4711 > /dev/null &
sleep 0.3
sleep 2 | nc 127.0.0.1 4711 > /tmp/large
wait
[ "$(stat -c %s /tmp/large)" = 1048576 ] && ! dmesg | grep -q 'three acks'
