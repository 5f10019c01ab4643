# What tests/frames.rs looks at: one stop for each thing that a frame can say. Runs on every perl
# from 5.6 on. The lines are in the test.
package Tied;
sub TIESCALAR { return bless [] }
sub FETCH { main::stop('tie'); return 1 }
package main;
use overload '+' => sub { stop('overload'); return 1 };
sub stop { syswrite(STDOUT, "$_[0]\n", 1 + length $_[0]); sysread(STDIN, my $byte, 1); return 1 }
my $code = sub {
    stop('anonymous');
};
$code->(); BEGIN { stop('compiling') }
eval { stop('block') };
eval "\neval { stop('nested') }";
eval "sub defined_inside { stop('from an eval') }";
defined_inside();
tie my $tied, 'Tied';
my $got = $tied;
my $object = bless [];
$got = $object + 1;
my $once = 0;
my @list = sort { stop('sort block') if !$once++; 0 } 1, 2;
sub compare { stop('sort sub') if $once++ == 1; return 0 }
@list = sort compare 1, 2;
$SIG{USR1} = \&on_signal;
sub on_signal { stop('signal') }
kill 'USR1', $$;
{ local $SIG{__WARN__} = sub { stop('warn hook') }; warn 'x' }
eval { local $SIG{__DIE__} = sub { stop('die hook') }; die 'x' };
sub Gone::DESTROY { stop('destroy') }
{ my $gone = bless [], 'Gone' }
eval 'use Loading; 1' or die $@;
do './lib/do.pl' or die "$!$@";
open NOWHERE, '> /dev/null' or die $!;
format NOWHERE =
@<
stop('format')
.
write NOWHERE;
# line 7 "generated.y"
sub generated { stop('line directive') }
generated();
sub same { stop('first of its name') }
same();
{ local $^W = 0; eval "no warnings; sub same { stop('second of its name') } 1" or die $@ }
same();
if (eval { require List::Util; 1 }) { List::Util::first(sub { stop('multicall') }, 1) }
END { stop('end') }
