package Loaded::OnUse;
use strict;

Oracle::here('file of a use');

sub import {
    my $class = shift;
    Oracle::here('import');
}

sub unimport {
    Oracle::here('unimport');
}

1;
