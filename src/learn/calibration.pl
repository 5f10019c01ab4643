# Runs in the perl whose layout is to be learned, any from 5.6 on, and loads nothing it can do
# without. It prints addresses that Perl itself gives (0+\&f) and facts about them, and stops at
# known places by reading one byte from its standard input: then p5-spy looks at its memory.
package P5spyA;
BEGIN { $| = 1 }
sub P5spyA::say { print STDOUT join(' ', @_), "\n" }
sub P5spyA::stop { P5spyA::say('stop', @_); sysread(STDIN, $buf, 1) }

# Ops of a sub that is being compiled have their values still themselves; later, threaded perls
# have them in the pad.
sub P5spyA::unfinished {
    P5spyA::noop('p5spy constant one', 'p5spy constant the second', 'p5spy constant 3');
    P5spyB->p5spymethod(1);
    P5spyB->p5spyothermethod(1);
    BEGIN { P5spyA::stop('begin') }
    1;
}
CHECK { P5spyA::stop('check') }
INIT { P5spyA::stop('init') }

# Twelve subs that call each other from statements whose files and lines are planted. The packages
# alternate and the lines are in no order, so that nothing else grows or falls along with them.
# The names are qualified: since 5.22 an unqualified one may have no glob.
# line 31017 "p5spy-alpha.pl"
sub P5spyA::n01 { P5spyB::n02(1); 1 }
package P5spyB;
# line 9221 "p5spy-beta.pl"
sub P5spyB::n02 { P5spyB::n03(1); 1 }
# line 40503 "p5spy-gamma.pl"
sub P5spyB::n03 { P5spyA::n04(1); 1 }
package P5spyA;
# line 12011 "p5spy-delta.pl"
sub P5spyA::n04 { P5spyB::n05(1); 1 }
package P5spyB;
# line 39119 "p5spy-epsilon.pl"
sub P5spyB::n05 { P5spyA::n06(1); 1 }
package P5spyA;
# line 21013 "p5spy-zeta.pl"
sub P5spyA::n06 { P5spyA::n07(1); 1 }
# line 34123 "p5spy-eta.pl"
sub P5spyA::n07 { P5spyB::n08(1); 1 }
package P5spyB;
# line 8221 "p5spy-theta.pl"
sub P5spyB::n08 { P5spyB::n09(1); 1 }
# line 52021 "p5spy-iota.pl"
sub P5spyB::n09 { P5spyA::n10(1); 1 }
package P5spyA;
# line 17389 "p5spy-kappa.pl"
sub P5spyA::n10 { P5spyB::n11(1); 1 }
package P5spyB;
# line 45127 "p5spy-lambda.pl"
sub P5spyB::n11 { P5spyA::n12(1); 1 }
package P5spyA;
# line 28631 "p5spy-mu.pl"
sub P5spyA::n12 { sysread(STDIN, $buf, 1); 1 }
# line 70001 "p5spy-nu.pl"
sub P5spyA::far { 1 }

# Contexts of other kinds.
# line 101 "p5spy-kinds.pl"
sub P5spyA::looped { foreach $x (1, 2) { sysread(STDIN, $buf, 1); last } 1 }
package P5spyB;
sub P5spyB::block { eval { P5spyA::string(1); 1 }; 1 }
package P5spyA;
sub P5spyA::string { eval 'P5spyB::again(); 1'; 1 }
package P5spyB;
sub P5spyB::again { eval 'P5spyB::bare(); "p5spy eval"'; 1 }
sub P5spyB::bare { &P5spyA::noargs; 1 }
package P5spyA;
sub P5spyA::noargs { sysread(STDIN, $buf, 1); 1 }
sub P5spyA::compare { sysread(STDIN, $buf, 1); 0 }
package P5spyB;
sub P5spyB::sorter { @r = sort P5spyA::compare 2, 1; 1 }
package P5spyA;
sub P5spyA::loader { do 'p5spy-input.pl'; 1 }

# What grows with depth: entries of the save stack, temporaries, arguments and marks.
sub P5spyA::save1 { local $v1 = 1; $_[0] ? P5spyA::save1($_[0] - 1) : sysread(STDIN, $buf, 1); 1 }
sub P5spyA::save2 { local $v1 = 1; local $v2 = 1; local $v3 = 1; $_[0] ? P5spyA::save2($_[0] - 1) : sysread(STDIN, $buf, 1); 1 }
# What is made for a moment is a temporary, but for what a C function returns not where the stack
# owns its values (PERL_RC_STACK).
sub P5spyA::temp1 { P5spyA::noop([1], UNIVERSAL::can('P5spyA', 'noop'), $_[0] ? P5spyA::temp1($_[0] - 1) : sysread(STDIN, $buf, 1)); 1 }
sub P5spyA::temp2 { P5spyA::noop([1], [2], [3], UNIVERSAL::can('P5spyA', 'noop'), UNIVERSAL::can('P5spyA', 'noop'), UNIVERSAL::can('P5spyA', 'noop'), $_[0] ? P5spyA::temp2($_[0] - 1) : sysread(STDIN, $buf, 1)); 1 }
sub P5spyA::args { P5spyA::noop($::m1, $::m2, $_[0] ? P5spyA::args($_[0] - 1) : sysread(STDIN, $buf, 1)); 1 }
sub P5spyA::noop { 1 }

# Ops: a nulled statement and a nulled variable, siblings, children.
# line 27011 "p5spy-ops.pl"
sub P5spyA::ops {
    if ($g1) {
# line 36007 "p5spy-ops.pl"
        P5spyA::noop(1) }
    $g3 = $g1 + $g2;
    $g4 = P5spyA::noop($g1, 17, $g2);
    print STDERR $g1, $g2 if $g5;
    1;
}
# Ops that branch.
sub P5spyA::branches {
    $g1 && P5spyA::noop(1);
    $g1 || P5spyA::noop(2);
    $g3 = $g1 ? P5spyA::noop(3) : 1;
    1;
}
# Subscripts, which perl since 5.22 puts into lists of different lengths.
sub P5spyA::subscripts {
    $g3 = $_[0]{p5spykey1};
    $g3 = $_[0]{p5spykey2}{p5spykey3}[4];
    $g3 = $_[0][5]{p5spykey6}{p5spykey7}[8]{p5spykey9};
    1;
}
# Patterns, in front of which stand flags in varying number.
sub P5spyA::matches {
    $g1 =~ /p5spy(first)+/;
    $g1 =~ /p5spy(second)*?[xyz]/i;
    $g1 =~ /p5spy(third)/si;
    $g1 =~ /p5spy(fourth)?.x/six;
    $g1 =~ /p5spy(fifth|other)/msix;
    1;
}
# Lexical variables: each statement has a line of its own, and so has the scope of each variable.
my $p5spycaptured = 1;
sub P5spyA::closure { $p5spycaptured }
sub P5spyA::pads {
# line 501 "p5spy-pads.pl"
    my $p5spydepth = $_[0];
    my @p5spyarray = (1, 2);
    our $p5spyours = 7;
    {
        my $p5spyinner = $p5spydepth + 1;
        P5spyA::noop($p5spyinner);
    }
    {
        my %p5spyotherinner = (1, 2);
        P5spyA::noop(\%p5spyotherinner);
    }
    P5spyA::say('lexical', $p5spydepth, '$p5spydepth', 0 + \$p5spydepth);
    P5spyA::say('lexical', $p5spydepth, '@p5spyarray', 0 + \@p5spyarray);
    $p5spydepth ? P5spyA::pads($p5spydepth - 1) : P5spyA::stop('pads');
    1;
}
# line 200 "p5spy-values.pl"
sub P5spyA::value : lvalue { $g1 }
package main;
$anon = sub { 1 };
format P5spyFORM =
@<<
$g1
.

# Values whose insides are known.
$s1 = 'p5spy first string' . ('-' x 211); $s2 = 'p5spy second string' . ('=' x 87);
$s3 = 'p5spy third string' . ('+' x 133);
$i1 = 305419891; $i2 = 19088743; $i3 = -77; $_ = "$i1$i2" . $i3; $i1 += 0; $i2 += 0; $i3 += 0;
$u = "p5spy \x{263a}";
%h1 = (); keys(%h1) = 1024; %h2 = (); keys(%h2) = 256;
$h1{p5spyone} = 1; $h2{p5spytwotwo} = 2;
foreach $x (1 .. 40) { $h3{"p5spykey$x"} = $x }
*P5spyAlias:: = *P5spyB::;
foreach $x (1 .. 37) { push @references, \$c1 } foreach $x (1 .. 52) { push @references, \$c2 }
$y = 1; foreach $x (\$f1, \$f2, \$f3) { $y *= -22 / 7; $$x = $y / 3 }
@a1 = (1 .. 19); shift @a1; shift @a1; pop @a1; @a2 = (1 .. 50); shift @a2; pop @a2; pop @a2; pop @a2;
$o1 = bless [], 'P5spyA'; $o2 = bless {}, 'P5spyB'; $o3 = bless \$v4, 'P5spyA'; $o4 = bless \$v5, 'P5spyB';
$m1 = 1; $m2 = 2;
package P5spyA;
sub P5spyA::cv {
    my ($name) = @_;
    P5spyA::say('cv', $name, 0 + \&$name, 0 + \*$name, $name =~ /A::/ ? 0 + \%P5spyA:: : 0 + \%P5spyB::);
}
package main;
P5spyA::say('version', sprintf('%vd', $^V));
P5spyA::say('threads', eval(q{require Config; $Config::Config{useithreads}}) ? 1 : 0);
foreach $x (map(sprintf('P5spy%s::n%02d', substr('ABBABAABBABA', $_ - 1, 1), $_), 1 .. 12), 'P5spyA::far',
    map("P5spyA::$_", qw(looped string noargs compare loader save1 save2 temp1 temp2 args noop ops value
        branches subscripts matches closure pads)),
    map("P5spyB::$_", qw(block again bare sorter))) { P5spyA::cv($x) }
foreach $x (qw(isa can)) { P5spyA::say('xsub', 0 + \&{"UNIVERSAL::$x"}) }
P5spyA::say('anon', 0 + $anon);
P5spyA::say('stash', 'P5spyA', 0 + \%P5spyA::); P5spyA::say('stash', 'P5spyB', 0 + \%P5spyB::);
P5spyA::say('sv', 's1', 0 + \$s1, length $s1); P5spyA::say('sv', 's2', 0 + \$s2, length $s2);
P5spyA::say('sv', 's3', 0 + \$s3, length $s3); P5spyA::say('sv', 'u', 0 + \$u, 9);
P5spyA::say('sv', 'i1', 0 + \$i1, $i1); P5spyA::say('sv', 'i2', 0 + \$i2, $i2);
P5spyA::say('sv', 'i3', 0 + \$i3, $i3);
P5spyA::say('sv', 'm1', 0 + \$m1, 1); P5spyA::say('sv', 'm2', 0 + \$m2, 2);
$lvalue = \substr($s1, 0, 1); P5spyA::say('sv', 'lvalue', 0 + $lvalue, 0);
$x = eval q[0 + *P5spyFORM{FORMAT}]; P5spyA::say('sv', 'format', $x || 0, 0);
P5spyA::say('hv', 'h1', 0 + \%h1); P5spyA::say('hv', 'h2', 0 + \%h2); P5spyA::say('hv', 'h3', 0 + \%h3);
P5spyA::say('value', 'h1', 0 + \$h1{p5spyone}); P5spyA::say('value', 'h2', 0 + \$h2{p5spytwotwo});
P5spyA::say('glob', 'g1', 0 + \*P5spyA::g1); P5spyA::say('glob', 'g2', 0 + \*P5spyA::g2);
P5spyA::say('references', 0 + \$c1, 38); P5spyA::say('references', 0 + \$c2, 53);
# Before 5.8 an F is something else.
$y = $] >= 5.008 ? 'F' : $Config::Config{uselongdouble} ? 'D' : 'd';
foreach $x (\$f1, \$f2, \$f3) { P5spyA::say('float', 0 + $x, unpack('H*', pack($y, $$x))) }
P5spyA::say('av', 0 + \@a1, $#a1, 0 + \$a1[0]); P5spyA::say('av', 0 + \@a2, $#a2, 0 + \$a2[0]);
foreach $x ($o1, $o2, $o3, $o4) { P5spyA::say('object', 0 + $x, ref $x) }
P5spyA::say('phase', defined(eval '${^GLOBAL_PHASE}') ? 1 : 0);
# Between these stops statements are compiled.
P5spyA::say('stop', 'deep'); P5spyA::n01(1);
eval 'sub P5spyA::late1 { $g1 = 1; $g1 = 2; $g1 = 3; 1 }';
P5spyA::say('stop', 'five'); P5spyB::n08(1);
eval 'sub P5spyA::late2 { $g1 = 1; $g1 = 2; $g1 = 3; $g1 = 4; $g1 = 5; 1 }';
P5spyA::say('stop', 'eight'); P5spyB::n05(1);
P5spyA::cv('P5spyA::late1'); P5spyA::cv('P5spyA::late2');
P5spyA::say('stop', 'looped'); P5spyA::looped(1);
P5spyA::say('stop', 'kinds'); P5spyB::block(1);
P5spyA::say('stop', 'sort'); P5spyB::sorter(1);
foreach $x (qw(save1 save2 temp1 temp2 args)) {
    foreach $n (6, 2) { P5spyA::say('stop', "$x-$n"); &{"P5spyA::$x"}($n) }
}
P5spyA::pads(3);
# The parser waits for more of a file: then PL_curcop is &PL_compiling.
open(P5spyINPUT, '<&STDIN'); unshift @INC, sub { $_[1] eq 'p5spy-input.pl' ? \*P5spyINPUT : () };
P5spyA::say('stop', 'parse'); P5spyA::loader(1); shift @INC;
# Naming evals by their place makes perl set up *DB::sub, and Time::HiRes leaves a key in
# PL_modglobal; either may be missing. 5.6 looks for the name in the package that is current.
package DB;
$^P = 0x100; $^P = 0;
package main;
$x = 0 + \*DB::sub; P5spyA::say('glob', 'DB::sub', $x);
eval q{require Time::HiRes} || eval q{require threads};
P5spyA::say('stop', 'last'); P5spyA::n01(1);
P5spyA::say('end');
