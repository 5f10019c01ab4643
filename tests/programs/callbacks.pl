# stops: 1
# 50 callbacks deep, through packages and kinds of calls in turn.
use strict;
use Oracle ();

package Layer::Sub;
sub call { my ($code, $n) = @_; return $code->($n) }
package Layer::Method;
sub call { my ($class, $code, $n) = @_; return $code->($n) }
package Layer::Eval;
sub call {
    my ($code, $n) = @_;
    my $r = eval { $code->($n) };
    return $r;
}
package Layer::Sort;
sub call { my ($code, $n) = @_; my @x = sort { $code->($n); 0 } 1, 2; return @x }
package Layer::Text;
sub call { my ($code, $n) = @_; return eval q{ $code->($n) } }
package Layer::Map;
sub call { my ($code, $n) = @_; map { $code->($n) } 1 }

package main;
sub step {
    my ($n) = @_;
    return Oracle::here('50 deep') if $n == 0;
    my $kind = $n % 6;
    return Layer::Sub::call(\&step, $n - 1) if $kind == 0;
    return Layer::Method->call(\&step, $n - 1) if $kind == 1;
    return Layer::Eval::call(\&step, $n - 1) if $kind == 2;
    return Layer::Sort::call(\&step, $n - 1) if $kind == 3;
    return Layer::Text::call(\&step, $n - 1) if $kind == 4;
    return Layer::Map::call(\&step, $n - 1);
}
step(50);
