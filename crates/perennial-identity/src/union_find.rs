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
    limits: Vec<u32>,
    /// At roots: one count per limit.
    counts: Vec<u32>,
    /// At roots: the roots that they are never joined with.
    enemies: HashMap<u32, BTreeSet<u32>>,
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
        let counts = vec![0; length * limits.len()];
        Self {
            parents: (0..nodes).collect(),
            somebody: vec![false; length],
            limits,
            counts,
            enemies: HashMap::new(),
        }
    }

    /// Makes a node that is alone somebody; it is a value of the limited type at `limit`, if any.
    pub(crate) fn make_somebody(&mut self, node: u32, limit: Option<usize>) {
        self.somebody[node as usize] = true;
        if let Some(limit) = limit {
            self.counts[node as usize * self.limits.len() + limit] = 1;
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
        let width = self.limits.len();
        for (place, limit) in self.limits.iter().enumerate() {
            let of_a = self.counts[a as usize * width + place];
            let of_b = self.counts[b as usize * width + place];
            if of_a > 0 && of_b > 0 && of_a.saturating_add(of_b) > *limit {
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

    fn separated(&self, a: u32, b: u32) -> bool {
        self.separates() && self.enemies.get(&a).is_some_and(|enemies| enemies.contains(&b))
    }

    /// Joins two roots.
    fn unite(&mut self, a: u32, b: u32) {
        // The lower number stays root, which keeps the paths short enough together with halving.
        let (root, child) = (a.min(b), a.max(b));
        let width = self.limits.len();
        for place in 0..width {
            self.counts[root as usize * width + place] += self.counts[child as usize * width + place];
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
