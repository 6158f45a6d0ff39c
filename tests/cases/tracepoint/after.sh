#!/bin/sh
t=/sys/kernel/tracing
echo > $t/trace
echo 1 > $t/events/task/task_rename/enable
sh -c 'printf kmend-old > /proc/$$/comm; grep -q kmend-new /proc/$$/comm || exit 1; exit 0'
renamed=$?
echo 0 > $t/events/task/task_rename/enable
grep -q 'newcomm=kmend-old' $t/trace && [ $renamed = 0 ]
