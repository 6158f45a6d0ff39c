#!/bin/sh
grep -q '^pointer loadavg_proc_show$' /proc/loadavg
