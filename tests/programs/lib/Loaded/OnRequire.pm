package Loaded::OnRequire;
use strict;

sub load_time {
    Oracle::here('in a sub, while the file runs');
}
Oracle::here('in the file itself');
load_time();
1;
