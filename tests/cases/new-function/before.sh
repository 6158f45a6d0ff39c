#!/bin/sh
! grep -q 'new function 2048' /proc/loadavg
