//! How far two distributions are apart, and how far two samples of one and the same would be.

/// Total variation distance of two sequences of kinds.
pub fn distance(left: &[u32], right: &[u32]) -> f64 {
    let kinds = kinds(left, right);
    apart(&shares(left, kinds), &shares(right, kinds))
}

fn kinds(left: &[u32], right: &[u32]) -> usize {
    let all = left.iter().chain(right);
    all.max().map_or(0, |k| *k as usize + 1)
}

fn shares(of: &[u32], kinds: usize) -> Vec<f64> {
    let mut shares = vec![0.0; kinds];
    for kind in of {
        shares[*kind as usize] += 1.0 / of.len() as f64;
    }
    shares
}

fn apart(left: &[f64], right: &[f64]) -> f64 {
    let pairs = left.iter().zip(right);
    pairs.map(|(l, r)| (l - r).abs()).sum::<f64>() / 2.0
}

/// What the distance would be by chance alone.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    pub mean: f64,
    /// Four standard deviations above the mean.
    pub limit: f64,
}

/// The distance that two sequences of one and the same distribution would have: what both are made
/// of is dealt out anew to two of their lengths. (To draw each anew from itself would not do: it
/// knows nothing of the many kinds that a short sequence has not met.) It is dealt out in blocks, as
/// neighbours in time are alike, above all where the program waits for a CPU.
pub fn noise(left: &[u32], right: &[u32]) -> Noise {
    const ROUNDS: usize = 200;
    const BLOCK: usize = 50;
    let mut random = fastrand::Rng::with_seed(1);
    let mut blocks: Vec<&[u32]> = left.chunks(BLOCK).chain(right.chunks(BLOCK)).collect();
    let rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            random.shuffle(&mut blocks);
            let dealt = blocks.concat();
            let (one, other) = dealt.split_at(left.len());
            distance(one, other)
        })
        .collect();
    let mean = rounds.iter().sum::<f64>() / ROUNDS as f64;
    let variance = rounds.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (ROUNDS - 1) as f64;
    Noise {
        mean,
        limit: mean + 4.0 * variance.sqrt(),
    }
}
