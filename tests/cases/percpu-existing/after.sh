#!/bin/sh
inodes=$(cut -f1 /proc/sys/fs/inode-nr)
[ "$inodes" -gt 100000000 ]
