//! Reproducible chance: one generator stream for each person, visitor or table, so that nobody's life depends on
//! how many others were made before or in which order.

use std::f64::consts::TAU;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. Streams of different purposes are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Who a person is.
    Person = 0,
    /// What a person does.
    Life = 1,
    /// What a visitor without a name does.
    Visitor = 2,
    /// A test account.
    TestAccount = 3,
    /// Reference tables.
    Reference = 4,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    generator: ChaCha8Rng,
}

impl Chance {
    /// The stream of `purpose` with number `index`.
    pub(crate) fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream((index << 3) | purpose as u64);
        Self { generator }
    }

    /// A number in `[0, 1)`.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.generator.random()
    }

    /// A number in `[low, high)`.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// An integer in `[0, bound)`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The high half of the product is uniform but for a bias of bound / 2^64, and costs no loop.
        let product = u128::from(self.generator.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or_default()
    }

    /// True with the given probability.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// One of `items`, all equally likely.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.position(items.len())]
    }

    /// A position in a list of `len` items.
    pub(crate) fn position(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    /// One of `items`, each as likely as its weight says; the last where the weights are all zero.
    pub(crate) fn weighted<'a, T>(&mut self, items: &'a [T], weight: impl Fn(&T) -> f64) -> &'a T {
        let total: f64 = items.iter().map(&weight).sum();
        let mut rest = self.uniform() * total;
        for item in items {
            rest -= weight(item);
            if rest < 0.0 {
                return item;
            }
        }
        &items[items.len() - 1]
    }

    /// A waiting time with the given mean.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform()).ln()
    }

    /// A standard normal number (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// A count with the given mean. Means are small here, so that the product of uniforms (Knuth) is enough.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let limit = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0;
        while product > limit && count < 1_000 {
            product *= self.uniform();
            count += 1;
        }
        count
    }

    /// A gamma-distributed number with the given shape and rate (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64, rate: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0, rate) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v / rate;
            }
        }
    }

    /// A beta-distributed probability.
    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let x = self.gamma(a, 1.0);
        let y = self.gamma(b, 1.0);
        if x + y > 0.0 { x / (x + y) } else { 0.5 }
    }
}

/// A key that looks random and is unique: the finaliser of SplitMix64 is a bijection, so two different inputs never
/// meet as long as `number` stays below 2^20 and `owner` below 2^40.
pub(crate) fn unique_key(seed: u64, family: u8, owner: u64, number: u64) -> u64 {
    let input = (u64::from(family) << 60) | (owner << 20) | number;
    mix(input ^ mix(seed))
}

fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u32 = 20_000;

    /// Holds the mean and the variance of a distribution against the ones of its textbook.
    #[track_caller]
    fn check(mean: f64, variance: f64, mut draw: impl FnMut(&mut Chance) -> f64) {
        let mut chance = Chance::new(1, Purpose::Life, 1);
        let draws: Vec<f64> = (0..DRAWS).map(|_| draw(&mut chance)).collect();
        let found_mean = draws.iter().sum::<f64>() / f64::from(DRAWS);
        let found_variance =
            draws.iter().map(|x| (x - found_mean).powi(2)).sum::<f64>() / f64::from(DRAWS - 1);
        let error = (variance / f64::from(DRAWS)).sqrt();
        assert!(
            (found_mean - mean).abs() < 5.0 * error,
            "mean {found_mean}, expected {mean}"
        );
        assert!(
            (found_variance / variance - 1.0).abs() < 0.15,
            "variance {found_variance}, expected {variance}"
        );
    }

    #[test]
    fn distributions_have_the_moments_of_their_definitions() {
        check(0.5, 1.0 / 12.0, Chance::uniform);
        check(0.0, 1.0, Chance::normal);
        check(3.0, 9.0, |chance| chance.exponential(3.0));
        check(2.5, 2.5, |chance| chance.poisson(2.5) as f64);
        check(0.55 / 10.5, 0.55 / (10.5 * 10.5), |chance| {
            chance.gamma(0.55, 10.5)
        });
        check(6.2 / 3.7, 6.2 / (3.7 * 3.7), |chance| chance.gamma(6.2, 3.7));
        let (a, b) = (0.85, 2.9);
        check(a / (a + b), a * b / ((a + b).powi(2) * (a + b + 1.0)), |chance| {
            chance.beta(a, b)
        });
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| Chance::new(seed, purpose, index).below(u64::MAX);
        let base = first(7, Purpose::Life, 3);
        assert_eq!(base, first(7, Purpose::Life, 3));
        for other in [
            first(8, Purpose::Life, 3),
            first(7, Purpose::Person, 3),
            first(7, Purpose::Life, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn keys_are_unique() {
        let mut keys: Vec<u64> = (0..100_u64)
            .flat_map(|owner| {
                (0..50_u64).flat_map(move |n| [1, 2].map(|family| unique_key(7, family, owner, n)))
            })
            .collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
