# Spends 70, 20 and 10 percent of its time in three subs, until it is ended. For perls from 5.6 on.
sub work { my $n = 0; foreach my $i (1 .. 500) { $n += $i } $n }
sub seventy { work() foreach 1 .. 7 }
sub twenty { work() foreach 1 .. 2 }
sub ten { work() }
alarm 60;
while (1) { seventy(); twenty(); ten() }
