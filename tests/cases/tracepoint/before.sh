#!/bin/sh
printf kmend-old > /proc/self/comm
grep -q kmend-old /proc/$$/comm || sh -c 'printf kmend-old > /proc/$$/comm; grep -q kmend-old /proc/$$/comm'
