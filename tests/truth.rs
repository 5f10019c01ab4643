//! No sampled stack may be one that the program cannot have had: a quick turn of
//! `benches/truth.rs` on the programs that tear most easily.

#[path = "../benches/truth/mod.rs"]
mod harness;
mod loudly;

use harness::distance::{distance, noise};
use harness::perl::perls;
use harness::trial::{Effort, run};
use harness::{contact, programs, rules};
use loudly::loudly;

#[test]
fn the_judge_knows_right_from_wrong() {
    rules::check_the_judge();
}

#[test]
fn chance_explains_the_distance_of_what_is_alike_and_no_other() {
    // Many more kinds than the shorter sequence has looks.
    let mut random = fastrand::Rng::with_seed(7);
    let mut draw = |count: usize, favoured: u32| -> Vec<u32> {
        (0..count)
            .map(|_| match random.f64() < 0.3 {
                true => favoured + random.u32(..10),
                false => random.u32(..4000),
            })
            .collect()
    };
    let (left, alike, other) = (draw(20_000, 50), draw(400, 50), draw(400, 70));
    assert!(distance(&left, &alike) <= noise(&left, &alike).limit);
    assert!(distance(&left, &other) > noise(&left, &other).limit);
}

#[test]
fn no_stack_is_impossible() {
    let folder = tempfile::tempdir().unwrap();
    let programs = programs::programs(
        folder.path(),
        Some("chain50,fib,evals,closures,callbacks,pool"),
    );
    let sources = contact::sources();
    let effort = Effort {
        samples: 2500,
        stops: 0,
        rate: 2000.0,
    };
    for perl in perls() {
        for program in &programs {
            let name = &program.name;
            let Some(outcome) = run(&perl, program, &sources, effort) else {
                loudly!("SKIPPED {name}: {perl} cannot run it, or there is no cc");
                continue;
            };
            let sampled = outcome.sampled;
            if sampled.approximate > 0 {
                loudly!("truth: nothing shown, as p5-spy could not share the target's CPU");
                return;
            }
            assert!(sampled.good >= 1000, "{perl} {name}: {:?}", sampled.reasons);
            assert_eq!(
                sampled.impossible, 0,
                "{perl} {name}: {:?}",
                sampled.reasons
            );
        }
    }
}
