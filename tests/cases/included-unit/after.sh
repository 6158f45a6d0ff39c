#!/bin/sh
[ "$(ls -d /sys/kernel/*/*/vmlinux/load_elf_binary,* | wc -l)" = 2 ] && /bin/true
