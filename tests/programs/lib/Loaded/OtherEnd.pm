package Loaded::OtherEnd;

sub import { Oracle::here('use in a used file') }

1;
