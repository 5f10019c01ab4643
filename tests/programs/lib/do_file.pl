my $value = 1;
Oracle::here('do FILE');
$value;
