//! How far two distributions are apart, and how far two samples of one and the same would be.

/// Total variation distance of two sequences of kinds.
pub fn distance(left: &[u32], right: &[u32]) -> f64 {
    let kinds = left
        .iter()
        .chain(right)
        .max()
        .map_or(0, |k| *k as usize + 1);
    let share = |of: &[u32]| {
        let mut shares = vec![0.0; kinds];
        for kind in of {
            shares[*kind as usize] += 1.0 / of.len() as f64;
        }
        shares
    };
    let pairs = share(left).into_iter().zip(share(right));
    pairs.map(|(l, r)| (l - r).abs()).sum::<f64>() / 2.0
}

/// What the distance would be by chance alone.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    pub mean: f64,
    /// Four standard deviations above the mean.
    pub limit: f64,
}

/// The distance of two samples of these lengths that are drawn from both sequences together. They
/// are drawn in blocks, as neighbours in time are alike.
pub fn noise(left: &[u32], right: &[u32]) -> Noise {
    const BLOCK: usize = 50;
    const ROUNDS: usize = 100;
    let mut blocks: Vec<&[u32]> = left.chunks(BLOCK).chain(right.chunks(BLOCK)).collect();
    blocks.retain(|b| !b.is_empty());
    if blocks.is_empty() {
        return Noise {
            mean: 0.0,
            limit: 0.0,
        };
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut draw = |length: usize| {
        let mut drawn = Vec::with_capacity(length + BLOCK);
        while drawn.len() < length {
            drawn.extend_from_slice(blocks[random.usize(..blocks.len())]);
        }
        drawn.truncate(length);
        drawn
    };
    let rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| distance(&draw(left.len()), &draw(right.len())))
        .collect();
    let mean = rounds.iter().sum::<f64>() / ROUNDS as f64;
    let variance = rounds.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (ROUNDS - 1) as f64;
    Noise {
        mean,
        limit: mean + 4.0 * variance.sqrt(),
    }
}
