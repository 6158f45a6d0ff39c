#!/bin/sh
! grep -q 'own 42' /proc/loadavg
