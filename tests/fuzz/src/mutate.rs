//! Makes inputs of seeds.

use fastrand::Rng;

/// No input is longer.
const LONGEST: usize = 1 << 20;
/// Changes to one input, at the most.
const MOST_CHANGES: usize = 8;

/// Numbers at which programs go wrong.
const INTERESTING: [u64; 20] = [
    0,
    1,
    2,
    4,
    8,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xffc,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// A source of inputs, the same for the same seed.
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    random: Rng,
}

impl<'a> Mutator<'a> {
    pub fn new(seeds: &'a [Vec<u8>], seed: u64) -> Self {
        Mutator {
            seeds,
            random: Rng::with_seed(seed),
        }
    }

    /// The next input.
    pub fn make(&mut self, input: &mut Vec<u8>) {
        input.clear();
        match self.pick() {
            Some(seed) => input.extend_from_slice(seed),
            None => input.extend((0..self.random.usize(..64)).map(|_| 0)),
        }
        for _ in 0..=self.random.usize(..MOST_CHANGES) {
            self.change(input);
        }
        input.truncate(LONGEST);
    }

    fn pick(&mut self) -> Option<&'a [u8]> {
        let index = self.random.usize(..self.seeds.len().max(1));
        self.seeds.get(index).map(Vec::as_slice)
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        match self.random.u8(..16) {
            0..=2 => self.flip(input),
            3 => self.set(input),
            4..=7 => self.number(input),
            8 => self.digits(input),
            9 => self.add(input),
            10 => self.duplicate(input),
            11 => self.remove(input),
            12 => self.insert(input),
            13 => self.splice(input),
            14 => self.overwrite(input),
            _ => self.cut(input),
        }
    }

    /// A place and a length that fit.
    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.random.usize(..length.max(1));
        // Short ones are as likely as long ones.
        let most = 1 << self.random.u32(..12);
        let end = start + self.random.usize(..=most);
        start.min(length)..end.min(length)
    }

    fn flip(&mut self, input: &mut [u8]) {
        let (at, bit) = (self.random.usize(..input.len().max(1)), self.random.u8(..8));
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    fn set(&mut self, input: &mut [u8]) {
        let at = self.random.usize(..input.len().max(1));
        if let Some(byte) = input.get_mut(at) {
            *byte = self.random.u8(..);
        }
    }

    /// An interesting number, or one that is little more or less, in either order of bytes.
    fn number(&mut self, input: &mut [u8]) {
        let width = 1 << self.random.usize(..4);
        let value = match self.random.u8(..4) {
            0 => input.len() as u64,
            1 => self.random.u64(..),
            _ => INTERESTING[self.random.usize(..INTERESTING.len())],
        };
        let near = self.random.u64(..8).saturating_sub(5);
        let value = value.wrapping_add(near);
        let bytes = match self.random.bool() {
            true => value.to_le_bytes(),
            false => value.rotate_right(8 * width as u32).to_be_bytes(),
        };
        // Most numbers lie where they are aligned.
        let mut at = self.random.usize(..input.len().max(1));
        if self.random.u8(..4) > 0 {
            at -= at % width;
        }
        for (to, from) in input.iter_mut().skip(at).zip(bytes.iter().take(width)) {
            *to = *from;
        }
    }

    /// Another number in place of one that is written in digits.
    fn digits(&mut self, input: &mut Vec<u8>) {
        let start = self.random.usize(..input.len().max(1));
        let is_digit = |b: &u8| b.is_ascii_digit();
        let Some(skip) = input.iter().skip(start).position(is_digit) else {
            return;
        };
        let from = start + skip;
        let length = input.iter().skip(from).take_while(|b| is_digit(b)).count();
        let value = INTERESTING[self.random.usize(..INTERESTING.len())];
        let text = match self.random.u8(..6) {
            0 => format!("-{value}"),
            1 => format!("{value}.5"),
            2 => format!("{value:x}"),
            3 => "99999999999999999999".into(),
            _ => value.to_string(),
        };
        input.splice(from..from + length, text.bytes());
    }

    fn add(&mut self, input: &mut [u8]) {
        let at = self.random.usize(..input.len().max(1));
        let by = self.random.u8(1..35);
        if let Some(byte) = input.get_mut(at) {
            *byte = match self.random.bool() {
                true => byte.wrapping_add(by),
                false => byte.wrapping_sub(by),
            };
        }
    }

    fn duplicate(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input.len());
        let block = input.get(range).unwrap_or_default().to_vec();
        let to = self.random.usize(..=input.len());
        let times = 1 + self.random.usize(..3);
        if input.len() < LONGEST {
            input.splice(to..to, block.repeat(times));
        }
    }

    fn remove(&mut self, input: &mut Vec<u8>) {
        let range = self.range(input.len());
        input.drain(range);
    }

    fn insert(&mut self, input: &mut Vec<u8>) {
        let at = self.random.usize(..=input.len());
        let byte = self.random.u8(..);
        let count = self.random.usize(1..32);
        input.splice(at..at, std::iter::repeat_n(byte, count));
    }

    /// Its beginning, and another's end.
    fn splice(&mut self, input: &mut Vec<u8>) {
        if let Some(other) = self.pick() {
            input.truncate(self.random.usize(..=input.len()));
            let from = self.random.usize(..=other.len());
            input.extend_from_slice(&other[from..]);
        }
    }

    /// A piece of another, over its own bytes.
    fn overwrite(&mut self, input: &mut [u8]) {
        if let Some(other) = self.pick() {
            let range = self.range(other.len());
            let at = self.random.usize(..input.len().max(1));
            for (to, from) in input.iter_mut().skip(at).zip(&other[range]) {
                *to = *from;
            }
        }
    }

    fn cut(&mut self, input: &mut Vec<u8>) {
        input.truncate(self.random.usize(..=input.len()));
    }
}
