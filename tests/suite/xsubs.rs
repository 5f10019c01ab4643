//! Every C function that runs has its name: some fifty of ten modules, called as functions, as methods
//! and by references.
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names; modules that it
//! does not have are left out, and that is said.

use crate::loudly;
use crate::make;
use crate::support;

use loudly::loudly;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use support::spy;

/// What is made first, and calls with the function that each runs: some milliseconds of work in C.
struct Module {
    name: &'static str,
    made: &'static str,
    calls: &'static [(&'static str, &'static str)],
}

const MODULES: &[Module] = &[
    Module {
        name: "List::Util",
        made: "my @n = map { $_ * 7919 % 100003 } 1 .. 100000; my @s = map { \"s$_\" } @n;
               sub gone { goto &List::Util::sum }
               my $code = \\&List::Util::min; my %by = (max => \\&List::Util::max);
               sub by_code { goto &$code } sub by_hash { goto &{$by{max}} }
               sub by_argument { my $c = shift; goto &$c }
               sub by_lookup { my $class = 'List::Util'; goto $class->can('product') }
               sub twice { goto &by_code }
               our $AUTOLOAD; sub AUTOLOAD { my $c = \\&List::Util::maxstr; goto &$c }",
        calls: &[
            ("List::Util::sum(@n)", "List::Util::sum"),
            ("List::Util::max(@n)", "List::Util::max"),
            ("List::Util::min(@n)", "List::Util::min"),
            ("List::Util::maxstr(@s)", "List::Util::maxstr"),
            ("List::Util::shuffle(@n)", "List::Util::shuffle"),
            ("List::Util::product(@n)", "List::Util::product"),
            ("List::Util->sum(@n)", "List::Util::sum"),
            ("my $m = 'minstr'; List::Util->$m(@s)", "List::Util::minstr"),
            ("my $c = \\&List::Util::minstr; $c->(@s)", "List::Util::minstr"),
            (
                "my %h = (c => \\&List::Util::max); $h{c}->(@n)",
                "List::Util::max",
            ),
            ("my $x = List::Util->can('sum'); &$x(@n)", "List::Util::sum"),
            ("main::gone(@n)", "List::Util::sum"),
            ("by_code(@n)", "List::Util::min"),
            ("by_hash(@n)", "List::Util::max"),
            ("by_argument(\\&List::Util::sum, @n)", "List::Util::sum"),
            ("by_lookup(@n)", "List::Util::product"),
            ("twice(@n)", "List::Util::min"),
            ("not_there(@n)", "List::Util::maxstr"),
        ],
    },
    Module {
        name: "Digest::MD5",
        made: "my $d = 'x' x 4e6; my $md5 = Digest::MD5->new; sub feed { goto $_[0]->can('add') }",
        calls: &[
            ("Digest::MD5::md5($d)", "Digest::MD5::md5"),
            ("Digest::MD5::md5_hex($d)", "Digest::MD5::md5_hex"),
            ("Digest::MD5::md5_base64($d)", "Digest::MD5::md5_base64"),
            ("$md5->add($d)", "Digest::MD5::add"),
            ("Digest::MD5::add($md5, $d)", "Digest::MD5::add"),
            ("feed($md5, $d)", "Digest::MD5::add"),
        ],
    },
    Module {
        name: "Digest::SHA",
        made: "my $d = 'x' x 1e6; my $sha = Digest::SHA->new(256);",
        calls: &[
            ("Digest::SHA::sha1($d)", "Digest::SHA::sha1"),
            ("Digest::SHA::sha256_hex($d)", "Digest::SHA::sha256_hex"),
            ("Digest::SHA::sha512_base64($d)", "Digest::SHA::sha512_base64"),
            ("Digest::SHA::hmac_sha256($d, 'key')", "Digest::SHA::hmac_sha256"),
            ("$sha->add($d)", "Digest::SHA::add"),
        ],
    },
    Module {
        name: "MIME::Base64",
        made: "my $d = 'x' x 4e6; my $e = MIME::Base64::encode_base64($d); require MIME::QuotedPrint;",
        calls: &[
            (
                "my $x = MIME::Base64::encode_base64($d)",
                "MIME::Base64::encode_base64",
            ),
            (
                "my $x = MIME::Base64::decode_base64($e)",
                "MIME::Base64::decode_base64",
            ),
            (
                "my $x = MIME::QuotedPrint::encode_qp($d)",
                "MIME::QuotedPrint::encode_qp",
            ),
        ],
    },
    Module {
        name: "Storable",
        made: "my $d = { map { $_ => [1 .. 5] } 1 .. 20000 }; my $deep = Storable->can('dclone');",
        calls: &[
            ("my $x = Storable::dclone($d)", "Storable::dclone"),
            ("my $x = Storable::mstore($d)", "Storable::mstore"),
            ("my $x = $deep->($d)", "Storable::dclone"),
        ],
    },
    Module {
        name: "Encode",
        made: "my $u = \"\\x{e4}\\x{20ac}b\" x 300000; my $o = Encode::encode('UTF-8', $u);
               my $utf8 = Encode::find_encoding('UTF-8');
               my $latin = Encode::find_encoding('iso-8859-15'); $latin->renew;
               my $l = \"\\xe4\" x 1000000; my $w = \"\\x{e4}b\" x 500000; utf8::upgrade($w);",
        calls: &[
            ("my $x = $utf8->encode($u)", "Encode::utf8::encode"),
            ("my $x = $utf8->decode($o)", "Encode::utf8::decode"),
            ("my $x = $latin->decode($l)", "Encode::XS::decode"),
            ("my $x = $latin->encode($w)", "Encode::XS::encode"),
            (
                "my $m = 'decode'; my $x = $utf8->$m($o)",
                "Encode::utf8::decode",
            ),
        ],
    },
    Module {
        name: "POSIX",
        made: "my $d = 'Ab' x 2e6; my $n = '1' x 3e6;",
        calls: &[
            ("my @x = POSIX::strtol($n, 7)", "POSIX::strtol"),
            ("my @x = POSIX::strtod($n)", "POSIX::strtod"),
            ("my $c = \\&POSIX::strtol; my @x = $c->($n, 9)", "POSIX::strtol"),
        ],
    },
    Module {
        name: "Compress::Raw::Zlib",
        made: "my $d = join '', map { $_ * 7919 } 1 .. 200000;
               my $z = Compress::Raw::Zlib::Deflate->new; my ($out, $in) = ('', '');
               my $zz = Compress::Raw::Zlib::Deflate->new;
               $zz->deflate($d, $in); $zz->flush(my $end); $in .= $end;",
        calls: &[
            (
                "my $x = Compress::Raw::Zlib::crc32($d)",
                "Compress::Raw::Zlib::crc32",
            ),
            (
                "my $x = Compress::Raw::Zlib::adler32($d)",
                "Compress::Raw::Zlib::adler32",
            ),
            (
                "$z->deflate($d, $out); $out = ''",
                "Compress::Raw::Zlib::deflateStream::deflate",
            ),
            (
                "my $i = Compress::Raw::Zlib::Inflate->new; my $c = $in; $i->inflate($c, my $x)",
                "Compress::Raw::Zlib::inflateStream::inflate",
            ),
        ],
    },
    Module {
        name: "JSON::XS",
        made: "my $j = JSON::XS->new; my $d = [map { { a => $_, b => [1 .. 20] } } 1 .. 4000];
               my $t = $j->encode($d); my %h = (c => JSON::XS->can('decode'));
               @Sub::Class::ISA = 'JSON::XS'; my $s = bless JSON::XS->new, 'Sub::Class';",
        calls: &[
            ("my $x = JSON::XS::encode_json($d)", "JSON::XS::encode_json"),
            ("my $x = JSON::XS::decode_json($t)", "JSON::XS::decode_json"),
            ("my $x = $j->encode($d)", "JSON::XS::encode"),
            ("my $x = $j->decode($t)", "JSON::XS::decode"),
            ("my $x = $h{c}->($j, $t)", "JSON::XS::decode"),
            ("my $m = 'decode'; my $x = $j->$m($t)", "JSON::XS::decode"),
            (
                "my $m = JSON::XS->can('encode'); my $x = $j->$m($d)",
                "JSON::XS::encode",
            ),
            ("my $x = $s->decode($t)", "JSON::XS::decode"),
        ],
    },
    Module {
        name: "Text::CSV_XS",
        made: "my $c = Text::CSV_XS->new({ binary => 1 });
               my $data = join(',', map { 'f' x 20 } 1 .. 60000) . \"\\n\"; $data x= 4;",
        calls: &[
            (
                "open my $fh, '<', \\$data or die; 1 while $c->getline($fh)",
                "Text::CSV_XS::getline",
            ),
            (
                "open my $fh, '<', \\$data or die; my $x = $c->getline_all($fh)",
                "Text::CSV_XS::getline_all",
            ),
        ],
    },
    Module {
        name: "DBD::SQLite",
        made: "require DBI; my $db = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', { RaiseError => 1 });
               my $sum = 'with recursive n(x) as (select 1 union all select x + 1 from n where x < 200000) select sum(x) from n';
               my $many = 'with recursive n(x) as (select 1 union all select x + 1 from n where x < 60000) select x, x from n';",
        calls: &[
            (
                "my $s = $db->prepare($sum); $s->execute",
                "DBI::st::execute",
            ),
            (
                "my $s = $db->prepare($many); $s->execute; my $x = $s->fetchall_arrayref",
                "DBI::st::fetchall_arrayref",
            ),
        ],
    },
];

fn perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

fn has(module: &Module) -> bool {
    let script = format!("require {}; {}", module.name, module.made);
    let output = Command::new(perl()).args(["-e", &script]).output().unwrap();
    output.status.success()
}

/// A program in which each call stands in a sub of its own, that uses up some CPU time.
fn program(module: &Module) -> String {
    let mut text = format!("use {}; {}\n", module.name, module.made);
    let mut all = String::new();
    for (number, (call, _)) in module.calls.iter().enumerate() {
        text += &format!(
            "sub call{number} {{ my $end = (times)[0] + 0.25; while ((times)[0] < $end) {{ {call} }} }}\n"
        );
        all += &format!("call{number}();");
    }
    text + &all
}

/// The samples of one sub.
#[derive(Debug, Clone, Default)]
struct Seen {
    all: u64,
    /// By what was seen right above it.
    above: BTreeMap<String, u64>,
}

fn seen(module: &Module) -> BTreeMap<String, Seen> {
    let folder = support::folder();
    let script = support::file(folder.path(), "calls.pl", &program(module));
    let out = folder.path().join("out.txt");
    let mut command = spy();
    command.args(["record", "-r", "400", "-f", "collapsed", "-o"]);
    command.arg(&out).arg("--").arg(perl()).arg(&script);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", module.name);
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for line in std::fs::read_to_string(&out).unwrap().lines() {
        let (stack, count) = line.rsplit_once(' ').unwrap();
        let count: u64 = count.parse().unwrap();
        let name = |frame: &str| frame.split(" (").next().unwrap().to_owned();
        let frames: Vec<String> = stack.split(';').map(name).collect();
        if let Some(at) = frames.iter().position(|f| f.starts_with("main::call")) {
            let seen = seen.entry(frames[at].clone()).or_default();
            seen.all += count;
            if let Some(above) = frames.get(at + 1) {
                *seen.above.entry(above.clone()).or_default() += count;
            }
        }
    }
    seen
}

#[test]
fn every_function_in_c_has_its_name() {
    let mut problems = Vec::new();
    for module in MODULES {
        if !has(module) {
            loudly!("SKIPPED: {} has no {}", perl().display(), module.name);
            continue;
        }
        let seen = seen(module);
        for (number, (call, function)) in module.calls.iter().enumerate() {
            let seen = seen.get(&format!("main::call{number}")).cloned();
            let seen = seen.unwrap_or_default();
            let count = seen.above.get(*function).copied().unwrap_or(0);
            // Perl makes what the call needs, and frees what it returns.
            if seen.all < 5 || 5 * count < seen.all {
                problems.push(format!("{call}: {seen:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Above the sub that calls it is an eval's context, which C has put there; the function is above that.
#[test]
fn a_function_that_catches_errors_has_its_name() {
    let folder = support::folder();
    let program = folder.path().join("catches");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interpreters/catches.c");
    let perl = perl();
    let perl = perl.to_str().unwrap();
    if !make::make(perl, std::path::Path::new(source), &program) {
        loudly!("SKIPPED a function that catches errors: needs cc and libperl-dev");
        return;
    }
    let mut command = Command::new(program);
    command.args(["-e", "sub work { catches() } work() while 1"]);
    let target = support::Target::of_command(command);
    let out = folder.path().join("out.folded");
    let pid = target.pid().to_string();
    let words = [
        "record",
        "--no-config",
        "-d",
        "2",
        "-r",
        "200",
        "--pid",
        &pid,
    ];
    support::run(&[&words[..], &["-o", support::text(&out)]].concat()).expect(0, "");
    let (mut named, mut all) = (0, 0);
    for (frames, count) in support::stacks(&std::fs::read_to_string(out).unwrap()) {
        let is_it = |frame: &String| frame.starts_with("main::catches");
        named += count * u64::from(frames.last().is_some_and(is_it));
        all += count;
    }
    assert!(all >= 20 && named * 10 >= all * 9, "{named} of {all}");
}
