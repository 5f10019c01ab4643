//! Perls that exist only in memory, by every table, with words of them overwritten.

#[allow(dead_code)] // Other tests use the rest.
#[path = "../../../fake_perl/mod.rs"]
mod fake_perl;

use super::input::Input;
use super::replay;
use fake_perl::{Context, FakePerl, Model, StackModel};
use p5_spy::attach::{Demand, Loaded, Perl, Trial, Words};
use p5_spy::identity::Build;
use p5_spy::ids::Pid;
use p5_spy::image::Image;
use p5_spy::layout::{Origin, Resolved, Table, TableSet};
use p5_spy::perl::values::pads::Pads;
use p5_spy::platform::{Mapping, SharedCpu};
use std::path::Path;
use std::sync::LazyLock;

fn tables() -> &'static [Table] {
    static ALL: LazyLock<Vec<Table>> = LazyLock::new(|| {
        let set = TableSet::embedded();
        set.tables().cloned().collect()
    });
    &ALL
}

fn context(input: &mut Input<'_>) -> Context {
    let kind = input.byte();
    let (sub, oldcop) = (input.below(Model::SUBS), input.below(Model::COPS));
    match kind % 9 {
        0..=2 => Context::Sub { sub, oldcop },
        3 => Context::Format { sub, oldcop },
        4 => Context::EvalBlock { oldcop },
        5 => Context::EvalString { oldcop },
        6 => Context::Require { oldcop },
        7 => Context::FakeRegexSub { sub },
        _ => Context::Block((kind / 9) as u8),
    }
}

fn model(input: &mut Input<'_>) -> StackModel {
    let infos = 1 + input.byte() % 3;
    let contexts = |input: &mut Input<'_>| {
        let count = input.byte() % 6;
        (0..count).map(|_| context(input)).collect()
    };
    StackModel {
        infos: (0..infos).map(|_| contexts(input)).collect(),
        curcop: input.below(Model::COPS),
        garbage: 7,
    }
}

/// Words over others, until a zero.
fn damage(perl: &mut FakePerl, input: &mut Input<'_>) {
    while !input.is_empty() && input.byte() != 0 {
        let (segment, offset) = (input.below(0xffff), input.below(0xffff));
        perl.damage(segment, offset, input.word());
    }
}

/// A stack, and up to four moments of it.
pub fn stacks(data: &[u8]) {
    let mut input = Input(data);
    let table = &tables()[input.below(tables().len())];
    let stack = model(&mut input);
    let mut perl = FakePerl::build(table, &stack);
    let op = ["leavesub", "return", "nextstate", "entersub"][input.byte() % 4];
    perl.set_op(op);
    let mut moments = vec![perl.clone()];
    while !input.is_empty() && moments.len() < 4 {
        damage(&mut perl, &mut input);
        moments.push(perl.clone());
    }
    let pads = Pads {
        curpad: None,
        regex_pad: None,
        stack_base: None,
        savestack: None,
        has_stack: true,
    };
    let contexts: Vec<_> = moments.iter().map(|m| (m.context(), 0)).collect();
    replay::sample(&contexts, &perl.variables(), pads);
    for (context, _) in &contexts {
        replay::variables(context, &perl.variables(), None);
    }
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

/// The search for the variables of a perl whose symbols are gone.
pub fn search(data: &[u8]) {
    let mut input = Input(data);
    let unthreaded = |t: &&Table| t.build() == Build::Unthreaded;
    let tables: Vec<&Table> = tables().iter().filter(unthreaded).collect();
    let table = tables[input.below(tables.len())];
    let mut fake = FakePerl::build(table, &model(&mut input));
    let [runs, last] = fake.plant_ops(input.below(Model::COPS));
    fake.put_variable("Iop", if input.byte() & 1 == 1 { runs } else { last });
    for place in 0..input.byte() % 4 {
        let cop = fake.cop(input.below(Model::COPS));
        fake.put_beside(place, cop);
    }
    let names = fake.op_names();
    damage(&mut fake, &mut input);
    let names = vec![("PL_op_name".to_owned(), names)];
    let loaded = Loaded {
        image: Image::without_file(Path::new("perl"), table.abi(), names),
        bias: 0,
    };
    let layout = table.layout().clone();
    let resolved = Resolved {
        bound: layout.bind().expect("a table is complete"),
        layout,
        source: Origin::Table(table.name().into()),
    };
    let Ok(mut perl) = Perl::assemble(
        Pid::from(0),
        fake.memory(),
        &loaded,
        table.identity(),
        &resolved,
    ) else {
        return;
    };
    // Nobody has this id: it is not looked where it runs.
    let mut trial = Trial::new(SharedCpu::of_nobody(), fake.memory(), &MAPS);
    let words = Words::read(&mut trial, table.abi(), std::iter::once(fake.data()));
    let demand = Demand {
        frames: 1,
        looks: 3,
        hasty: true,
    };
    for places in words
        .candidates(&mut trial, &perl, true)
        .into_iter()
        .take(8)
    {
        perl.image = loaded.image.with_symbols(places);
        if let Ok(Some(main)) = perl.main_interpreter(fake.memory()) {
            let _ = trial.prove(&perl, main, demand);
        }
        let _ = words.debugger_sub(&mut trial, &perl);
    }
}
