package Loaded::Waits;

Oracle::announce('file', __LINE__ + 1);
sysread(STDIN, $Loaded::Waits::byte, 1);

1;
