package Loaded::ChainEnd;

Oracle::here('a file that a file requires');

1;
