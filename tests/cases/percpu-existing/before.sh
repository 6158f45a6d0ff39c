#!/bin/sh
inodes=$(cut -f1 /proc/sys/fs/inode-nr)
[ "$inodes" -gt 0 ] && [ "$inodes" -lt 100000000 ]
