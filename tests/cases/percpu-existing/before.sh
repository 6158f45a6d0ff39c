#!/bin/sh
read -r inodes _ < /proc/sys/fs/inode-nr
[ "$inodes" -gt 0 ] && [ "$inodes" -lt 100000000 ]
