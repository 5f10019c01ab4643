package Tell;

# Says which process this is: the one that starts it knows only wine's.
syswrite STDOUT, "pid\t$$\n";

1;
