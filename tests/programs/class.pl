# needs perl 5.38
# stops: 5
# The class feature.
use v5.38;
use feature 'class';
no warnings;
use Oracle ();

class Point {
    field $x :param = 0;
    field $y = Oracle::here('field');
    field $z = do {
        my $n = 1;
        Oracle::here('field over lines');
        $n;
    };
    ADJUST { Oracle::here('ADJUST'); }
    method where { Oracle::here('method'); return $x }
}
class Point3D :isa(Point) {
    method deep { my $m = method { Oracle::here('anonymous method') }; $self->$m }
}
my $point = Point3D->new(x => 1);
$point->where;
$point->deep;
