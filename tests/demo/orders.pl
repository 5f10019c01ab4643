#!/usr/bin/perl
# The demo of README's first command: a small report over made-up orders that runs for some
# seconds. Most of its time goes into Report::discount, which compiles its rules again and again.
use strict;
use warnings;

package Orders;

my @NAMES = qw(anvil bucket candle drill easel funnel gasket hinge);

sub new {
    my ($class, $count) = @_;
    my $seed = 42;
    my @lines;
    for my $id (1 .. $count) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        push @lines, join ',', $id, $NAMES[$seed % @NAMES], 1 + $seed % 9, 100 + $seed % 900;
    }
    return bless { lines => \@lines }, $class;
}

sub each_order {
    my ($self, $visit) = @_;
    for my $line (@{ $self->{lines} }) {
        $visit->(parse($line));
    }
}

sub parse {
    my ($line) = @_;
    my %order;
    @order{qw(id item quantity price)} = split /,/, $line;
    return \%order;
}

package Report;

sub discount {
    my ($order) = @_;
    my $rule = eval "sub { \$_[0]{quantity} > 5 ? $order->{price} * 0.9 : $order->{price} }" or die $@;
    return $rule->($order);
}

sub add {
    my ($totals, $order) = @_;
    $totals->{ $order->{item} } += $order->{quantity} * discount($order);
}

sub by_total {
    my ($totals) = @_;
    return sort { $totals->{$b} <=> $totals->{$a} } keys %$totals;
}

package main;

my $orders = Orders->new(4000);
my $until  = time + 6;
my %totals;
while (time < $until) {
    %totals = ();
    $orders->each_order(sub { Report::add(\%totals, $_[0]) });
}
printf "%-8s %12.2f\n", $_, $totals{$_} for Report::by_total(\%totals);
