#!/bin/sh
grep -q duplicate /proc/consoles && ! grep -q duplicate /proc/crypto && ! grep -q duplicate /proc/cpuinfo
