//! Disjoint sets of nodes that count what they hold and refuse to hold too much.

use std::collections::BTreeSet;

use hashbrown::HashMap;

/// Disjoint sets of nodes, with path halving. Each set knows whether it is somebody, and how many values of each
/// limited type it holds.
#[derive(Debug)]
pub(crate) struct Forest {
    parents: Vec<u32>,
    /// At roots: whether the set holds what makes a customer.
    somebody: Vec<bool>,
    limits: Vec<Counter>,
    /// At roots: the counts of the limits, as many to a word as fit; `width` words a node.
    counts: Vec<u32>,
    width: usize,
    /// At roots: the roots that they are never joined with.
    enemies: HashMap<u32, BTreeSet<u32>>,
}

/// Where the values of a limited type are counted. A count has room for twice the limit and stays there: what is above is
/// above.
#[derive(Debug, Clone, Copy)]
struct Counter {
    limit: u32,
    word: usize,
    shift: u32,
    most: u32,
}

/// Why a join is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The set would hold too many values: the place of the limit.
    Exceeded(usize),
    /// The sets are two persons by somebody's word.
    Separated,
}

impl Forest {
    /// `nodes` sets of one node each, nobody's and empty.
    pub(crate) fn new(nodes: u32, limits: Vec<u32>) -> Self {
        let length = nodes as usize;
        let (mut word, mut shift) = (0, 0);
        let limits: Vec<Counter> = limits
            .into_iter()
            .map(|limit| {
                let bits = (u32::BITS - limit.leading_zeros() + 1).min(u32::BITS);
                if shift + bits > u32::BITS {
                    (word, shift) = (word + 1, 0);
                }
                let counter = Counter {
                    limit,
                    word,
                    shift,
                    most: u32::MAX >> (u32::BITS - bits),
                };
                shift += bits;
                counter
            })
            .collect();
        let width = limits.last().map_or(0, |last| last.word + 1);
        Self {
            parents: (0..nodes).collect(),
            somebody: vec![false; length],
            limits,
            counts: vec![0; length * width],
            width,
            enemies: HashMap::new(),
        }
    }

    /// Makes a node that is alone somebody; it is a value of the limited type at `limit`, if any.
    pub(crate) fn make_somebody(&mut self, node: u32, limit: Option<usize>) {
        self.somebody[node as usize] = true;
        if let Some(counter) = limit.and_then(|limit| self.limits.get(limit).copied()) {
            self.set_count(node, counter, 1);
        }
    }

    pub(crate) fn find(&mut self, mut node: u32) -> u32 {
        loop {
            let parent = self.parents[node as usize];
            if parent == node {
                return node;
            }
            let grandparent = self.parents[parent as usize];
            self.parents[node as usize] = grandparent;
            node = grandparent;
        }
    }

    pub(crate) fn somebody(&self, root: u32) -> bool {
        self.somebody[root as usize]
    }

    /// Makes the set of a node somebody.
    pub(crate) fn become_somebody(&mut self, node: u32) {
        let root = self.find(node);
        self.somebody[root as usize] = true;
    }

    /// Whether any sets are kept apart by somebody's word.
    pub(crate) fn separates(&self) -> bool {
        !self.enemies.is_empty()
    }

    /// Keeps the sets of two nodes apart for good, unless they are one already.
    pub(crate) fn separate(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.enemies.entry(a).or_default().insert(b);
            self.enemies.entry(b).or_default().insert(a);
        }
    }

    /// Joins the sets of two nodes unless the result would hold more than a limit. A set that is over a limit by
    /// somebody's word may grow in other ways, and by values that it holds.
    pub(crate) fn join(&mut self, a: u32, b: u32) -> Result<(), Refusal> {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return Ok(());
        }
        if self.separated(a, b) {
            return Err(Refusal::Separated);
        }
        for (place, counter) in self.limits.iter().enumerate() {
            let (of_a, of_b) = (self.count(a, *counter), self.count(b, *counter));
            if of_a > 0 && of_b > 0 && of_a.saturating_add(of_b) > counter.limit {
                return Err(Refusal::Exceeded(place));
            }
        }
        self.unite(a, b);
        Ok(())
    }

    /// Joins the sets of two nodes whatever they hold, unless they are kept apart. Answers whether they are one.
    pub(crate) fn join_by_word(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a != b && self.separated(a, b) {
            return false;
        }
        if a != b {
            self.unite(a, b);
        }
        true
    }

    fn count(&self, root: u32, counter: Counter) -> u32 {
        self.counts[root as usize * self.width + counter.word] >> counter.shift & counter.most
    }

    fn set_count(&mut self, root: u32, counter: Counter, count: u32) {
        let word = &mut self.counts[root as usize * self.width + counter.word];
        *word = *word & !(counter.most << counter.shift) | count.min(counter.most) << counter.shift;
    }

    fn separated(&self, a: u32, b: u32) -> bool {
        self.separates() && self.enemies.get(&a).is_some_and(|enemies| enemies.contains(&b))
    }

    /// Joins two roots.
    fn unite(&mut self, a: u32, b: u32) {
        // The lower number stays root, which keeps the paths short enough together with halving.
        let (root, child) = (a.min(b), a.max(b));
        for place in 0..self.limits.len() {
            let counter = self.limits[place];
            let together = self
                .count(root, counter)
                .saturating_add(self.count(child, counter));
            self.set_count(root, counter, together);
        }
        self.somebody[root as usize] |= self.somebody[child as usize];
        self.parents[child as usize] = root;
        if self.separates()
            && let Some(enemies) = self.enemies.remove(&child)
        {
            for enemy in &enemies {
                if let Some(others) = self.enemies.get_mut(enemy) {
                    others.remove(&child);
                    others.insert(root);
                }
            }
            self.enemies.entry(root).or_default().extend(enemies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts of any limits, packed, against counts in the open.
    #[test]
    fn packed_counts_refuse_what_open_ones_do() {
        for limits in [
            vec![],
            vec![1],
            vec![1, 3, 5, 3],
            vec![u32::MAX, 1, u32::MAX - 1, 2],
            vec![7; 40],
            vec![1 << 30, 1 << 31, 1],
        ] {
            let nodes = 200_u32;
            let mut forest = Forest::new(nodes, limits.clone());
            let mut open: Vec<(Vec<u32>, Vec<u64>)> = Vec::new();
            for node in 0..nodes {
                let limit = (!limits.is_empty()).then(|| node as usize % limits.len());
                forest.make_somebody(node, limit);
                let count = (0..limits.len()).map(|place| u64::from(Some(place) == limit));
                open.push((vec![node], count.collect()));
            }
            let mut random = 7_u64;
            for _ in 0..2_000 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (a, b) = ((random >> 33) as u32 % nodes, (random >> 45) as u32 % nodes);
                let place = |node: u32| {
                    open.iter()
                        .position(|(members, _)| members.contains(&node))
                        .unwrap()
                };
                let (at_a, at_b) = (place(a), place(b));
                let fits = at_a == at_b
                    || open[at_a]
                        .1
                        .iter()
                        .zip(&open[at_b].1)
                        .zip(&limits)
                        .all(|((a, b), limit)| a + b <= u64::from(*limit));
                assert_eq!(forest.join(a, b).is_ok(), fits, "{limits:?}");
                if fits && at_a != at_b {
                    let (members, counts) = open[at_b].clone();
                    open[at_a].0.extend(members);
                    open[at_a].1.iter_mut().zip(counts).for_each(|(a, b)| *a += b);
                    open.swap_remove(at_b);
                }
            }
        }
    }

    #[test]
    fn a_count_above_its_room_stays_above_the_limit() {
        let mut forest = Forest::new(200, vec![1, 3]);
        (0..200).for_each(|node| forest.make_somebody(node, Some(0)));
        (1..199).for_each(|node| assert!(forest.join_by_word(0, node)));
        assert_eq!(forest.join(0, 199), Err(Refusal::Exceeded(0)));
    }
}
