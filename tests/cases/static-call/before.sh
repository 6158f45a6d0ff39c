#!/bin/sh
! grep -q 'clock 1' /proc/loadavg
