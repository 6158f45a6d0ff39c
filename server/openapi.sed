# The document as a string of C.
s/\\/\\\\/g
s/"/\\"/g
s/^.*$/"&\\n"/
1s/^/static const char openapi_text[] =\n/
$s/$/;/
