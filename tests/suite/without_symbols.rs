//! The search for the variables of a perl whose symbols are gone and which has each variable as a
//! global: on perls that exist only in memory, with every table of such a perl.

#[allow(dead_code)] // Another test uses the rest.
use crate::fake_perl;

use fake_perl::{Context, FakePerl, StackModel};
use p5_spy::attach::{Demand, Loaded, Perl, Trial, Words};
use p5_spy::identity::Build;
use p5_spy::ids::Pid;
use p5_spy::image::{Image, Symbol};
use p5_spy::layout::{Origin, Resolved, Table, TableSet};
use p5_spy::perl::locate::Interpreter;
use p5_spy::platform::{Mapping, SharedCpu};
use std::path::Path;

/// Two subs deep, at statement 2.
fn fake(table: &Table) -> FakePerl {
    let calls = [0, 1].map(|n| Context::Sub { sub: n, oldcop: n });
    let stack = StackModel {
        infos: vec![calls.to_vec()],
        curcop: 2,
        garbage: 7,
    };
    FakePerl::build(table, &stack)
}

fn perl(fake: &mut FakePerl, table: &Table) -> Perl {
    let names = vec![("PL_op_name".to_owned(), fake.op_names())];
    let loaded = Loaded {
        image: Image::without_file(Path::new("perl"), table.abi(), names),
        bias: 0,
    };
    let layout = table.layout().clone();
    let resolved = Resolved {
        bound: layout.bind().unwrap(),
        layout,
        source: Origin::Table(table.name().into()),
    };
    Perl::assemble(
        Pid::from(0),
        fake.memory(),
        &loaded,
        table.identity(),
        &resolved,
    )
    .unwrap()
}

/// The memory of a fake is one mapping.
const MAPS: [Mapping; 1] = [Mapping {
    start: 0x1000,
    end: 0x1000_0000,
    file_offset: 0,
    writable: true,
    executable: false,
    anonymous: true,
    heap: false,
}];

/// The likeliest places of the variables, by name.
fn likeliest(fake: &FakePerl, perl: &Perl, haste: bool) -> Option<Vec<(String, u64)>> {
    let mut trial = Trial::new(SharedCpu::of_nobody(), fake.memory(), &MAPS);
    let words = Words::read(&mut trial, perl.identity.abi, std::iter::once(fake.data()));
    let mut found = words.candidates(&mut trial, perl, haste).into_iter();
    let places = found.next()?.into_iter();
    Some(
        places
            .map(|(name, symbol)| (name, symbol.address))
            .collect(),
    )
}

fn each_table(mut check: impl FnMut(&Table, FakePerl)) {
    let tables = TableSet::embedded();
    let mut count = 0;
    for table in tables.tables().filter(|t| t.build() == Build::Unthreaded) {
        check(table, fake(table));
        count += 1;
    }
    assert!(count > 15, "{count} tables");
}

#[test]
fn the_variables_are_found_among_others_that_lead_to_ops() {
    each_table(|table, mut fake| {
        let [runs, _] = fake.plant_ops(2);
        fake.put_variable("Iop", runs);
        // As PL_eval_start and PL_eval_root do.
        let [_, root] = fake.plant_ops(3);
        fake.put_beside(0, fake.cop(3));
        fake.put_beside(1, root);
        // As PL_stack_sp may, for a moment.
        fake.put_beside(2, fake.cop(4));
        let perl = perl(&mut fake, table);
        let expected = ["curstackinfo", "curcop", "op"]
            .map(|name| (format!("PL_{name}"), fake.global(&format!("I{name}"))));
        for haste in [true, false] {
            let found = likeliest(&fake, &perl, haste);
            assert_eq!(found.as_deref(), Some(&expected[..]), "{}", table.name());
        }
        // And the stack walks out of them.
        let mut perl = perl;
        let mut trial = Trial::new(SharedCpu::of_nobody(), fake.memory(), &MAPS);
        let words = Words::read(&mut trial, table.abi(), std::iter::once(fake.data()));
        let places = words.candidates(&mut trial, &perl, true).remove(0);
        perl.image = perl.image.with_symbols(places);
        let main = perl.main_interpreter(fake.memory()).unwrap().unwrap();
        assert_eq!(trial.prove(&perl, main, Demand::patient(3)), Ok(()));
    });
}

#[test]
fn without_an_op_that_runs_nothing_is_found_in_haste() {
    each_table(|table, mut fake| {
        let perl = perl(&mut fake, table);
        assert_eq!(likeliest(&fake, &perl, true), None, "{}", table.name());
        let found = likeliest(&fake, &perl, false).unwrap();
        let expected = [
            ("PL_curstackinfo".to_owned(), fake.global("Icurstackinfo")),
            ("PL_curcop".to_owned(), fake.global("Icurcop")),
        ];
        assert_eq!(found, expected, "{}", table.name());
    });
}

#[test]
fn stack_infos_in_a_circle_are_refused_at_once() {
    each_table(|table, mut fake| {
        let info = fake.infos[0];
        fake.put(info, "stackinfo", "si_prev", info);
        fake.put(info, "stackinfo", "si_next", info);
        let mut perl = perl(&mut fake, table);
        for name in ["curstackinfo", "curcop"] {
            let address = fake.global(&format!("I{name}"));
            let size = u64::from(table.abi().pointer_size);
            let symbol = Symbol { address, size };
            let found = [(format!("PL_{name}"), symbol)];
            perl.image = perl.image.with_symbols(found);
        }
        let refusal = perl.examine(fake.memory(), &MAPS, Interpreter::Globals);
        let refusal = refusal.unwrap_err().to_string();
        assert!(
            refusal.contains("goes in a circle"),
            "{}: {refusal}",
            table.name()
        );
    });
}
