package Loaded::UsesOther;

use strict;
use Loaded::OtherEnd 'x';

1;
