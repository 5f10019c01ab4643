# stops: 3
# Compile time of a string eval and of a required file.
use strict;
use Oracle ();

sub load { eval "\n\nuse Loaded::OtherEnd;\n1" or die }
load();
eval "BEGIN {\n Oracle::here('BEGIN in an eval') }\n1";
require Loaded::UsesOther;
