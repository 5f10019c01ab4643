package Loaded::Chain;
use strict;
require Loaded::ChainEnd;
1;
