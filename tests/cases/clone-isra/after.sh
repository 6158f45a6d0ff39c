#!/bin/sh
grep -q Function /proc/net/ptype && ! grep -q ip_rcv /proc/net/ptype
