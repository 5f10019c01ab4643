//! Frames that vanish into their callers: what a framework needs to get from one sub of the program to
//! the next one.

use super::{Profile, Run};
use crate::frames::{Frame, FrameKind, StackId, StackTree};
use indexmap::IndexMap;
use regex::Regex;

/// Frames that people know by the name of a framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Plack: components, builders, wrappers of middleware, servers.
    Plack,
    /// Mojolicious: hooks, routes, the event loop.
    Mojolicious,
    /// Catalyst: dispatcher, actions, engine.
    Catalyst,
    /// Moose, Class::MOP, Moo, Class::Method::Modifiers: method modifiers, delegation, construction.
    Moose,
}

impl Preset {
    /// All of them.
    pub const ALL: [Preset; 4] = [
        Preset::Plack,
        Preset::Mojolicious,
        Preset::Catalyst,
        Preset::Moose,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Plack => "plack",
            Preset::Mojolicious => "mojolicious",
            Preset::Catalyst => "catalyst",
            Preset::Moose => "moose",
        }
    }

    /// What the names of its frames look like.
    pub fn pattern(self) -> &'static str {
        match self {
            Preset::Plack => {
                r"^(?:Plack::(?:Component|Builder|Util|Loader|Runner|Handler|App::URLMap|App::Cascade|Server)\b|Plack::Middleware(?:::[\w:]+)?::(?:call|wrap|to_app|__ANON__)\b|HTTP::Server::PSGI\b|Starman\b|Starlet\b|Net::Server\b)"
            }
            Preset::Mojolicious => {
                r"^(?:Mojolicious::(?:Plugins|Routes|Commands|Command)\b|Mojolicious::(?:handler|dispatch|start|_exception|_action|__ANON__)\b|Mojo::Transaction::HTTP::server_read\b|Mojo::(?:Server|IOLoop|Reactor|EventEmitter|Promise|Hookable)\b)"
            }
            Preset::Catalyst => {
                r"^(?:Catalyst::(?:Dispatcher|DispatchType|Action|ActionChain|ActionContainer|ActionRole|Engine)\b|Catalyst::Controller::_[A-Z]+\b|Catalyst::(?:dispatch|execute|forward|detach|visit|go|handle_request|psgi_app|_finalized_psgi_app|__ANON__)\b)"
            }
            Preset::Moose => {
                r"^(?:Class::MOP::Method::Wrapped\b|Class::MOP::Class:::(?:before|after|around)\b|Moose::Meta::Method::(?:Delegation|Augmented|Overridden)\b|Moose::(?:super|inner|override|augment)\b|Moose::Object::(?:new|BUILDALL|BUILDARGS|DEMOLISHALL)\b|Moo::Object::(?:new|BUILDALL|BUILDARGS)\b|Class::Method::Modifiers\b)"
            }
        }
    }
}

/// Which frames vanish.
#[derive(Debug, Clone, Default)]
pub struct Fold {
    patterns: Vec<Regex>,
}

impl PartialEq for Fold {
    fn eq(&self, other: &Self) -> bool {
        self.patterns().eq(other.patterns())
    }
}

impl Fold {
    /// Those whose name one of the patterns matches.
    pub fn new(patterns: Vec<Regex>) -> Self {
        Fold { patterns }
    }

    /// True when no frame does.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().map(Regex::as_str)
    }

    fn takes(&self, frame: &Frame) -> bool {
        self.patterns.iter().any(|p| p.is_match(&frame.label))
    }
}

impl Profile {
    /// Folds frames into their callers: what they and their lines have is counted there. What nobody
    /// called stays, and so does what has its own place in the program.
    pub fn fold(&mut self, fold: &Fold) {
        if fold.is_empty() {
            return;
        }
        let folded: Vec<bool> = self.frames.iter().map(|frame| fold.takes(frame)).collect();
        // A block of a sub that vanishes vanishes with it.
        let is_block = |frame: &Frame| {
            frame.kind == FrameKind::Eval && frame.detail.as_deref() == Some("block")
        };
        let blocks: Vec<bool> = self.frames.iter().map(is_block).collect();
        let is = |list: &[bool], index: usize| list.get(index) == Some(&true);
        let mut stacks = StackTree::default();
        let mut now: Vec<Option<StackId>> = Vec::with_capacity(self.stacks.len());
        let mut vanished: Vec<bool> = Vec::with_capacity(self.stacks.len());
        for (caller, frame) in self.stacks.iter() {
            let above = caller.and_then(|c| now.get(c.index()).copied().flatten());
            let is_within = caller.is_some_and(|c| is(&vanished, c.index()));
            let vanishes = above.is_some()
                && (is(&folded, frame.index()) || is_within && is(&blocks, frame.index()));
            vanished.push(vanishes);
            now.push(match vanishes {
                true => above,
                false => Some(stacks.intern(above, frame)),
            });
        }
        let now = |stack: StackId| now.get(stack.index()).copied().flatten();
        let mut counts: IndexMap<(u32, StackId), u64> = IndexMap::new();
        for ((thread, stack), count) in std::mem::take(&mut self.counts) {
            if let Some(stack) = now(stack) {
                *counts.entry((thread, stack)).or_default() += count;
            }
        }
        let runs = std::mem::take(&mut self.runs).into_iter();
        self.runs = runs
            .filter_map(|run| now(run.stack).map(|stack| Run { stack, ..run }))
            .collect();
        self.counts = counts;
        self.stacks = stacks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;
    use crate::ids::Tid;
    use crate::profile::{About, Filter, ThreadAbout};
    use std::time::Duration;

    const STACK: [(&str, FrameKind); 8] = [
        ("(main)", FrameKind::Main),
        ("Plack::Runner::run", FrameKind::Sub),
        ("Plack::Util::run_app", FrameKind::Sub),
        ("eval {…}", FrameKind::Eval),
        ("MyApp::handle", FrameKind::Sub),
        ("eval {…}", FrameKind::Eval),
        ("Plack::Util::response_cb", FrameKind::Sub),
        ("MyApp::body", FrameKind::Sub),
    ];

    fn profile() -> Profile {
        let about = About {
            rate: 100.0,
            ..About::default()
        };
        let mut profile = Profile::picked(about, Filter::default(), true);
        for (index, (name, kind)) in (0u32..).zip(STACK) {
            let mut frame = Frame::new(kind, name.into(), "x.pl".into(), index + 1);
            frame.label = name.into();
            frame.detail = (kind == FrameKind::Eval).then(|| "block".into());
            profile.add_frame(frame);
            profile.add_stack(index.checked_sub(1), index).unwrap();
        }
        profile.add_thread(ThreadAbout {
            pid: Pid::from(1),
            title: "".into(),
            os_tid: Tid::from(1),
            perl_tid: None,
            interpreter: None,
        });
        for stack in 0..8 {
            let run = Run {
                stack: StackId::at(stack),
                thread: 0,
                count: 1,
                running: true,
                at: Duration::from_millis(10 * u64::from(stack)),
            };
            profile.add_run(run).unwrap();
        }
        profile
    }

    fn lines(profile: &Profile) -> Vec<(String, u64)> {
        let name = |frame: &crate::frames::FrameId| &*profile.frames[frame.index()].label;
        let line = |stack: crate::profile::Stack| {
            let names: Vec<&str> = stack.frames.iter().map(name).collect();
            (names.join(";"), stack.count)
        };
        profile.stacks().map(line).collect()
    }

    #[test]
    fn what_matches_vanishes_into_its_caller_with_its_own_blocks() {
        let mut folded = profile();
        let pattern = Regex::new(Preset::Plack.pattern()).unwrap();
        folded.fold(&Fold::new(vec![pattern]));
        let own = "(main);MyApp::handle;eval {…}";
        assert_eq!(
            lines(&folded),
            [
                ("(main)".to_owned(), 4),
                ("(main);MyApp::handle".to_owned(), 1),
                (own.to_owned(), 2),
                (format!("{own};MyApp::body"), 1),
            ]
        );
        assert_eq!(folded.runs.len(), 8);
        assert_eq!(folded.total(), 8);
    }

    #[test]
    fn whom_nobody_called_stays() {
        let mut folded = profile();
        folded.fold(&Fold::new(vec![Regex::new("").unwrap()]));
        assert_eq!(lines(&folded), [("(main)".to_owned(), 8)]);
        let mut same = profile();
        same.fold(&Fold::default());
        assert_eq!(lines(&same), lines(&profile()));
    }

    #[test]
    fn presets_take_dispatch_and_leave_the_program() {
        for (preset, taken, left) in [
            (
                Preset::Plack,
                &[
                    "Plack::Component::__ANON__[Plack/Component.pm:39]",
                    "Plack::Middleware::Session::call",
                ][..],
                &["Plack::Request::body_parameters", "MyPlack::Util::x"][..],
            ),
            (
                Preset::Mojolicious,
                &[
                    "Mojolicious::Plugins::emit_chain",
                    "Mojo::Reactor::Poll::one_tick",
                    "Mojolicious::_exception",
                ],
                &[
                    "Mojo::JSON::encode_json",
                    "Mojo::Template::process",
                    "Mojolicious::Controller::render",
                ],
            ),
            (
                Preset::Catalyst,
                &[
                    "Catalyst::Action::execute",
                    "Catalyst::Controller::_DISPATCH",
                    "Catalyst::dispatch",
                ],
                &["Catalyst::View::TT::process", "Catalyst::Request::body"],
            ),
            (
                Preset::Moose,
                &[
                    "Class::MOP::Class:::around",
                    "Class::MOP::Method::Wrapped::__ANON__[Class/MOP/Method/Wrapped.pm:89]",
                    "Moose::Object::new",
                ],
                &["Moose::Util::TypeConstraints::find", "MooseX::Foo::bar"],
            ),
        ] {
            let pattern = Regex::new(preset.pattern()).unwrap();
            for name in taken {
                assert!(pattern.is_match(name), "{name}");
            }
            for name in left {
                assert!(!pattern.is_match(name), "{name}");
            }
        }
    }
}
