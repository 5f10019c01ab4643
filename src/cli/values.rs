//! What stands behind an option: how it is read, and what it may be.

use super::{By, Format};
use crate::perl::names::Synthetic;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use std::time::Duration;

impl ValueEnum for Synthetic {
    fn value_variants<'a>() -> &'a [Self] {
        &[Synthetic::None, Synthetic::Default, Synthetic::All]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Synthetic::None => "none",
            Synthetic::Default => "default",
            Synthetic::All => "all",
        }))
    }
}

impl ValueEnum for By {
    fn value_variants<'a>() -> &'a [Self] {
        &[By::Function, By::Line, By::Package]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            By::Function => ("function", "A function, whatever line of it is executing"),
            By::Line => ("line", "A line of a function"),
            By::Package => ("package", "A package"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Format::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.help()))
    }
}

pub(super) fn parse_pid(text: &str) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err("a process id is a positive whole number, as ps and pgrep print it".into()),
    }
}

pub(super) fn parse_name(text: &str) -> Result<String, String> {
    match regex::bytes::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(regex::Error::Syntax(problem)) => {
            let last = problem.lines().last().unwrap_or_default();
            let what = last.strip_prefix("error: ").unwrap_or(last);
            Err(format!("it is no regular expression: {what}"))
        }
        Err(e) => Err(format!("it is no regular expression: {e}")),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number of samples per second, from 0.01 to 100000".into()),
    }
}

pub(super) fn parse_percent(text: &str) -> Result<f64, String> {
    match text.strip_suffix('%').unwrap_or(text).parse::<f64>() {
        Ok(percent) if (0.1..=100.0).contains(&percent) => Ok(percent),
        _ => Err("a share of a CPU is a number of percent, from 0.1 to 100".into()),
    }
}

pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration is a number of seconds above 0, such as 30 or 0.5".into()),
    }
}

pub(super) fn parse_moment(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(moment)) => Ok(moment),
        _ => Err("a moment is a number of seconds since the start, such as 30 or 0.5".into()),
    }
}

pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let unit = match &*unit.to_ascii_uppercase() {
        "" | "B" => Some(1.0),
        "K" | "KB" | "KIB" => Some(1024.0),
        "M" | "MB" | "MIB" => Some(1024.0 * 1024.0),
        "G" | "GB" | "GIB" => Some(1024.0 * 1024.0 * 1024.0),
        "T" | "TB" | "TIB" => Some(1024.0 * 1024.0 * 1024.0 * 1024.0),
        _ => None,
    };
    match (number.trim().parse::<f64>(), unit) {
        (Ok(number), Some(unit)) if number > 0.0 && number.is_finite() => {
            Ok((number * unit).ceil() as u64)
        }
        _ => Err("a size is a number of bytes, or with K, M, G or T behind it, such as 4G".into()),
    }
}

/// Signals that mean nothing to p5-spy, and that nobody sends by accident.
pub(super) fn parse_signal(text: &str) -> Result<i32, String> {
    let name = text.to_ascii_uppercase();
    match name.strip_prefix("SIG").unwrap_or(&name) {
        "USR2" => Ok(libc::SIGUSR2),
        "WINCH" => Ok(libc::SIGWINCH),
        "URG" => Ok(libc::SIGURG),
        "CONT" => Ok(libc::SIGCONT),
        "IO" => Ok(libc::SIGIO),
        "USR1" => Err("USR1 makes p5-spy write what there is so far; take USR2".into()),
        _ => Err("take one of USR2, WINCH, URG, CONT, IO".into()),
    }
}
