#!/bin/sh
touch -d @1000001000 /tmp/struct-return && [ "$(stat -c %Y /tmp/struct-return)" = $((1000001000 & ~4095)) ]
