#!/bin/sh
! ls -d /sys/kernel/*/*/vmlinux/load_elf_binary,* 2>/dev/null
