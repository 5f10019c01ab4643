//! The formats by name, extension and viewer.

use std::path::Path;

/// What a recording is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A picture to open in a browser.
    Flamegraph,
    /// The same in the order of time.
    Flamechart,
    /// One line per stack.
    Collapsed,
    /// For the page speedscope.
    Speedscope,
    /// For `pprof`.
    Pprof,
    /// For KCachegrind and `callgrind_annotate`.
    Callgrind,
    /// For the Firefox Profiler.
    Firefox,
    /// For Perfetto and `chrome://tracing`.
    Chrometrace,
    /// The report.
    Html,
    /// Every sample, to be rendered later.
    P5spy,
}

/// What there is to know of a format.
#[derive(Debug, Clone, Copy)]
struct FormatFacts {
    name: &'static str,
    /// Endings of file names, the usual one first.
    endings: &'static [&'static str],
    help: &'static str,
    viewer: &'static str,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 10] = [
        Format::Flamegraph,
        Format::Flamechart,
        Format::Collapsed,
        Format::Speedscope,
        Format::Pprof,
        Format::Callgrind,
        Format::Firefox,
        Format::Chrometrace,
        Format::Html,
        Format::P5spy,
    ];

    fn facts(self) -> FormatFacts {
        let facts = |name, endings, help, viewer| FormatFacts {
            name,
            endings,
            help,
            viewer,
        };
        match self {
            Format::Flamegraph => facts(
                "flamegraph",
                &[".svg"],
                "A picture to open in a browser",
                "open it in a browser; click to zoom, Ctrl-F to search",
            ),
            Format::Flamechart => facts(
                "flamechart",
                &[".chart.svg"],
                "The same in the order of time",
                "open it in a browser; time goes from the left to the right",
            ),
            Format::Collapsed => facts(
                "collapsed",
                &[".folded", ".txt", ".collapsed"],
                "One line per stack: frame;frame;frame count",
                "speedscope, flamegraph.pl and inferno-flamegraph read it",
            ),
            Format::Speedscope => facts(
                "speedscope",
                &[".speedscope.json"],
                "For speedscope, with the order in time",
                "drop it onto the speedscope page, or run: speedscope FILE",
            ),
            Format::Pprof => facts(
                "pprof",
                &[".pb.gz", ".pprof"],
                "For pprof",
                "go tool pprof -http=: FILE",
            ),
            Format::Callgrind => facts(
                "callgrind",
                &[".callgrind"],
                "For KCachegrind, with costs by line",
                "kcachegrind FILE, or callgrind_annotate FILE",
            ),
            Format::Firefox => facts(
                "firefox",
                &[".json.gz", ".firefox.json"],
                "For the Firefox Profiler",
                "drop it onto the page of the Firefox Profiler",
            ),
            Format::Chrometrace => facts(
                "chrometrace",
                &[".trace.json"],
                "For Perfetto and chrome://tracing",
                "drop it onto the page of Perfetto, or load it in chrome://tracing",
            ),
            Format::Html => facts(
                "html",
                &[".html", ".htm"],
                "The report: annotated source, flame graph, time line",
                "open it in a browser; it needs no network",
            ),
            Format::P5spy => facts(
                "p5spy",
                &[".p5spy"],
                "Every sample, for p5-spy report",
                "p5-spy report FILE -o picture.svg",
            ),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// What it is, for the help.
    pub fn help(self) -> String {
        let facts = self.facts();
        format!("{} ({})", facts.help, facts.endings.join(", "))
    }

    /// How to look at a file.
    pub fn viewer(self) -> &'static str {
        self.facts().viewer
    }

    /// The usual ending of its files' names, with the dot.
    pub fn ending(self) -> &'static str {
        self.facts().endings.first().copied().unwrap_or_default()
    }

    /// It shows when something happened, not only how often.
    pub fn needs_times(self) -> bool {
        matches!(
            self,
            Format::Flamechart
                | Format::Speedscope
                | Format::Firefox
                | Format::Chrometrace
                | Format::Html
        )
    }

    /// It shows the text of the program.
    pub fn needs_sources(self) -> bool {
        matches!(self, Format::Html | Format::P5spy)
    }

    /// The format that a file's name stands for.
    pub fn of_file(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?.to_ascii_lowercase();
        if name.starts_with("callgrind.out.") {
            return Some(Format::Callgrind);
        }
        // Of several endings the longest: one may be the end of another.
        let length = |format: &Format| {
            let endings = format.facts().endings.iter();
            let fitting = endings.filter(|ending| name.ends_with(**ending));
            fitting.map(|ending| ending.len()).max()
        };
        let known = Format::ALL
            .into_iter()
            .filter_map(|f| Some((length(&f)?, f)));
        known.max_by_key(|(length, _)| *length).map(|(_, f)| f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_formats() {
        for (file, format) in [
            ("a.SVG", Some(Format::Flamegraph)),
            ("a.chart.svg", Some(Format::Flamechart)),
            ("a.txt", Some(Format::Collapsed)),
            ("a.speedscope.json", Some(Format::Speedscope)),
            ("a.pb.gz", Some(Format::Pprof)),
            ("/x/callgrind.out.123", Some(Format::Callgrind)),
            ("a.json.gz", Some(Format::Firefox)),
            ("a.trace.json", Some(Format::Chrometrace)),
            ("a.html", Some(Format::Html)),
            ("a.p5spy", Some(Format::P5spy)),
            ("a.json", None),
            ("svg", None),
        ] {
            assert_eq!(Format::of_file(Path::new(file)), format, "{file}");
        }
        for format in Format::ALL {
            let file = format!("x{}", format.ending());
            assert_eq!(Format::of_file(Path::new(&file)), Some(format));
        }
    }
}
