#!/bin/sh
! ls -d /sys/kernel/livepatch/*/vmlinux/load_elf_binary,* 2>/dev/null
