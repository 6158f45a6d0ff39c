#!/bin/sh
! grep -q '(e' /proc/consoles
