#!/bin/sh
grep -q ip_rcv /proc/net/ptype
