# stops: 7
# Methods: class and object, inherited, SUPER::, AUTOLOAD, can, by name.
use strict;
use Oracle ();

package Animal;
use vars qw($AUTOLOAD);
sub new { my $class = shift; return bless {@_}, $class }
sub speak { my $self = shift; $self->sound(@_) }
sub sound { Oracle::here('inherited method') }
sub name {
    my $self = shift;
    Oracle::here('SUPER');
    return $self->{name};
}
sub AUTOLOAD {
    my $self = shift;
    return if $AUTOLOAD eq 'Dog::DESTROY';
    Oracle::here("AUTOLOAD for $AUTOLOAD");
}
sub DESTROY { }

package Dog;
use vars qw(@ISA);
@ISA = ('Animal');
sub name {
    my $self = shift;
    my $name = $self->SUPER::name();
    return "dog $name";
}
sub walk { Oracle::here('own method') }

package main;
my $dog = Dog->new(name => 'Rex');
$dog->speak(1);
$dog->name;
$dog->walk;
Dog->walk;
$dog->fetch_stick(2);
my $method = $dog->can('sound');
$dog->$method();
my $by_name = 'walk';
$dog->$by_name();
