//! What stands behind an option: how it is read, and what it may be.

use super::{By, Format};
use crate::ids::Pid;
use crate::native::NativeLevel;
use crate::perl::names::Synthetic;
use crate::platform::signals;
use crate::profile::Preset;
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

impl ValueEnum for NativeLevel {
    fn value_variants<'a>() -> &'a [Self] {
        &[NativeLevel::Calls, NativeLevel::All]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            NativeLevel::Calls => "calls",
            NativeLevel::All => "all",
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

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        &Preset::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
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

pub(super) fn parse_pid(text: &str) -> Result<Pid, String> {
    match text.parse::<i32>() {
        Ok(pid) if pid > 0 => Ok(pid.into()),
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
    match time(text) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration is a number of seconds above 0, such as 30 or 0.5, or has units, such as 30s, 5m, 1h30m or 250ms".into()),
    }
}

pub(super) fn parse_moment(text: &str) -> Result<Duration, String> {
    time(text).ok_or_else(|| {
        "a moment is a number of seconds since the start, such as 30 or 0.5, or has units, such as 30s, 5m, 1h30m or 250ms".into()
    })
}

/// Seconds, or numbers with their units, the largest unit first.
fn time(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut rest = text;
    let (mut sum, mut above) = (Duration::ZERO, f64::INFINITY);
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let end = behind.find(|c: char| !c.is_ascii_alphabetic());
        let (unit, next) = behind.split_at(end.unwrap_or(behind.len()));
        let seconds = match &*unit.to_ascii_lowercase() {
            "ms" => 0.001,
            "s" | "sec" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        let is_plain = |c: char| c.is_ascii_digit() || c == '.';
        if seconds >= above || !number.chars().all(is_plain) {
            return None;
        }
        above = seconds;
        let part = number.parse::<f64>().ok()? * seconds;
        sum = sum.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(sum)
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
    if !signals::ARE_SENT {
        return Err("this system has no signals; take --start-after".into());
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    match signals::harmless(name) {
        Some(signal) => Ok(signal),
        None if name == "USR1" => {
            Err("USR1 makes p5-spy write what there is so far; take USR2".into())
        }
        None => Err("take one of USR2, WINCH, URG, CONT, IO".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_may_have_units() {
        for (text, milliseconds) in [
            ("30", 30_000),
            ("0.5", 500),
            ("30s", 30_000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("250ms", 250),
            ("2M", 120_000),
        ] {
            let expected = Ok(Duration::from_millis(milliseconds));
            assert_eq!(parse_duration(text), expected, "{text}");
            assert_eq!(parse_moment(text), expected, "{text}");
        }
        for text in [
            "",
            "s",
            "5x",
            "5 m",
            "m5",
            "30m1h",
            "1m1m",
            "1h30",
            "-5s",
            "1e3s",
            "nan",
            "inf",
            "99999999999999999999d",
            "5\u{b5}s",
        ] {
            parse_duration(text).unwrap_err();
            parse_moment(text).unwrap_err();
        }
        parse_duration("0s").unwrap_err();
        assert_eq!(parse_moment("0s"), Ok(Duration::ZERO));
    }
}
