#![cfg_attr(fuzzing, no_main)]
p5_spy_fuzz::libfuzzer!(unwind);
