//! One program under one perl: samples, truth, and what the judge says of both.

use super::contact::{self, Cost, Samples, Wanted};
use super::distance::{Noise, distance, noise};
use super::frozen::stopped;
use super::perl::Running;
use super::pool;
use super::programs::Program;
use super::rules::{Place, Rules, Verdict};
use indexmap::IndexMap;
use p5_spy::layout::Sources;
use std::time::Duration;

/// How much to do.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Samples of the running program.
    pub samples: usize,
    /// Looks at the stopped program.
    pub stops: usize,
    /// Samples per second.
    pub rate: f64,
}

/// What was counted of one way to look.
#[derive(Debug, Default)]
pub struct Counted {
    pub good: u64,
    pub attempted: u64,
    pub torn: u64,
    pub missed: u64,
    pub failed: u64,
    pub approximate: u64,
    pub impossible: u64,
    pub wrong_lines: u64,
    pub cost: Cost,
    /// The most frequent reasons why stacks were not legal, and the kinds of failures.
    pub reasons: IndexMap<String, u64>,
    order: Vec<u32>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub sampled: Counted,
    pub stopped: Counted,
    pub distance: f64,
    pub noise: Noise,
    pub unwinds: bool,
}

impl Outcome {
    /// What is beyond the bar; nothing if all is well.
    pub fn broken(&self) -> Vec<&'static str> {
        let sampled = &self.sampled;
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let mut broken = Vec::new();
        let mut bar = |holds: bool, what| {
            if !holds {
                broken.push(what);
            }
        };
        bar(sampled.good > 0, "no sample");
        bar(sampled.impossible == 0, "impossible stacks");
        let wrong = share(sampled.wrong_lines, sampled.good);
        bar(wrong < 0.001 || self.unwinds, "wrong lines");
        bar(share(sampled.torn, sampled.attempted) < 0.002, "torn");
        let is_close = self.distance <= self.noise.limit;
        bar(is_close || self.stopped.good == 0, "distance");
        bar(self.stopped.impossible == 0, "impossible at rest");
        broken
    }
}

/// Distinct stacks of all samplers of a trial.
#[derive(Default)]
struct Known {
    stacks: IndexMap<Vec<Place>, Verdict>,
}

impl Known {
    fn count(&mut self, rules: &Rules, samples: Samples, into: &mut Counted) {
        let mut ids = Vec::with_capacity(samples.stacks.len());
        for stack in samples.stacks {
            let entry = self.stacks.entry(stack);
            let index = entry.index();
            entry.or_insert_with_key(|stack| rules.judge(stack));
            ids.push(index);
        }
        for place in &samples.order {
            let index = ids[*place as usize];
            into.order.push(index as u32);
            into.good += 1;
            let reason = match &self.stacks[index] {
                Verdict::Legal => continue,
                Verdict::WrongLine(why) => {
                    into.wrong_lines += 1;
                    format!("wrong line: {why}")
                }
                Verdict::Impossible(why) => {
                    into.impossible += 1;
                    format!("impossible: {why}")
                }
            };
            *into.reasons.entry(reason).or_default() += 1;
        }
        for error in samples.errors {
            *into.reasons.entry(error).or_default() += 1;
        }
        into.attempted += samples.attempted;
        into.torn += samples.torn;
        into.missed += samples.missed;
        into.failed += samples.failed;
        into.approximate += samples.approximate;
        into.cost.samples += samples.steady.samples;
        into.cost.cpu += samples.steady.cpu;
        into.cost.reads += samples.steady.reads;
    }
}

/// The rate that leaves the program most of its CPU: one that hardly moves between two samples shows
/// nothing.
fn bearable(running: &Running, program: &Program, sources: &Sources, rate: f64) -> f64 {
    const SHARE: f64 = 0.4;
    let wanted = Wanted {
        rate: rate.min(500.0),
        samples: 200,
        at_most: Duration::from_secs(5),
        warm: 50,
    };
    let all = contact::sample(&running.pids, sources, &program.path, wanted);
    let cost = all.iter().map(|s| s.steady.cpu.as_secs_f64()).sum::<f64>();
    let samples = all.iter().map(|s| s.steady.samples).sum::<u64>();
    rate.min(SHARE * samples as f64 / cost.max(1e-6)).max(100.0)
}

/// Runs a program and looks at it in both ways in turn, so that whatever else the machine does
/// falls on both.
/// `None` where this perl cannot run it.
pub fn run(perl: &str, program: &Program, sources: &Sources, effort: Effort) -> Option<Outcome> {
    let slices = (effort.samples / 2500).clamp(1, 20);
    let rules = &program.rules;
    let running = match rules.pool {
        0 => Running::start(perl, &program.path, &[]),
        threads => pool::start(perl, program, threads)?,
    };
    let mut known = Known::default();
    let (mut sampled, mut at_rest) = (Counted::default(), Counted::default());
    let samples = effort.samples.div_ceil(slices);
    let rate = bearable(&running, program, sources, effort.rate);
    let wanted = Wanted {
        rate,
        samples,
        // A program that waits is not sampled, and must come to an end too.
        at_most: Duration::from_secs_f64(5.0 + 10.0 * samples as f64 / rate),
        warm: (samples / 5).min(1000),
    };
    for _ in 0..slices {
        for samples in contact::sample(&running.pids, sources, &program.path, wanted) {
            known.count(&program.rules, samples, &mut sampled);
        }
        // Who stops a pool does not know which of its threads has which interpreter.
        if effort.stops == 0 || rules.pool > 0 {
            continue;
        }
        let stops = effort.stops.div_ceil(slices);
        let threads = program.rules.threads;
        for samples in stopped(&running.pids, threads, sources, &program.path, stops) {
            known.count(&program.rules, samples, &mut at_rest);
        }
    }
    Some(Outcome {
        distance: distance(&sampled.order, &at_rest.order),
        noise: noise(&sampled.order, &at_rest.order),
        unwinds: program.rules.unwinds,
        sampled,
        stopped: at_rest,
    })
}
